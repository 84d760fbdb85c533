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

  /// A polygon on the fine grid, and the steps round it.
  struct FineOutline {
    fileprivate let points: [Point]
    let steps: Int
  }

  fileprivate struct Point {
    var x: Int
    var y: Int

    func steps(to other: Point) -> Int { max(abs(other.x - x), abs(other.y - y)) + 1 }
  }

  /// - Parameter coordinates: x0, y0, x1, y1, …, in pixels. The last of an odd number is dropped, as pycocotools
  ///   does.
  /// - Throws: `COCOError` whose JSON path is below the polygon, such as `[5]`: fewer than three points, a coordinate
  ///   that no image can have.
  static func fineOutline(_ coordinates: [Double]) throws -> FineOutline {
    guard coordinates.count >= 6 else {
      throw COCOError(
        problem: "a polygon of \(coordinates.count) coordinates: at least 6 (three points) are needed")
    }
    var fine: [Int] = []
    fine.reserveCapacity(coordinates.count)
    for (index, value) in coordinates.enumerated() {
      let scaled = scale * value + 0.5
      guard abs(scaled) < Double(maximumSteps) else {  // NaN fails too
        throw COCOError(
          jsonPath: "[\(index)]", problem: "the coordinate \(value) lies outside any possible image")
      }
      fine.append(Int(scaled))
    }
    let points = (0..<fine.count / 2).map { Point(x: fine[2 * $0], y: fine[2 * $0 + 1]) }
    var steps = 0
    for (a, b) in zip(points, points.dropFirst() + points.prefix(1)) { steps += a.steps(to: b) }
    return FineOutline(points: points, steps: steps)
  }

  /// Counts the steps round one more outline of an annotation.
  ///
  /// - Throws: `COCOError` if they are too many; `steps` is unchanged then.
  static func count(_ outline: FineOutline, in steps: inout Int) throws {
    guard outline.steps <= maximumSteps - steps else {
      throw COCOError(
        problem: "the outline is over \(maximumSteps / Int(scale)) pixels long: such coordinates are not plausible")
    }
    steps += outline.steps
  }

  /// Sets the pixels inside an outline.
  static func paint(_ outline: FineOutline, on canvas: inout MaskCanvas) {
    let boundaries = boundaries(of: outline.points, height: canvas.height, width: canvas.width)
    for at in stride(from: 0, to: boundaries.count, by: 2) {
      let end = at + 1 < boundaries.count ? boundaries[at + 1] : canvas.height * canvas.width
      canvas.paint(boundaries[at]..<end)
    }
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

  /// Every point of the fine grid between two points, both ends included.
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

  /// The position at which a step passes the middle line of a column of pixels; nil if it passes none.
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
  /// - Throws: `COCOError` for an impossible size, no polygon, a polygon of fewer than 6 coordinates, and coordinates
  ///   that are not numbers or lie outside any image.
  public init(polygons: [[Double]], height: Int, width: Int) throws {
    try Self.checkSize(height: height, width: width)
    guard !polygons.isEmpty else { throw COCOError(problem: "there is no polygon in the list") }
    var canvas = MaskCanvas(height: height, width: width)
    var steps = 0
    for (part, coordinates) in polygons.enumerated() {
      do {
        let outline = try PolygonRasterizer.fineOutline(coordinates)
        try PolygonRasterizer.count(outline, in: &steps)
        PolygonRasterizer.paint(outline, on: &canvas)
      } catch let error as COCOError {
        throw COCOError(jsonPath: "[\(part)]" + error.jsonPath, problem: error.problem)
      }
    }
    self = canvas.mask
  }
}
