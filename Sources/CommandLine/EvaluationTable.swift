import Evaluation
import Figures
import IO

/// What `evaluate` prints for people.
struct EvaluationTable {
  let report: EvaluationReport

  init(_ report: EvaluationReport) { self.report = report }

  var text: String {
    var parts: [String] = []
    if let captions = report.captions {
      parts.append(
        aligned(
          [["metric", "score"]]
            + captions.metrics.map { [MetricUnit.title($0.rawValue), NumberText.plain(captions.scores[$0] ?? 0)] }))
      parts.append("\(counted(captions.imageIDs.count, "image")), \(counted(captions.references, "reference"))")
    }
    if let answers = report.answers { parts += answerTables(answers) }
    if let comparison = report.comparison { parts.append(table(comparison)) }
    return parts.joined(separator: "\n\n")
  }

  private func answerTables(_ answers: VQAEvaluation) -> [String] {
    func row(_ name: String, _ questions: Int, _ accuracy: Double?, _ exactMatch: Double) -> [String] {
      [name, "\(questions)", accuracy.map { NumberText.plain($0) } ?? "–", NumberText.plain(exactMatch)]
    }
    let columns = ["questions", "accuracy %", "exact match %"]
    var tables: [String] = []
    for (head, groups) in [("answer type", answers.answerTypes), ("question type", answers.questionTypes)]
    where !groups.isEmpty {
      tables.append(
        aligned([[head] + columns] + groups.map { row($0.name, $0.questions, $0.accuracy, $0.exactMatch) }))
    }
    let all = row("all", answers.questionIDs.count, answers.accuracy, answers.exactMatch)
    return tables + [aligned([["rule " + answers.dialect.rawValue] + columns, all])]
  }

  private func table(_ comparison: PairedComparison) -> String {
    let rows = comparison.differences.map { row in
      let bounds = [row.lower, row.upper].map { NumberText.plainSigned($0) }
      // BLEU without a match is some 1e-8, and so are differences: none that anybody should take for one.
      let isShown = bounds.contains { $0 != NumberText.plainSigned(0) }
      return [
        MetricUnit.title(row.metric), NumberText.plain(row.score), NumberText.plain(row.baseline),
        NumberText.plainSigned(row.difference), bounds[0], bounds[1],
        row.isDistinguishable && isShown ? "" : "not significant",
      ]
    }
    return aligned([["metric", "score", "baseline", "difference", "2.5%", "97.5%", ""]] + rows)
      + "\n\n95% intervals of the differences: paired bootstrap over \(counted(comparison.images, "image")), "
      + "\(counted(comparison.resamples, "resample")), seed \(comparison.seed); not significant: the interval includes 0"
  }

}
