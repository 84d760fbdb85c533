import Foundation
import HeadImpact
import ImageInput
import Kernels
import TestSupport
import Testing
import Transformer

@testable import VisionLanguage

/// One image and its description, with everything that transformers computed for it (tools/goldens/qwen3_vl/make.py).
struct Qwen3VLSample: Sendable, CustomTestStringConvertible {
  /// The published layout in bf16, whose tower gives the layers 0, 2 and 3 to the decoder's first three of four; that of
  /// transformers 5 in float16 and shards, with a head of its own and an addition behind the last layer.
  static let folders = ["qwen3_vl", "qwen3_vl_saved"]

  let folder: String
  let input: GoldenSample.Input

  var testDescription: String { "\(folder) \(input.sample)" }

  static func all() throws -> [Qwen3VLSample] {
    try folders.flatMap { folder in
      try GoldenSample.samples(of: folder).map { Qwen3VLSample(folder: folder, input: $0.input) }
    }
  }

  func image() throws -> RGBImage {
    try decodeImage(contentsOf: Goldens.root().appendingPathComponent("\(folder)/inputs/\(input.image)"))
  }

  func floats(_ what: String) throws -> [Float] { try Goldens(folder).floats("\(input.sample).\(what)") }
  func doubles(_ what: String) throws -> [Double] { try Goldens(folder).doubles("\(input.sample).\(what)") }
  func integers(_ what: String) throws -> [Int] { try Goldens(folder).integers("\(input.sample).\(what)") }

  func configuration() throws -> Qwen3VLConfiguration {
    try Qwen3VLConfiguration(
      ConfigurationFile(contentsOf: checkpoint(folder).appendingPathComponent("config.json")))
  }

  func model(_ precision: Precision = .f32) throws -> Qwen3VLModel {
    let backend = try CPUBackend(precision: precision, team: ThreadTeam(count: 2))
    let model = try ModelRegistry.load(
      folder: checkpoint(folder), input: InputOptions(resizing: .pillow), backend: backend)
    #expect(model.modelType == "qwen3_vl")
    return try #require(model as? Qwen3VLModel)
  }

  /// The goldens' features, with what is added behind layers.
  func features(_ model: Qwen3VLModel) throws -> VisualFeatures {
    func tensor(_ what: String) throws -> Tensor {
      let values = try floats(what)
      return Tensor(values, rows: values.count / model.decoder.hiddenSize)
    }
    return VisualFeatures(
      values: try tensor("vision.features"),
      additions: try model.streamAdditionLayers.map { ($0, try tensor("vision.addition.\($0)")) })
  }

  /// What each decoder layer leaves in the stream, from the goldens' features, in passes that begin at `cuts`.
  ///
  /// - Parameter endsInSegment: whether the last pass computes a segment on the cached prefix, as descriptions are.
  func layers(_ model: Qwen3VLModel, cuts: [Int] = [], endsInSegment: Bool = false) throws -> [[Float]] {
    let sequence = try model.sequence(input)
    let (rows, features) = (sequence.ids.count, try features(model))
    let (cache, hidden) = (KeyValueCache(on: model.backend), ScratchTensor())
    model.decoder.reserve(cache, rows: rows)
    var layers = [[Float]](repeating: [], count: model.decoder.layers.count)
    for (start, end) in zip([0] + cuts, cuts + [rows]) {
      let layout =
        endsInSegment && end == rows
        ? SequenceLayout(cachedPrefix: start, newPrefix: 0, segments: [end - start])
        : SequenceLayout(cachedPrefix: start, newPrefix: end - start)
      let pass = model.pack([sequence], layout: layout, visual: features, into: hidden)
      try model.decoder.forward(
        pass.hidden, layout: pass.layout, angles: pass.angles, cache: cache, additions: pass.additions,
        taps: Taps(afterLayer: { layer, rows in layers[layer] += model.backend.read(rows) }))
    }
    return layers
  }
}
