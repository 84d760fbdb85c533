import Foundation
import HeadImpact
import ImageInput
import TestSupport
import Testing

@testable import VisionLanguage

@Suite("SmolVLM's image processor")
struct SmolVLMImageProcessorTests {
  @Test("an image's views have the pixels of transformers, and normalised values", arguments: try SmolVLMSample.all())
  func pixels(_ sample: SmolVLMSample) throws {
    let processor = try sample.processor()
    let views = try processor.views(of: sample.image())
    let side = processor.tileSize
    #expect(views.allSatisfy { $0.width == side && $0.height == side })
    // The goldens are channels first.
    let ours = views.flatMap { view in
      (0..<3).flatMap { channel in (0..<side * side).map { Int(view.pixels[$0 * 3 + channel]) } }
    }
    let pixels = try sample.integers("pixels")
    #expect(ours == pixels)

    let batch = try processor(sample.image())
    let patches = processor.tileSize / processor.patchSize
    #expect(batch.grids == [PatchGrid](repeating: PatchGrid(rows: patches, columns: patches), count: views.count))
    let width = 3 * processor.patchSize * processor.patchSize
    #expect(batch.pixelValues.count == views.count * patches * patches * width)
    for (view, row, column, channel, y, x) in [(0, 0, 0, 0, 0, 0), (views.count - 1, patches - 1, 1, 2, 3, 5)] {
      let inView = (row * processor.patchSize + y) * side + column * processor.patchSize + x
      let value = Float(Double(pixels[(view * 3 + channel) * side * side + inView]) * 0.00392156862745098)
      let patch = (view * patches + row) * patches + column
      let place = (channel * processor.patchSize + y) * processor.patchSize + x
      #expect(batch.pixelValues[patch * width + place] == (value - 0.5) / 0.5)
    }
  }

  @Test("views, cells and text are the reference's", arguments: try SmolVLMSample.all())
  func layout(_ sample: SmolVLMSample) throws {
    let layout = try sample.processor().layout(width: sample.input.width, height: sample.input.height)
    #expect(layout.text == sample.input.placeholder)
    #expect(layout.grids.flatMap { [$0.rows, $0.cols] } == (try sample.integers("views")))
    #expect(layout.visualCells.flatMap { [$0.x0, $0.y0, $0.x1, $0.y1] } == (try sample.doubles("cells")))
    #expect(layout.imageTokens == layout.visualTokens && layout.positions == .sequential)
    let kinds = layout.views.map(\.kind)
    #expect(kinds.last == .wholeImage && kinds.dropLast().allSatisfy { $0 == .tile })
    #expect(try layout.patches == sample.floats("vision.embeddings").count / sample.configuration().vision.hiddenSize)
  }

  @Test("sizes after both resizes, and rows and columns of tiles, are those of transformers")
  func sizes() throws {
    let data = try Data(contentsOf: Goldens.root().appendingPathComponent("smolvlm/sizes.json"))
    let rows = try JSONDecoder().decode([[Int]].self, from: data)
    #expect(rows.count >= 100)
    for row in rows {
      let processor = try processor(longestEdge: row[2], tile: row[3])
      let plan = try processor.plan(width: row[0], height: row[1])
      #expect([plan.first.width, plan.first.height] == Array(row[4...5]), "\(row)")
      #expect([plan.second?.width, plan.second?.height] == Array(row[6...7]), "\(row)")
      #expect([plan.rows, plan.columns] == Array(row[8...9]), "\(row)")
    }
  }

  @Test(
    "at the published settings a photograph is 12 tiles and the whole image",
    arguments: [(384, 14, 3, 1053), (512, 16, 4, 832), (364, 14, 2, 2197)])
  func published(tile: Int, patch: Int, scale: Int, tokens: Int) throws {
    let processor = try processor(
      #"{"size": {"longest_edge": \#(4 * tile)}, "max_image_size": {"longest_edge": \#(tile)}}"#, imageSize: tile,
      patchSize: patch, scale: scale)
    for (width, height) in [(640, 480), (427, 640)] {
      let layout = try processor.layout(width: width, height: height)
      #expect(layout.visualTokens == tokens && layout.views.count == 13)
    }
  }

  @Test("what the file leaves out is the default of transformers' class")
  func defaults() throws {
    let processor = try processor(#"{"image_std": 0.25}"#, imageSize: 364, patchSize: 14, scale: 2)
    #expect(processor.longestEdge == 4 * 364 && processor.tileSize == 364 && processor.tokensASide == 13)
    #expect(processor.filter == .lanczos && processor.splitsIntoTiles && processor.doResize)
    #expect(
      processor.normalization.mean == [0.5, 0.5, 0.5] && processor.normalization.deviation == [0.25, 0.25, 0.25])
    #expect(processor.viewKinds == [.tile, .wholeImage])
    let whole = try self.processor(#"{"do_image_splitting": false}"#, imageSize: 364, patchSize: 14, scale: 2)
    #expect(whole.viewKinds == [.wholeImage])
    #expect(try whole.layout(width: 500, height: 20).views.count == 1)
  }

  @Test(
    "a configuration that can't be followed is refused, naming the key",
    arguments: [
      (#"{"resample": 4}"#, "`resample` is 4"), (#"{"resample": null}"#, "`resample` is null"),
      (#"{"size": {"height": 3, "width": 4}}"#, "`size.longest_edge` is missing"),
      (#"{"max_image_size": {"longest_edge": 0}}"#, "`max_image_size.longest_edge` is 0"),
      (#"{"max_image_size": {"longest_edge": 512}}"#, "`max_image_size.longest_edge` is 512"),
      (#"{"image_processor_type": "CLIPImageProcessor"}"#, "`image_processor_type` is CLIPImageProcessor"),
      (#"{"do_image_splitting": null}"#, "`do_image_splitting` is null"), (#"{"size": null}"#, "`size` is null"),
      (#"{"do_image_splitting": 1}"#, "`do_image_splitting` must be true or false"),
    ])
  func refusals(json: String, expected: String) {
    let found = failure { try processor(json, imageSize: 364, patchSize: 14, scale: 2) }
    #expect(found?.contains(expected) == true, "\(found ?? "no error")")
  }

  @Test("an image of no size is refused", arguments: [(0, 5), (5, -1), (Int.max, 2)])
  func noSize(width: Int, height: Int) throws {
    let processor = try processor(longestEdge: 1536, tile: 384)
    #expect(throws: ImageError.self) { try processor.layout(width: width, height: height) }
  }

  private func processor(longestEdge: Int, tile: Int) throws -> SmolVLMImageProcessor {
    try processor(
      #"{"size": {"longest_edge": \#(longestEdge)}, "max_image_size": {"longest_edge": \#(tile)}}"#, imageSize: tile,
      patchSize: 4, scale: 1)
  }

  private func processor(_ json: String, imageSize: Int, patchSize: Int, scale: Int) throws -> SmolVLMImageProcessor {
    try ModelFolder.with(copyOf: "smolvlm") { copy in
      try copy.edit("config.json", "vision_config.image_size", "\(imageSize)")
      try copy.edit("config.json", "vision_config.patch_size", "\(patchSize)")
      try copy.edit("config.json", "scale_factor", "\(scale)")
      try copy.write(json, to: "preprocessor_config.json")
      return try SmolVLMImageProcessor(
        ConfigurationFile(contentsOf: copy.file("preprocessor_config.json")),
        for: SmolVLMConfiguration(ConfigurationFile(contentsOf: copy.file("config.json"))), resizing: .pillow)
    }
  }
}
