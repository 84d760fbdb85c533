import Foundation
import HeadImpact
import ImageInput
import Kernels
import TestSupport
import Testing

@testable import VisionLanguage

/// One image and its description, with everything that transformers computed for it (tools/goldens/llava/make.py).
struct LlavaSample: Sendable, CustomTestStringConvertible {
  struct Input: Sendable, Codable {
    let sample: String
    let image: String
    let width: Int
    let height: Int
    let prompt: String
    let description: String
    /// The chat with the image's placeholder in it.
    let text: String
  }

  /// In float16, bfloat16 and float32; the last with the tensor names of transformers 5.
  static let folders = ["llava_onevision", "llava_next", "llava"]

  let folder: String
  let input: Input

  var testDescription: String { "\(folder) \(input.sample)" }

  static func all() throws -> [LlavaSample] {
    try folders.flatMap { folder in
      let file = Goldens.root().appendingPathComponent("\(folder)/inputs.json")
      return try JSONDecoder().decode([Input].self, from: Data(contentsOf: file)).map {
        LlavaSample(folder: folder, input: $0)
      }
    }
  }

  func image() throws -> RGBImage {
    try decodeImage(contentsOf: Goldens.root().appendingPathComponent("\(folder)/inputs/\(input.image)"))
  }

  func floats(_ what: String) throws -> [Float] { try Goldens(folder).floats("\(input.sample).\(what)") }
  func doubles(_ what: String) throws -> [Double] { try Goldens(folder).doubles("\(input.sample).\(what)") }
  func integers(_ what: String) throws -> [Int] { try Goldens(folder).integers("\(input.sample).\(what)") }

  func processor() throws -> LlavaImageProcessor {
    let (file, folder) = (checkpoint(folder).appendingPathComponent("preprocessor_config.json"), folder)
    return try LlavaImageProcessor(ConfigurationFile(contentsOf: file), for: .of(checkpoint(folder)), resizing: .pillow)
  }

  func model(_ precision: Precision = .f32) throws -> LlavaModel {
    let backend = try CPUBackend(precision: precision, team: ThreadTeam(count: 2))
    let model = try ModelRegistry.load(
      folder: checkpoint(folder), input: InputOptions(resizing: .pillow), backend: backend)
    #expect(model.modelType == folder)
    return try #require(model as? LlavaModel)
  }

  func sequence(
    _ model: LlavaModel, description: String? = nil, layout: VisualLayout? = nil
  ) throws -> TokenSequence {
    try model.sequence(
      prompt: input.prompt, description: description ?? input.description,
      layout: layout ?? model.visualLayout(width: input.width, height: input.height))
  }

  /// The goldens' features.
  func features(_ model: LlavaModel) throws -> VisualFeatures {
    let values = try floats("vision.features")
    return VisualFeatures(values: Tensor(values, rows: values.count / model.decoder.hiddenSize))
  }

  func embeddings(_ model: LlavaModel, _ sequence: TokenSequence) throws -> Tensor {
    let embedded = Tensor(
      [Float](repeating: .nan, count: sequence.ids.count * model.decoder.hiddenSize), rows: sequence.ids.count)
    model.embed(sequence, rows: 0..<sequence.ids.count, visual: try features(model), into: embedded)
    return embedded
  }

  /// AS of each sequence, in one reading.
  func scores(_ model: LlavaModel, _ sequences: [TokenSequence]) throws -> [[Float]] {
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

extension LlavaConfiguration {
  static func of(_ folder: URL) throws -> LlavaConfiguration {
    try LlavaConfiguration(ConfigurationFile(contentsOf: folder.appendingPathComponent("config.json")))
  }
}
