import Figures
import Foundation
import IO
import Scoring

/// What an experiment's numbers support, in plain sentences.
///
/// An arm counts as better than another only if the 95% interval of their paired difference excludes 0. What adapting
/// changes, and whether it matters which layers are adapted, are two findings: each has a sentence of its own.
enum Conclusion {
  static func text(
    tasks: [TaskOutcome], ablation: AblationResult?, prompts: PromptAgreement? = nil, layers: Int, seeds: [Int] = [0]
  ) -> String {
    var paragraphs = tasks.map { paragraph(of: $0, layers: layers) }
    if let prompts { paragraphs.append(paragraph(of: prompts)) }
    if let ablation { paragraphs.append(paragraph(of: ablation)) }
    paragraphs.append(
      seeds.count == 1
        ? "Each arm was trained once, with one seed: the intervals show how results vary over test images, not over training "
          + "runs."
        : "Each arm was trained with \(seeds.count) seeds (\(listed(seeds.map(String.init)))): a difference is their mean, and its "
          + "interval holds the 95% intervals over test images of all of them.")
    return paragraphs.joined(separator: "\n\n")
  }

  // MARK: - Tasks

  private static func paragraph(of task: TaskOutcome, layers: Int) -> String {
    let metric = task.mainMetric
    let unit = task.percent.contains(metric) ? "%" : ""
    let before = task.score("pretrained", metric).map { number($0) + unit } ?? "unknown"
    var sentences = [
      "\(task.task.capitalized): \(metric) of the pre-trained model is \(before) over \(counted(task.images, "image"))."
    ]
    guard let shift = task.difference("top", from: "pretrained", metric) else {
      return (sentences + ["No arm adapts the layers of highest Head Impact."]).joined(separator: " ")
    }
    let spread = Self.spread(task.seedDifferences("top", from: "pretrained", metric))
    sentences.append(
      "Adapting the \(agreeing(with: layers, "layer", "\(layers) layers")) of highest Head Impact \(change(shift)): \(interval(shift))\(spread)."
    )
    let others = task.comparisons.filter { $0.arm == "top" && $0.baseline != "pretrained" }
    let compared = others.compactMap { other in
      other.differences.first { $0.metric == metric }.map { (name: other.baseline, difference: $0) }
    }
    let rivals = compared.filter { isRival($0.name) }
    if !rivals.isEmpty { sentences.append(choice(rivals, layers: layers)) }
    for other in compared where !isRival(other.name) {
      sentences.append("Compared with \(other.name) they \(doing(other.difference)): \(interval(other.difference)).")
    }
    sentences.append(verdict(shift, rivals.map(\.difference)))
    return sentences.joined(separator: " ")
  }

  /// Those that as many layers are chosen for by something else.
  private static func isRival(_ arm: String) -> Bool { arm == "bottom" || arm.hasPrefix("random-") }

  private static func change(_ shift: TaskOutcome.Difference) -> String {
    shift.lower > 0 ? "raises it" : shift.upper < 0 ? "lowers it" : "does not change it significantly"
  }

  private static func doing(_ difference: TaskOutcome.Difference) -> String {
    difference.lower > 0 ? "do better" : difference.upper < 0 ? "do worse" : "do not differ significantly"
  }

  /// The finding on which layers are adapted.
  private static func choice(_ rivals: [(name: String, difference: TaskOutcome.Difference)], layers: Int) -> String {
    let parts = ["do better", "do worse", "do not differ significantly"].compactMap { words -> String? in
      let same = rivals.filter { doing($0.difference) == words }
      guard !same.isEmpty else { return nil }
      let link = words == "do not differ significantly" ? "from" : "than"
      return "\(words) \(link) " + listed(same.map { "\($0.name) (\(interval($0.difference)))" })
    }
    return "Compared with other choices of \(layers == 1 ? "a layer" : "\(layers) layers") they \(listed(parts))."
  }

  private static func verdict(_ shift: TaskOutcome.Difference, _ rivals: [TaskOutcome.Difference]) -> String {
    let better = rivals.count { $0.lower > 0 }
    let worse = rivals.count { $0.upper < 0 }
    let gain =
      shift.lower > 0
      ? nil
      : shift.upper < 0
        ? "adapting them harms this metric" : "a gain over the pre-trained model is not shown"
    if rivals.isEmpty {
      return "With no lowest or random layers to compare with, this says nothing about Head Impact"
        + (gain.map { ", and \($0)." } ?? ".")
    }
    if better == rivals.count {
      guard let gain else {
        return "So these data support that the layers of highest Head Impact are the ones to adapt for this task."
      }
      return "So it matters which layers are adapted, and those of highest Head Impact are the better choice; \(gain)."
    }
    let also = gain.map { "; and \($0)" } ?? ""
    if worse > 0 && better == 0 {
      return
        "So no: here other layers do better (\(worse) of \(rivals.count) comparisons), which speaks against choosing by "
        + "Head Impact for this task\(also)."
    }
    if better == 0 {
      return "So no: these data do not show that the layers of highest Head Impact do better than others\(also)."
    }
    return
      "So these data do not settle it: the layers of highest Head Impact do better in \(better) of \(rivals.count) "
      + "comparisons, and worse in \(worse)\(also)."
  }

  /// How far the seeds of training differ.
  private static func spread(_ seeds: [Double]) -> String {
    guard seeds.count > 1, !isNothing(seeds), let least = seeds.min(), let most = seeds.max() else { return "" }
    return ", from \(signed(least)) to \(signed(most)) over \(seeds.count) training seeds"
  }

  // MARK: - Prompts

  private static func paragraph(of prompts: PromptAgreement) -> String {
    func range(_ values: [Double], decimals: Int) -> String {
      let (least, most) = (values.min() ?? .nan, values.max() ?? .nan)
      let (low, high) = (NumberText.plain(least, decimals: decimals), NumberText.plain(most, decimals: decimals))
      return low == high ? low : "\(low) to \(high)"
    }
    func shared(_ shares: [Double], of count: Int) -> String { range(shares.map { $0 * Double(count) }, decimals: 0) }
    let correlations = prompts.pairs.compactMap(\.rankCorrelation)
    let order =
      correlations.isEmpty
      ? "no prompt ranks one head above another"
      : "the order of all heads has a rank correlation of \(range(correlations, decimals: 2))"
    return
      "Over \(prompts.prompts.count) prompts, two at a time, \(order). They share "
      + "\(shared(prompts.pairs.map(\.headOverlap), of: prompts.heads)) of the \(prompts.heads) best heads and "
      + "\(shared(prompts.pairs.map(\.layerOverlap), of: prompts.layers)) of the \(prompts.layers) best layers."
  }

  // MARK: - Ablation

  private static func paragraph(of ablation: AblationResult) -> String {
    // Of several numbers of heads the greatest.
    let most = ablation.ablations.map(\.heads.count).max() ?? 0
    let rows = ablation.ablations.filter { $0.heads.count == most }
    func row(_ name: String) -> AblationResult.Row? { rows.first { $0.name == name } }
    guard let top = row("top"), let bottom = row("bottom") else { return "" }
    let random = rows.filter { $0.name.hasPrefix("random") }
    var text =
      "Without the \(agreeing(with: most, "head", "\(most) heads")) of highest Head Impact the loss of the descriptions \(loss(top)), "
      + "without those of lowest it \(loss(bottom))"
    if let least = random.map(\.difference).min(), let most = random.map(\.difference).max() {
      text += ", without as many random ones it "
      text += isNothing([least, most]) ? "stays the same" : "changes by \(signed(least)) to \(signed(most))"
    }
    let rivals = [bottom] + random
    if rivals.allSatisfy({ top.lower > $0.upper }) {
      return text + ". So Head Impact points to heads that matter for describing."
    }
    if rivals.allSatisfy({ top.upper < $0.lower }) {
      return text + ". So no: these heads matter less than others."
    }
    return text + ". So these data do not show that Head Impact points to heads that matter more."
  }

  private static func loss(_ row: AblationResult.Row) -> String {
    isNothing([row.difference, row.lower, row.upper])
      ? "stays the same" : "changes by \(signed(row.difference)) [\(signed(row.lower)), \(signed(row.upper))]"
  }

  // MARK: - Words

  private static func interval(_ difference: TaskOutcome.Difference) -> String {
    if isNothing([difference.difference, difference.lower, difference.upper]) { return "no difference" }
    return "\(signed(difference.difference)) [\(signed(difference.lower)), \(signed(difference.upper))]"
  }

  /// Whether all would be written as 0.
  private static func isNothing(_ values: [Double]) -> Bool { values.allSatisfy { signed($0) == signed(0) } }

  private static func number(_ value: Double) -> String { NumberText.plain(value, decimals: 3) }
  private static func signed(_ value: Double) -> String { NumberText.plainSigned(value, decimals: 3) }
}
