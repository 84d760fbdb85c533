import Testing

@testable import Kernels

@Suite struct AlignedBufferTests {
  @Test("a buffer is aligned to a cache line and holds what is written", arguments: [0, 1, 1000, 3_000_000])
  func alignment(_ count: Int) {
    let buffer = AlignedBuffer<Float>(count: count)
    #expect(UInt(bitPattern: buffer.base) % 64 == 0)
    for i in 0..<count { buffer.base[i] = Float(i) }
    #expect((0..<count).allSatisfy { buffer.base[$0] == Float($0) })
  }

  @Test("a buffer grows when asked for more and stays when asked for less")
  func reserve() {
    var buffer = AlignedBuffer<UInt16>(count: 10)
    buffer.reserve(1000)
    #expect(buffer.count == 1000)
    let base = buffer.base
    buffer.reserve(5)
    #expect(buffer.count == 1000 && buffer.base == base)
  }

  @Test("rows of a weight start where the element type says", arguments: ElementType.allCases)
  func rows(_ elementType: ElementType) {
    let owner = Owner()
    let weight = Tensor(owner: owner, base: owner.base, elementType: elementType, rows: 6, columns: 3)
    let part = weight.rows(2..<5)
    #expect(part.rows == 3 && part.columns == 3)
    #expect(part.base == owner.base + 2 * 3 * elementType.byteCount)
  }
}

/// `@unchecked Sendable` invariant: nobody writes the memory.
private final class Owner: @unchecked Sendable {
  let base = UnsafeRawPointer(UnsafeMutableRawPointer.allocate(byteCount: 128, alignment: 64))
  deinit { base.deallocate() }
}
