import Foundation
import HeadImpact
import ImageInput
import TestSupport
import Testing

@testable import VisionLanguage

@Suite("PaliGemma's image processor")
struct PaliGemmaImageProcessorTests {
  @Test("an image has the pixels of transformers, and normalised values", arguments: try PaliGemmaSample.all())
  func pixels(_ sample: PaliGemmaSample) throws {
    let processor = try sample.model().images
    let view = try processor.stretched(sample.image())
    let side = processor.size.width
    // The goldens are channels first.
    let ours = (0..<3).flatMap { channel in (0..<side * side).map { Int(view.pixels[$0 * 3 + channel]) } }
    let pixels = try sample.integers("pixels")
    #expect(ours == pixels)

    let batch = try processor(sample.image())
    let patches = side / 14
    #expect(batch.grids == [PatchGrid(rows: patches, columns: patches)])
    #expect(batch.pixelValues.count == patches * patches * 3 * 14 * 14)
    for (row, column, channel, y, x) in [(0, 0, 0, 0, 0), (patches - 1, 1, 2, 3, 5)] {
      let value = Float(
        Double(pixels[(channel * side + row * 14 + y) * side + column * 14 + x]) * 0.00392156862745098)
      let place = (row * patches + column) * 3 * 14 * 14 + (channel * 14 + y) * 14 + x
      #expect(batch.pixelValues[place] == (value - 0.5) / 0.5)
    }
  }

  @Test("view, cells and text are the reference's", arguments: try PaliGemmaSample.all())
  func layout(_ sample: PaliGemmaSample) throws {
    let processor = try sample.model().processor
    let layout = try processor.layout(width: sample.input.width, height: sample.input.height)
    #expect(layout.text == sample.input.placeholder)
    #expect(layout.grids.flatMap { [$0.rows, $0.cols] } == (try sample.integers("views")))
    #expect(layout.visualCells.flatMap { [$0.x0, $0.y0, $0.x1, $0.y1] } == (try sample.doubles("cells")))
    #expect(layout.imageTokens == layout.visualTokens && layout.positions == .sequential)
    #expect(layout.views.map(\.kind) == [.wholeImage] && processor.viewKinds == [.wholeImage])
  }

  @Test("images of every shape are stretched as transformers does")
  func sizes() throws {
    let data = try Data(contentsOf: Goldens.root().appendingPathComponent("paligemma/sizes.json"))
    let rows = try JSONDecoder().decode([[Int]].self, from: data)
    #expect(rows.count >= 30)
    for row in rows {
      let (width, height, side) = (row[0], row[1], row[2])
      let view = try processor(#"{"size": {"height": \#(side), "width": \#(side)}}"#, imageSize: side)
        .stretched(pattern(width: width, height: height))
      // Channels first.
      var (sum, weighted, place) = (0, 0, 1)
      for channel in 0..<3 {
        for pixel in 0..<side * side {
          let value = Int(view.pixels[pixel * 3 + channel])
          sum += value
          weighted = (weighted + value * place) % (1 << 31)
          place += 1
        }
      }
      #expect([sum, weighted] == Array(row[3...]), "\(row)")
    }
  }

  @Test("published sizes have 256, 1024 and 4096 tokens", arguments: [(224, 16), (448, 32), (896, 64)])
  func published(size: Int, side: Int) throws {
    let processor = try processor(#"{"size": {"height": \#(size), "width": \#(size)}}"#, imageSize: size)
    let layout = try processor.layout(width: 640, height: 480)
    #expect(layout.visualTokens == side * side && layout.patches == side * side)
    #expect(
      layout.visualCells[side + 1]
        == Cell(x0: 640.0 / Double(side), y0: 480.0 / Double(side), x1: 1280.0 / Double(side), y1: 960.0 / Double(side))
    )
  }

  @Test("what the file leaves out is the default of transformers' class")
  func defaults() throws {
    let processor = try processor(#"{"image_std": 0.25, "do_convert_rgb": null}"#, imageSize: 224)
    #expect(processor.size == (224, 224) && processor.filter == .bicubic && processor.tokensASide == 16)
    #expect(
      processor.normalization.mean == [0.5, 0.5, 0.5] && processor.normalization.deviation == [0.25, 0.25, 0.25])
  }

  @Test(
    "a configuration that can't be followed is refused, naming the key",
    arguments: [
      (#"{"resample": 4}"#, "`resample` is 4"), (#"{"resample": null}"#, "`resample` is null"),
      (#"{"size": {"height": 224, "width": 448}}"#, "`size.width` is 448"),
      (#"{"size": {"shortest_edge": 224}}"#, "`size.height` is missing"), (#"{"size": null}"#, "`size` is null"),
      (#"{"image_processor_type": "CLIPImageProcessor"}"#, "`image_processor_type` is CLIPImageProcessor"),
      (#"{"do_resize": false}"#, "`do_resize` is false"), (#"{"do_center_crop": true}"#, "`do_center_crop` is true"),
      (#"{"do_pad": 1}"#, "`do_pad` must be true or false"),
    ])
  func refusals(json: String, expected: String) {
    let found = failure { try processor(json, imageSize: 224) }
    #expect(found?.contains(expected) == true, "\(found ?? "no error")")
  }

  @Test("an image of no size is refused", arguments: [(0, 5), (5, -1), (Int.max, 2)])
  func noSize(width: Int, height: Int) throws {
    let processor = try processor("{}", imageSize: 224)
    #expect(throws: ImageError.self) { try processor.layout(width: width, height: height) }
  }

  private func processor(_ json: String, imageSize: Int) throws -> StretchedImageProcessor {
    try ModelFolder.with(copyOf: "paligemma") { copy in
      try copy.write(json, to: "preprocessor_config.json")
      try copy.edit("config.json", "vision_config.image_size", "\(imageSize)")
      let configuration = try PaliGemmaConfiguration(ConfigurationFile(contentsOf: copy.file("config.json")))
      return try PaliGemmaModel.processor(
        ConfigurationFile(contentsOf: copy.file("preprocessor_config.json")), for: configuration.vision,
        resizing: .pillow)
    }
  }

  /// What tools/goldens/paligemma/make.py makes too.
  private func pattern(width: Int, height: Int) -> RGBImage {
    var pixels: [UInt8] = []
    for y in 0..<height {
      for x in 0..<width {
        for c in 0..<3 { pixels.append(UInt8((x * 7 + y * 13 + c * 29 + x * y % 31) % 256)) }
      }
    }
    return RGBImage(width: width, height: height, pixels: pixels)
  }
}
