import Foundation
import Jobs
import TensorCore

/// Everything that a generation run is asked for.
public struct GenerationConfiguration: Sendable {
  /// A published model folder.
  public var model: URL
  /// Key objects, COCO captions, or questions (formats.md).
  public var dataset: URL
  /// The folder that the dataset's file names are relative to.
  public var images: URL
  /// The JSON file to make.
  public var output: URL
  /// A PEFT adapter folder; nil for the model as it is.
  public var adapter: URL?
  /// What is asked about an image that the dataset has no question about.
  public var prompt = JobDefaults.prompt
  public var precision = Precision.bf16
  public var decoding = DecodingOptions()
  /// Takes the first examples only, by annotation or question id.
  public var limit: Int?
  /// Threads of each rank; by default the node's cores over its ranks.
  public var threads: Int?
  /// Goes on from the journal of a run that was stopped.
  public var resumes = false
  /// Makes the first unusable example fatal.
  public var isStrict = false
  public var isQuiet = false

  public init(model: URL, dataset: URL, images: URL, output: URL) {
    self.model = model
    self.dataset = dataset
    self.images = images
    self.output = output
  }

  /// Where finished answers are kept until the output is whole.
  public var journal: URL { output.appendingPathExtension("journal") }

  /// - Throws: `JobError` naming the option.
  func validate() throws {
    try decoding.validate()
    if let limit, limit < 1 { throw JobError("--limit is \(limit); it must be at least 1") }
    if let threads, !(1...4096).contains(threads) {
      throw JobError("--threads is \(threads); it must be in 1...4096")
    }
  }
}
