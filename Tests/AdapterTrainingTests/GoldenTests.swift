import COCO
import Foundation
import ImageInput
import Kernels
import LowRankAdaptation
import Safetensors
import TestSupport
import Testing
import Transformer
import VisionLanguage

@testable import AdapterTraining

/// PEFT's and PyTorch's values on the committed tiny checkpoints (tools/goldens/training).
struct TrainingCase: Sendable, CustomStringConvertible {
  static let all = [
    "nested", "odd",
    "smolvlm",
    "qwen2_5_vl",
    "internvl",
    "llava_onevision", "llava_next",
    "paligemma", "paligemma2",
    "gemma3", "gemma3_saved",
    "qwen3_vl",
    "dora", "rslora",
  ].map { TrainingCase(name: $0) }
  let name: String

  var tiny: TinyCase { TinyCase.all.first { $0.name == name } ?? .nested }
  var initial: URL { Goldens.root().appendingPathComponent("\(name)/init") }
  var description: String { name }

  func goldens() throws -> Goldens { try Goldens(name) }

  /// `headimpact train` from the golden's adapter, with its options.
  func arguments(to output: URL, _ more: String..., ranks: Int = 1) throws -> [String] {
    let options = try goldens().metadata
    return [
      "train", "--model", tiny.model.path, "--dataset", tiny.dataset.path, "--images", tiny.images.path, "--init",
      initial.path, "--steps", options["steps"] ?? "", "--batch", options["batch"] ?? "", "--lr", options["lr"] ?? "",
      "--weight-decay", options["decay"] ?? "", "--shuffle", "none", "--precision", "f32", "--quiet", "--output",
      output.path,
    ] + TinyCase.resize + more
  }
}

@Suite("Agreement with PEFT")
struct AgreementTests {
  @Test("every adapter gradient of one sample, and its loss", arguments: TrainingCase.all)
  func gradients(_ golden: TrainingCase) throws {
    let goldens = try golden.goldens()
    let model = try ModelRegistry.load(
      folder: golden.tiny.model, input: InputOptions(resizing: .pillow),
      backend: CPUBackend(precision: .f32, team: ThreadTeam(count: 2)))
    let adapter = try PEFTAdapter.loadForTraining(folder: golden.initial, for: model).adapter
    model.decoder.adapter = adapter
    let dataset = try KeyObjectDataset(contentsOf: golden.tiny.dataset)
    let annotation = try #require(dataset.annotationsByID().first)
    let record = try #require(dataset.image(annotation.imageID))
    let image = try decodeImage(contentsOf: golden.tiny.images.appendingPathComponent(record.fileName))
    let layout = try model.visualLayout(width: image.width, height: image.height)
    let sample = TrainingSample(
      example: ImageTextExample(
        id: annotation.id, imageID: record.id, fileName: record.fileName, size: nil, prompt: nil, target: nil),
      sequence: try model.sequence(
        prompt: "Describe the main object in the image.",
        description: (annotation.description ?? "").trimmingCharacters(in: .whitespacesAndNewlines),
        layout: layout), load: layout.load)
    let gradients = SampleGradients(model: model, adapter: adapter)
    let prefix = try gradients.frozen.states(
      of: [sample], sharing: sample.rows, image: image, entering: gradients.lowestLayer, as: .f32)[0]
    let sums = Tensor([Float](repeating: 0, count: adapter.count))
    let loss = try gradients.losses([(sample, prefix)], as: .f32, gradients: sums)[0]
    let values = model.backend.read(sums)
    let expectedLoss = try goldens.doubles("first_loss")[0]
    #expect(abs(loss - expectedLoss) <= 1e-5 * expectedLoss, "\(loss), PyTorch says \(expectedLoss)")
    let layers = "gradient.base_model.model.model.\(type(of: model).languageModelModule).layers"
    for update in adapter.updates {
      for (part, range) in [("A", update.a), ("B", update.b), ("magnitude_vector", update.magnitude)] {
        guard let range else { continue }
        let name = "\(layers).\(update.target.layer).\(update.target.projection.module).lora_\(part).weight"
        let closeness = Closeness(Array(values[range]), try goldens.floats(name))
        #expect(closeness.relativeL2 < 2e-4, "\(name): \(closeness)")
      }
    }
  }
}

extension TrainingRuns {
  @Suite("Twenty steps")
  struct TwentySteps {
    /// loss within 1e-4, gradient norm within 1e-3 relative; weights within 1e-3 relative L2 (docs/training.md, "Agreement").
    @Test("losses, norms and weights are PEFT's, on 1, 2 and 3 ranks", arguments: TrainingCase.all, [1, 2, 3])
    func agreement(_ golden: TrainingCase, ranks: Int) async throws {
      try await ScratchFolder.with { scratch in
        let output = scratch.file("adapter")
        try await succeed(golden.arguments(to: output), ranks: ranks)
        let goldens = try golden.goldens()
        let history = try TrainingSteps(output)
        let (losses, norms) = (try goldens.doubles("loss"), try goldens.doubles("grad_norm"))
        #expect(try history.tokens == goldens.integers("tokens"))
        for step in losses.indices {
          #expect(abs(history.loss[step] - losses[step]) <= 1e-4 * losses[step], "loss of step \(step + 1)")
          #expect(abs(history.norm[step] - norms[step]) <= 1e-3 * norms[step], "norm of step \(step + 1)")
        }
        let trained = try SafetensorsFile(contentsOf: output.appendingPathComponent("adapter_model.safetensors"))
        #expect(trained.tensors.count == goldens.names.count { $0.hasPrefix("trained.") })
        for (name, tensor) in trained.tensors {
          let closeness = Closeness(try tensor.floats(), try goldens.floats("trained." + name))
          #expect(closeness.relativeL2 < 1e-3, "\(name): \(closeness)")
        }
      }
    }
  }
}
