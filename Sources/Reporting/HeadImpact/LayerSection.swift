import Figures
import HeadImpact

extension HeadImpactReport {
  /// How the heads' scores go with depth.
  static func layerSection(_ input: ReportInput) -> Section {
    Section(
      id: "layers", title: "Layers",
      blocks: input.table.layers < 3 ? [.table(layerTable(input))] : [.figure(trend(input)), .table(layerTable(input))])
  }

  private static func trend(_ input: ReportInput) -> Figure {
    let scores = input.scores
    let points = (0..<scores.layers).map { layer -> TrendChart.Point in
      let mean = scores.mean(layer: layer)
      return TrendChart.Point(
        index: layer, mean: mean.mean, standardError: mean.standardError,
        heads: (0..<scores.heads).map { head in
          let index = layer * scores.heads + head
          return TrendChart.Point.Dot(
            value: scores.values[index], isFull: scores.finding(index).map { $0 == .above } ?? true,
            note: input.note(layer: layer, head: head))
        })
    }
    let fit = LinearRegression(x: points.map { Double($0.index) }, y: points.map(\.mean))
    let slope = input.options.hasLayerFit ? slopeWords(fit) : ""
    return Figure(
      id: "trend-layers", title: "Layer by layer",
      caption:
        "Every head’s \(scores.name) (\(input.measure.rawValue), \(input.samples)), and the mean of each layer’s heads ± one "
        + "standard error over them.\(slope)",
      data: DataTable(
        [
          .init("layer", "layer"), .init("score_mean", "mean \(scores.name)"),
          .init("stderr_over_heads", "± s.e."), .init("fit", "fit"), .init("fit_stderr", "± s.e. of the fit"),
        ],
        points.map { point in
          [
            .integer(point.index), .number(point.mean), .number(point.standardError),
            .optional(fit?(point.index)), .optional(fit?.standardError(at: Double(point.index))),
          ]
        })
    ) { width in
      TrendChart(
        points: points, xTitle: "layer", yTitle: "\(scores.name) (\(input.measure.rawValue))", averaged: "heads",
        fullDots: scores.pValues == nil ? nil : "beyond chance", reference: 0, hasFit: input.options.hasLayerFit,
        width: width
      ).drawing()
    }
  }

  private static func slopeWords(_ fit: LinearRegression?) -> String {
    guard let fit else { return "" }
    let error = fit.slopeStandardError
    let plusMinus = error.isFinite ? " ± \(NumberText.number(error, decimals: 5))" : ""
    return " The line’s slope is \(NumberText.signed(fit.slope, decimals: 5))\(plusMinus) a layer."
  }

  private static func layerTable(_ input: ReportInput) -> Table {
    let (table, scores) = (input.table, input.scores)
    let top = input.reader.layerTopFrequency
    let means = (0..<table.layers).map { scores.mean(layer: $0) }
    let order = means.indices.sorted { (means[$0].mean, -$0) > (means[$1].mean, -$1) }
    let ranks = Dictionary(uniqueKeysWithValues: order.enumerated().map { ($1, $0 + 1) })
    let isTested = scores.pValues != nil
    return Table(
      id: "layer-table",
      caption:
        "Every layer: the mean \(scores.name) of its heads (\(input.measure.rawValue), \(input.samples)), the same of HI and of "
        + "chance, and in what share of the bootstrap’s resamples its HI is among the best \(input.reader.topLayers).",
      data: DataTable(
        [
          .init("layer", "layer"), .init("rank", "rank"), .init("score_mean", "mean \(scores.name)"),
          .init("stderr_over_heads", "±\u{a0}s.e. over heads", isExtra: true),
        ] + (isTested ? [.init("beyond_chance", "heads beyond chance")] : []) + [
          .init("best_head", "best head"), .init("best_score", "its \(scores.name)", isExtra: true),
          .init("hi_mean", "mean HI", isExtra: true), .init("chance_mean", "chance", isExtra: true),
          .init("top_frequency", "in the top \(input.reader.topLayers)", isExtra: true),
        ],
        means.enumerated().map { layer, mean in
          let places = (layer * table.heads)..<((layer + 1) * table.heads)
          let best = places.max { (scores.values[$0], -$0) < (scores.values[$1], -$1) } ?? places.lowerBound
          func raw(_ values: [Double]) -> Double {
            Moments((0..<table.heads).map { values[table.index(input.measure, layer: layer, head: $0)] }).mean
          }
          return [
            .integer(layer), .integer(ranks[layer] ?? 0), .number(mean.mean), .number(mean.standardError),
          ] + (isTested ? [.integer(places.count { scores.finding($0) == .above })] : []) + [
            .integer(best - places.lowerBound), .number(scores.values[best]), .number(raw(table.hi)),
            .number(raw(table.chance)), .number(top[input.measure.index * table.layers + layer]),
          ]
        }))
  }
}
