import COCO
import Testing

@testable import HeadImpact

@Suite("Token masks")
struct CoverageTests {
  @Test(
    "coverage and token masks equal the reference's",
    arguments: try Golden.cases("coverage.json", as: Golden.Coverage.self))
  func golden(_ golden: Golden.Coverage) throws {
    let mask = rasterised(golden.rectangles, golden.height, golden.width)
    let (width, height) = (Double(golden.width), Double(golden.height))
    let (rows, cols) = (golden.grid[0], golden.grid[1])
    var cells: [Cell] = []
    for r in 0..<rows {
      for c in 0..<cols {
        var cell = Cell(
          x0: Double(c) * width / Double(cols), y0: Double(r) * height / Double(rows),
          x1: Double(c + 1) * width / Double(cols), y1: Double(r + 1) * height / Double(rows))
        if golden.padded {
          cell = Cell(
            x0: cell.x0 * 1.3 - 0.1 * width, y0: cell.y0 * 1.2, x1: cell.x1 * 1.3 - 0.1 * width, y1: cell.y1 * 1.2)
        }
        cells.append(cell)
      }
    }
    #expect(greatestDifference(cells.map { $0.coverage(by: mask) }, golden.coverage.values) < 1e-12)
    let chosen = Result { try TokenMask(of: mask, cells: cells, threshold: golden.threshold) }
    if golden.mask.values.contains(true) {
      #expect(try chosen.get().isObject == golden.mask.values)
    } else {
      #expect(throws: UnusableSample.maskTouchesNoVisualToken) { try chosen.get() }
    }
  }

  @Test("a mask that touches no cell makes the sample unusable")
  func untouched() {
    let mask = rasterised([[0, 2, 0, 2]], 10, 10)
    #expect(throws: UnusableSample.maskTouchesNoVisualToken) {
      try TokenMask(of: mask, cells: [Cell(x0: 2, y0: 2, x1: 10, y1: 10), Cell(x0: 10, y0: 0, x1: 20, y1: 10)])
    }
  }

  @Test("a small object is owned by the token it covers most")
  func mostCovered() throws {
    let mask = rasterised([[4, 6, 4, 7]], 10, 10)
    let halves = [Cell(x0: 0, y0: 0, x1: 5, y1: 10), Cell(x0: 5, y0: 0, x1: 10, y1: 10)]
    #expect(try TokenMask(of: mask, cells: halves).isObject == [false, true])
  }

  @Test("a cell covered to just the threshold is not in the mask")
  func atThreshold() throws {
    let mask = rasterised([[0, 4, 0, 2], [0, 4, 4, 8]], 4, 8)
    let halves = [Cell(x0: 0, y0: 0, x1: 4, y1: 4), Cell(x0: 4, y0: 0, x1: 8, y1: 4)]
    #expect(try TokenMask(of: mask, cells: halves).isObject == [false, true])
  }

  @Test("a cell without area covers nothing")
  func noArea() {
    let mask = rasterised([[0, 4, 0, 4]], 4, 4)
    for cell in [
      Cell(x0: 1, y0: 1, x1: 1, y1: 3), Cell(x0: 3, y0: 1, x1: 1, y1: 3), Cell(x0: -5, y0: 0, x1: 0, y1: 4),
      Cell(x0: .nan, y0: 0, x1: 2, y1: 4),
    ] { #expect(cell.coverage(by: mask) == 0) }
  }
}

/// - Parameter rectangles: each [y0, y1, x0, x1]
private func rasterised(_ rectangles: [[Int]], _ height: Int, _ width: Int) -> BinaryMask {
  var pixels = [UInt8](repeating: 0, count: height * width)
  for r in rectangles {
    for y in r[0]..<r[1] { for x in r[2]..<r[3] { pixels[y * width + x] = 1 } }
  }
  return BinaryMask(height: height, width: width, pixels: pixels)
}
