import Comparison
import Figures
import HeadImpact

/// What a comparison found, in sentences.
public enum ComparisonWords {
  /// One pair: how alike the orders are, the best heads shared, and what changed.
  public static func finding(_ comparison: RunComparison, _ pair: PairComparison) -> String {
    let (first, second) = (comparison.runs[pair.first], comparison.runs[pair.second])
    let data =
      pair.isPaired
      ? "on the same \(NumberText.counted(first.images, "image"))"
      : "on different data (\(NumberText.counted(first.images, "image")) and \(NumberText.grouped(second.images)))"
    guard let heads = pair.heads else {
      return
        "\(first.name) has \(shape(first)), \(second.name) \(shape(second)): no head of one is a head of the other, so "
        + "only layers are compared, at the same relative depths. \(layerSentence(pair, data))"
    }
    let count = first.layers * first.headsPerLayer
    return "\(second.name) ranks the \(NumberText.grouped(count)) heads as \(first.name) does to a rank correlation of "
      + "\(interval(heads.spearman, isSigned: false)), \(data)\(halves(first, second)). \(shared(comparison, pair, heads)) "
      + change(comparison, pair, heads)
  }

  /// Which attributes differ, as one sentence.
  public static func whatDiffers(_ comparison: RunComparison) -> String {
    let names = comparison.attributes.differing.map(\.name)
    guard !names.isEmpty else {
      return "The files name no difference between the runs: same model, data, prompt and options."
    }
    // Digests go with the names of what they are of.
    let told = names.filter { !$0.hasSuffix("_sha256") }
    let digests = names.count - told.count
    let rest =
      digests == 0
      ? "" : told.isEmpty ? "\(names.joined(separator: ", "))" : " (and \(NumberText.counted(digests, "digest")))"
    return "The runs differ in: \(told.joined(separator: ", "))\(rest)."
  }

  private static func shape(_ run: RunComparison.Run) -> String {
    "\(NumberText.counted(run.layers, "layer")) of \(NumberText.counted(run.headsPerLayer, "head"))"
  }

  private static func layerSentence(_ pair: PairComparison, _ data: String) -> String {
    "The rank correlation of the \(pair.layers.layers.count) layers is \(interval(pair.layers.spearman, isSigned: false)), "
      + "\(data)."
  }

  private static func halves(_ first: RunComparison.Run, _ second: RunComparison.Run) -> String {
    guard let a = first.reliability?.value, let b = second.reliability?.value else { return "" }
    return " (random halves of one run’s images agree to \(NumberText.number(a)) and \(NumberText.number(b)))"
  }

  private static func shared(_ comparison: RunComparison, _ pair: PairComparison, _ heads: HeadAgreement) -> String {
    let top = heads.topOverlap
    let expected = top.chance * Double(top.count)
    let verdict =
      top.count == comparison.runs[pair.first].layers * comparison.runs[pair.first].headsPerLayer
      ? "which are all heads"
      : "where two random choices share \(NumberText.number(expected, decimals: expected < 1 ? 2 : 1)) on average"
    return
      "Of the \(top.count) best heads of one, \(top.shared) \(top.shared == 1 ? "is" : "are") among the \(top.count) best "
      + "of the other, \(verdict)."
  }

  private static func change(_ comparison: RunComparison, _ pair: PairComparison, _ heads: HeadAgreement) -> String {
    let second = comparison.runs[pair.second].name
    let mean = heads.meanDifference
    let words =
      isNothing(mean)
      ? "No value differs."
      : mean.lower == nil
        ? "The mean over heads differs by \(NumberText.signed(mean.value, decimals: 4)) in \(second)."
        : mean.isBeyondZero
          ? "The mean over heads is \((mean.value ?? 0) > 0 ? "higher" : "lower") in \(second), by \(interval(mean, decimals: 4))."
          : "These data do not show that the mean over heads differs (\(interval(mean, decimals: 4)))."
    guard !pair.differences.isEmpty, pair.isPaired, !isNothing(mean) else { return words }
    let different = pair.differentHeads
    guard let greatest = different.first else {
      return words + " No single head differs significantly (\(corrected(pair)))."
    }
    return words + " \(NumberText.counted(different.count, "head")) of \(NumberText.grouped(pair.differences.count)) "
      + "\(different.count == 1 ? "differs" : "differ") significantly (\(corrected(pair))), most of all "
      + "\(greatest.layer).\(greatest.head), by \(interval(greatest.difference))."
  }

  /// By which correction heads are said to differ: "p ≤ 0.05 after Holm’s correction over all heads".
  static func corrected(_ pair: PairComparison) -> String {
    return
      "p ≤ \(NumberText.number(BeyondChance.level, decimals: 2)) after \(pair.correction ?? "no")’s correction over all heads"
  }

  /// Whether a value and its interval are all zero as shown.
  private static func isNothing(_ estimate: Estimate) -> Bool {
    [estimate.value, estimate.lower, estimate.upper].compactMap { $0 }.allSatisfy { $0.magnitude < 0.00005 }
  }

  static func interval(_ estimate: Estimate, decimals: Int = 3, isSigned: Bool = true) -> String {
    func text(_ value: Double?) -> String {
      isSigned ? NumberText.signed(value, decimals: decimals) : NumberText.number(value, decimals: decimals)
    }
    guard let lower = estimate.lower, let upper = estimate.upper else { return text(estimate.value) }
    return "\(text(estimate.value)) [\(text(lower)), \(text(upper))]"
  }
}
