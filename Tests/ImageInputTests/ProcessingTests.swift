import Foundation
import TestSupport
import Testing

@testable import ImageInput

private func processor(_ json: String) throws -> PatchImageProcessor {
  try PatchImageProcessor(json: Data(json.utf8), name: "preprocessor_config.json")
}

@Suite("Resizing and patches")
struct ProcessingTests {
  @Test("resizing gives Pillow's pixels, up, down and to odd sizes")
  func resizes() throws {
    for golden in try Goldens.load().goldens.fixtures {
      let image = try decodeImage(contentsOf: fixture(golden.file))
      for size in golden.resized {
        let resized = try resize(image, to: (size.width, size.height), filter: .bicubic)
        #expect(crc32(resized.pixels) == size.crc32, "\(golden.file) to \(size.width) x \(size.height)")
      }
    }
  }

  @Test("resizing to no pixels or to too many is refused")
  func impossibleSizes() {
    let image = RGBImage(width: 1, height: 2, pixels: [UInt8](repeating: 7, count: 6))
    for size in [(0, 1), (1, -1), (1 << 20, 1 << 20), (Int.max, Int.max)] {
      #expect(failure { try resize(image, to: size, filter: .bicubic) } != nil)
    }
  }

  @Test("pixel values are transformers', bit for bit")
  func patches() throws {
    let (goldens, configurations) = try Goldens.load()
    for (golden, configuration) in zip(goldens.patches, configurations) {
      let process = try PatchImageProcessor(json: configuration, name: "configuration")
      try check(process(decodeImage(contentsOf: fixture(golden.file))), golden)
    }
  }

  @Test(
    "pixel values of the COCO sample are transformers'",
    .enabled(if: SharedData.has("coco-sample/images"), "\(SharedData.absence)"))
  func samplePatches() throws {
    let process = try PatchImageProcessor(maxPixels: 256 * 28 * 28)
    for golden in try Goldens.load().goldens.sample_patches {
      try check(process(decodeImage(contentsOf: sampleFolder.appendingPathComponent(golden.file))), golden)
    }
  }

  private func check(_ batch: PatchBatch, _ golden: Goldens.Patches) throws {
    let grid = [batch.gridTHW.t, batch.gridTHW.h, batch.gridTHW.w]
    #expect(grid == golden.grid, "\(golden.file)")
    try #require(batch.pixelValues.count == golden.shape.reduce(1, *), "\(golden.file)")
    for (at, value) in zip(golden.at, golden.values) {
      #expect(abs(Double(batch.pixelValues[at]) - value) <= 1e-6, "\(golden.file) at \(at)")
    }
    let sum = batch.pixelValues.reduce(0.0) { $0 + Double($1) }
    #expect(abs(sum - golden.sum) <= 1e-6 * Double(batch.pixelValues.count), "\(golden.file)")
    #expect(crc32(batch.pixelValues.withUnsafeBytes { [UInt8]($0) }) == golden.crc32, "\(golden.file)")
  }

  @Test(
    "sides become what smart_resize makes of them",
    arguments: [
      // height, width, factor, min, max; then what transformers 5.23 gave
      [480, 640, 28, 3136, 1_003_520, 476, 644], [1, 1, 28, 3136, 1_003_520, 56, 56],
      [14, 14, 28, 3136, 1_003_520, 56, 56], [42, 70, 28, 3136, 1_003_520, 56, 56],
      [4000, 3000, 28, 3136, 1_003_520, 1148, 840], [10, 2000, 28, 3136, 1_003_520, 28, 812],
      [20000, 100, 28, 3136, 100_000, 4452, 28],
    ])
  func smartSizes(row: [Int]) throws {
    let size = try smartResize(height: row[0], width: row[1], factor: row[2], minPixels: row[3], maxPixels: row[4])
    #expect(size.height == row[5])
    #expect(size.width == row[6])
  }

  @Test("a picture over 200 times as long as wide is refused")
  func aspect() {
    #expect(
      failure { try smartResize(height: 201, width: 1, factor: 28, minPixels: 3136, maxPixels: 1 << 20) }?
        .contains("200 times") == true)
  }

  @Test("a model's configuration is read, old keys and new, and the rest left at the defaults")
  func configuration() throws {
    let standard = try PatchImageProcessor()
    #expect(try processor("{}") == standard)
    #expect(
      try processor(#"{"min_pixels": 3136, "max_pixels": 12845056, "processor_class": "x", "do_pad": null}"#)
        == PatchImageProcessor(minPixels: 3136, maxPixels: 12_845_056))
    #expect(
      try processor(#"{"size": {"shortest_edge": 784, "longest_edge": 50176}, "resample": 3, "patch_size": 7}"#)
        == PatchImageProcessor(minPixels: 784, maxPixels: 50176, patchSize: 7))
    #expect(
      try processor(#"{"size": {"shortest_edge": 784, "longest_edge": 50176}, "max_pixels": 1000}"#).maxPixels == 1000)
    #expect(try processor(#"{"image_mean": 0.5}"#).imageMean == [0.5, 0.5, 0.5])
    // As older versions wrote the limits.
    let limits = try PatchImageProcessor(minPixels: 784, maxPixels: 50176)
    #expect(try processor(#"{"size": {"min_pixels": 784, "max_pixels": 50176}}"#) == limits)
    #expect(try processor(#"{"size": {"min_pixels": 784, "longest_edge": 50176}}"#) == limits)
    #expect(
      try processor(#"{"size": {"min_pixels": 1, "max_pixels": 2}, "min_pixels": 784, "max_pixels": 50176}"#) == limits)
    #expect(try processor(#"{"size": null, "min_pixels": null, "image_processor_type": null}"#) == standard)
    #expect(
      try processor(#"{"image_processor_type": "Qwen2VLImageProcessorFast", "do_center_crop": true, "do_pad": true}"#)
        == standard)
  }

  @Test(
    "a configuration that can't be followed is refused, naming the key",
    arguments: [
      (#"{"patch_size": 0}"#, "patch_size is 0"), (#"{"patch_size": "14"}"#, "patch_size: "),
      (#"{"patch_size": 9223372036854775807}"#, "patch_size is"), (#"{"merge_size": -2}"#, "merge_size is -2"),
      (#"{"temporal_patch_size": 65}"#, "temporal_patch_size is 65"), (#"{"resample": 2}"#, "resample is 2"),
      (#"{"image_mean": [0.5, 0.5]}"#, "image_mean is"), (#"{"image_std": [1, 0, 1]}"#, "image_std is"),
      (#"{"min_pixels": 0}"#, "min_pixels (size.shortest_edge) is 0"),
      (#"{"min_pixels": 100, "max_pixels": 99}"#, "max_pixels (size.longest_edge) is 99"),
      (#"{"size": {"height": 3, "width": 4}}"#, "size.shortest_edge is missing"),
      (#"{"size": {"shortest_edge": 3, "min_pixels": 4}}"#, "size has both shortest_edge, 3, and min_pixels, 4"),
      (#"{"size": {"min_pixels": 3136}}"#, "size.longest_edge is missing"),
      (#"{"do_resize": null}"#, "do_resize is null"),
      (#"{"resample": null}"#, "resample is null"), (#"{"image_mean": null}"#, "image_mean is null"),
      (#"{"patch_size": null}"#, "patch_size is null"), (#"{"rescale_factor": null}"#, "rescale_factor is null"),
      (#"{"image_processor_type": "CLIPImageProcessor"}"#, "image_processor_type is CLIPImageProcessor"),
      (#"{"feature_extractor_type": "CLIPFeatureExtractor"}"#, "feature_extractor_type is"),
      (#"{"image_processor_type": 3}"#, "image_processor_type: "), (#"{"do_resize": 3}"#, "do_resize: "),
      (#"{"size": 224}"#, "size: "), ("[1]", "not a JSON object"),
      ("{", "not a JSON object"),
    ])
  func wrongConfiguration(json: String, expected: String) {
    let found = failure { try processor(json) }
    #expect(found?.hasPrefix("preprocessor_config.json: " + expected) == true, "\(found ?? "no error")")
  }

  @Test("without resizing, a picture of other than whole blocks is refused")
  func noResize() throws {
    let process = try processor(#"{"do_resize": false, "patch_size": 2, "merge_size": 2}"#)
    let image = RGBImage(width: 8, height: 4, pixels: [UInt8](repeating: 0, count: 96))
    let grid = try process(image).gridTHW
    #expect(grid == (1, 2, 4))
    let odd = RGBImage(width: 6, height: 4, pixels: [UInt8](repeating: 0, count: 72))
    #expect(failure { try process(odd) }?.contains("multiples of 4") == true)
  }
}
