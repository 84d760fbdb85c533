import Comparison
import Figures
import IO
import Reporting

/// What `compare` prints for people.
struct ComparisonTable {
  let comparison: RunComparison

  init(_ comparison: RunComparison) { self.comparison = comparison }

  var text: String {
    ([runs, pairs, attributes].compactMap { $0 }
      + [
        comparison.pairs.filter { $0.first == 0 }.map { ComparisonWords.finding(comparison, $0) }.joined(
          separator: "\n\n")
      ]
      + [bootstrap]).joined(separator: "\n\n")
  }

  private var runs: String {
    let rows = comparison.runs.map { run in
      let best = run.topHeads[0]
      return [
        run.name, "\(run.layers)", "\(run.headsPerLayer)", "\(run.samples)", "\(run.samplesNotShared)", "\(run.images)",
        "\(best)", NumberText.plain(run.values[best.layer][best.head]), interval(run.reliability),
      ]
    }
    return aligned(
      [["run", "layers", "heads", "samples", "not shared", "images", "best head", "its value", "halves"]] + rows)
  }

  private var pairs: String {
    let k = comparison.topHeads
    let rows = comparison.pairs.map { pair in
      [
        comparison.runs[pair.first].name, comparison.runs[pair.second].name, pair.isPaired ? "yes" : "no",
        interval(pair.heads?.spearman),
        pair.heads.map {
          "\($0.topOverlap.shared) (\(NumberText.plain($0.topOverlap.chance * Double(k), decimals: 2)))"
        }
          ?? "not compared", interval(pair.heads?.meanDifference, isSigned: true), interval(pair.layers.spearman),
      ]
    }
    return aligned(
      [
        [
          "first", "second", "paired", "heads (Spearman)", "best \(k) shared (chance)", "second - first",
          "layers (Spearman)",
        ]
      ]
        + rows)
  }

  /// The attributes that differ; nil if none does.
  private var attributes: String? {
    let differing = comparison.attributes.differing
    guard !differing.isEmpty else { return nil }
    return aligned(
      [["differs"] + comparison.runs.map(\.name)]
        + differing.map { row in [row.name] + row.values.map { $0.map { shortened($0, to: 40) } ?? "-" } })
  }

  private var bootstrap: String {
    "Measure: \(comparison.ranked). 95% intervals over images (bootstrap of means, jackknife of orders), "
      + "\(counted(comparison.resamples, "resample")), seed \(comparison.seed). Halves: rank correlation of the heads in two halves of a run's images."
  }

  private func interval(_ estimate: Estimate?, isSigned: Bool = false) -> String {
    guard let value = estimate?.value else { return "-" }
    func text(_ value: Double) -> String {
      isSigned ? NumberText.plainSigned(value) : NumberText.plain(value, decimals: 3)
    }
    guard let lower = estimate?.lower, let upper = estimate?.upper else { return text(value) }
    return "\(text(value)) [\(text(lower)), \(text(upper))]"
  }
}
