import COCO
import Foundation
import HeadImpact
import Jobs
import Safetensors
import VisionLanguage

/// What a run trains on: its files, read by rank 0 for all, and the samples they make.
extension TrainingJob {
  struct Datasets {
    let train: ImageTextDataset
    let validation: ImageTextDataset?
    /// What each file is called, and its SHA-256.
    let digests: [(name: String, value: String)]
  }

  struct TrainingData {
    let samples: [TrainingSample]
    let validation: [TrainingSample]
    let skips: SkipCounts

    /// Of the examples that are trained and validated on, in their order: which they are depends on what can be read.
    func digest() throws -> String {
      let ids = [samples, validation].map { $0.map { "\($0.example.id)" }.joined(separator: ",") }
      return try Array(ids.joined(separator: ";").utf8).withUnsafeBytes { try SHA256.hex(of: $0) }
    }
  }

  func readDatasets() throws -> Datasets {
    func read(_ url: URL?) throws -> [UInt8]? { try url.map { try world.readForAll($0) } }
    let train = try read(configuration.dataset) ?? []
    let answers = try read(configuration.annotations)
    let validation = try read(configuration.validation)
    let validationAnswers = try read(configuration.validationAnnotations)
    // Rank 0 lists the folders for all: a picture that one rank doesn't see must not make its list of samples another.
    let files = try world.listForAll(configuration.images)
    let validationFiles = try configuration.validationImages.map { try world.listForAll($0) } ?? files
    func dataset(
      _ json: [UInt8], _ url: URL, _ annotations: ([UInt8]?, URL?), images: [String]
    ) throws -> ImageTextDataset {
      var answers: (json: [UInt8], name: String)?
      if let json = annotations.0, let url = annotations.1 { answers = (json, url.path) }
      return try ImageTextDataset(json: json, name: url.path, annotations: answers) { images }
    }
    return try world.agree {
      Datasets(
        train: try dataset(
          train, configuration.dataset, (answers, configuration.annotations), images: files),
        validation: try validation.flatMap { json in
          try configuration.validation.map {
            try dataset(
              json, $0, (validationAnswers, configuration.validationAnnotations),
              images: validationFiles)
          }
        },
        digests: try [
          ("dataset (SHA-256)", train), ("annotations (SHA-256)", answers), ("validation (SHA-256)", validation),
          ("validation annotations (SHA-256)", validationAnswers),
        ].map { name, bytes in (name, try bytes.map { try $0.withUnsafeBytes { try SHA256.hex(of: $0) } } ?? "none") })
    }
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
    let examples = Array(datasets.train.examples.prefix(configuration.limit ?? .max))
    func isHeldOut(_ example: ImageTextExample) -> Bool {
      Double(held[UInt64(bitPattern: example.imageID)] >> 11) * 0x1p-53 < configuration.validationShare
    }
    let train = try preparer.prepare(examples.filter { !isHeldOut($0) }, images: configuration.images)
    let heldOut = try preparer.prepare(
      datasets.validation?.examples ?? examples.filter(isHeldOut),
      images: configuration.validationImages ?? configuration.images)
    let skipped = train.skipped + heldOut.skipped
    if !skipped.isEmpty, configuration.isStrict {
      throw JobError(
        "\(skipped.count) examples can't be used (--strict):"
          + skipped.map { "\n  example \($0.id): \($0.reason.text)" }.joined())
    }
    guard !train.samples.isEmpty else {
      throw JobError(
        "\(configuration.dataset.path): has no example to train on"
          + train.skipped.prefix(5).map { "\n  example \($0.id): \($0.reason.text)" }.joined())
    }
    if configuration.validation != nil || configuration.validationShare > 0, heldOut.samples.isEmpty {
      throw JobError("no example remains for validation: choose another --validation, or a larger --validation-share")
    }
    if world.rank == 0 {
      for sample in skipped {
        FileHandle.standardError.write(
          Data("headimpact: example \(sample.id) is skipped: \(sample.reason.text)\n".utf8))
      }
    }
    let used = train.samples.count + heldOut.samples.count
    return TrainingData(
      samples: train.samples, validation: heldOut.samples,
      skips: SkipCounts(samples: used + skipped.count + lost, skipped: skipped.map(\.reason.kind), records: lost))
  }
}
