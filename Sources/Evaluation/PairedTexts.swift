import COCO
import IO

/// The texts of one or two results, in the order of what they are compared with.
struct PairedTexts {
  private static let named = 5

  /// Which of the images or questions have a text in all results.
  let kept: [Int]
  /// The texts of each result. - Shape: [result, kept]
  let texts: [[String]]
  /// What was left out.
  let warning: String?

  /// - Parameters:
  ///   - ids: the images or questions of the file `name` with which texts can be compared.
  ///   - unreadable: those of which the file has something that can't be read; results of them are left out.
  ///   - others: those that it has nothing to compare with. A result of one is refused, as VQA's own program does; a
  ///     partial evaluation leaves it out.
  ///   - what: "image" or "question".
  ///   - isPartial: whether those without a text are left out.
  /// - Throws: `EvaluationError` if a result is of none of them, or one has no result.
  init(
    _ ids: [Int64], others: [Int64] = [], unreadable: [Int64] = [], of name: String, _ results: [GeneratedTexts],
    what: String, isPartial: Bool
  ) throws {
    let known = Set(ids)
    let silent = Set(others)
    let odd = Set(unreadable)
    let found = try results.map { result in
      let foreign = result.entries.filter { !known.contains($0.id) && !silent.contains($0.id) && !odd.contains($0.id) }
      guard foreign.isEmpty else {
        throw EvaluationError(
          "\(result.name): has \(counted(foreign.count, "result")) for \(what)s that are not in \(name): \(Self.some(foreign.map(\.id)))"
        )
      }
      let useless = result.entries.filter { silent.contains($0.id) }
      guard useless.isEmpty || isPartial else {
        throw EvaluationError(
          "\(result.name): has \(counted(useless.count, "result")) for \(what)s of \(name) that have nothing to compare with: "
            + "\(Self.some(useless.map(\.id))); --partial scores only the others")
      }
      return Dictionary(uniqueKeysWithValues: result.entries.map { ($0.id, $0.text) })
    }
    for (result, texts) in zip(results, found) where !isPartial {
      let missing = ids.filter { texts[$0] == nil }
      guard missing.isEmpty else {
        throw EvaluationError(
          "\(result.name): \(missing.count) of the \(counted(ids.count, what)) of \(name) \(agreeing(with: missing.count, "has", "have")) no result: \(Self.some(missing)); "
            + "--partial scores only the others")
      }
    }
    let kept = ids.indices.filter { at in found.allSatisfy { $0[ids[at]] != nil } }
    guard !kept.isEmpty else {
      throw EvaluationError("\(results.map(\.name).joined(separator: " and ")): no \(what) of \(name) has a result")
    }
    self.kept = kept
    texts = found.map { texts in kept.compactMap { texts[ids[$0]] } }
    let left = ids.count - kept.count
    warning =
      left == 0
      ? nil
      : "\(left) of \(counted(ids.count, what)) \(agreeing(with: left, "has no result and is", "have no result and are")) left out (--partial)"
  }

  private static func some(_ ids: [Int64]) -> String {
    ids.prefix(named).map(String.init).joined(separator: ", ") + (ids.count > named ? ", …" : "")
  }
}
