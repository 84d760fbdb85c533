import COCO
import Foundation
import HeadImpact
import IO
import Jobs
import RunSupport
import VisionLanguage

/// What a run trains on: its files, read by rank 0 for all, and the samples they make.
extension TrainingJob {
  struct Datasets {
    /// The first ones alone, if the run is limited. The problems of the files are known on rank 0.
    let train: ImageTextDataset
    let validation: ImageTextDataset?
    /// What each file is called, and its SHA-256.
    let digests: [(name: String, value: String)]
  }

  struct TrainingData {
    let samples: [TrainingSample]
    let validation: [TrainingSample]
    /// On rank 0 with the records that the files' readers left out.
    let skips: SkipCounts
    /// Of the samples, and of those for validation.
    let pictures: (training: Pictures, validation: Pictures)

    /// Of the examples that are trained and validated on, in their order: which they are depends on what can be read.
    func digest() throws -> String {
      let ids = [samples, validation].map { $0.map { "\($0.example.id)" }.joined(separator: ",") }
      return try Array(ids.joined(separator: ";").utf8).withUnsafeBytes { try SHA256.hex(of: $0) }
    }
  }

  /// Rank 0 reads the files, and gives all ranks the examples.
  func readDatasets() throws -> Datasets {
    let c = configuration
    let train = try world.readTexts(
      c.dataset, annotations: c.annotations, images: c.images, system: c.input.system)
    let validation = try world.readTexts(
      c.validation, annotations: c.validationAnnotations, images: c.validationImages ?? c.images,
      system: c.input.system,
      names: ["validation", "validation annotations"])
    return Datasets(
      train: try world.share(train.dataset?.first(c.limit)),
      validation: try c.validation.map { _ in try world.share(validation.dataset) },
      digests: train.digests + validation.digests)
  }

  func prepare(_ datasets: Datasets, model: any VisionLanguageModel) throws -> TrainingData {
    var lost = 0
    for (dataset, url) in [(datasets.train, configuration.dataset), (datasets.validation, configuration.validation)] {
      guard let dataset, let url else { continue }
      try world.tell(
        dataset.warnings, of: url, refusal: dataset.problems.refusal, isStrict: configuration.isStrict)
      let isLimited = configuration.limit != nil && url == configuration.dataset
      let last = isLimited ? dataset.examples.prefix(configuration.limit ?? .max).last?.id : nil
      lost += dataset.problems.lostSamples(upTo: last)
    }
    let preparer = ExamplePreparer(world: world, model: model, prompt: configuration.prompt)
    let held = SplitMix64(seed: configuration.seed ^ 0x7661_6C69_6461_7465)
    let examples = datasets.train.examples
    func isHeldOut(_ example: ImageTextExample) -> Bool {
      Double(held[UInt64(bitPattern: example.imageID)] >> 11) * 0x1p-53 < configuration.validationShare
    }
    let train = try preparer.prepare(examples.filter { !isHeldOut($0) }, images: configuration.images)
    let heldOut = try preparer.prepare(
      datasets.validation?.examples ?? examples.filter(isHeldOut),
      images: configuration.validationImages ?? configuration.images)
    let skipped = train.skipped + heldOut.skipped
    if configuration.isStrict { try world.agree { try SkippedSample.refuse(skipped, called: "example") } }
    guard !train.samples.isEmpty else {
      throw JobError(
        "\(configuration.dataset.path): has no example to train on"
          + train.skipped.prefix(5).map { "\n  example \($0.id): \($0.reason.text)" }.joined())
    }
    if configuration.validation != nil || configuration.validationShare > 0, heldOut.samples.isEmpty {
      throw JobError("no example remains for validation: choose another --validation, or a larger --validation-share")
    }
    world.tell(skipped.map { $0.text(called: "example") })
    let used = train.samples.count + heldOut.samples.count
    return TrainingData(
      samples: train.samples, validation: heldOut.samples,
      skips: SkipCounts(samples: used + skipped.count + lost, skipped: skipped.map(\.reason.kind), records: lost),
      pictures: (train.pictures, heldOut.pictures))
  }
}
