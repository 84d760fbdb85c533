import Foundation

/// Scratch memory of one owner: aligned to a cache line, not initialised, grown and never shrunk.
///
/// Debug builds put a guard on both sides and check it when the buffer is freed or grown, so that a kernel that
/// writes out of bounds is caught near the place.
struct AlignedBuffer<Element: BitwiseCopyable>: ~Copyable {
  private static var alignment: Int { 64 }
  private static var guardByte: UInt8 { 0xA5 }
  #if DEBUG
    private static var guardBytes: Int { 64 }
  #else
    private static var guardBytes: Int { 0 }
  #endif

  private var allocation: UnsafeMutableRawPointer
  /// The first element.
  private(set) var base: UnsafeMutablePointer<Element>
  /// The number of elements there is room for.
  private(set) var count: Int

  /// An uninitialised buffer with room for `count` elements.
  init(count: Int = 0) {
    (allocation, base) = Self.allocate(count)
    self.count = count
  }

  deinit {
    Self.checkGuards(allocation, count)
    free(allocation)
  }

  /// Makes room for at least `count` elements. What the buffer held is lost when it grows.
  mutating func reserve(_ count: Int) {
    guard count > self.count else { return }
    Self.checkGuards(allocation, self.count)
    free(allocation)
    (allocation, base) = Self.allocate(count)
    self.count = count
  }

  /// As `reserve`, and gives the first element.
  mutating func reserving(_ count: Int) -> UnsafeMutablePointer<Element> {
    reserve(count)
    return base
  }

  private static func allocate(_ count: Int) -> (UnsafeMutableRawPointer, UnsafeMutablePointer<Element>) {
    precondition(count >= 0)
    let bytes = count * MemoryLayout<Element>.stride
    let hugePage = 2 << 20
    let padded = (bytes + 2 * guardBytes + alignment - 1) / alignment * alignment
    let allocation = UnsafeMutableRawPointer.allocate(
      byteCount: max(padded, alignment), alignment: padded >= 2 * hugePage ? hugePage : alignment)
    #if os(Linux)
      // Fresh 4 KiB pages cost more than the arithmetic on them.
      if padded >= 2 * hugePage { madvise(allocation, padded, 14 /* MADV_HUGEPAGE */) }
    #endif
    #if DEBUG
      memset(allocation, Int32(guardByte), guardBytes)
      memset(allocation + guardBytes + bytes, Int32(guardByte), guardBytes)
    #endif
    return (allocation, (allocation + guardBytes).bindMemory(to: Element.self, capacity: count))
  }

  private static func checkGuards(_ allocation: UnsafeMutableRawPointer, _ count: Int) {
    #if DEBUG
      let end = allocation + guardBytes + count * MemoryLayout<Element>.stride
      for offset in 0..<guardBytes {
        precondition(
          allocation.load(fromByteOffset: offset, as: UInt8.self) == guardByte
            && end.load(fromByteOffset: offset, as: UInt8.self) == guardByte,
          "a kernel wrote outside its buffer")
      }
    #endif
  }
}
