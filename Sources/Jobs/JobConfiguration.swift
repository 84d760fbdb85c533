import Foundation
import Kernels
import RunSupport

/// What every job that runs a model is asked for.
public protocol JobConfiguration: Sendable {
  /// A published model folder.
  var model: URL { get }
  /// Takes the place of the model folder's chat template.
  var chatTemplate: URL? { get }
  var dataset: URL { get }
  /// The folder that the dataset's file names are relative to.
  var images: URL { get }
  var output: URL { get }
  var precision: Precision { get set }
  /// Takes the first samples only, by id.
  var limit: Int? { get }
  /// Threads of each rank; by default this rank's part of the node's cores.
  var threads: Int? { get set }
  /// Continues from the checkpoint of an interrupted run.
  var resumes: Bool { get set }
  /// Share of the samples that may be skipped.
  var allowedSkips: Double { get set }
  /// Makes samples that can't be used fatal.
  var isStrict: Bool { get set }
  var isQuiet: Bool { get set }
  /// What a run keeps beside its output until that is whole, and its name in errors.
  var work: (url: URL, what: String) { get }

  /// - Throws: an error that names the option.
  func validate() throws
}

extension JobConfiguration {
  /// Checks the options that all jobs have.
  ///
  /// - Throws: `JobError` naming the option.
  public func validateShared() throws {
    try SkipCounts.validate(allowed: allowedSkips)
    try JobInputs.validate(threads: threads, limit: limit)
  }
}

/// What a job of units is asked for besides: it keeps a journal.
public protocol UnitJobConfiguration: JobConfiguration {
  /// A PEFT adapter of the model.
  var adapter: URL? { get }
  /// Continues with what is whole of a journal that is damaged.
  var salvages: Bool { get set }
}

extension UnitJobConfiguration {
  /// Where finished units are kept until the output is whole.
  public var journal: URL { output.appendingPathExtension("journal") }
  public var work: (url: URL, what: String) { (journal, "the journal of an interrupted run") }
}
