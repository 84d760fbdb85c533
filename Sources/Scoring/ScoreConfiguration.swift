import Foundation
import HeadImpact
import Jobs
import Kernels
import RunSupport
import VisionLanguage

/// Everything that a scoring run is asked for.
public struct ScoreConfiguration: UnitJobConfiguration {
  /// A published model folder.
  public var model: URL
  /// A PEFT adapter of it.
  public var adapter: URL?
  /// How the model is shown images and texts.
  public var input = InputOptions()
  /// A key-object dataset (docs/formats.md).
  public var dataset: URL
  /// The folder that the dataset's file names are relative to.
  public var images: URL
  /// The HDF5 file to make.
  public var output: URL
  public var prompt = JobDefaults.prompt
  public var precision = Precision.bf16
  /// Takes the first samples only, by annotation id.
  public var limit: Int?
  public var options = HeadImpactOptions()
  /// Threads of each rank; by default the node's cores over its ranks.
  public var threads: Int?
  /// Keeps every sample's attention scores in the output.
  public var savesScores = false
  /// Continues from the journal of an interrupted run.
  public var resumes = false
  public var overwrites = false
  public var outputKind: OutputKind { shard == nil ? .hdf5 : .file }
  /// Continues with the intact records of a damaged journal.
  public var salvages = false
  /// Which part of the images the run does; nil for all. `output` is the shard's file then.
  public var shard: Shard?
  /// Share of the samples that may be skipped.
  public var allowedSkips = SkipCounts.defaultAllowed
  /// Makes the first unusable sample fatal.
  public var isStrict = false
  public var isQuiet = false

  public init(model: URL, dataset: URL, images: URL, output: URL) {
    self.model = model
    self.dataset = dataset
    self.images = images
    self.output = output
  }

  /// - Throws: `JobError` or `HeadImpactError` naming the option.
  public func validate() throws {
    try options.validate()
    try validateShared()
  }
}
