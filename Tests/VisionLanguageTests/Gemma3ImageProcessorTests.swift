import Foundation
import IO
import ImageInput
import TestSupport
import Testing

@testable import VisionLanguage

@Suite("Gemma 3's image processor")
struct Gemma3ImageProcessorTests {
  @Test("an image has the pixels of transformers, and normalised values", arguments: try Gemma3Sample.all())
  func pixels(_ sample: Gemma3Sample) throws {
    let processor = try sample.model().images
    let image = try processor.stretched(sample.image())
    let side = image.width
    // The goldens are channels first.
    let ours = (0..<3).flatMap { channel in (0..<side * side).map { Int(image.pixels[$0 * 3 + channel]) } }
    let pixels = try sample.integers("pixels")
    #expect(ours == pixels)

    let batch = try processor(sample.image())
    let patches = side / processor.patchSize
    #expect(batch.grids == [PatchGrid(rows: patches, columns: patches)])
    let width = 3 * processor.patchSize * processor.patchSize
    #expect(batch.pixelValues.count == patches * patches * width)
    for (row, column, channel, y, x) in [(0, 0, 0, 0, 0), (patches - 1, 1, 2, 3, 5)] {
      let inImage = (row * processor.patchSize + y) * side + column * processor.patchSize + x
      let value = Float(Double(pixels[channel * side * side + inImage]) * 0.00392156862745098)
      let place = (channel * processor.patchSize + y) * processor.patchSize + x
      #expect(batch.pixelValues[(row * patches + column) * width + place] == (value - 0.5) / 0.5)
    }
  }

  @Test("cells and text are the reference's", arguments: try Gemma3Sample.all())
  func layout(_ sample: Gemma3Sample) throws {
    let model = try sample.model()
    let layout = try model.visualLayout(width: sample.input.width, height: sample.input.height)
    #expect(layout.text == sample.input.placeholder)
    #expect(layout.views.map(\.kind) == [.wholeImage])
    #expect(layout.grids.flatMap { [$0.rows, $0.cols] } == (try sample.integers("views")))
    #expect(layout.visualCells.flatMap { [$0.x0, $0.y0, $0.x1, $0.y1] } == (try sample.doubles("cells")))
    #expect(layout.imageTokens == layout.visualTokens && layout.positions == .sequential)
    #expect(layout.patches == model.configuration.vision.patchesASide * model.configuration.vision.patchesASide)
  }

  @Test("images of all sizes are stretched as transformers stretches them")
  func sizes() throws {
    let data = try Data(contentsOf: Goldens.root().appendingPathComponent("gemma3/sizes.json"))
    let rows = try #require(try JSONSerialization.jsonObject(with: data) as? [[Any]])
    #expect(rows.count >= 12)
    let processor = try #require(try Gemma3Sample.samples(of: "gemma3").first).model().images
    for row in rows {
      let (width, height) = (try #require(row[0] as? Int), try #require(row[1] as? Int))
      var pixels: [UInt8] = []
      for y in 0..<height {
        for x in 0..<width {
          for channel in 0..<3 { pixels.append(UInt8((7 * x + 13 * y + 5 * x * y + 80 * channel) % 256)) }
        }
      }
      let stretched = try processor.stretched(RGBImage(width: width, height: height, pixels: pixels))
      let digest = try stretched.pixels.withUnsafeBytes { try SHA256.hex(of: $0) }
      #expect(digest == row[2] as? String, "\(width) × \(height)")
    }
  }
}
