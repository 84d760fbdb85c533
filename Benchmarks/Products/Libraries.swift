import CProductRates

/// The libraries that this machine has, loaded at run time.
struct Libraries {
  /// Its version; nil if it isn't installed.
  let oneDNN: String?
  let openBLAS: String?

  init() {
    oneDNN = headimpact_onednn_open().map { String(cString: $0) }
    openBLAS = headimpact_openblas_open().map { String(cString: $0) }
  }
}

/// What a library refused.
struct LibraryError: Error, CustomStringConvertible {
  let description: String
}

/// Bytes that this program allocated: the owner of tensors and what libraries get.
final class Memory: @unchecked Sendable {
  let base: UnsafeMutableRawPointer

  init(byteCount: Int) {
    base = .allocate(byteCount: max(byteCount, 64), alignment: 4096)
  }

  deinit { base.deallocate() }

  var floats: UnsafeMutablePointer<Float> { base.assumingMemoryBound(to: Float.self) }
  var bfloat16: UnsafeMutablePointer<UInt16> { base.assumingMemoryBound(to: UInt16.self) }
}

/// The numbers that all products take their weights from: bf16, as files have them, and the same in float32, as libraries take them.
///
/// A real pass reads each weight once, from memory. So each product takes the next ones, and caches don't hold them.
final class Pool {
  let count: Int
  let narrow: Memory
  let wide: Memory
  private var next = 0

  init(count: Int) {
    self.count = count
    narrow = Memory(byteCount: 2 * count)
    wide = Memory(byteCount: 4 * count)
    headimpact_bench_fill(narrow.bfloat16, wide.floats, count, 1)
  }

  /// Where a weight of that many elements lies.
  func offset(of elements: Int) -> Int {
    precondition(elements <= count)
    if next + elements > count { next = 0 }
    // The next one begins on a cache line.
    defer { next += (elements + 63) / 64 * 64 }
    return next
  }
}
