import Figures

extension ExperimentReport {
  /// How far the prompt decides which heads are best.
  static func promptSection(_ summary: ExperimentSummary) -> Section {
    guard let agreement = summary.promptAgreement, !agreement.pairs.isEmpty else {
      return Section(id: "prompts", title: "Prompts", blocks: [])
    }
    let numbers = agreement.prompts.indices.map { "\($0 + 1)" }
    var values = [Double](repeating: 1, count: numbers.count * numbers.count)
    for pair in agreement.pairs {
      values[pair.first * numbers.count + pair.second] = pair.rankCorrelation
      values[pair.second * numbers.count + pair.first] = pair.rankCorrelation
    }
    let figure = Figure(
      id: "prompt-agreement", title: "Agreement across prompts",
      caption:
        "Spearman’s correlation between the prompts’ rankings of all heads by HI (\(agreement.measure)): 1 is the same order, 0 none.",
      data: DataTable(
        [.init("prompt", "prompt"), .init("other", "other"), .init("rank_correlation", "Spearman’s ρ")],
        values.enumerated().map { index, value in
          [.integer(index / numbers.count + 1), .integer(index % numbers.count + 1), .number(value)]
        }), room: Theme.Size.half
    ) { width in
      MatrixChart(labels: numbers, values: values, scale: .diverging(upTo: 1), width: width) { row, column, value in
        "prompts \(row + 1) and \(column + 1): ρ = \(NumberText.number(value, decimals: 4))"
      }.drawing()
    }
    let prompts = Table(
      id: "prompts-table", caption: "The prompts; the first is that of all other steps.",
      data: DataTable(
        [.init("number", "number"), .init("prompt", "prompt")],
        agreement.prompts.enumerated().map { [.integer($0 + 1), .text($1)] }))
    let pairs = Table(
      id: "prompt-pairs",
      caption:
        "Two prompts each: the correlation of their orders of the heads, and what share of the best \(agreement.heads) heads and "
        + "\(agreement.layers) layers is the same.",
      data: DataTable(
        [
          .init("prompt", "prompt"), .init("other", "other"), .init("rank_correlation", "Spearman’s ρ"),
          .init("head_overlap", "same heads"), .init("layer_overlap", "same layers"),
        ],
        agreement.pairs.map {
          [
            .integer($0.first + 1), .integer($0.second + 1), .number($0.rankCorrelation), .number($0.headOverlap),
            .number($0.layerOverlap),
          ]
        }))
    return Section(
      id: "prompts", title: "Prompts",
      blocks: [.table(prompts)] + (numbers.count > 2 ? [.figure(figure)] : []) + [.table(pairs)])
  }
}
