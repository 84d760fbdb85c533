import Foundation
import HeadImpact
import ImageInput
import Kernels
import TestSupport
import Testing

@testable import VisionLanguage

/// One image, its prompt and description, with everything that transformers computed for it (tools/goldens/paligemma/make.py).
struct PaliGemmaSample: Sendable, CustomTestStringConvertible {
  struct Input: Sendable, Codable {
    let sample: String
    let image: String
    let width: Int
    let height: Int
    let prompt: String
    let description: String
    /// The processor's, with the image as one placeholder.
    let text: String
    /// The same up to where the answer begins.
    let question: String
    /// What takes the placeholder's place.
    let placeholder: String
  }

  /// PaliGemma in bf16 with the published names; PaliGemma 2 in float32 with today's, a window and softcaps that matter.
  static let folders = ["paligemma", "paligemma2"]

  let folder: String
  let input: Input

  var testDescription: String { "\(folder) \(input.sample)" }

  static func all() throws -> [PaliGemmaSample] {
    try folders.flatMap { folder in
      let file = Goldens.root().appendingPathComponent("\(folder)/inputs.json")
      return try JSONDecoder().decode([Input].self, from: Data(contentsOf: file)).map {
        PaliGemmaSample(folder: folder, input: $0)
      }
    }
  }

  func image() throws -> RGBImage {
    try decodeImage(contentsOf: Goldens.root().appendingPathComponent("\(folder)/inputs/\(input.image)"))
  }

  func floats(_ what: String) throws -> [Float] { try Goldens(folder).floats("\(input.sample).\(what)") }
  func doubles(_ what: String) throws -> [Double] { try Goldens(folder).doubles("\(input.sample).\(what)") }
  func integers(_ what: String) throws -> [Int] { try Goldens(folder).integers("\(input.sample).\(what)") }

  func model(_ precision: Precision = .f32) throws -> PaliGemmaModel {
    let backend = try CPUBackend(precision: precision, team: ThreadTeam(count: 2))
    let model = try ModelRegistry.load(
      folder: checkpoint(folder), input: InputOptions(resizing: .pillow), backend: backend)
    #expect(model.modelType == "paligemma")
    return try #require(model as? PaliGemmaModel)
  }

  func sequence(
    _ model: PaliGemmaModel, prompt: String? = nil, description: String? = nil
  ) throws -> TokenSequence {
    try model.sequence(
      prompt: prompt ?? input.prompt, description: description ?? input.description,
      layout: model.visualLayout(width: input.width, height: input.height))
  }

  /// The goldens' features.
  func features(_ model: PaliGemmaModel) throws -> VisualFeatures {
    let values = try floats("vision.features")
    return VisualFeatures(values: Tensor(values, rows: values.count / model.decoder.hiddenSize))
  }

  func embeddings(_ model: PaliGemmaModel, _ sequence: TokenSequence) throws -> Tensor {
    let embedded = Tensor(
      [Float](repeating: .nan, count: sequence.ids.count * model.decoder.hiddenSize), rows: sequence.ids.count)
    model.embed(sequence, rows: 0..<sequence.ids.count, visual: try features(model), into: embedded)
    return embedded
  }
}
