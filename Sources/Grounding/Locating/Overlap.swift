import COCO

extension BoundingBox {
  public var area: Double { width * height }

  /// The area of what two boxes have in common by that of both together; 0 if neither has an area.
  public func intersectionOverUnion(_ other: BoundingBox) -> Double {
    let across = min(x + width, other.x + other.width) - max(x, other.x)
    let down = min(y + height, other.y + other.height) - max(y, other.y)
    let shared = max(0, across) * max(0, down)
    let union = area + other.area - shared
    return union > 0 ? shared / union : 0
  }
}

extension BinaryMask {
  /// The numbers of pixels that are set in both, and in either.
  func overlap(_ other: BinaryMask) -> (intersection: Int, union: Int) {
    precondition((width, height) == (other.width, other.height))
    var (intersection, union) = (0, 0)
    for (a, b) in zip(pixels, other.pixels) {
      intersection += Int(a & b)
      union += Int(a | b)
    }
    return (intersection, union)
  }
}
