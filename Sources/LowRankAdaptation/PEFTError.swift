/// Everything that is wrong with an adapter folder, in one error.
public struct PEFTError: Error, CustomStringConvertible, Equatable, Sendable {
  public let folder: String
  public let problems: [String]
  /// What to do instead, where there is something.
  public let wayOut: String?

  init(_ folder: String, _ problems: [String], wayOut: String? = nil) {
    self.folder = folder
    self.problems = problems
    self.wayOut = wayOut
  }

  public var description: String {
    let end = wayOut.map { "\n  \($0)" } ?? ""
    if problems.count == 1 { return "\(folder): \(problems[0])\(end)" }
    let shown = problems.prefix(20).map { "\n  " + $0 }.joined()
    let more = problems.count > 20 ? "\n  and \(problems.count - 20) more" : ""
    return "\(folder): the adapter can't be used:\(shown)\(more)\(end)"
  }

  /// How PEFT merges an adapter into its model, so that nothing is left for this program to apply.
  static func merging(adapter: String, model: String) -> String {
    """
    PEFT can merge it into the model; then give --model MERGED, without --adapter:
        python3 -c "from transformers import AutoModelForImageTextToText as M, AutoProcessor as P; from peft import \
    PeftModel; m = '\(model)'; PeftModel.from_pretrained(M.from_pretrained(m, dtype='float32'), \
    '\(adapter)').merge_and_unload().save_pretrained('MERGED'); P.from_pretrained(m).save_pretrained('MERGED')"
    """
  }
}

/// What is wrong, as it is found.
struct PEFTProblems {
  private(set) var texts: [String] = []
  /// Whether PEFT itself could apply what isn't applied here.
  private(set) var canBeMerged = false

  mutating func add(_ text: String, canBeMerged: Bool = false) {
    texts.append(text)
    self.canBeMerged = self.canBeMerged || canBeMerged
  }

  mutating func add(_ others: PEFTProblems) {
    texts += others.texts
    canBeMerged = canBeMerged || others.canBeMerged
  }
}
