import Figures

extension ExperimentReport {
  /// One panel of all metrics, and the table of the same.
  static func shiftBlocks(_ summary: ExperimentSummary) -> [Block] {
    let names = summary.metricNames.filter { name in !isAllZero(summary.arms.compactMap { $0.metric(name) }) }
    let rows = summary.arms.flatMap { arm in
      arm.metrics.filter { names.contains($0.name) && (arm.kind != .pretrained || $0.shift != nil) }.map {
        metric -> [DataTable.Value] in
        [.text(arm.name)] + cells(metric)
      }
    }
    guard !rows.isEmpty else { return [] }
    let table = Table(
      id: "shifts-table",
      caption:
        "Every metric of every arm: its value, and how far it is from the pretrained model’s, with the 95% interval.",
      data: DataTable([.init("arm", "arm")] + metricColumns, rows))
    return (panel(summary).map { [.figure($0)] } ?? []) + [.table(table)]
  }

  /// The shifts of all metrics; nil if no arm has one.
  private static func panel(_ summary: ExperimentSummary) -> Figure? {
    let arms = summary.arms.filter { arm in arm.metrics.contains { $0.shift != nil } }
    let names = summary.metricNames.filter { name in arms.contains { $0.metric(name)?.shift != nil } }
    let drawn = names.filter { name in !isAllZero(arms.compactMap { $0.metric(name) }) }
    guard !drawn.isEmpty else { return nil }
    let tasks = ordered(summary.arms.flatMap(\.metrics).map(\.task))
    let groups = tasks.enumerated().map { place, task in
      IntervalPanel.Group(
        title: task,
        metrics: drawn.filter { task == summary.task(of: $0) }.map {
          panelMetric(summary, arms, $0, task: task, style: place)
        })
    }.filter { !$0.metrics.isEmpty }
    return Figure(
      id: "shifts-panel", title: "Shift of every metric",
      caption: caption(summary, arms, undrawn: names.count - drawn.count),
      data: DataTable(
        [.init("arm", "arm"), .init("kind", "kind")] + metricColumns,
        names.flatMap { name in
          arms.compactMap { arm in
            arm.metric(name).map { [.text(arm.name), .text(arm.kind.rawValue)] + cells($0) }
          }
        })
    ) { width in
      IntervalPanel(rows: arms.map(\.name), groups: groups, width: width).drawing()
    }
  }

  private static func caption(_ summary: ExperimentSummary, _ arms: [ExperimentSummary.Arm], undrawn: Int) -> String {
    let random = arms.count { $0.kind == .random }
    let seeds = arms.flatMap(\.metrics).map(\.seedShifts.count).max() ?? 0
    let tasks = ordered(arms.flatMap(\.metrics).map(\.task))
    return
      "Each arm’s metric minus the pretrained model’s, with the 95% interval over test images; an interval that includes 0 "
      + "is not statistically significant."
      + (seeds > 1
        ? " Rings are the \(seeds) training seeds, dots their mean; an interval spans those of all seeds." : "")
      + (random > 1 ? " The shaded range is that of the \(random) random arms." : "")
      + (tasks.count > 1 ? " A colour is a task." : "")
      + (undrawn == 0
        ? "" : " \(NumberText.counted(undrawn, "metric is", "metrics are")) 0 in every arm, and not drawn.")
  }

  /// Whether all that would be shown is 0.
  static func isAllZero(_ metrics: [ExperimentSummary.Metric]) -> Bool {
    metrics.allSatisfy { metric in
      [metric.value, metric.shift ?? 0, metric.low ?? 0, metric.high ?? 0].allSatisfy { abs($0) < 0.0005 }
    }
  }

  private static func panelMetric(
    _ summary: ExperimentSummary, _ arms: [ExperimentSummary.Arm], _ name: String, task: String, style: Int
  ) -> IntervalPanel.Metric {
    let random = arms.filter { $0.kind == .random }.compactMap { $0.metric(name)?.shift }
    let before = summary.arms(.pretrained).first?.metric(name)?.value
    let unit = arms.lazy.compactMap { $0.metric(name)?.unit }.first ?? ""
    return IntervalPanel.Metric(
      title: (!task.isEmpty && name.hasPrefix(task + " ") ? String(name.dropFirst(task.count + 1)) : name)
        + (unit.isEmpty ? "" : " (\(unit))"),
      subtitle: before.map { "pretrained: \(NumberText.number($0))" } ?? "", style: style,
      values: arms.map { arm in
        arm.metric(name).flatMap { metric in
          metric.shift.map { shift in
            IntervalPanel.Metric.Value(
              value: shift, low: metric.low ?? .nan, high: metric.high ?? .nan,
              single: metric.seedShifts.count > 1 ? metric.seedShifts : [],
              note: "\(arm.name), \(name): \(interval(metric)), value \(NumberText.number(metric.value))")
          }
        }
      }, band: random.count > 1 ? (random.min() ?? 0)...(random.max() ?? 0) : nil)
  }

  private static func interval(_ metric: ExperimentSummary.Metric) -> String {
    guard let low = metric.low, let high = metric.high else { return NumberText.signed(metric.shift) }
    return "\(NumberText.signed(metric.shift)) [\(NumberText.signed(low)), \(NumberText.signed(high))]"
  }
}

extension ExperimentSummary {
  /// What task a metric is of.
  fileprivate func task(of name: String) -> String {
    arms.lazy.compactMap { $0.metric(name)?.task }.first ?? ""
  }
}
