import Foundation
import IO
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
  /// Whether an output that the same command made before is replaced, once the new one is whole.
  var overwrites: Bool { get set }
  /// How such an output is recognised.
  var outputKind: OutputKind { get }
  /// What the job reads: never an output to replace.
  var inputs: [URL] { get }
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

/// What a job's output is: `--overwrite` replaces nothing else.
public enum OutputKind: Sendable {
  /// Any file.
  case file
  case hdf5
  /// A JSON file that begins with one of these, without white space; or that the `OUTPUT.run` beside it is of.
  case json(beginning: [String])
  /// A folder that holds this file.
  case folder(with: String)

  /// Whether what lies there can be of this kind.
  ///
  /// - Throws: `EnvironmentFault` if it can't be read.
  public func isKind(of output: URL) throws -> Bool {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: output.path, isDirectory: &isFolder) else { return true }
    switch self {
    case .folder(let name):
      return isFolder.boolValue
        && FileManager.default.fileExists(atPath: output.appendingPathComponent(name).path)
    case .file: return !isFolder.boolValue
    case .hdf5:
      return try !isFolder.boolValue && InputFile.read(output, upTo: 4).elementsEqual([0x89, 0x48, 0x44, 0x46])
    case .json(let beginnings):
      guard !isFolder.boolValue else { return false }
      let text = String(decoding: try InputFile.read(output, upTo: 256), as: UTF8.self).filter { !$0.isWhitespace }
      return try beginnings.contains { text.hasPrefix($0) } || RunFile.isBeside(output)
    }
  }
}

extension JobConfiguration {
  public var inputs: [URL] { [dataset, images, model] }

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
  public var inputs: [URL] { [dataset, images, model] + (adapter.map { [$0] } ?? []) }
  /// The file of finished units until the output is complete.
  public var journal: URL { output.appendingPathExtension("journal") }
  public var work: (url: URL, what: String) { (journal, "the journal of an interrupted run") }
}
