import COCO
import Foundation
import ImageInput
import Kernels
import LowRankAdaptation
import TestSupport
import Testing
import Transformer
import VisionLanguage

@testable import AdapterTraining

/// Qwen2-VL, but that the image is added to the stream behind layers (Qwen3-VL's DeepStack) and sees itself both ways.
private final class AlteredModel: VisionLanguageModel {
  static let modelTypes: [String] = []
  static let languageModelModule = "language_model"
  static let visionModules: Set<String> = []
  private let base: any VisionLanguageModel
  let streamAdditionLayers = [0, 1]

  init(folder: URL, input: InputOptions, backend: any Backend) throws {
    base = try ModelRegistry.load(folder: folder, input: input, backend: backend)
  }

  var parts: ModelParts { base.parts }
  var processor: any ImageProcessor { base.processor }
  func angles(_ sequence: TokenSequence) -> [RotaryAngles] { base.angles(sequence) }
  func bidirectionalBlocks(_ sequence: TokenSequence) -> [Range<Int>] { sequence.image.ranges }

  func encode(_ image: PreparedImage, taps: Taps) throws -> VisualFeatures {
    let features = try base.encode(image, taps: taps).values
    return VisualFeatures(values: features, additions: streamAdditionLayers.map { ($0, features) })
  }
}

@Suite("Frozen states")
struct FrozenStatesTests {
  /// Models that add to the stream behind layers: behind 0 and 1 of 3, behind 0, 1 and 2 of 4.
  enum Case: String, CaseIterable {
    case altered = "nested"
    case qwen3 = "qwen3_vl"
  }

  /// Two descriptions of an image.
  private struct Problem {
    let model: any VisionLanguageModel
    let image: RGBImage
    let samples: [TrainingSample]

    init(_ kind: Case) throws {
      let tiny = try #require(TinyCase.all.first { $0.name == kind.rawValue })
      let backend = try CPUBackend(precision: .f32, team: ThreadTeam(count: 2))
      let model: any VisionLanguageModel =
        kind == .altered
        ? try AlteredModel(folder: tiny.model, input: InputOptions(), backend: backend)
        : try ModelRegistry.load(folder: tiny.model, backend: backend)
      let dataset = try KeyObjectDataset(contentsOf: tiny.dataset)
      let annotation = try #require(dataset.annotationsByID().first)
      let record = try #require(dataset.image(annotation.imageID))
      image = try decodeImage(contentsOf: tiny.images.appendingPathComponent(record.fileName))
      let layout = try model.visualLayout(width: image.width, height: image.height)
      samples = try ["a red circle", "two dogs on a hill"].enumerated().map { index, text in
        TrainingSample(
          example: ImageTextExample(
            id: Int64(index), imageID: record.id, fileName: record.fileName, size: nil, prompt: nil, target: nil),
          sequence: try model.sequence(prompt: "What is this?", description: text, layout: layout))
      }
      self.model = model
    }

    /// One that changes nothing yet, from a layer on.
    func adapter(from layer: Int) throws -> LowRankAdapter {
      try LoRAConfiguration(
        targets: [.query, .down], layers: Array(layer..<model.decoder.layers.count), loraRank: 2, loraAlpha: 2
      ).makeAdapter(for: model)
    }

    func inputs(_ gradients: SampleGradients) throws -> [SampleGradients.Input] {
      try samples.map {
        ($0, model.backend.bytes(of: try gradients.frozenStates(of: $0, image: image), as: .f32))
      }
    }
  }

  @Test("the loss is the same whatever layer is the lowest that is adapted", arguments: Case.allCases)
  func losses(_ kind: Case) throws {
    let problem = try Problem(kind)
    let model = problem.model
    let sequences = problem.samples.map(\.sequence)
    let expected = try DescriptionLossReader(model)
      .read(image: problem.image, sequences: sequences, ablations: [])[0]
    for layer in 0..<model.decoder.layers.count {
      let adapter = try problem.adapter(from: layer)
      model.decoder.adapter = adapter
      let gradients = SampleGradients(model: model, adapter: adapter)
      let inputs = try problem.inputs(gradients)
      // Through a store that keeps nothing in memory.
      let kept = try ScratchFolder.with { scratch in
        let store = PrefixStore(memoryLimit: 0, folder: scratch.url) { _ in Issue.record("warned") }
        for (index, input) in inputs.enumerated() { try store.keep(input.prefix, of: index) }
        return try inputs.enumerated().map { index, input -> SampleGradients.Input in
          (input.sample, try #require(try store.bytes(of: index)))
        }
      }
      for input in kept { #expect(input.prefix.count == gradients.frozenByteCount(of: input.sample, as: .f32)) }
      let losses = try gradients.losses(kept, as: .f32, gradients: nil)
      for (loss, own) in zip(losses, expected) { #expect(abs(loss - own) <= 1e-5 * own, "from layer \(layer)") }
    }
  }

  @Test("those that go on from a lower layer's are the same, bit for bit", arguments: Case.allCases, [0, 1])
  func shared(_ kind: Case, _ layer: Int) throws {
    let problem = try Problem(kind)
    for lowest in 2..<problem.model.decoder.layers.count {
      let gradients = SampleGradients(model: problem.model, adapter: try problem.adapter(from: lowest))
      for (sample, bytes) in try problem.inputs(gradients) {
        let below = problem.model.backend.bytes(
          of: try gradients.frozenStates(of: sample, image: problem.image, entering: layer), as: .f32)
        let states = try gradients.frozenStates(of: sample, from: below, entering: layer)
        #expect(problem.model.backend.bytes(of: states, as: .f32) == bytes)
      }
    }
  }
}
