import COCO
import Generation
import Jobs
import KeyObjects
import MessagePassing
import RunSupport

/// A build of a key-object dataset on several ranks: rank 0 chooses and writes, and all share what a model describes.
struct SharedDatasetBuild {
  private let builder: DatasetBuilder
  /// The run that describes the objects of the builder's draft; nil if no model does.
  private let describer: GenerateConfiguration?

  init(_ builder: DatasetBuilder, describer: GenerateConfiguration?) {
    self.builder = builder
    self.describer = describer
  }

  /// Every rank calls it at the same time.
  ///
  /// - Returns: on rank 0 what was made; nil elsewhere.
  /// - Throws: errors of the inputs or of the job; nothing is written then.
  func run(on world: Communicator) throws -> DatasetBuilder.Summary? {
    var lock: RunLock?
    defer { lock?.release() }
    var finished: DatasetBuilder.Summary?
    var chosen: DatasetBuilder.Choice?
    try world.agree {
      guard world.rank == 0 else { return }
      lock = try builder.lock(wait: world.attend)
      switch try builder.begin() {
      case .finished(let summary): finished = summary
      case .chosen(let choice): chosen = choice
      }
    }
    if try world.settle(finished != nil) { return finished }
    let descriptions = try describer.flatMap { try describe(chosen, $0, on: world) }
    return try world.agree { try chosen.map { try builder.finish($0, describedBy: descriptions, lock: lock) } }
  }

  /// - Returns: on rank 0 the model's descriptions.
  private func describe(
    _ choice: DatasetBuilder.Choice?, _ configuration: GenerateConfiguration, on world: Communicator
  ) throws -> DatasetBuilder.Descriptions? {
    try world.agree { if let choice { try builder.writeDraft(choice) } }
    guard let summary = try GenerationJob(configuration, on: world).run() else { return nil }
    let texts = try GeneratedTexts(contentsOf: configuration.output, kind: .objects)
    return DatasetBuilder.Descriptions(
      texts: Dictionary(uniqueKeysWithValues: texts.entries.map { ($0.id, $0.text) }), skips: summary.skips)
  }
}
