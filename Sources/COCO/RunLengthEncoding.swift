/// COCO's run-length encoding of a mask: lengths of alternating runs of 0 and 1, the first of 0 (perhaps
/// empty), down the columns.
///
/// Equal to pycocotools' in what it decodes to and in the string it compresses to.
public struct RunLengthEncoding: Sendable, Equatable {
  public let height: Int
  public let width: Int
  /// The lengths of the runs; they sum to `height * width`.
  public let counts: [Int]

  /// Reads lengths of runs. Where they end early, after a run of 1, the rest is 0: some writers leave that last run
  /// out.
  ///
  /// - Throws: `COCOError` if the size is impossible, or if the counts are not a division of `height * width`
  ///   pixels.
  public init(height: Int, width: Int, counts: [Int]) throws {
    try BinaryMask.checkSize(height: height, width: width)
    guard !counts.isEmpty else { throw COCOError(problem: "there are no runs") }
    let pixels = height * width
    var sum = 0
    for (index, count) in counts.enumerated() {
      guard count >= 0, count <= pixels - sum else {
        throw COCOError(
          problem: count < 0
            ? "run \(index) has the length \(count): a length can't be negative"
            : "the runs leave the \(width) x \(height) mask: \(count) pixels in run \(index), \(pixels - sum) are left")
      }
      sum += count
    }
    self.height = height
    self.width = width
    var whole = counts
    if sum < pixels {
      guard whole.count.isMultiple(of: 2) else {
        throw COCOError(
          problem: "the runs sum to \(sum) pixels, the last of them of 0; a \(width) x \(height) mask has \(pixels)")
      }
      whole.append(pixels - sum)
    }
    self.counts = whole
  }

  /// Reads pycocotools' compressed string: from the fourth count on the difference to the count two before,
  /// in groups of 5 bits, low group first, each with a continuation bit, offset by the character `0`.
  ///
  /// - Throws: `COCOError` with the byte offset of what is not such a string, and as `init(height:width:counts:)`.
  public init(height: Int, width: Int, compressed: String) throws {
    try BinaryMask.checkSize(height: height, width: width)
    let pixels = height * width
    var counts: [Int] = []
    var value = 0
    var shift = 0
    for (offset, byte) in compressed.utf8.enumerated() {
      guard (48...111).contains(byte) else {
        throw COCOError(problem: "byte \(offset) of the compressed counts is \(byte): 48 to 111 are possible")
      }
      guard shift <= 55 else {
        throw COCOError(problem: "the count that ends at byte \(offset) of the compressed counts is too long")
      }
      let group = Int(byte) - 48
      value |= (group & 0x1f) << shift
      shift += 5
      if group & 0x20 != 0 { continue }
      if group & 0x10 != 0 { value |= -1 << shift }
      // At most 61 bits plus an earlier count that was in bounds: no overflow.
      if counts.count > 2 { value += counts[counts.count - 2] }
      guard (0...pixels).contains(value) else {
        throw COCOError(
          problem: "run \(counts.count) of the compressed counts has the length \(value): "
            + "0 to \(pixels) are possible in a \(width) x \(height) mask")
      }
      counts.append(value)
      value = 0
      shift = 0
    }
    guard shift == 0 else {
      throw COCOError(problem: "the compressed counts end inside a count")
    }
    try self.init(height: height, width: width, counts: counts)
  }

  public init(_ mask: BinaryMask) {
    var counts: [Int] = []
    var current: UInt8 = 0
    var length = 0
    for column in 0..<mask.width {
      for at in stride(from: column, to: mask.pixels.count, by: mask.width) {
        if mask.pixels[at] != current {
          counts.append(length)
          length = 0
          current = mask.pixels[at]
        }
        length += 1
      }
    }
    counts.append(length)
    height = mask.height
    width = mask.width
    self.counts = counts
  }

  public func decoded() -> BinaryMask {
    var canvas = MaskCanvas(height: height, width: width)
    paint(on: &canvas)
    return canvas.mask
  }

  /// Sets the pixels of the runs on a canvas of the same size.
  func paint(on canvas: inout MaskCanvas) {
    for run in runs { canvas.paint(run) }
  }

  /// The number of pixels that are set.
  public var area: Int { runs.reduce(0) { $0 + $1.count } }

  /// The smallest rectangle round the set pixels; all zero for an empty mask.
  ///
  /// - Units: pixels, from the top left corner.
  public var boundingBox: (x: Int, y: Int, width: Int, height: Int) {
    var (left, right, top, bottom) = (Int.max, -1, Int.max, -1)
    for run in runs where !run.isEmpty {
      let (first, last) = (run.lowerBound / height, (run.upperBound - 1) / height)
      left = min(left, first)
      right = max(right, last)
      // A run that continues in the next column has been at the bottom of one and at the top of the other.
      top = min(top, first == last ? run.lowerBound % height : 0)
      bottom = max(bottom, first == last ? (run.upperBound - 1) % height : height - 1)
    }
    guard right >= 0 else { return (0, 0, 0, 0) }
    return (left, top, right - left + 1, bottom - top + 1)
  }

  /// The counts as pycocotools' compressed string.
  public var compressed: String {
    var bytes: [UInt8] = []
    for (index, count) in counts.enumerated() {
      var value = index > 2 ? count - counts[index - 2] : count
      var more = true
      while more {
        var group = value & 0x1f
        value >>= 5
        more = group & 0x10 != 0 ? value != -1 : value != 0
        if more { group |= 0x20 }
        bytes.append(UInt8(group + 48))
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The runs of set pixels, in column-major order.
  private var runs: [Range<Int>] {
    var at = 0
    var runs: [Range<Int>] = []
    runs.reserveCapacity(counts.count / 2)
    for (index, count) in counts.enumerated() {
      if index % 2 == 1 { runs.append(at..<at + count) }
      at += count
    }
    return runs
  }
}
