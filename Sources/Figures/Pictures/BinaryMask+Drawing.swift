import COCO
import HeadImpact

extension BinaryMask {
  /// Everything in some boxes.
  public init(width: Int, height: Int, boxes: some Sequence<PixelBox>) {
    var pixels = [UInt8](repeating: 0, count: width * height)
    for box in boxes { for y in box.rows { for x in box.columns { pixels[y * width + x] = 1 } } }
    self.init(height: height, width: width, pixels: pixels)
  }

  /// Whether a pixel is set, counted row by row.
  public subscript(pixel: Int) -> Bool { pixels[pixel] == 1 }

  /// The same at another size: a pixel is set where the one that its middle falls on is.
  public func resized(width: Int, height: Int) -> BinaryMask {
    guard (width, height) != (self.width, self.height) else { return self }
    let columns = (0..<width).map { (2 * $0 + 1) * self.width / (2 * width) }
    var resized: [UInt8] = []
    resized.reserveCapacity(width * height)
    for y in 0..<height {
      let row = (2 * y + 1) * self.height / (2 * height) * self.width
      for column in columns { resized.append(pixels[row + column]) }
    }
    return BinaryMask(height: height, width: width, pixels: resized)
  }

  /// The pixels that are set and no more than `reach` from one that isn't; beyond the picture's border none is.
  public func innerEdge(_ reach: Int) -> BinaryMask { edge(reach, of: 1) }

  /// The pixels that aren't set and no more than `reach` from one that is.
  public func outerEdge(_ reach: Int) -> BinaryMask { edge(reach, of: 0) }

  private func edge(_ reach: Int, of side: UInt8) -> BinaryMask {
    var edge = [UInt8](repeating: 0, count: pixels.count)
    for y in 0..<height {
      for x in 0..<width where pixels[y * width + x] == side && touches(x, y, 1 - side, within: reach) {
        edge[y * width + x] = 1
      }
    }
    return BinaryMask(height: height, width: width, pixels: edge)
  }

  private func touches(_ x: Int, _ y: Int, _ side: UInt8, within reach: Int) -> Bool {
    for otherY in y - reach...y + reach {
      for otherX in x - reach...x + reach {
        let isInside = otherX >= 0 && otherY >= 0 && otherX < width && otherY < height
        if (isInside ? pixels[otherY * width + otherX] : 0) == side { return true }
      }
    }
    return false
  }
}

/// Whole pixels of a picture: those of a visual token's cell, say.
public struct PixelBox: Sendable, Equatable {
  public let columns: Range<Int>
  public let rows: Range<Int>

  public init(columns: Range<Int>, rows: Range<Int>) {
    self.columns = columns
    self.rows = rows
  }

  /// The pixels whose middles lie in a cell.
  ///
  /// - Parameters:
  ///   - image: the size of the image that the cell is a part of.
  ///   - size: of the picture that the box is in: the same image, drawn at this size.
  public init(_ cell: Cell, of image: (width: Int, height: Int), in size: (width: Int, height: Int)) {
    func range(_ from: Double, _ to: Double, of side: Int, in drawn: Int) -> Range<Int> {
      let scale = Double(drawn) / Double(side)
      let first = min(max(Int((from * scale).rounded()), 0), drawn)
      return first..<max(first, min(Int((to * scale).rounded()), drawn))
    }
    columns = range(cell.x0, cell.x1, of: image.width, in: size.width)
    rows = range(cell.y0, cell.y1, of: image.height, in: size.height)
  }
}
