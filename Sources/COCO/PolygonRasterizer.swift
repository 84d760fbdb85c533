/// The mask inside polygons, pixel for pixel what pycocotools makes of them.
///
/// The outline is walked on a grid five times finer than the pixels. Where it passes the middle line of a column
/// of pixels, the row it passes at becomes a boundary; down each column, boundaries in order switch the
/// mask on and off. Rounding and clamping follow pycocotools 2.0.11, for its masks are the ground truth.
enum PolygonRasterizer {
  /// The steps on the fine grid that one annotation's outlines may take: far above any real outline, and
  /// still a fraction of a second.
  static let maximumSteps = 1 << 26
  private static let scale = 5.0

  /// - Parameter polygons: one list of x0, y0, x1, y1, … for each part; in pixels.
  /// - Throws: `COCOError` whose JSON path is below the list of polygons, such as `[0][5]`.
  static func mask(of polygons: [[Double]], height: Int, width: Int) throws -> BinaryMask {
    try BinaryMask.checkSize(height: height, width: width)
    let outlines = try fineOutlines(polygons)
    var canvas = MaskCanvas(height: height, width: width)
    var steps = 0
    for (part, outline) in outlines.enumerated() {
      for (a, b) in zip(outline, outline.dropFirst() + outline.prefix(1)) { steps += a.steps(to: b) }
      guard steps <= maximumSteps else {
        throw COCOError(
          jsonPath: "[\(part)]",
          problem: "the outline is over \(maximumSteps / Int(scale)) pixels long: such coordinates can't be meant")
      }
      let boundaries = boundaries(of: outline, height: height, width: width)
      for at in stride(from: 0, to: boundaries.count, by: 2) {
        let end = at + 1 < boundaries.count ? boundaries[at + 1] : height * width
        canvas.paint(boundaries[at]..<end)
      }
    }
    return canvas.mask
  }

  /// Refuses what no mask can be made of.
  static func check(_ polygons: [[Double]]) throws { _ = try fineOutlines(polygons) }

  private struct Point {
    var x: Int
    var y: Int

    func steps(to other: Point) -> Int { max(abs(other.x - x), abs(other.y - y)) + 1 }
  }

  private static func fineOutlines(_ polygons: [[Double]]) throws -> [[Point]] {
    guard !polygons.isEmpty else { throw COCOError(problem: "there is no polygon in the list") }
    return try polygons.enumerated().map { part, coordinates in try fineOutline(coordinates, part: part) }
  }

  private static func fineOutline(_ coordinates: [Double], part: Int) throws -> [Point] {
    guard coordinates.count >= 6 else {
      throw COCOError(
        jsonPath: "[\(part)]",
        problem: "a polygon of \(coordinates.count) coordinates: at least 6 (three points) are needed")
    }
    guard coordinates.count.isMultiple(of: 2) else {
      throw COCOError(
        jsonPath: "[\(part)]",
        problem: "a polygon of \(coordinates.count) coordinates: x and y alternate, so the number must be even")
    }
    let fine = try coordinates.enumerated().map { index, value in
      let fine = scale * value + 0.5
      guard abs(fine) < Double(maximumSteps) else {  // NaN fails too
        throw COCOError(
          jsonPath: "[\(part)][\(index)]",
          problem: "the coordinate \(value) lies beyond anything an image can have")
      }
      return Int(fine)
    }
    return stride(from: 0, to: fine.count, by: 2).map { Point(x: fine[$0], y: fine[$0 + 1]) }
  }

  /// Where the mask switches, as ascending column-major positions.
  private static func boundaries(of outline: [Point], height: Int, width: Int) -> [Int] {
    var boundaries: [Int] = []
    var last: Point?
    for (index, start) in outline.enumerated() {
      let end = outline[index + 1 == outline.count ? 0 : index + 1]
      walk(from: start, to: end) { point in
        if let previous = last, previous.x != point.x,
          let boundary = boundary(from: previous, to: point, height: height, width: width)
        {
          boundaries.append(boundary)
        }
        last = point
      }
    }
    boundaries.sort()
    return boundaries
  }

  /// Every point of the fine grid on the way, both ends included.
  @inline(__always)
  private static func walk(from start: Point, to end: Point, visit: (Point) -> Void) {
    let (dx, dy) = (abs(end.x - start.x), abs(end.y - start.y))
    let alongX = dx >= dy
    // An edge is always computed in the same direction, so that two polygons share it exactly.
    let flip = alongX ? start.x > end.x : start.y > end.y
    let (from, to) = flip ? (end, start) : (start, end)
    let length = alongX ? dx : dy
    let slope = length == 0 ? 0 : Double(alongX ? to.y - from.y : to.x - from.x) / Double(length)
    for step in 0...length {
      let t = flip ? length - step : step
      if alongX {
        visit(Point(x: from.x + t, y: Int(Double(from.y) + slope * Double(t) + 0.5)))
      } else {
        visit(Point(x: Int(Double(from.x) + slope * Double(t) + 0.5), y: from.y + t))
      }
    }
  }

  /// The position at which a step passes the middle line of a column of pixels; nil where it passes none.
  private static func boundary(from previous: Point, to point: Point, height: Int, width: Int) -> Int? {
    let x = (Double(point.x < previous.x ? point.x : point.x - 1) + 0.5) / scale - 0.5
    guard x.rounded(.down) == x, x >= 0, x <= Double(width - 1) else { return nil }
    let y = (Double(min(point.y, previous.y)) + 0.5) / scale - 0.5
    return Int(x) * height + Int(min(max(y, 0), Double(height)).rounded(.up))
  }
}

extension BinaryMask {
  /// The union of the insides of `polygons`, as pycocotools' `merge(frPyObjects(polygons, height, width))`.
  ///
  /// - Parameter polygons: one list of x0, y0, x1, y1, … for each part; in pixels.
  /// - Throws: `COCOError` for an impossible size, no polygon, a polygon of fewer than 6 or of an odd number of
  ///   coordinates, and coordinates that are no number or beyond any image.
  public init(polygons: [[Double]], height: Int, width: Int) throws {
    self = try PolygonRasterizer.mask(of: polygons, height: height, width: width)
  }
}
