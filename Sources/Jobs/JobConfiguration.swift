import Foundation
import Kernels
import RunSupport
import VisionLanguage

/// The configuration of every job that runs a model.
public protocol JobConfiguration: Sendable {
  /// A published model folder.
  var model: URL { get }
  /// How the model is shown images and texts.
  var input: InputOptions { get }
  var dataset: URL { get }
  /// The folder that the dataset's file names are relative to.
  var images: URL { get }
  var output: URL { get }
  var precision: Precision { get set }
  /// Uses only the first samples, by id.
  var limit: Int? { get }
  /// Threads per rank; by default this rank's share of the node's cores.
  var threads: Int? { get set }
  /// Continues from the checkpoint of an interrupted run.
  var resumes: Bool { get set }
  /// Replaces an output that is there already, once the new one is complete, and starts over if a run was interrupted.
  var overwrites: Bool { get set }
  /// Share of the samples that may be skipped.
  var allowedSkips: Double { get set }
  /// Makes samples that can't be used fatal.
  var isStrict: Bool { get set }
  var isQuiet: Bool { get set }
  /// The file or folder that a run keeps beside its output until that is complete, and its name in errors.
  var work: (url: URL, what: String) { get }

  /// - Throws: an error that names the option.
  func validate() throws
}

extension JobConfiguration {
  /// Checks the options that all jobs have.
  ///
  /// - Throws: `JobError` naming the option.
  public func validateShared() throws {
    if resumes, overwrites {
      throw JobError("--resume continues the output and --overwrite replaces it: give one of them")
    }
    try SkipCounts.validate(allowed: allowedSkips)
    try JobInputs.validate(threads: threads, limit: limit)
  }
}

/// The additional configuration of a job of units, which keeps a journal.
public protocol UnitJobConfiguration: JobConfiguration {
  /// A PEFT adapter of the model.
  var adapter: URL? { get }
  /// Continues with the intact records of a damaged journal.
  var salvages: Bool { get set }
  /// Which part of the units the run does; nil for all. Its output is the shard's file.
  var shard: Shard? { get }
}

extension UnitJobConfiguration {
  public var shard: Shard? { nil }
  /// The file of finished units until the output is complete.
  public var journal: URL { output.appendingPathExtension("journal") }
  public var work: (url: URL, what: String) { (journal, "the journal of an interrupted run") }
}
