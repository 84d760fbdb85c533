import Foundation
import HeadImpact
import ImageInput
import TestSupport
import Testing

@testable import VisionLanguage

@Suite("InternVL's image processor")
struct InternVLImageProcessorTests {
  @Test("an image's views have the pixels of transformers, and normalised values", arguments: try InternVLSample.all())
  func pixels(_ sample: InternVLSample) throws {
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
    let (patch, patches) = (processor.patchSize, side / processor.patchSize)
    #expect(batch.grids == [PatchGrid](repeating: PatchGrid(rows: patches, columns: patches), count: views.count))
    let width = 3 * patch * patch
    #expect(batch.pixelValues.count == views.count * patches * patches * width)
    let (mean, deviation): ([Float], [Float]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    for (view, row, column, channel, y, x) in [(0, 0, 0, 0, 0, 0), (views.count - 1, patches - 1, 1, 2, 3, 5)] {
      let inView = (row * patch + y) * side + column * patch + x
      let value = Float(Double(pixels[(view * 3 + channel) * side * side + inView]) * 0.00392156862745098)
      let at = ((view * patches + row) * patches + column) * width + (channel * patch + y) * patch + x
      #expect(batch.pixelValues[at] == (value - mean[channel]) / deviation[channel])
    }
  }

  @Test("views, cells and text are the reference's", arguments: try InternVLSample.all())
  func layout(_ sample: InternVLSample) throws {
    let layout = try sample.processor().layout(width: sample.input.width, height: sample.input.height)
    #expect(layout.text == sample.input.placeholder)
    #expect(layout.grids.flatMap { [$0.rows, $0.cols] } == (try sample.integers("views")))
    #expect(layout.visualCells.flatMap { [$0.x0, $0.y0, $0.x1, $0.y1] } == (try sample.doubles("cells")))
    #expect(layout.imageTokens == layout.visualTokens && layout.positions == .sequential)
    let kinds = layout.views.map(\.kind)
    #expect(kinds.last == .wholeImage && kinds.dropLast().allSatisfy { $0 == .tile })
  }

  @Test("the grid of tiles is the one that transformers chooses")
  func sizes() throws {
    let data = try Data(contentsOf: Goldens.root().appendingPathComponent("internvl/sizes.json"))
    let rows = try JSONDecoder().decode([[Int]].self, from: data)
    #expect(rows.count >= 200)
    var processors: [[Int]: InternVLImageProcessor] = [:]
    for row in rows {
      let key = Array(row[2...4])
      let processor = try processors[key] ?? processor(tile: row[2], least: row[3], most: row[4])
      processors[key] = processor
      let grid = try processor.grid(width: row[0], height: row[1])
      #expect([grid.columns, grid.rows] == Array(row[5...6]), "\(row)")
    }
  }

  @Test("at the published settings a photograph is 13 or 7 views of 256 tokens")
  func published() throws {
    let processor = try processor(tile: 448, least: 1, most: 12)
    for (width, height, tokens) in [(640, 480, 3328), (427, 640, 1792), (448, 448, 256)] {
      let layout = try processor.layout(width: width, height: height)
      #expect(layout.visualTokens == tokens && layout.views.count == tokens / 256)
      #expect(layout.patches == layout.views.count * 1025)
      // Each cell ends where its neighbour begins: no strip is nobody's.
      let area = layout.visualCells.reduce(0) { $0 + ($1.x1 - $1.x0) * ($1.y1 - $1.y0) }
      #expect(abs(area / Double(width * height) - (tokens == 256 ? 1 : 2)) < 1e-9)
    }
  }

  @Test("tiles are made whatever crop_to_patches says, as InternVLProcessor of transformers asks for them")
  func tilesAlways() throws {
    for said in ["false", "true", "null"] {
      let processor = try processor(#"{"size": {"height": 448, "width": 448}, "crop_to_patches": \#(said)}"#)
      #expect(try processor.layout(width: 640, height: 480).views.count == 13)
      #expect(processor.viewKinds == [.tile, .wholeImage])
    }
    let one = try processor(#"{"size": {"height": 448, "width": 448}, "max_patches": 1}"#)
    #expect(one.viewKinds == [.wholeImage])
    #expect(try one.layout(width: 640, height: 480).views.count == 1)
  }

  @Test("what the file leaves out is the default of transformers' class")
  func defaults() throws {
    let processor = try processor(#"{"image_std": 0.25}"#, tile: 384, patch: 12)
    #expect(processor.tileSize == 384 && processor.filter == .bicubic)
    #expect(processor.grids.last?.count == 12 && processor.grids.first?.count == 1)
    #expect(processor.normalization.mean == [0.48145466, 0.4578275, 0.40821073])
    #expect(processor.normalization.deviation == [0.25, 0.25, 0.25])
  }

  @Test(
    "a configuration that can't be followed is refused, naming the key",
    arguments: [
      (#"{"resample": 4}"#, "`resample` is 4"), (#"{"resample": null}"#, "`resample` is null"),
      (#"{"size": {"height": 448, "width": 224}}"#, "`size` is 448 x 224"),
      (#"{"size": {"height": 224, "width": 224}}"#, "`size` is 224 x 224 (height x width); it must be 448 x 448"),
      (#"{"size": {"shortest_edge": 448}}"#, "`size.height` is missing"), (#"{}"#, "`size` is 384 x 384"),
      (#"{"max_patches": 0}"#, "`max_patches` is 0"), (#"{"min_patches": "1"}"#, "`min_patches` is"),
      (#"{"max_patches": 100000}"#, "`max_patches` is 100000"),
      (#"{"image_processor_type": "CLIPImageProcessor"}"#, #"`image_processor_type` is "CLIPImageProcessor""#),
      (#"{"crop_to_patches": 1, "size": {"height": 448, "width": 448}}"#, "`crop_to_patches` must be true or false"),
      (#"{"size": {"height": 448, "width": 448}, "max_patches": 1, "do_resize": false}"#, "`do_resize` is false"),
    ])
  func refusals(json: String, expected: String) {
    let found = failure { try processor(json.contains("size") ? json : with(size: json)) }
    #expect(found?.contains(expected) == true, "\(found ?? "no error")")
  }

  @Test("an image of no size is refused", arguments: [(0, 5), (5, -1), (Int.max, 2)])
  func noSize(width: Int, height: Int) throws {
    let processor = try processor(tile: 448, least: 1, most: 12)
    #expect(throws: ImageError.self) { try processor.layout(width: width, height: height) }
  }

  private func with(size json: String) -> String {
    json == "{}" ? json : #"{"size": {"height": 448, "width": 448}, "# + json.dropFirst()
  }

  private func processor(tile: Int, least: Int, most: Int) throws -> InternVLImageProcessor {
    try processor(
      #"{"size": {"height": \#(tile), "width": \#(tile)}, "min_patches": \#(least), "max_patches": \#(most)}"#,
      tile: tile)
  }

  private func processor(_ json: String, tile: Int = 448, patch: Int = 14) throws -> InternVLImageProcessor {
    try ModelFolder.with(copyOf: "internvl") { copy in
      try copy.edit("config.json", "vision_config.image_size", "\(tile)")
      try copy.edit("config.json", "vision_config.patch_size", "\(patch)")
      try copy.write(json, to: "preprocessor_config.json")
      return try InternVLImageProcessor.of(copy.url)
    }
  }
}
