import Figures
import HeadImpact

extension ExperimentReport {
  /// Training and validation losses.
  static func lossSection(_ summary: ExperimentSummary) -> Section {
    var tasks: [String] = []
    for curve in summary.losses where !tasks.contains(curve.task) { tasks.append(curve.task) }
    let figures = tasks.flatMap { task in
      [
        lossFigure(
          summary, task: task, id: "training-loss", title: "Training loss",
          caption: "Loss per supervised token of each step’s batch.", \.training),
        lossFigure(
          summary, task: task, id: "validation-loss", title: "Validation loss",
          caption: "Loss per supervised token of the held-out examples.", \.validation),
      ]
    }
    return Section(id: "losses", title: "Loss", blocks: figures.compactMap { $0.map { .figure($0) } })
  }

  private static func lossFigure(
    _ summary: ExperimentSummary, task: String, id: String, title: String, caption: String,
    _ points: (ExperimentSummary.Curve) -> [ExperimentSummary.Curve.Point]
  ) -> Figure? {
    let curves = summary.losses.filter { $0.task == task && !points($0).isEmpty }
    guard !curves.isEmpty else { return nil }
    let longest = curves.map { points($0).count }.max() ?? 0
    let thinned = longest > LineChart.mostPoints ? " Neighbouring steps are averaged; the file has them all." : ""
    return Figure(
      id: task.isEmpty ? id : "\(id)-\(task)", title: task.isEmpty ? title : "\(title), \(task)",
      caption: caption + thinned,
      drawing: LineChart(
        series: curves.map { curve in
          LineChart.Series(
            name: curve.arm, points: points(curve).map { (Double($0.step), $0.loss) }, style: summary.style(curve.arm),
            isFaint: summary.style(curve.arm) == 5)
        }, xTitle: "step", yTitle: "loss", legend: legend(summary, curves.map(\.arm))
      ).drawing(),
      data: DataTable(
        [.init("arm", "arm"), .init("step", "step"), .init("loss", "loss")],
        curves.flatMap { curve in points(curve).map { [.text(curve.arm), .integer($0.step), .number($0.loss)] } }))
  }

  /// The mean HI of each layer before training and after it.
  static func headImpactSection(_ summary: ExperimentSummary) -> Section {
    guard let change = summary.headImpact else { return Section(id: "hi-change", title: "", blocks: []) }
    let after = change.after.map {
      (arm: $0.arm, name: $0.task.isEmpty ? $0.arm : "\($0.arm), \($0.task)", table: $0.table)
    }
    let tables = [(arm: "before", name: "before", table: change.before)] + after
    func scores(_ table: HeadImpactTable) -> [Double] {
      (0..<table.layers).map { table.layerScore(change.measure, layer: $0) }
    }
    let series = tables.map { arm, name, table in
      LineChart.Series(
        name: name, points: scores(table).enumerated().map { (Double($0), $1) },
        style: arm == "before" ? 4 : summary.style(arm), isFaint: summary.style(arm) == 5)
    }
    let figure = Figure(
      id: "hi-change", title: "Head Impact before and after training",
      caption:
        "The mean HI (\(change.measure.rawValue)) of each layer’s heads over \(NumberText.counted(change.before.samples, "sample")).",
      drawing: LineChart(
        series: series, xTitle: "layer", yTitle: "mean HI (\(change.measure.rawValue))", decimals: 4,
        legend: [(.line(series: 4), "before")] + legend(summary, Set(change.after.map(\.arm)).sorted())
      ).drawing(),
      data: DataTable(
        [.init("when", "when"), .init("layer", "layer"), .init("hi_mean", "mean HI")],
        tables.flatMap { _, name, table in
          scores(table).enumerated().map { [.text(name), .integer($0), .number($1)] }
        }))
    return Section(id: "head-impact-change", title: "Head Impact before and after", blocks: [.figure(figure)])
  }

  /// The arms' names; random ones together.
  private static func legend(_ summary: ExperimentSummary, _ arms: [String]) -> [(mark: Legend.Mark, text: String)] {
    let random = arms.filter { summary.style($0) == 5 }
    let others = arms.filter { summary.style($0) != 5 }
    let named: [(mark: Legend.Mark, text: String)] = others.map { (.line(series: summary.style($0)), $0) }
    guard let first = random.first else { return named }
    return named + [(.line(series: 5), random.count == 1 ? first : "random (\(random.count) arms)")]
  }
}
