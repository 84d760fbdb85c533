import Decoding
import Foundation
import HeadImpact
import Jobs
import Kernels
import RunSupport
import VisionLanguage

/// Everything that an ablating run is asked for.
public struct AblateConfiguration: UnitJobConfiguration {
  /// A published model folder.
  public var model: URL
  /// A PEFT adapter of it.
  public var adapter: URL?
  /// How the model is shown images and texts.
  public var input = InputOptions()
  /// A key-object dataset, COCO captions, or VQA v2 questions.
  public var dataset: URL
  /// The answers of a VQA v2 question file.
  public var annotations: URL?
  public var images: URL
  /// The JSON file to make.
  public var output: URL
  /// Each is measured separately, and compared with the unmodified model.
  public var ablations: [Ablation]
  public var kind = AblationKind.zero
  /// Of `mean`: the reference set is this many images at most, the first by id.
  public var referenceImages = 256
  /// In any order; the loss is always measured.
  public var outcomes: [AblationOutcome] = [.loss]
  /// Of outcomes for which the model has to say something.
  public var decoding = DecodingOptions()
  /// `model_sha256` of the scoring run that the heads were chosen by: another model is refused. nil if they come from
  /// elsewhere.
  public var scoredModelSHA256: String?
  /// The file that the heads were chosen by, if there is one.
  public var chosenBy: URL?
  public var prompt = JobDefaults.prompt
  public var precision = Precision.bf16
  /// Takes the first examples only, by id.
  public var limit: Int?
  public var bootstrapResamples = 1000
  /// Of the bootstrap.
  public var seed: UInt64 = 0
  public var threads: Int?
  public var resumes = false
  public var overwrites = false
  public var outputKind: OutputKind { .json(beginning: ["{\"ablation"]) }
  public var inputs: [URL] { [dataset, images, model] + [adapter, annotations, chosenBy].compactMap { $0 } }
  /// Continues with the intact records of a damaged journal.
  public var salvages = false
  /// Share of the examples that may be skipped.
  public var allowedSkips = SkipCounts.defaultAllowed
  public var isStrict = false
  public var isQuiet = false

  public init(model: URL, dataset: URL, images: URL, output: URL, ablations: [Ablation]) {
    self.model = model
    self.dataset = dataset
    self.images = images
    self.output = output
    self.ablations = ablations
  }

  /// What can be said without the heads.
  ///
  /// - Throws: `JobError` naming the option.
  public func validateOptions() throws {
    try validateShared()
    guard Bootstrap.resampleCounts.contains(bootstrapResamples) else {
      throw JobError("--bootstrap is \(bootstrapResamples); it must be in \(Bootstrap.resampleCounts)")
    }
    guard (1...1_000_000).contains(referenceImages) else {
      throw JobError("--reference-images is \(referenceImages); it must be in 1...1000000")
    }
    try decoding.validate()
  }

  /// - Throws: `JobError` naming the option.
  public func validate() throws {
    try validateOptions()
    guard !ablations.isEmpty else { throw JobError("no heads are named to ablate") }
    for (index, ablation) in ablations.enumerated() {
      guard !ablation.heads.isEmpty else { throw JobError("the ablation \"\(ablation.name)\" names no head") }
      guard Set(ablation.heads).count == ablation.heads.count else {
        throw JobError("the ablation \"\(ablation.name)\" names a head twice")
      }
      guard
        !ablations[..<index].contains(where: { $0.name == ablation.name && $0.heads.count == ablation.heads.count })
      else { throw JobError("two ablations of \(ablation.heads.count) heads are called \"\(ablation.name)\"") }
    }
  }

  func measured(_ outcome: AblationOutcome) -> Bool { outcome == .loss || outcomes.contains(outcome) }
  /// Whether the model has to say something.
  var generates: Bool { outcomes.contains(where: \.needsText) }

  /// - Throws: `JobError` or `HeadImpactError` where the heads are not the model's.
  func validateHeads(of model: any VisionLanguageModel, sha256: String) throws {
    try JobInputs.checkScored(scoredModelSHA256, by: "the heads", is: sha256, of: self.model)
    for ablation in ablations {
      try ablation.heads.check(layers: model.decoder.layers.count, heads: model.numAttentionHeads)
    }
  }
}
