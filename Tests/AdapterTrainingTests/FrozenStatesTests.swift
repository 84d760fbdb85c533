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

  func encode(_ image: RGBImage, taps: Taps) throws -> VisualFeatures {
    let features = try base.encode(image, taps: taps).values
    return VisualFeatures(values: features, additions: streamAdditionLayers.map { ($0, features) })
  }
}

@Suite("Frozen states")
struct FrozenStatesTests {
  private let model: AlteredModel
  private let image: RGBImage
  private let samples: [TrainingSample]

  init() throws {
    let tiny = TinyCase.nested
    model = try AlteredModel(
      folder: tiny.model, input: InputOptions(resizing: .pillow),
      backend: CPUBackend(precision: .f32, team: ThreadTeam(count: 2)))
    let dataset = try KeyObjectDataset(contentsOf: tiny.dataset)
    let annotation = try #require(dataset.annotationsByID().first)
    let record = try #require(dataset.image(annotation.imageID))
    image = try decodeImage(contentsOf: tiny.images.appendingPathComponent(record.fileName))
    let layout = try model.visualLayout(width: image.width, height: image.height)
    samples = try ["a red circle", "two dogs on a hill"].enumerated().map { [model] index, text in
      TrainingSample(
        example: ImageTextExample(
          id: Int64(index), imageID: record.id, fileName: record.fileName, size: nil, prompt: nil, target: nil),
        sequence: try model.sequence(prompt: "What is this?", description: text, layout: layout))
    }
  }

  /// One that changes nothing yet, from a layer on.
  private func adapter(from layer: Int) throws -> LowRankAdapter {
    try LoRAConfiguration(
      targets: [.query, .down], layers: Array(layer..<model.decoder.layers.count), loraRank: 2, loraAlpha: 2
    ).makeAdapter(for: model)
  }

  private func inputs(_ gradients: SampleGradients) throws -> [SampleGradients.Input] {
    try samples.map {
      ($0, model.backend.bytes(of: try gradients.frozenStates(of: $0, image: image), as: .f32))
    }
  }

  @Test("the loss is the same whatever layer is the lowest that is adapted")
  func losses() throws {
    let sequences = samples.map(\.sequence)
    let expected = try DescriptionLossReader(model).read(image: image, sequences: sequences, ablations: [])[0]
    for layer in 0..<model.decoder.layers.count {
      let adapter = try adapter(from: layer)
      model.decoder.adapter = adapter
      let gradients = SampleGradients(model: model, adapter: adapter)
      let losses = try gradients.losses(inputs(gradients), as: .f32, gradients: nil)
      for (loss, own) in zip(losses, expected) { #expect(abs(loss - own) <= 1e-5 * own, "from layer \(layer)") }
    }
  }

  @Test("those that go on from a lower layer's are the same, bit for bit", arguments: [0, 1])
  func shared(_ layer: Int) throws {
    let adapter = try adapter(from: 2)
    let gradients = SampleGradients(model: model, adapter: adapter)
    for (sample, bytes) in try inputs(gradients) {
      let below = model.backend.bytes(
        of: try gradients.frozenStates(of: sample, image: image, entering: layer), as: .f32)
      let states = try gradients.frozenStates(of: sample, from: below, entering: layer)
      #expect(model.backend.bytes(of: states, as: .f32) == bytes)
    }
  }
}
