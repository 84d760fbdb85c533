import Figures
import Foundation
import Scoring

/// What an experiment's numbers support, in plain sentences.
///
/// An arm counts as better than another only if the 95% interval of their paired difference excludes 0.
enum Conclusion {
  static func text(tasks: [TaskOutcome], ablation: AblationResult?, layers: Int) -> String {
    var paragraphs = tasks.map { paragraph(of: $0, layers: layers) }
    if let ablation { paragraphs.append(paragraph(of: ablation)) }
    paragraphs.append(
      "Each arm was trained once, with one seed: the intervals show how results vary over test images, not over training "
        + "runs.")
    return paragraphs.joined(separator: "\n\n")
  }

  // MARK: - Tasks

  private static func paragraph(of task: TaskOutcome, layers: Int) -> String {
    let metric = task.mainMetric
    var sentences: [String] = []
    let before = task.score("pretrained", metric).map(number) ?? "unknown"
    sentences.append(
      "\(task.task.capitalized): \(metric) of the pre-trained model is \(before) over \(task.images) images.")
    guard let shift = task.difference("top", from: "pretrained", metric) else {
      return (sentences + ["No arm adapts the layers of highest Head Impact."]).joined(separator: " ")
    }
    sentences.append(
      "Adapting the \(layers) layers of highest Head Impact shifts it by \(interval(shift))\(told(shift)).")
    let others = task.comparisons.filter { $0.arm == "top" && $0.baseline != "pretrained" }
    let rivals = others.filter { $0.baseline == "bottom" || $0.baseline.hasPrefix("random-") }
    for other in others {
      guard let difference = other.differences.first(where: { $0.metric == metric }) else { continue }
      sentences.append("Compared with \(other.baseline) that is \(interval(difference))\(told(difference)).")
    }
    sentences.append(verdict(shift, rivals.compactMap { $0.differences.first { $0.metric == metric } }))
    return sentences.joined(separator: " ")
  }

  private static func verdict(_ shift: TaskOutcome.Difference, _ rivals: [TaskOutcome.Difference]) -> String {
    let better = rivals.count { $0.lower > 0 }
    let worse = rivals.count { $0.upper < 0 }
    if shift.lower <= 0 && shift.upper >= 0 {
      return "So these data do not show that adapting them changes this metric at all."
    }
    if rivals.isEmpty { return "With no lowest or random layers to compare with, this says nothing about Head Impact." }
    if better == rivals.count {
      return "So these data support that the layers of highest Head Impact are the ones to adapt for this task."
    }
    if worse > 0 && better == 0 {
      return
        "So no: here other layers do better (\(worse) of \(rivals.count) comparisons), which speaks against choosing by "
        + "Head Impact for this task."
    }
    if better == 0 {
      return "So no: these data do not show that the layers of highest Head Impact do better than others."
    }
    return
      "So these data do not settle it: the layers of highest Head Impact do better in \(better) of \(rivals.count) "
      + "comparisons, and worse in \(worse)."
  }

  // MARK: - Ablation

  private static func paragraph(of ablation: AblationResult) -> String {
    func row(_ name: String) -> AblationResult.Row? { ablation.ablations.first { $0.name == name } }
    guard let top = row("top"), let bottom = row("bottom") else { return "" }
    let random = ablation.ablations.filter { $0.name.hasPrefix("random") }
    var text =
      "Without the \(top.heads.count) heads of highest Head Impact the loss of the descriptions rises by "
      + "\(number(top.difference)) [\(number(top.lower)), \(number(top.upper))], without those of lowest by "
      + "\(number(bottom.difference)) [\(number(bottom.lower)), \(number(bottom.upper))]"
    if let least = random.map(\.difference).min(), let most = random.map(\.difference).max() {
      text += ", without as many random ones by \(number(least)) to \(number(most))"
    }
    let rivals = [bottom] + random
    if rivals.allSatisfy({ top.lower > $0.upper }) {
      return text + ". So Head Impact points to heads that matter for describing."
    }
    if rivals.allSatisfy({ top.upper < $0.lower }) {
      return text + ". So no: these heads matter less than others."
    }
    return text + ". The intervals overlap, so this does not show that Head Impact points to heads that matter more."
  }

  // MARK: - Words

  private static func interval(_ difference: TaskOutcome.Difference) -> String {
    "\(signed(difference.difference)) [\(signed(difference.lower)), \(signed(difference.upper))]"
  }

  private static func told(_ difference: TaskOutcome.Difference) -> String {
    difference.lower <= 0 && difference.upper >= 0
      ? ", which is not statistically significant (the 95% interval includes 0)" : ""
  }

  private static func number(_ value: Double) -> String { NumberText.plain(value, decimals: 3) }
  private static func signed(_ value: Double) -> String { NumberText.plainSigned(value, decimals: 3) }
}
