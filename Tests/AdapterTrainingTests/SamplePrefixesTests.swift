import COCO
import Foundation
import ImageInput
import Kernels
import LowRankAdaptation
import MessagePassing
import RunSupport
import TestSupport
import Testing
import Transformer
import VisionLanguage

@testable import AdapterTraining

/// A model that counts the passes of its vision tower.
private final class CountingModel: VisionLanguageModel {
  static let modelTypes: [String] = []
  static let languageModelModule = "language_model"
  static let visionModules: Set<String> = []
  private let base: any VisionLanguageModel
  var towerPasses = 0

  init(folder: URL, input: InputOptions, backend: any Backend) throws {
    base = try ModelRegistry.load(folder: folder, input: input, backend: backend)
  }

  var parts: ModelParts { base.parts }
  var processor: any ImageProcessor { base.processor }
  var streamAdditionLayers: [Int] { base.streamAdditionLayers }
  func angles(_ sequence: TokenSequence) -> [RotaryAngles] { base.angles(sequence) }
  func bidirectionalBlocks(_ sequence: TokenSequence) -> [Range<Int>] { base.bidirectionalBlocks(sequence) }

  func encode(_ image: PreparedImage, taps: Taps) throws -> VisualFeatures {
    towerPasses += 1
    return try base.encode(image, taps: taps)
  }
}

@Suite("Prefixes of a picture's samples")
struct SamplePrefixesTests {
  private static let questions = 5

  /// Five questions about each of three pictures, of which one is held out, in steps of four.
  private struct Run {
    let model: CountingModel
    let prefixes: SamplePrefixes
    let gradients: SampleGradients
    let training: Int

    init(
      from layer: Int, _ configuration: TrainConfiguration, on world: Communicator, occurring: Set<Int>? = nil,
      shared: SharedPrefixes? = nil
    ) throws {
      let tiny = TinyCase.nested
      let model = try CountingModel(
        folder: tiny.model, input: InputOptions(), backend: CPUBackend(precision: .f32, team: ThreadTeam(count: 1)))
      let dataset = try KeyObjectDataset(contentsOf: tiny.dataset)
      let images = Array(Set(dataset.annotationsByID().map(\.imageID))).sorted().prefix(3)
      let samples = try images.map { id in
        let record = try #require(dataset.image(id))
        let image = try decodeImage(contentsOf: tiny.images.appendingPathComponent(record.fileName))
        let layout = try model.visualLayout(width: image.width, height: image.height)
        return try (0..<questions).map { question in
          TrainingSample(
            example: ImageTextExample(
              id: id * 10 + Int64(question), imageID: id, fileName: record.fileName, size: nil, prompt: nil, target: nil
            ),
            sequence: try model.sequence(prompt: "Are there \(question) dogs?", description: "no", layout: layout),
            load: layout.load)
        }
      }
      try #require(samples.count == 3)
      let adapter = try LoRAConfiguration(
        targets: [.query], layers: Array(layer..<model.decoder.layers.count), loraRank: 2, loraAlpha: 2
      ).makeAdapter(for: model)
      model.decoder.adapter = adapter
      gradients = SampleGradients(model: model, adapter: adapter)
      let pictures = Pictures(in: tiny.images, missing: [])
      let data = TrainingJob.TrainingData(
        samples: samples[0] + samples[1], validation: samples[2], skips: SkipCounts(samples: 15, skipped: []),
        pictures: (pictures, pictures))
      training = data.samples.count
      prefixes = SamplePrefixes(
        configuration, on: world, model: model, gradients: gradients, data: data, occurring: occurring, shared: shared,
        reserve: 0)
      self.model = model
    }

    /// One epoch of steps.
    func epoch(_ order: [Int]) throws -> [FrozenStates] {
      try stride(from: 0, to: order.count, by: 4).flatMap { first in
        func batch(_ first: Int) -> [Int] { Array(order[min(first, order.count)..<min(first + 4, order.count)]) }
        let plan = prefixes.plan(batch(first))
        try prefixes.begin(plan, before: batch(first + 4))
        return try plan.samples[0].map { try prefixes.states(of: $0) }
      }
    }

    func validation() throws -> [FrozenStates] {
      let samples = prefixes.validationSamples()
      prefixes.beginValidation(of: samples)
      return try samples.map { try prefixes.states(of: $0) }
    }
  }

  private func inWorld(_ body: (Communicator, ScratchFolder) throws -> Void) throws {
    try ScratchFolder.with { scratch in
      try Communicator.withWorld(environment: [:]) { world in try body(world, scratch) }
    }
  }

  private func configuration(_ scratch: ScratchFolder) -> TrainConfiguration {
    let tiny = TinyCase.nested
    var configuration = TrainConfiguration(
      model: tiny.model, dataset: tiny.dataset, images: tiny.images, output: scratch.file("adapter"))
    configuration.precision = .f32
    return configuration
  }

  // Steps of four: 0-3, 4-7, 8 and 9.
  private static let inOrder = Array(0..<10)

  @Test("the vision tower runs once for a picture, whatever layer is the lowest adapted one", arguments: [0, 1, 3])
  func once(layer: Int) throws {
    try inWorld { world, scratch in
      let run = try Run(from: layer, configuration(scratch), on: world)
      let first = try run.epoch(Self.inOrder)
      #expect(run.model.towerPasses == 2)
      _ = try run.validation()
      #expect(run.model.towerPasses == 3)
      #expect(try run.epoch(Self.inOrder) == first && run.validation().count == Self.questions)
      #expect(run.model.towerPasses == 3)
    }
  }

  @Test("where nothing is kept it runs once for a picture of a step, and the states are the same", arguments: [0, 2])
  func without(layer: Int) throws {
    try inWorld { world, scratch in
      let kept = try Run(from: layer, configuration(scratch), on: world).epoch(Self.inOrder)
      var none = configuration(scratch)
      none.caches = false
      var full = configuration(scratch)
      (full.cacheMemory, full.cacheFolder) = (0, URL(fileURLWithPath: "/nowhere"))
      for configuration in [none, full] {
        let run = try Run(from: layer, configuration, on: world)
        for epoch in 1...2 {
          #expect(try run.epoch(Self.inOrder) == kept)
          // The second step has both pictures.
          #expect(run.model.towerPasses == 4 * epoch)
        }
        #expect(try run.validation().count == Self.questions && run.model.towerPasses == 9)
      }
    }
  }

  @Test("a run shorter than an epoch computes only the samples that it trains on")
  func short() throws {
    try inWorld { world, scratch in
      let run = try Run(from: 2, configuration(scratch), on: world, occurring: [0, 1, 7, 8])
      _ = try run.epoch([0, 1, 7, 8])
      #expect(run.model.towerPasses == 2)
      // Not to be asked for.
      _ = try run.epoch([2])
      #expect(run.model.towerPasses == 3)
    }
  }

  @Test("runs that share what they computed run the tower for the first of them alone", arguments: [0, 1])
  func several(sharedLayer: Int) throws {
    try inWorld { world, scratch in
      let shared = SharedPrefixes(layer: sharedLayer, memoryLimit: 1 << 24, folder: scratch.url)
      for (index, layer) in [sharedLayer, 2, 1].enumerated() {
        let alone = try Run(from: layer, configuration(scratch), on: world)
        let run = try Run(from: layer, configuration(scratch), on: world, shared: shared)
        #expect(try run.epoch(Self.inOrder) == alone.epoch(Self.inOrder))
        #expect(run.model.towerPasses == (index == 0 ? 2 : 0))
      }
    }
  }
}
