import Decoding
import Foundation
import Jobs
import Kernels
import RunSupport
import VisionLanguage

/// Everything that a generating run is asked for.
public struct GenerateConfiguration: UnitJobConfiguration {
  /// A published model folder.
  public var model: URL
  /// A PEFT adapter of it.
  public var adapter: URL?
  /// How the model is shown images and texts.
  public var input = InputOptions()
  /// A key-object dataset, COCO captions, or VQA v2 questions.
  public var dataset: URL
  public var images: URL
  /// The JSON file to make.
  public var output: URL
  /// Asks about each object of a key-object dataset by itself, and what of the picture the model is shown then.
  public var objects: ObjectView?
  public var prompt = JobDefaults.prompt
  public var precision = Precision.bf16
  /// Takes the first images (of questions: the first questions) only, by id.
  public var limit: Int?
  public var decoding = DecodingOptions()
  public var threads: Int?
  public var resumes = false
  public var overwrites = false
  public var outputKind: OutputKind {
    .json(beginning: ["[{\"image_id\":", "[{\"question_id\":", "[{\"annotation_id\":"])
  }
  /// Continues with the intact records of a damaged journal.
  public var salvages = false
  /// Share of the samples that may be skipped.
  public var allowedSkips = SkipCounts.defaultAllowed
  public var isStrict = false
  public var isQuiet = false

  public init(model: URL, dataset: URL, images: URL, output: URL) {
    self.model = model
    self.dataset = dataset
    self.images = images
    self.output = output
  }

  /// - Throws: `JobError` naming the option.
  public func validate() throws {
    try decoding.validate()
    try validateShared()
  }
}
