import Foundation
import HeadImpact
import Jobs
import Kernels
import RunSupport
import VisionLanguage

/// Everything that a grounding run is asked for.
public struct GroundConfiguration: UnitJobConfiguration {
  /// A published model folder.
  public var model: URL
  /// A PEFT adapter of it.
  public var adapter: URL?
  /// How the model is shown images and texts.
  public var input = InputOptions()
  /// A key-object dataset, or referring expressions (docs/grounding.md).
  public var dataset: URL
  public var images: URL
  /// The JSON file to make.
  public var output: URL
  /// The folder of a page with pictures to make as well; nil for none.
  public var page: URL?
  /// Whose attention is read; at least one, none twice.
  public var heads: [Selection.Head]
  /// `model_sha256` of the scoring run that the heads were chosen by: another model is refused. nil if they come from
  /// elsewhere.
  public var scoredModelSHA256: String?
  /// The file that the heads were chosen by, if there is one.
  public var chosenBy: URL?
  public var locating = LocatingOptions()
  public var query = HeadImpactOptions.Query.token
  public var normalize = HeadImpactOptions.Normalize.none
  public var views = HeadImpactOptions.Views.all
  public var prompt = JobDefaults.prompt
  public var precision = Precision.bf16
  /// Takes the first expressions only, by id.
  public var limit: Int?
  public var bootstrapResamples = 1000
  /// Of the bootstrap.
  public var seed: UInt64 = 0
  public var threads: Int?
  public var resumes = false
  public var overwrites = false
  public var outputKind: OutputKind { .json(beginning: ["[{\"annotation_id\":"]) }
  public var inputs: [URL] { [dataset, images, model] + [adapter, chosenBy].compactMap { $0 } }
  /// Continues with the intact records of a damaged journal.
  public var salvages = false
  /// Share of the expressions that may be skipped.
  public var allowedSkips = SkipCounts.defaultAllowed
  public var isStrict = false
  public var isQuiet = false

  public init(model: URL, dataset: URL, images: URL, output: URL, heads: [Selection.Head]) {
    self.model = model
    self.dataset = dataset
    self.images = images
    self.output = output
    self.heads = heads
  }

  /// What can be said without the heads.
  ///
  /// - Throws: `JobError` or `HeadImpactError` naming the option.
  public func validateOptions() throws {
    try validateShared()
    try locating.validate()
    guard page?.place != output.place else {
      throw JobError("--page and --output are the same; the page is a folder of its own")
    }
    guard Bootstrap.resampleCounts.contains(bootstrapResamples) else {
      throw JobError("--bootstrap is \(bootstrapResamples); it must be in \(Bootstrap.resampleCounts)")
    }
  }

  /// - Throws: `JobError` or `HeadImpactError` naming the option.
  public func validate() throws {
    try validateOptions()
    if let page { try PlacesFolder.check(page, self) }
    guard !heads.isEmpty else { throw JobError("no heads are named to look with") }
    guard Set(heads).count == heads.count else { throw JobError("a head is named twice") }
  }
}
