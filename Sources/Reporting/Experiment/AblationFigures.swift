import Figures
import HeadImpact

extension ExperimentReport {
  /// What leaving heads out does to the metrics.
  static func ablationSection(_ summary: ExperimentSummary) -> Section {
    let names = ordered(summary.ablations.flatMap(\.metrics).map(\.name))
    let figures =
      summary.ablationCurves.isEmpty
      ? names.enumerated().compactMap { place, name in
        ablationFigure(summary, name, id: names.count == 1 ? "ablation-shift" : "ablation-shift-\(place)")
      } : ordered(summary.ablationCurves.map(\.outcome)).map { curveFigure(summary, $0) }
    let rows = summary.ablations.flatMap { ablation in
      ablation.metrics.map { [DataTable.Value.text(ablation.name)] + cells($0) }
    }
    guard !rows.isEmpty else { return Section(id: "ablations", title: "Ablations", blocks: []) }
    let table = Table(
      id: "ablations-table", caption: "What each change did to the metrics, with 95% intervals.",
      data: DataTable([.init("change", "change")] + metricColumns, rows))
    return Section(id: "ablations", title: "Ablations", blocks: figures.map { .figure($0) } + [.table(table)])
  }

  /// An outcome over the number of heads taken out, by how they are chosen.
  private static func curveFigure(_ summary: ExperimentSummary, _ outcome: String) -> Figure {
    let curves = summary.ablationCurves.filter { $0.outcome == outcome }
    let unit = curves.first?.unit == "percent" ? " (percentage points)" : ""
    func style(_ choice: String) -> Int { choice == "top" ? 0 : choice == "bottom" ? 1 : choice == "random" ? 5 : 3 }
    return Figure(
      id: "ablation-\(outcome.lowercased().replacing("_", with: "-"))", title: "Ablation: \(outcome)",
      caption:
        "How far the \(outcome) is from the unmodified model’s if so many heads are taken out: those of highest Head Impact (top), of "
        + "lowest (bottom), and drawn ones (random). The bands are 95% intervals over images; of drawn heads, the range of the draws.",
      data: DataTable(
        [
          .init("choice", "choice"), .init("heads", "heads"), .init("draws", "draws"), .init("value", "value"),
          .init("difference", "difference"), .init("lower", "95% from"), .init("upper", "to"),
          .init("lowest", "lowest draw"), .init("highest", "highest"),
        ],
        curves.flatMap { curve in
          curve.points.map { point in
            [
              .text(curve.choice), .integer(point.heads), .integer(point.draws), .number(point.value),
              .number(point.difference), .number(point.lower), .number(point.upper), .number(point.lowest),
              .number(point.highest),
            ]
          }
        })
    ) { width in
      LineChart(
        series: curves.map { curve in
          LineChart.Series(
            name: curve.choice, points: curve.points.map { (Double($0.heads), $0.difference) },
            style: style(curve.choice),
            bounds: curve.points.map { $0.draws > 1 ? ($0.lowest, $0.highest) : ($0.lower, $0.upper) })
        }, xTitle: "heads taken out", yTitle: "change of the \(outcome)\(unit)", width: width
      ).drawing()
    }
  }

  /// Nil if nothing changed, or there is no interval to show.
  private static func ablationFigure(_ summary: ExperimentSummary, _ name: String, id: String) -> Figure? {
    let found = summary.ablations.compactMap { ablation in
      ablation.metrics.first { $0.name == name }.map { (name: ablation.name, metric: $0) }
    }
    let shown = found.filter { $0.metric.shift != nil }
    guard !shown.isEmpty, !isAllZero(shown.map { with(value: 0, $0.metric) }) else { return nil }
    let rows = shown.map { name, metric in
      IntervalChart.Row(
        name: name, value: metric.shift ?? .nan, low: metric.low ?? .nan, high: metric.high ?? .nan,
        style: name == "top" ? 0 : name == "bottom" ? 1 : 5, more: ", value \(NumberText.number(metric.value))")
    }
    return Figure(
      id: id, title: "Ablation: \(name)",
      caption:
        "How far the \(name) is from the unmodified model’s if the named heads’ attention output is taken out, with the 95% interval "
        + "over images. The further a row lies from 0, the more the model misses its heads.",
      data: DataTable(
        [.init("change", "change")] + metricColumns,
        shown.map { name, metric in [.text(name)] + cells(metric) })
    ) { width in
      IntervalChart(rows: rows, xTitle: "change of the \(name)", reference: 0, isSigned: true, width: width).drawing()
    }
  }

  private static func with(value: Double, _ metric: ExperimentSummary.Metric) -> ExperimentSummary.Metric {
    var metric = metric
    metric.value = value
    return metric
  }
}
