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

  /// Three descriptions of an image, two of which answer one question, and the first one again.
  private struct Problem {
    let model: any VisionLanguageModel
    let image: RGBImage
    let samples: [TrainingSample]
    /// How many rows all samples begin with.
    let shared: Int

    init(
      _ tiny: TinyCase, isAltered: Bool = false, precision: Precision = .f32,
      prompts: [String] = ["What is this?", "Which animals?"]
    ) throws {
      let backend = try CPUBackend(precision: precision, team: ThreadTeam(count: 2))
      let model: any VisionLanguageModel =
        isAltered
        ? try AlteredModel(folder: tiny.model, input: InputOptions(), backend: backend)
        : try ModelRegistry.load(folder: tiny.model, backend: backend)
      let dataset = try KeyObjectDataset(contentsOf: tiny.dataset)
      let annotation = try #require(dataset.annotationsByID().first)
      let record = try #require(dataset.image(annotation.imageID))
      image = try decodeImage(contentsOf: tiny.images.appendingPathComponent(record.fileName))
      let layout = try model.visualLayout(width: image.width, height: image.height)
      let texts = [
        (prompts[0], "a red circle"), (prompts[0], "two dogs on a hill"), (prompts[1], "two dogs"),
        (prompts[0], "a red circle"),
      ]
      samples = try texts.enumerated().map { index, text in
        TrainingSample(
          example: ImageTextExample(
            id: Int64(index), imageID: record.id, fileName: record.fileName, size: nil, prompt: nil, target: nil),
          sequence: try model.sequence(prompt: text.0, description: text.1, layout: layout), load: layout.load)
      }
      self.model = model
      shared = FrozenLayers(model: model, cache: KeyValueCache(on: backend)).sharedRows(of: samples)
    }

    init(_ kind: Case) throws {
      let tiny = try #require(TinyCase.all.first { $0.name == kind.rawValue })
      try self.init(tiny, isAltered: kind == .altered)
    }

    /// One that changes nothing yet, from a layer on.
    static func adapter(of model: any VisionLanguageModel, from layer: Int) throws -> LowRankAdapter {
      try LoRAConfiguration(
        targets: [.query, .down], layers: Array(layer..<model.decoder.layers.count), loraRank: 2, loraAlpha: 2
      ).makeAdapter(for: model)
    }

    func gradients(from layer: Int) throws -> SampleGradients {
      let adapter = try Self.adapter(of: model, from: layer)
      model.decoder.adapter = adapter
      return SampleGradients(model: model, adapter: adapter)
    }
  }

  @Test("the loss is the same whatever layer is the lowest that is adapted", arguments: Case.allCases)
  func losses(_ kind: Case) throws {
    let problem = try Problem(kind)
    let expected = try DescriptionLossReader(problem.model)
      .read(image: problem.image, sequences: problem.samples.map(\.sequence), ablations: [])[0]
    for layer in 0..<problem.model.decoder.layers.count {
      let gradients = try problem.gradients(from: layer)
      let states = try gradients.frozen.states(
        of: problem.samples, sharing: problem.shared, image: problem.image, entering: layer, as: .f32)
      // Through a store that keeps nothing in memory.
      let samples = Array(problem.samples.indices)
      let kept = try ScratchFolder.with { scratch in
        let store = PrefixStore(memoryLimit: 0, folder: scratch.url) { _ in Issue.record("warned") }
        #expect(try store.keep(states, of: 0, samples) == [])
        return try #require(try store.states(of: 0, samples))
      }
      for (index, sample) in problem.samples.enumerated() {
        #expect(
          kept.shared.count
            == gradients.frozen.sharedByteCount(of: sample, sharing: problem.shared, entering: layer, as: .f32))
        #expect(
          kept.own[index].count
            == gradients.frozen.ownByteCount(of: sample, sharing: problem.shared, entering: layer, as: .f32))
      }
      let losses = try gradients.losses(samples.map { (problem.samples[$0], kept[$0]) }, as: .f32, gradients: nil)
      for (loss, own) in zip(losses, expected) { #expect(abs(loss - own) <= 1e-5 * own, "from layer \(layer)") }
    }
  }

  @Test("those that go on from a lower layer's are the same, bit for bit", arguments: Case.allCases, [0, 1])
  func shared(_ kind: Case, _ layer: Int) throws {
    let problem = try Problem(kind)
    for lowest in layer..<problem.model.decoder.layers.count {
      let frozen = try problem.gradients(from: lowest).frozen
      func states(entering layer: Int) throws -> PictureStates {
        try frozen.states(
          of: problem.samples, sharing: problem.shared, image: problem.image, entering: layer, as: .f32)
      }
      let onward = try frozen.states(
        of: problem.samples, sharing: problem.shared, from: states(entering: layer), entering: layer, to: lowest,
        as: .f32)
      let direct = try states(entering: lowest)
      #expect(onward.shared == direct.shared && onward.own == direct.own)
    }
  }

  @Test(
    "samples of one picture computed together have the bits of each one alone, in one pass or several",
    arguments: TinyCase.all, [Precision.f32, .bf16])
  func together(_ tiny: TinyCase, _ precision: Precision) throws {
    for prompts in [["What is this?", "Which animals?"], ["What is this?", "What is this?"]] {
      let problem = try Problem(tiny, precision: precision, prompts: prompts)
      let (model, samples) = (problem.model, problem.samples)
      let last = model.decoder.layers.count - 1
      let (type, columns) = (precision.elementType, model.decoder.hiddenSize)
      for ownRows in [512, 1] {
        let frozen = FrozenLayers(model: model, cache: KeyValueCache(on: model.backend), ownRows: ownRows)
        let all = try frozen.states(
          of: samples, sharing: problem.shared, image: problem.image, entering: last, as: type)
        for (index, sample) in samples.enumerated() {
          let alone = try frozen.states(
            of: [sample], sharing: sample.rows, image: problem.image, entering: last, as: type)
          let rows = problem.shared * columns * type.byteCount
          #expect(alone.own == [[]])
          let isSame = Array(all.shared[..<rows]) + all.own[index] + all.shared[rows...] == alone.shared
          #expect(
            isSame,
            "sample \(index), \(problem.shared) shared rows, at most \(ownRows) at a time")
        }
      }
      // What enters layer 0 is the picture's features alone.
      let frozen = try problem.gradients(from: 0).frozen
      let features = try frozen.states(
        of: samples, sharing: problem.shared, image: problem.image, entering: 0, as: type)
      let tokens = samples[0].sequence.image.count * (1 + model.streamAdditionLayers.count)
      #expect(features.shared.count == tokens * columns * type.byteCount && features.own.allSatisfy(\.isEmpty))
    }
  }
}
