import Foundation
import HeadImpact
import ImageInput
import Kernels
import TestSupport
import Testing
import Transformer

@testable import VisionLanguage

/// One image and its description, with everything that transformers computed for it (tools/goldens/internvl/make.py).
struct InternVLSample: Sendable, CustomTestStringConvertible {
  struct Input: Sendable, Codable {
    let sample: String
    let image: String
    let width: Int
    let height: Int
    let prompt: String
    let description: String
    /// The chat with the image's placeholder in it.
    let text: String
    /// What takes the placeholder's place in the chat.
    let placeholder: String
  }

  /// InternVL3 (Qwen2, old tensor names, a head of its own) in bf16; InternVL3.5 (Qwen3, new names) in float32.
  static let folders = ["internvl", "internvl3_5"]

  let folder: String
  let input: Input

  var testDescription: String { "\(folder) \(input.sample)" }

  static func all() throws -> [InternVLSample] {
    try folders.flatMap { folder in
      let file = Goldens.root().appendingPathComponent("\(folder)/inputs.json")
      return try JSONDecoder().decode([Input].self, from: Data(contentsOf: file)).map {
        InternVLSample(folder: folder, input: $0)
      }
    }
  }

  func image() throws -> RGBImage {
    try decodeImage(contentsOf: Goldens.root().appendingPathComponent("\(folder)/inputs/\(input.image)"))
  }

  func floats(_ what: String) throws -> [Float] { try Goldens(folder).floats("\(input.sample).\(what)") }
  func doubles(_ what: String) throws -> [Double] { try Goldens(folder).doubles("\(input.sample).\(what)") }
  func integers(_ what: String) throws -> [Int] { try Goldens(folder).integers("\(input.sample).\(what)") }

  func processor() throws -> InternVLImageProcessor { try InternVLImageProcessor.of(checkpoint(folder)) }

  func model(_ precision: Precision = .f32) throws -> InternVLModel {
    let model = try ModelRegistry.load(
      folder: checkpoint(folder), input: InputOptions(resizing: .pillow),
      backend: CPUBackend(precision: precision, team: ThreadTeam(count: 2)))
    #expect(model.modelType == "internvl")
    return try #require(model as? InternVLModel)
  }

  func sequence(
    _ model: InternVLModel, description: String? = nil, layout: VisualLayout? = nil
  ) throws -> TokenSequence {
    try model.sequence(
      prompt: input.prompt, description: description ?? input.description,
      layout: layout ?? model.visualLayout(width: input.width, height: input.height))
  }

  /// The goldens' features.
  func features(_ model: InternVLModel) throws -> VisualFeatures {
    let values = try floats("vision.features")
    return VisualFeatures(values: Tensor(values, rows: values.count / model.decoder.hiddenSize))
  }

  func embeddings(_ model: InternVLModel, _ sequence: TokenSequence) throws -> Tensor {
    let embedded = Tensor(
      [Float](repeating: .nan, count: sequence.ids.count * model.decoder.hiddenSize), rows: sequence.ids.count)
    model.embed(sequence, rows: 0..<sequence.ids.count, visual: try features(model), into: embedded)
    return embedded
  }

  /// AS of each sequence, in one reading.
  func scores(_ model: InternVLModel, _ sequences: [TokenSequence]) throws -> [[Float]] {
    var scores: [[Float]] = []
    try AttentionScoreReader(model).read(
      image: image(), sequences: sequences, query: .token, normalize: .none
    ) { index, values in
      #expect(index == scores.count, "the descriptions come in order")
      scores.append(values.indices.map { values[$0] })
    }
    return scores
  }
}

extension InternVLImageProcessor {
  /// The image processor of a folder.
  static func of(_ folder: URL) throws -> InternVLImageProcessor {
    let model = try InternVLConfiguration(
      ConfigurationFile(contentsOf: folder.appendingPathComponent("config.json")))
    return try InternVLImageProcessor(
      ConfigurationFile(contentsOf: folder.appendingPathComponent("preprocessor_config.json")), for: model,
      resizing: .pillow)
  }
}
