import Figures
import HeadImpact

extension HeadImpactReport {
  /// The other measures, and the agreement of the six.
  static func measureSection(_ input: ReportInput) throws -> Section {
    let agreements =
      input.table.layers < 3
      ? [agreement(input, ofLayers: false)] : [agreement(input, ofLayers: false), agreement(input, ofLayers: true)]
    return Section(
      id: "measures", title: "Other measures, and how they agree",
      blocks: [
        .table(
          Table(
            id: "measures-table", caption: "The value of each measure for one sample.",
            data: DataTable(
              [.init("measure", "measure"), .init("meaning", "value for one sample")],
              Measure.allCases.map { [.text($0.rawValue), .text($0.meaning)] }))), .figure(panel(input)),
      ] + (input.table.layers * input.table.heads < 3 ? [] : [.gallery(agreements)]))
  }

  /// Every measure's heads as a small map.
  private static func panel(_ input: ReportInput) -> Figure {
    let table = input.table
    let scores = Measure.allCases.map { input.scores(of: $0) }
    let maps = scores.map { scores in
      let measure = scores.measure
      return MapPanel.Map(title: measure.rawValue, values: scores.values, scale: .diverging(scores.values)) {
        layer, head, value in "\(measure.rawValue), \(layer).\(head): \(NumberText.number(value, decimals: 4))"
      }
    }
    return Figure(
      id: "measure-maps", title: "Every measure’s heads",
      caption:
        "The heads’ \(input.scores.name) by each measure, mean over \(input.samples). Each map has its own scale; white is chance, "
        + "blue above it, brown below.",
      data: DataTable(
        [.init("layer", "layer"), .init("head", "head")]
          + scores.map { .init($0.measure.rawValue, $0.measure.rawValue) },
        (0..<table.layers * table.heads).map { index in
          [.integer(index / table.heads), .integer(index % table.heads)] + scores.map { .number($0.values[index]) }
        })
    ) { width in
      MapPanel(rows: table.layers, columns: table.heads, maps: maps, width: width).drawing()
    }
  }

  private static func agreement(_ input: ReportInput, ofLayers: Bool) -> Figure {
    let table = input.table
    let thing = ofLayers ? "layer" : "head"
    let rankings = Measure.allCases.map { measure in
      let scores = input.scores(of: measure)
      return ofLayers ? (0..<table.layers).map { scores.mean(layer: $0).mean } : scores.values
    }
    let names = Measure.allCases.map(\.rawValue)
    let taus = rankings.flatMap { row in rankings.map { kendallTau(row, $0) } }
    return Figure(
      id: "agreement-\(thing)s", title: "Agreement on \(thing)s",
      caption:
        "Kendall’s τ-b between the measures’ rankings of the \(NumberText.counted(rankings[0].count, thing)) by \(input.scores.name) over "
        + "\(input.samples): 1 means the same order, 0 no agreement, −1 the reverse order.",
      data: DataTable(
        [.init("measure", "measure"), .init("other", "other"), .init("kendall_tau_b", "τ-b")],
        taus.enumerated().map { index, tau in
          [.text(names[index / names.count]), .text(names[index % names.count]), .number(tau)]
        }), room: Theme.Size.half
    ) { width in
      MatrixChart(labels: names, values: taus, scale: .diverging(upTo: 1), width: width) { row, column, value in
        "\(names[row]) and \(names[column]): τ = \(NumberText.number(value, decimals: 4))"
      }.drawing()
    }
  }
}
