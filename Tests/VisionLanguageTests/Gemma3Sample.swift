import Foundation
import ImageInput
import Kernels
import TestSupport
import Testing

@testable import VisionLanguage

/// One image and its description, with everything that transformers computed for it (tools/goldens/gemma3/make.py).
struct Gemma3Sample: Sendable, CustomTestStringConvertible {
  struct Input: Sendable, Codable {
    let sample: String
    let image: String
    let width: Int
    let height: Int
    let prompt: String
    let description: String
    /// The chat, with the image's placeholder in it.
    let text: String
    /// What takes the placeholder's place.
    let placeholder: String
  }

  /// As published, in bf16, with a window from which descriptions see a part of the image; and as transformers 5 saves it, in
  /// float16, with a head of its own, full layers first, and a window smaller than an image's tokens.
  static let folders = ["gemma3", "gemma3_saved"]

  let folder: String
  let input: Input

  var testDescription: String { "\(folder) \(input.sample)" }

  static func all() throws -> [Gemma3Sample] { try folders.flatMap(samples) }

  static func samples(of folder: String) throws -> [Gemma3Sample] {
    let file = Goldens.root().appendingPathComponent("\(folder)/inputs.json")
    return try JSONDecoder().decode([Input].self, from: Data(contentsOf: file)).map {
      Gemma3Sample(folder: folder, input: $0)
    }
  }

  func image() throws -> RGBImage {
    try decodeImage(contentsOf: Goldens.root().appendingPathComponent("\(folder)/inputs/\(input.image)"))
  }

  func floats(_ what: String) throws -> [Float] { try Goldens(folder).floats("\(input.sample).\(what)") }
  func doubles(_ what: String) throws -> [Double] { try Goldens(folder).doubles("\(input.sample).\(what)") }
  func integers(_ what: String) throws -> [Int] { try Goldens(folder).integers("\(input.sample).\(what)") }

  func model(_ precision: Precision = .f32) throws -> Gemma3Model {
    let backend = try CPUBackend(precision: precision, team: ThreadTeam(count: 2))
    return try #require(
      try ModelRegistry.load(
        folder: checkpoint(folder), input: InputOptions(resizing: .pillow), backend: backend) as? Gemma3Model)
  }

  func sequence(_ model: Gemma3Model, prompt: String? = nil, description: String? = nil) throws -> TokenSequence {
    try model.sequence(
      prompt: prompt ?? input.prompt, description: description ?? input.description,
      layout: model.visualLayout(width: input.width, height: input.height))
  }

  /// The goldens' features.
  func features(_ model: Gemma3Model) throws -> VisualFeatures {
    let values = try floats("vision.features")
    return VisualFeatures(values: Tensor(values, rows: values.count / model.decoder.hiddenSize))
  }

  func embeddings(_ model: Gemma3Model, _ sequence: TokenSequence) throws -> Tensor {
    let embedded = Tensor(
      [Float](repeating: .nan, count: sequence.ids.count * model.decoder.hiddenSize), rows: sequence.ids.count)
    model.embed(sequence, rows: 0..<sequence.ids.count, visual: try features(model), into: embedded)
    return embedded
  }
}
