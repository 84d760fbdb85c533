import Decoding
import Figures
import Foundation
import HeadImpact
import Kernels
import RunSupport
import VisionLanguage

/// Everything that pictures of attention are made from.
public struct AttendConfiguration: Sendable {
  /// What is looked at.
  public enum Subject: Sendable {
    case picture(URL)
    /// An annotation of a key-object dataset (or of any COCO instances file), and its images.
    case annotation(Int64, dataset: URL, images: URL)
  }

  /// What is said of it.
  public enum Text: Sendable {
    case given(String)
    /// Of the annotation.
    case description
    /// The model's own answer to the prompt.
    case generated(DecodingOptions)
  }

  /// What the text is cut into, and drawn piece by piece.
  public enum Piece: String, CaseIterable, Sendable {
    case word, token
  }

  /// A published model folder.
  public var model: URL
  /// A PEFT adapter of it.
  public var adapter: URL?
  /// How the model is shown images and texts.
  public var input = InputOptions()
  public var subject: Subject
  public var text: Text
  /// nil for words of a text, and tokens of an answer.
  public var piece: Piece?
  public var heads: [Selection.Head]
  /// `model_sha256` of the scoring run that the heads were chosen by: another model is refused. nil if they come from
  /// elsewhere.
  public var scoredModelSHA256: String?
  /// The output folder.
  public var output: URL
  /// Replaces a folder that this program made.
  public var overwrites = false
  public var prompt = JobDefaults.prompt
  public var precision = Precision.bf16
  public var options = HeadImpactOptions()
  public var threads: Int?

  public init(model: URL, subject: Subject, text: Text, heads: [Selection.Head], output: URL) {
    self.model = model
    self.subject = subject
    self.text = text
    self.heads = heads
    self.output = output
  }

  /// What an output folder is.
  static let folder = PageFolder(generator: "headimpact attend") { name in
    name == "attention.csv" || name.hasSuffix(".png") || name.hasSuffix(".svg")
  }

  /// What can be said without the heads.
  ///
  /// - Throws: `JobError` or `HeadImpactError` naming the option.
  public func validateOptions() throws {
    try options.validate()
    try JobInputs.validate(threads: threads, limit: nil)
    switch text {
    case .given(let text):
      guard !text.allSatisfy(\.isWhitespace) else { throw JobError("--text is empty; describe what the image shows") }
    case .generated(let decoding): try decoding.validate()
    case .description: break
    }
  }

  /// - Throws: `JobError` or `HeadImpactError` naming the option.
  func validate() throws {
    try validateOptions()
    guard !heads.isEmpty else { throw JobError("no head is named") }
    if let twice = heads.first(where: { head in heads.count { $0 == head } > 1 }) {
      throw JobError("head \(twice) is named twice")
    }
    try JobInputs.checkFolder(of: output)
    if let reason = try Self.folder.refusal(of: output, overwrites: overwrites) {
      throw JobError("\(output.path): \(reason)")
    }
  }
}
