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
      data: DataTable(
        [.init("arm", "arm"), .init("seed", "seed"), .init("step", "step"), .init("loss", "loss")],
        curves.flatMap { curve in
          points(curve).map {
            [.text(curve.arm), .text(curve.seed.map(String.init) ?? ""), .integer($0.step), .number($0.loss)]
          }
        })
    ) { width in
      LineChart(
        series: curves.map { curve in
          LineChart.Series(
            name: curve.seed.map { "\(curve.arm), seed \($0)" } ?? curve.arm,
            points: points(curve).map { (Double($0.step), $0.loss) }, style: summary.style(curve.arm),
            isFaint: summary.style(curve.arm) == 5)
        }, xTitle: "step", yTitle: "loss", legend: legend(summary, ordered(curves.map(\.arm))), width: width
      ).drawing()
    }
  }

  /// The mean HI of each layer before training and after it.
  static func headImpactSection(_ summary: ExperimentSummary) throws -> Section {
    guard let change = summary.headImpact else { return Section(id: "hi-change", title: "", blocks: []) }
    // A task has a colour, an arm its dashes.
    let (tasks, arms) = (ordered(change.after.map(\.task)), ordered(change.after.map(\.arm)))
    func style(_ task: String) -> Int { tasks.firstIndex(of: task) ?? 0 }
    func dash(_ arm: String) -> Int { arms.firstIndex(of: arm) ?? 0 }
    let before = (name: "before", style: 5, dash: 0, table: change.before)
    let tables =
      [before]
      + change.after.map {
        (
          name: $0.task.isEmpty ? $0.arm : "\($0.arm), \($0.task)", style: style($0.task), dash: dash($0.arm),
          table: $0.table
        )
      }
    let scores = try tables.map { try $0.table.layerScores(change.measure) }
    let series = zip(tables, scores).map { table, scores in
      LineChart.Series(
        name: table.name, points: scores.enumerated().map { (Double($0), $1) }, style: table.style, dash: table.dash)
    }
    let figure = Figure(
      id: "hi-change", title: "Head Impact before and after training",
      caption:
        "The mean HI (\(change.measure)) of each layer’s heads over \(NumberText.counted(change.before.samples, "sample")).",
      data: DataTable(
        [.init("when", "when"), .init("layer", "layer"), .init("hi_mean", "mean HI")],
        zip(tables, scores).flatMap { table, scores in
          scores.enumerated().map { [.text(table.name), .integer($0), .number($1)] }
        })
    ) { width in
      LineChart(
        series: series, xTitle: "layer", yTitle: "mean HI (\(change.measure))", decimals: 4,
        legend: tables.map { (.dashed(series: $0.style, dash: $0.dash), $0.name) }, width: width
      ).drawing()
    }
    return Section(id: "head-impact-change", title: "Head Impact before and after", blocks: [.figure(figure)])
  }

  /// Each once, in the order in which they first come.
  static func ordered(_ names: [String]) -> [String] {
    names.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
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
