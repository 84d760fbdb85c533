import COCO

extension Cell {
  /// The share of this cell's area that `mask` covers, in [0, 1]; 0 for a cell without area inside the image.
  ///
  /// A pixel on the cell's border counts by the part of it that lies inside. Only the cell's own pixels are visited, so
  /// a grid of cells costs one visit per pixel of the image, however fine it is.
  ///
  /// A cell covered to exactly the threshold must not be decided by rounding (half an image meets a whole row of such
  /// cells): sums of weights are already exact, and their products are computed with twice a Double's precision.
  public func coverage(by mask: BinaryMask) -> Double {
    guard let rows = Overlap(from: y0, to: y1, units: mask.height),
      let cols = Overlap(from: x0, to: x1, units: mask.width)
    else { return 0 }
    var area = ProductSum()
    area.add(rows.sum, cols.sum)
    guard area.high > 0 else { return 0 }
    var columns = [Double](repeating: 0, count: cols.units.count)
    mask.pixels.withUnsafeBufferPointer { pixels in
      columns.withUnsafeMutableBufferPointer { columns in
        for y in rows.units {
          let weight = rows.weight(y)
          let row = pixels[(y * mask.width + cols.units.lowerBound)..<(y * mask.width + cols.units.upperBound)]
          for (x, pixel) in row.enumerated() { columns[x] += weight * Double(pixel) }
        }
      }
    }
    var covered = ProductSum()
    for (x, column) in zip(cols.units, columns) where column > 0 { covered.add(column, cols.weight(x)) }
    return covered / area
  }
}

/// How much of each unit interval [i, i + 1), i in 0..<n, lies in [from, to).
private struct Overlap {
  let from: Double
  let to: Double
  let units: Range<Int>

  /// Nil if the two don't meet. NaN bounds meet nothing.
  init?(from: Double, to: Double, units n: Int) {
    guard from < to else { return nil }
    let first = max(from, 0).rounded(.down)
    let end = min(to, Double(n)).rounded(.up)
    guard first < end else { return nil }
    self.from = from
    self.to = to
    units = Int(first)..<Int(end)
  }

  func weight(_ i: Int) -> Double { min(max(min(to, Double(i + 1)) - max(from, Double(i)), 0), 1) }

  var sum: Double { units.reduce(0) { $0 + weight($1) } }
}

/// A sum of products as an unevaluated sum of two Doubles (Dekker's double-double).
private struct ProductSum {
  private(set) var high = 0.0
  private var low = 0.0

  mutating func add(_ a: Double, _ b: Double) {
    let product = a * b
    let productError = (-product).addingProduct(a, b)
    let sum = high + product
    let shift = sum - high
    low += ((high - (sum - shift)) + (product - shift)) + productError
    high = sum + low
    low -= high - sum
  }

  static func / (a: ProductSum, b: ProductSum) -> Double {
    let quotient = a.high / b.high
    let rest = a.high.addingProduct(-quotient, b.high)
    return quotient + (rest + a.low - quotient * b.low) / b.high
  }
}
