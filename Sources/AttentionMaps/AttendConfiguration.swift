import Foundation
import HeadImpact
import Kernels
import RunSupport
import VisionLanguage

/// Everything that pictures of attention are made from.
public struct AttendConfiguration: Sendable {
  /// What is looked at, and what is said of it.
  public enum Subject: Sendable {
    case picture(URL, text: String)
    /// An annotation of a key-object dataset (or of any COCO instances file), its images, and what is said instead of
    /// its description.
    case annotation(Int64, dataset: URL, images: URL, text: String?)
  }

  /// A published model folder.
  public var model: URL
  /// A PEFT adapter of it.
  public var adapter: URL?
  /// How the model is shown images and texts.
  public var input = InputOptions()
  public var subject: Subject
  public var heads: [Selection.Head]
  /// `model_sha256` of the scoring run that the heads were chosen by: another model is refused. nil if they come from
  /// elsewhere.
  public var scoredModelSHA256: String?
  /// The output folder.
  public var output: URL
  public var prompt = JobDefaults.prompt
  public var precision = Precision.bf16
  public var options = HeadImpactOptions()
  public var threads: Int?

  public init(model: URL, subject: Subject, heads: [Selection.Head], output: URL) {
    self.model = model
    self.subject = subject
    self.heads = heads
    self.output = output
  }

  /// - Throws: `JobError` or `HeadImpactError` naming the option.
  func validate() throws {
    try options.validate()
    if let threads, !(1...4096).contains(threads) { throw JobError("--threads is \(threads); it must be in 1...4096") }
    guard !heads.isEmpty else { throw JobError("no head is named") }
    if let twice = heads.first(where: { head in heads.count { $0 == head } > 1 }) {
      throw JobError("head \(twice) is named twice")
    }
    try JobInputs.checkFolder(of: output)
    guard !FileManager.default.fileExists(atPath: output.path) else {
      throw JobError("\(output.path): already exists; choose another --output, or remove it")
    }
  }
}
