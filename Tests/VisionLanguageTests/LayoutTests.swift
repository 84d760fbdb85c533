import HeadImpact
import ImageInput
import Testing

@testable import VisionLanguage

@Suite("Visual layout")
struct LayoutTests {
  @Test("cells cut the original image as hi_reference.py does", arguments: try GoldenSample.all())
  func cells(_ sample: GoldenSample) throws {
    let open = try sample.open()
    let (width, height) = (sample.input.width, sample.input.height)
    let grid = try open.grid()
    let (rows, columns) = (grid.height / 2, grid.width / 2)
    let layout = try open.model.visualLayout(width: width, height: height)
    #expect(layout.grids == [ViewGrid(rows: rows, cols: columns)])
    #expect(layout.views.map(\.kind) == [.wholeImage])
    #expect(layout.text == String(repeating: "<|image_pad|>", count: rows * columns))
    #expect(layout.positions == .grid(rows: rows, columns: columns))
    #expect(layout.patches == grid.height * grid.width)
    #expect(layout.visualTokens == rows * columns)
    let expected = (0..<rows).flatMap { row in
      (0..<columns).map { column in
        Cell(
          x0: Double(column * width) / Double(columns), y0: Double(row * height) / Double(rows),
          x1: Double((column + 1) * width) / Double(columns), y1: Double((row + 1) * height) / Double(rows))
      }
    }
    #expect(layout.visualCells == expected)
  }

  @Test(
    "an image's tokens are as many as its size promised", arguments: [(1, 1), (1, 200), (200, 1), (3, 599), (300, 300)])
  func promise(_ width: Int, _ height: Int) throws {
    let model = try loadModel(checkpoint("nested"))
    let layout = try model.visualLayout(width: width, height: height)
    let image = RGBImage(width: width, height: height, pixels: [UInt8](repeating: 90, count: width * height * 3))
    let features = try model.encode(image, taps: .init())
    #expect(features.values.rows == layout.imageTokens && features.values.columns == 64)
    #expect(model.backend.read(features.values).allSatisfy { $0.isFinite })
    #expect(layout.visualCells.allSatisfy { $0.x0 < $0.x1 && $0.y0 < $0.y1 })
    #expect(layout.visualCells.last?.x1 == Double(width) && layout.visualCells.last?.y1 == Double(height))
  }

  @Test(
    "an image without a size, or longer than 200 times its width, is refused",
    arguments: [(1, 201), (201, 1), (0, 5), (5, 0), (-1, 5), (Int.max, Int.max), (Int.max, 1), (1, Int.min)])
  func extremes(_ width: Int, _ height: Int) throws {
    let model = try loadModel(checkpoint("nested"))
    #expect(throws: ImageError.self) { try model.visualLayout(width: width, height: height) }
  }
}
