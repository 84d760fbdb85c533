import Figures

/// The report of an experiment.
public struct ExperimentReport {
  /// The page of an experiment.
  ///
  /// - Parameters:
  ///   - more: sections after the experiment's own: those of the run that chose the layers
  ///     (`HeadImpactReport.sections(of:_:)`).
  /// - Throws: `ReportError` if the arms or their metrics don't fit one another.
  public static func page(
    of summary: ExperimentSummary, more: [Section] = [], programVersion: String
  ) throws -> Page {
    let statement = summary.statement.split(separator: "\n\n").map {
      $0.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }
    return Page(
      title: summary.title, kind: "Experiment report", summary: statement.filter { !$0.isEmpty },
      sections: try sections(of: summary) + more, footer: "Made by headimpact \(programVersion).")
  }

  /// The experiment's sections.
  ///
  /// - Throws: `ReportError` if the arms or their metrics don't fit one another.
  public static func sections(of summary: ExperimentSummary) throws -> [Section] {
    try check(summary)
    return [
      Section(id: "shifts", title: "What training changed", blocks: shiftBlocks(summary)), armSection(summary),
      lossSection(summary), try headImpactSection(summary), promptSection(summary), ablationSection(summary),
      runSection(summary),
    ].filter { !$0.blocks.isEmpty }
  }

  private static func check(_ summary: ExperimentSummary) throws {
    let names = summary.arms.map(\.name)
    guard !names.isEmpty else { throw ReportError("the experiment \"\(summary.title)\" has no arm to report") }
    guard Set(names).count == names.count else {
      throw ReportError("two arms of the experiment have one name: \(names)")
    }
    for arm in summary.arms where Set(arm.metrics.map(\.name)).count != arm.metrics.count {
      throw ReportError("arm \"\(arm.name)\" has a metric twice: \(arm.metrics.map(\.name))")
    }
    for name in summary.losses.map(\.arm) + (summary.headImpact?.after.map(\.arm) ?? []) where !names.contains(name) {
      throw ReportError("\"\(name)\" is not an arm of the experiment; its arms are \(names)")
    }
    if let change = summary.headImpact {
      for (arm, _, table) in change.after
      where (table.layers, table.heads) != (change.before.layers, change.before.heads) {
        throw ReportError(
          "arm \"\(arm)\" has HI of \(table.layers) layers of \(table.heads) heads; before it were \(change.before.layers) of "
            + "\(change.before.heads)")
      }
    }
  }

  // MARK: - Sections

  private static func armSection(_ summary: ExperimentSummary) -> Section {
    // The first of each task; the shifts' table has them all.
    let tasks = ordered(summary.arms.flatMap(\.metrics).map(\.task))
    let metrics = tasks.compactMap { task in
      summary.arms.lazy.flatMap(\.metrics).first { $0.task == task }?.name
    }
    let anyHeads = summary.arms.contains { !$0.heads.isEmpty }
    let rows = summary.arms.map { arm -> [DataTable.Value] in
      let heads = arm.heads.map { "\($0.layer).\($0.head)" }.joined(separator: ", ")
      return [.text(arm.name), .text(arm.kind.rawValue), .text(ranges(arm.layers))] + (anyHeads ? [.text(heads)] : [])
        + [.integer(arm.trainedParameters), .number(arm.share * 100)]
        + metrics.map { name in .optional(arm.metric(name)?.value) }
    }
    return Section(
      id: "arms", title: "Arms",
      blocks: [
        .table(
          Table(
            id: "arms-table", caption: "Every arm: what was trained, and its first metric afterwards.",
            data: DataTable(
              [
                .init("arm", "arm"), .init("kind", "kind"), .init("layers", "layers"),
              ] + (anyHeads ? [.init("heads", "heads")] : []) + [
                .init("trained_parameters", "trained parameters", isExtra: true),
                .init("share_percent", "% of the model", decimals: 4, isExtra: true),
              ] + metrics.enumerated().map { .init($1, Self.title($1, summary), isExtra: $0 > 0) }, rows)))
      ])
  }

  private static func title(_ name: String, _ summary: ExperimentSummary) -> String {
    let unit = summary.arms.lazy.compactMap { $0.metric(name)?.unit }.first ?? ""
    return unit.isEmpty ? name : "\(name), \(unit)"
  }

  private static func runSection(_ summary: ExperimentSummary) -> Section {
    var blocks: [Block] = []
    if !summary.provenance.isEmpty {
      blocks.append(
        .table(
          Table(
            id: "experiment-provenance", caption: "What the experiment ran on.",
            data: DataTable(
              [.init("what", "what"), .init("value", "value")],
              summary.provenance.map { [.text($0.name), .text($0.value)] }))))
    }
    if !summary.timings.isEmpty {
      blocks.append(
        .table(
          Table(
            id: "timings", caption: "How long each part took.",
            data: DataTable(
              [.init("part", "part"), .init("seconds", "seconds", decimals: 1)],
              summary.timings.map { [.text($0.name), .number($0.seconds)] }))))
    }
    if !summary.configuration.isEmpty { blocks.append(.code(summary.configuration)) }
    return Section(id: "run", title: "The run", blocks: blocks)
  }

  static let metricColumns: [DataTable.Column] = [
    .init("metric", "metric"), .init("value", "value", isExtra: true), .init("shift", "shift", isSigned: true),
    .init("low", "95% from", isSigned: true), .init("high", "to", isSigned: true),
    .init("unit", "unit", isExtra: true),
  ]

  /// In the columns of a metric.
  static func cells(_ metric: ExperimentSummary.Metric) -> [DataTable.Value] {
    [
      .text(metric.name), .number(metric.value), .optional(metric.shift), .optional(metric.low),
      .optional(metric.high), .text(metric.unit),
    ]
  }

  /// "0–2, 5" for 0, 1, 2, 5.
  static func ranges(_ numbers: [Int]) -> String {
    var runs: [ClosedRange<Int>] = []
    for number in Set(numbers).sorted() {
      if let last = runs.last, last.upperBound + 1 == number {
        runs[runs.count - 1] = last.lowerBound...number
      } else {
        runs.append(number...number)
      }
    }
    return runs.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)–\($0.upperBound)" }
      .joined(separator: ", ")
  }
}

extension ExperimentSummary {
  /// Every metric of any arm, in the order in which they first come.
  var metricNames: [String] {
    arms.flatMap(\.metrics).map(\.name).reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
  }

  func arms(_ kind: Arm.Kind) -> [Arm] { arms.filter { $0.kind == kind } }

  /// Which colour and dash an arm has in every figure; random ones share theirs.
  func style(_ name: String) -> Int {
    guard let arm = arms.first(where: { $0.name == name }) else { return 4 }
    return switch arm.kind {
    case .top: 0
    case .bottom: 1
    case .all: 2
    case .other: 3
    case .pretrained: 4
    case .random: 5
    }
  }
}

extension ExperimentSummary.Arm {
  func metric(_ name: String) -> ExperimentSummary.Metric? { metrics.first { $0.name == name } }
}
