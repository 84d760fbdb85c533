import Foundation
import HeadImpact
import ImageInput
import TestSupport
import Testing

@testable import VisionLanguage

@Suite("The image processors of the LLaVA families")
struct LlavaImageProcessorTests {
  @Test("an image's views have the pixels of transformers, and normalised values", arguments: try LlavaSample.all())
  func pixels(_ sample: LlavaSample) throws {
    let processor = try sample.processor()
    let views = try processor.views(of: sample.image())
    let side = processor.viewSize
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
    for (view, row, column, channel, y, x) in [(0, 0, 0, 0, 0, 0), (views.count - 1, patches - 1, 1, 2, 3, 5)] {
      let inView = (row * patch + y) * side + column * patch + x
      let value = Float(Double(pixels[(view * 3 + channel) * side * side + inView]) * 0.00392156862745098)
      let place = ((view * patches + row) * patches + column) * 3 * patch * patch + (channel * patch + y) * patch + x
      let (mean, deviation) = (processor.normalization.mean[channel], processor.normalization.deviation[channel])
      #expect(batch.pixelValues[place] == (value - Float(mean)) / Float(deviation))
    }
  }

  @Test("views, cells and text are the reference's", arguments: try LlavaSample.all())
  func layout(_ sample: LlavaSample) throws {
    let processor = try sample.processor()
    let layout = try processor.layout(width: sample.input.width, height: sample.input.height)
    #expect(layout.grids.flatMap { [$0.rows, $0.cols] } == (try sample.integers("views")))
    #expect(layout.visualCells.flatMap { [$0.x0, $0.y0, $0.x1, $0.y1] } == (try sample.doubles("cells")))
    #expect(layout.views.map(\.kind) == (sample.folder == "llava" ? [.wholeImage] : [.wholeImage, .tile]))
    #expect(layout.text == String(repeating: "<image>", count: layout.imageTokens))
    // A newline behind each row of the raster.
    let rows = layout.views.count > 1 ? layout.grids[1].rows : 0
    #expect(layout.imageTokens == layout.visualTokens + rows)
    #expect(try layout.imageTokens == sample.integers("image").count)
    let views = try processor.views(of: sample.image()).count
    #expect(layout.patches == views * layout.patchesInView)
  }

  @Test("canvas, resized image and raster are those of transformers for images of all shapes")
  func sizes() throws {
    let rows = try rows("llava_onevision/sizes.json")
    #expect(rows.count >= 150)
    for row in rows {
      let raster = LlavaRaster(
        of: .init(width: row[0], height: row[1]), pinpoints: Self.pinpoints(tile: row[2], side: row[5]), tile: row[2],
        patch: row[3], mostTiles: row[4] == 0 ? nil : row[4])
      #expect([raster.canvas.height, raster.canvas.width] == Array(row[6...7]), "\(row)")
      #expect([raster.resized.width, raster.resized.height] == Array(row[8...9]), "\(row)")
      #expect([raster.rows.kept, raster.columns.kept] == Array(row[10...11]), "\(row)")
      #expect([raster.rows.tokens, raster.columns.tokens] == Array(row[12...13]), "\(row)")
      // Every token has a place in the image, and every patch of a mixture is there.
      let cells = raster.cells.compactMap { $0 }
      #expect(cells.count == row[12] * row[13])
      #expect(
        cells.allSatisfy {
          0 <= $0.x0 && $0.x0 < $0.x1 && $0.x1 <= Double(row[0]) && 0 <= $0.y0 && $0.y0 < $0.y1
            && $0.y1 <= Double(row[1])
        }, "\(row)")
      let mixtures = raster.mixtures(first: 0)
      let patches = raster.tiles * (row[2] / row[3]) * (row[2] / row[3])
      #expect(mixtures.allSatisfy { $0.indices.allSatisfy((0..<patches).contains) }, "\(row)")
      #expect(mixtures.count == row[12] && mixtures.allSatisfy { $0.indices.count == row[13] * raster.taps })
    }
  }

  @Test(
    "visual tokens and newlines of photographs at the published settings",
    arguments: [
      (384, 9, 6, 640, 480, 2889, 40), (384, 9, 6, 427, 640, 2673, 54), (336, 0, 3, 640, 480, 2304, 36),
      (336, 0, 3, 427, 640, 2112, 48),
    ])
  func published(tile: Int, most: Int, side: Int, width: Int, height: Int, tokens: Int, newlines: Int) {
    let raster = LlavaRaster(
      of: .init(width: width, height: height), pinpoints: Self.pinpoints(tile: tile, side: side), tile: tile, patch: 14,
      mostTiles: most == 0 ? nil : most)
    #expect((tile / 14) * (tile / 14) + raster.rows.tokens * raster.columns.tokens == tokens)
    #expect(raster.rows.tokens == newlines)
  }

  @Test("LLaVA-1.5 has 576 visual tokens of every photograph")
  func publishedCrop() throws {
    let published = #"{"size": {"shortest_edge": 336}, "crop_size": {"height": 336, "width": 336}}"#
    let processor = try processor("llava", published, tile: 336)
    for (width, height) in [(640, 480), (427, 640)] {
      #expect(try processor.layout(width: width, height: height).visualTokens == 576)
    }
  }

  @Test("a raster that is sampled mixes patches as torch's bilinear interpolation does")
  func sampling() throws {
    // Rows of 3 × 2 tiles of 2 × 2 patches: 6 × 4 patches become 4 × 3 tokens (at most about 3 tiles).
    let raster = LlavaRaster(
      of: .init(width: 40, height: 60), pinpoints: [.init(width: 40, height: 60)], tile: 20, patch: 10, mostTiles: 3)
    #expect(raster.rows == .init(cut: 0, kept: 6, tokens: 4) && raster.columns == .init(cut: 0, kept: 4, tokens: 2))
    let mixtures = raster.mixtures(first: 4)
    #expect(raster.taps == 4 && mixtures.count == 4 && mixtures.allSatisfy { $0.indices.count == 2 * 4 })
    // torch: rows at 0.25, 1.75, 3.25, 4.75; columns at 0.5 and 2.5.
    #expect(Array(mixtures[0].indices[0..<4]) == [4, 5, 6, 7])
    #expect(Array(mixtures[0].weights[0..<4]) == [0.375, 0.375, 0.125, 0.125])
    // Row 1 of 1.75: a quarter of patch row 1 of the first tile, three quarters of row 0 of the one below.
    #expect(Array(mixtures[1].indices[0..<4]) == [6, 7, 12, 13])
    #expect(Array(mixtures[1].weights[0..<4]) == [0.125, 0.125, 0.375, 0.375])
  }

  @Test("the sides of a cropped image's resize are those of transformers")
  func crops() throws {
    for row in try rows("llava/crops.json") {
      let size = LlavaImageProcessor.resized(width: row[0], height: row[1], shortestEdge: row[2])
      #expect([size.width, size.height] == Array(row[3...4]), "\(row)")
    }
  }

  @Test("what the file leaves out is the default of transformers' class")
  func defaults() throws {
    let onevision = try processor("llava_onevision", "{}", tile: 384)
    #expect(onevision.normalization.mean == [0.48145466, 0.4578275, 0.40821073] && onevision.filter == .bicubic)
    #expect(onevision.viewKinds == [.tile, .wholeImage] && onevision.mostTiles == 3)
    guard case .raster(let points) = onevision.fitting else {
      Issue.record("\(onevision.fitting)")
      return
    }
    #expect(points.count == 36 && points[1] == .init(width: 768, height: 384))
    let llava = try processor("llava", "{}", tile: 224)
    #expect(llava.fitting == .cropped(shortestEdge: 224) && llava.viewKinds == [.wholeImage])
    // Older files have numbers.
    let older = #"{"size": 90, "crop_size": 80, "feature_extractor_type": "CLIPFeatureExtractor"}"#
    #expect(try processor("llava", older, tile: 80).fitting == .cropped(shortestEdge: 90))
    let siglip = #"{"image_processor_type": "SiglipImageProcessor", "size": {"height": 80, "width": 80}}"#
    let stretched = try processor("llava", siglip, tile: 80)
    #expect(stretched.fitting == .stretched && stretched.normalization.mean == [0.5, 0.5, 0.5])
    // A number is the shorter side in every class.
    let number =
      #"{"image_processor_type": "SiglipImageProcessor", "size": 80, "do_center_crop": true, "crop_size": 80}"#
    #expect(try processor("llava", number, tile: 80).fitting == .cropped(shortestEdge: 80))
    #expect(try stretched.layout(width: 160, height: 40).visualCells[1] == Cell(x0: 28, y0: 0, x1: 56, y1: 7))
  }

  @Test(
    "a configuration that can't be followed is refused, naming the key",
    arguments: [
      ("llava", #"{"resample": 4}"#, "`resample` is 4"), ("llava", #"{"size": null}"#, "`size` is null"),
      ("llava", #"{"do_resize": null}"#, "`do_resize` is null"),
      ("llava", #"{"crop_size": 70}"#, "`crop_size` makes views of 70 x 70"),
      ("llava", #"{"do_center_crop": false, "crop_size": 80, "size": 80}"#, "`do_center_crop` makes views of"),
      ("llava", #"{"crop_size": 80, "size": 60}"#, "`size` makes views of"),
      ("llava", #"{"image_processor_type": "SiglipImageProcessor", "size": 80}"#, "`do_center_crop` makes views of"),
      ("llava", #"{"crop_size": 80, "size": 80, "do_resize": false}"#, "`do_resize` is false"),
      ("llava", #"{"crop_size": 80, "size": 80, "do_pad": true}"#, "`do_pad` is true"),
      ("llava", #"{"size": {"shortest_edge": 80, "longest_edge": 90}}"#, "`size.longest_edge`"),
      (
        "llava", #"{"image_processor_type": "PixtralImageProcessor"}"#,
        "`image_processor_type` is PixtralImageProcessor"
      ),
      (
        "llava_next", #"{"image_processor_type": "CLIPImageProcessor"}"#, "`image_processor_type` is CLIPImageProcessor"
      ),
      ("llava_next", #"{"size": 56, "crop_size": 56}"#, "`image_grid_pinpoints` are not those"),
      (
        "llava_next", #"{"size": 56, "crop_size": 56, "image_grid_pinpoints": [[56, 112]]}"#,
        "`image_grid_pinpoints` are not"
      ),
      (
        "llava_next", #"{"size": 56, "crop_size": 56, "image_grid_pinpoints": [[56, 100]]}"#,
        "`image_grid_pinpoints` must be"
      ),
      ("llava_next", #"{"size": {"height": 56, "width": 60}, "crop_size": 56}"#, "`size` makes views of 60 x 56"),
      ("llava_onevision", "{}", "`size` makes views of 384 x 384"),
    ])
  func refusals(folder: String, json: String, expected: String) {
    let found = failure { try processor(folder, json, tile: nil) }
    #expect(found?.contains(expected) == true, "\(found ?? "no error")")
  }

  @Test("an image of no size is refused", arguments: LlavaSample.folders)
  func noSize(folder: String) throws {
    let sample = try #require(try LlavaSample.all().first { $0.folder == folder })
    for (width, height) in [(0, 5), (5, -1), (Int.max, 2)] {
      #expect(throws: ImageError.self) { try sample.processor().layout(width: width, height: height) }
    }
  }

  @Test("images of extreme shapes have layouts, and views of their sizes", arguments: LlavaSample.folders)
  func extremes(folder: String) throws {
    let sample = try #require(try LlavaSample.all().first { $0.folder == folder })
    let processor = try sample.processor()
    for (width, height) in [(1, 1), (1, 300), (900, 2), (2, 3), (61, 60)] {
      let image = RGBImage(width: width, height: height, pixels: [UInt8](repeating: 9, count: width * height * 3))
      let layout = try processor.layout(width: width, height: height)
      #expect(try processor.views(of: image).count * layout.patchesInView == layout.patches)
      #expect(layout.visualTokens > 0)
    }
  }

  private func rows(_ file: String) throws -> [[Int]] {
    try JSONDecoder().decode([[Int]].self, from: Data(contentsOf: Goldens.root().appendingPathComponent(file)))
  }

  /// As tools/goldens/llava/make.py has them.
  private static func pinpoints(tile: Int, side: Int) -> [LlavaRaster.Size] {
    guard side != 3 else {
      return [(1, 2), (2, 1), (2, 2), (3, 1), (1, 3)].map { .init(width: tile * $0.1, height: tile * $0.0) }
    }
    return (1...side).flatMap { row in (1...side).map { .init(width: tile * $0, height: tile * row) } }
  }

  /// - Parameter tile: takes the place of config.json's; pinpoints are left out then.
  private func processor(_ folder: String, _ json: String, tile: Int?) throws -> LlavaImageProcessor {
    try ModelFolder.with(copyOf: folder) { copy in
      if let tile {
        try copy.edit("config.json", "vision_config.image_size", "\(tile)")
        try copy.edit("config.json", "image_grid_pinpoints", nil)
      }
      try copy.write(json, to: "preprocessor_config.json")
      return try LlavaImageProcessor(
        ConfigurationFile(contentsOf: copy.file("preprocessor_config.json")), for: .of(copy.url), resizing: .pillow)
    }
  }
}
