import Foundation
import ImageInput
import Kernels
import TestSupport
import Testing

@testable import VisionLanguage

/// One image and its description, with what transformers computed for it (tools/goldens/qwen2_5_vl/make.py).
struct Qwen25VLSample: Sendable, CustomTestStringConvertible {
  /// Flat config and shards in bf16; as transformers 5 writes it, in f16; its names of tensors, and windows of a token, in f32.
  static let folders = ["qwen2_5_vl", "qwen2_5_vl_nested", "qwen2_5_vl_odd"]

  let folder: String
  let input: GoldenSample.Input

  var testDescription: String { "\(folder) \(input.sample)" }

  static func all() throws -> [Qwen25VLSample] {
    try folders.flatMap { folder in
      try GoldenSample.samples(of: folder).map { Qwen25VLSample(folder: folder, input: $0.input) }
    }
  }

  func image() throws -> RGBImage { try GoldenSample(folder: folder, input: input).image() }

  func floats(_ what: String) throws -> [Float] { try Goldens(folder).floats("\(input.sample).\(what)") }
  func integers(_ what: String) throws -> [Int] { try Goldens(folder).integers("\(input.sample).\(what)") }

  func model(_ precision: Precision = .f32) throws -> Qwen25VLModel {
    try Self.model(checkpoint(folder), precision)
  }

  static func model(_ folder: URL, _ precision: Precision = .f32) throws -> Qwen25VLModel {
    let backend = try CPUBackend(precision: precision, team: ThreadTeam(count: 2))
    let model = try ModelRegistry.load(folder: folder, input: InputOptions(resizing: .pillow), backend: backend)
    #expect(model.modelType == "qwen2_5_vl")
    return try #require(model as? Qwen25VLModel)
  }

  /// The golden features.
  func features(_ model: Qwen25VLModel) throws -> VisualFeatures {
    let values = try floats("vision.merger")
    return VisualFeatures(values: Tensor(values, rows: values.count / model.decoder.hiddenSize))
  }
}
