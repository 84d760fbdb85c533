import Foundation
import ImageInput
import TestSupport
import Testing

@testable import VisionLanguage

/// Of a model folder.
func processor(in folder: URL) throws -> Qwen2VLImageProcessor {
  try ProcessorInFolder(folder) { try Qwen2VLImageProcessor($0, resizing: .pillow) }.processor
}

/// Of a preprocessor_config.json with this text.
private func processor(_ json: String) throws -> Qwen2VLImageProcessor {
  try ScratchFolder.with { folder in
    try Data(json.utf8).write(to: folder.file("preprocessor_config.json"))
    return try processor(in: folder.url)
  }
}

@Suite("Qwen2-VL's image processor")
struct Qwen2VLImageProcessorTests {
  /// What tools/goldens/images/make.py wrote of transformers' results.
  private struct Goldens: Decodable {
    struct Patches: Decodable {
      let file: String
      let grid: [Int]
      let shape: [Int]
      let crc32: UInt32
      let at: [Int]
      let values: [Double]
      let sum: Double
    }

    let patches: [Patches]
    let sample_patches: [Patches]
  }

  private static let folder = Repository.root.appendingPathComponent("tools/goldens/images")

  private func goldens() throws -> (goldens: Goldens, configurations: [String]) {
    let data = try Data(contentsOf: Self.folder.appendingPathComponent("images.json"))
    let root = try JSONSerialization.jsonObject(with: data) as? [String: Any]
    let patches = root?["patches"] as? [[String: Any]] ?? []
    return (
      try JSONDecoder().decode(Goldens.self, from: data),
      try patches.map {
        String(decoding: try JSONSerialization.data(withJSONObject: $0["configuration"] ?? [:]), as: UTF8.self)
      }
    )
  }

  @Test("pixel values are transformers', bit for bit")
  func patches() throws {
    let (goldens, configurations) = try goldens()
    for (golden, configuration) in zip(goldens.patches, configurations) {
      let file = Self.folder.appendingPathComponent("fixtures").appendingPathComponent(golden.file)
      try check(processor(configuration)(decodeImage(contentsOf: file)), golden)
    }
  }

  @Test(
    "pixel values of the COCO sample are transformers'",
    .enabled(if: SharedData.has("coco-sample/images"), "\(SharedData.absence)"))
  func samplePatches() throws {
    let process = try processor(#"{"max_pixels": 200704}"#)
    for golden in try goldens().goldens.sample_patches {
      let file = SharedData.file("coco-sample/images").appendingPathComponent(golden.file)
      try check(process(decodeImage(contentsOf: file)), golden)
    }
  }

  private func check(_ batch: PatchBatch, _ golden: Goldens.Patches) throws {
    #expect(batch.grids == [PatchGrid(rows: golden.grid[1], columns: golden.grid[2])], "\(golden.file)")
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
    let standard = try processor("{}")
    #expect(standard.minPixels == 56 * 56 && standard.maxPixels == 28 * 28 * 1280)
    #expect(standard.patchSize == 14 && standard.temporalPatchSize == 2 && standard.mergeSize == 2)
    #expect(standard.normalization.mean[0] == 0.48145466 && standard.normalization.deviation[2] == 0.27577711)
    for (json, least, most) in [
      (#"{"min_pixels": 3136, "max_pixels": 12845056, "processor_class": "x", "do_pad": null}"#, 3136, 12_845_056),
      (#"{"size": {"shortest_edge": 784, "longest_edge": 50176}, "resample": 3, "patch_size": 14}"#, 784, 50176),
      (#"{"size": {"shortest_edge": 784, "longest_edge": 50176}, "max_pixels": 1000}"#, 784, 1000),
      // As older versions wrote the limits.
      (#"{"size": {"min_pixels": 784, "max_pixels": 50176}}"#, 784, 50176),
      (#"{"size": {"min_pixels": 784, "longest_edge": 50176}}"#, 784, 50176),
      (#"{"size": {"min_pixels": 1, "max_pixels": 2}, "min_pixels": 784, "max_pixels": 50176}"#, 784, 50176),
    ] {
      let read = try processor(json)
      #expect(read.minPixels == least && read.maxPixels == most, "\(json)")
      #expect(read.patchSize == 14 && read.normalization == standard.normalization)
    }
    #expect(try processor(#"{"patch_size": 7}"#).patchSize == 7)
    #expect(try processor(#"{"image_mean": 0.5}"#).normalization.mean == [0.5, 0.5, 0.5])
    #expect(try processor(#"{"size": null, "min_pixels": null, "image_processor_type": null}"#) == standard)
    #expect(
      try processor(#"{"image_processor_type": "Qwen2VLImageProcessorFast", "do_center_crop": true, "do_pad": true}"#)
        == standard)
  }

  @Test(
    "a configuration that can't be followed is refused, naming the key",
    arguments: [
      (#"{"patch_size": 0}"#, "patch_size", "is 0"), (#"{"patch_size": "14"}"#, "patch_size", "14"),
      (#"{"patch_size": 9223372036854775807}"#, "patch_size", "is"), (#"{"merge_size": -2}"#, "merge_size", "is -2"),
      (#"{"temporal_patch_size": 65}"#, "temporal_patch_size", "is 65"), (#"{"resample": 2}"#, "resample", "is 2"),
      (#"{"image_mean": [0.5, 0.5]}"#, "image_mean", "is [0.5, 0.5]"),
      (#"{"image_std": [1, 0, 1]}"#, "image_std", "not 0"),
      (#"{"min_pixels": 0}"#, "min_pixels", "is 0"),
      (#"{"min_pixels": 100, "max_pixels": 99}"#, "max_pixels", "is 99"),
      (#"{"min_pixels": 10000000}"#, "min_pixels", "at most max_pixels"),
      (#"{"size": {"height": 3, "width": 4}}"#, "size.shortest_edge", "is missing"),
      (#"{"size": {"shortest_edge": 3, "min_pixels": 4}}"#, "size.shortest_edge", "both"),
      (#"{"size": {"min_pixels": 3136}}"#, "size.longest_edge", "is missing"),
      (#"{"do_resize": null}"#, "do_resize", "is null"), (#"{"resample": null}"#, "resample", "is null"),
      (#"{"image_mean": null}"#, "image_mean", "is null"), (#"{"patch_size": null}"#, "patch_size", "is null"),
      (#"{"rescale_factor": null}"#, "rescale_factor", "is null"),
      (#"{"image_processor_type": "CLIPImageProcessor"}"#, "image_processor_type", "is CLIPImageProcessor"),
      (#"{"feature_extractor_type": "CLIPFeatureExtractor"}"#, "feature_extractor_type", "is CLIPFeatureExtractor"),
      (#"{"image_processor_type": 3}"#, "image_processor_type", "must be"), (#"{"do_resize": 3}"#, "do_resize", "must"),
      (#"{"size": 224}"#, "size", "must be an object"), ("[1]", "", "JSON object"), ("{", "", "JSON"),
    ])
  func wrongConfiguration(json: String, key: String, reason: String) throws {
    let error = try #require(throws: ConfigurationError.self) { try processor(json) }
    #expect(error.path.hasSuffix("preprocessor_config.json") && error.key == key)
    #expect(error.reason.contains(reason), "\(error)")
  }

  @Test("without resizing, a picture of other than whole blocks is refused")
  func noResize() throws {
    let process = try processor(#"{"do_resize": false, "patch_size": 2, "merge_size": 2}"#)
    let image = RGBImage(width: 8, height: 4, pixels: [UInt8](repeating: 0, count: 96))
    #expect(try process(image).grids == [PatchGrid(rows: 2, columns: 4)])
    let odd = RGBImage(width: 6, height: 4, pixels: [UInt8](repeating: 0, count: 72))
    #expect(failure { try process(odd) }?.contains("multiples of 4") == true)
  }
}
