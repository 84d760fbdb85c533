import Figures
import HeadImpact

extension HeadImpactReport {
  /// The other measures, and the agreement of the six.
  static func measureSection(_ input: ReportInput) -> Section {
    let others = Measure.allCases.filter { $0 != input.measure }
    return Section(
      id: "measures", title: "Other measures, and how they agree",
      blocks: [
        .table(
          Table(
            id: "measures-table", caption: "The value of each measure for one sample.",
            data: DataTable(
              [.init("measure", "measure"), .init("meaning", "value for one sample")],
              Measure.allCases.map { [.text($0.rawValue), .text($0.meaning)] }))),
        .gallery([agreement(input, ofLayers: false), agreement(input, ofLayers: true)]),
        .gallery(others.map { headMap(input, $0, isSmall: true) }),
      ])
  }

  private static func agreement(_ input: ReportInput, ofLayers: Bool) -> Figure {
    let table = input.table
    let thing = ofLayers ? "layer" : "head"
    let rankings = Measure.allCases.map { measure in
      if ofLayers { return (0..<table.layers).map { table.layerScore(measure, layer: $0) } }
      let first = table.index(measure, layer: 0, head: 0)
      return Array(table.hi[first..<(first + table.layers * table.heads)])
    }
    let names = Measure.allCases.map(\.rawValue)
    let taus = rankings.flatMap { row in rankings.map { kendallTau(row, $0) } }
    let chart = MatrixChart(labels: names, values: taus, scale: .diverging(upTo: 1)) { row, column, value in
      "\(names[row]) and \(names[column]): τ = \(NumberText.number(value, decimals: 4))"
    }
    return Figure(
      id: "agreement-\(thing)s", title: "Agreement on \(thing)s",
      caption:
        "Kendall’s τ-b between the measures’ rankings of the \(NumberText.counted(rankings[0].count, thing)) by HI over "
        + "\(input.samples): 1 means the same order, 0 no agreement, −1 the reverse order.",
      drawing: chart.drawing(),
      data: DataTable(
        [.init("measure", "measure"), .init("other", "other"), .init("kendall_tau_b", "τ-b")],
        taus.enumerated().map { index, tau in
          [.text(names[index / names.count]), .text(names[index % names.count]), .number(tau)]
        }))
  }
}
