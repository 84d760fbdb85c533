import Figures

extension ExperimentReport {
  /// A figure a metric, the arms against the random ones, and the table of all shifts.
  static func shiftBlocks(_ summary: ExperimentSummary) -> [Block] {
    let metrics = summary.metricNames
    let figures = metrics.enumerated().compactMap { index, metric in
      shiftFigure(summary, metric, id: identifier(metric, index, among: metrics))
    }
    var blocks: [Block] = figures.map { .figure($0) }
    if let spread = spreadFigure(summary) { blocks.append(.figure(spread)) }
    let rows = summary.arms.flatMap { arm in
      arm.metrics.map { metric -> [DataTable.Value] in
        [
          .text(arm.name), .text(metric.name), .number(metric.value), .optional(metric.shift), .optional(metric.low),
          .optional(metric.high),
        ]
      }
    }
    guard !rows.isEmpty else { return blocks }
    blocks.append(
      .table(
        Table(
          id: "shifts-table",
          caption:
            "Every metric of every arm: its value, and how far it is from the pretrained model’s, with the 95% interval.",
          data: DataTable([.init("arm", "arm")] + metricColumns, rows))))
    return blocks
  }

  /// The shifts of one metric; nil if no arm has one.
  private static func shiftFigure(_ summary: ExperimentSummary, _ metric: String, id: String) -> Figure? {
    let shifts = summary.arms.compactMap { arm in
      arm.metric(metric).flatMap { found in found.shift.map { (arm: arm, metric: found, shift: $0) } }
    }
    guard !shifts.isEmpty else { return nil }
    let random = shifts.filter { $0.arm.kind == .random }.map(\.shift)
    let band = random.count > 1 ? (random.min() ?? 0)...(random.max() ?? 0) : nil
    let rows = shifts.map { arm, metric, shift in
      IntervalChart.Row(
        name: arm.name, value: shift, low: metric.low ?? .nan, high: metric.high ?? .nan,
        style: summary.style(arm.name), more: ", value \(NumberText.number(metric.value))")
    }
    let before = summary.arms(.pretrained).first?.metric(metric).map { " (\(NumberText.number($0.value)))" } ?? ""
    let spread = band == nil ? "" : " The shaded range is that of the \(random.count) random arms."
    return Figure(
      id: id, title: "Shift of \(metric)",
      caption:
        "\(metric) of each arm minus the pretrained model’s\(before), with the 95% interval if there is one; an interval "
        + "that includes 0 is not statistically significant.\(spread)",
      drawing: IntervalChart(
        rows: rows, xTitle: "shift of \(metric)", reference: 0, band: band, isSigned: true
      ).drawing(),
      data: DataTable(
        [.init("arm", "arm"), .init("kind", "kind")] + metricColumns,
        shifts.map { arm, metric, shift in
          [
            .text(arm.name), .text(arm.kind.rawValue), .text(metric.name), .number(metric.value), .number(shift),
            .optional(metric.low), .optional(metric.high),
          ]
        }))
  }

  /// The random arms of all metrics together, in percent of the pretrained model's value; nil without any.
  private static func spreadFigure(_ summary: ExperimentSummary) -> Figure? {
    guard let pretrained = summary.arms(.pretrained).first else { return nil }
    let random = summary.arms(.random)
    guard random.count > 1 else { return nil }
    var rows: [IntervalChart.Row] = []
    var data: [[DataTable.Value]] = []
    for name in summary.metricNames {
      // Of a value that is shown as 0 no change is a share: BLEU-4 without one match is 1e-9.
      guard let base = pretrained.metric(name)?.value, abs(base) >= 0.0005 else { continue }
      func percent(_ arm: ExperimentSummary.Arm) -> Double? { arm.metric(name)?.shift.map { $0 / abs(base) * 100 } }
      let shifts = random.compactMap(percent)
      guard shifts.count > 1, let low = shifts.min(), let high = shifts.max() else { continue }
      let moments = Moments(shifts)
      rows.append(
        IntervalChart.Row(
          name: name, value: moments.mean, low: low, high: high, style: 5,
          others: summary.arms.filter { $0.kind != .random }.compactMap { arm in
            percent(arm).map { IntervalChart.Row.Other(name: arm.name, value: $0, style: summary.style(arm.name)) }
          }))
      data += summary.arms.compactMap { arm in
        percent(arm).map { [.text(name), .text(arm.name), .text(arm.kind.rawValue), .number($0)] }
      }
    }
    guard !rows.isEmpty else { return nil }
    let others = summary.arms.filter { $0.kind != .random && $0.kind != .pretrained }
    return Figure(
      id: "random-spread", title: "The random arms’ spread",
      caption:
        "Shift in percent of the pretrained model’s value: the mean (dot) and the range (line) of the \(random.count) random "
        + "arms, and the other arms (rings). An arm within the range does no better than a random choice may. Metrics that are "
        + "0 before training have no percentage.",
      drawing: IntervalChart(
        rows: rows, xTitle: "shift in %", reference: 0, decimals: 1, isSigned: true,
        legend: [(.dot(series: 5), "random")] + others.map { (.hollow(series: summary.style($0.name)), $0.name) }
      ).drawing(),
      data: DataTable(
        [.init("metric", "metric"), .init("arm", "arm"), .init("kind", "kind"), .init("shift_percent", "shift in %")],
        data))
  }

  /// A file name for a metric's figure.
  static func identifier(_ metric: String, _ index: Int, among metrics: [String]) -> String {
    func plain(_ name: String) -> String {
      String(
        name.lowercased().unicodeScalars.map {
          ("a"..."z").contains($0) || ("0"..."9").contains($0) ? Character($0) : "-"
        })
    }
    let isAlone = metrics.count { plain($0) == plain(metric) } == 1
    return "shift-\(plain(metric))" + (isAlone ? "" : "-\(index)")
  }
}
