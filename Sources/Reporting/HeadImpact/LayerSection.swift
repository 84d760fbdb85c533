import Figures
import HeadImpact

extension HeadImpactReport {
  /// How HI goes with depth, and with a head's place in its layer.
  static func layerSection(_ input: ReportInput) -> Section {
    let table = input.table
    let layers = (0..<table.layers).map { layer in
      point(input, index: layer, places: (0..<table.heads).map { (layer, $0) })
    }
    let heads = (0..<table.heads).map { head in
      point(input, index: head, places: (0..<table.layers).map { ($0, head) })
    }
    return Section(
      id: "layers", title: "Layers",
      blocks: [
        .gallery([
          trend(input, layers, id: "trend-layers", title: "Layer by layer", of: "layer", averaged: "heads"),
          trend(input, heads, id: "trend-heads", title: "Head by head", of: "head", averaged: "layers"),
        ]), .table(layerTable(input, layers)),
      ])
  }

  private static func point(_ input: ReportInput, index: Int, places: [(Int, Int)]) -> TrendChart.Point {
    let table = input.table
    let indices = places.map { table.index(input.measure, layer: $0.0, head: $0.1) }
    let moments = Moments(indices.map { table.hi[$0] })
    return TrendChart.Point(
      index: index, mean: moments.mean, standardError: moments.standardError,
      chance: Moments(indices.map { table.chance[$0] }).mean)
  }

  private static func trend(
    _ input: ReportInput, _ points: [TrendChart.Point], id: String, title: String, of thing: String,
    averaged: String
  ) -> Figure {
    let fit = LinearRegression(x: points.map { Double($0.index) }, y: points.map(\.mean))
    let slope = fit.map {
      let error = $0.slopeStandardError
      let plusMinus = error.isFinite ? " ± \(NumberText.number(error, decimals: 5))" : ""
      return " The line’s slope is \(NumberText.signed($0.slope, decimals: 5))\(plusMinus) a \(thing)."
    }
    return Figure(
      id: id, title: title,
      caption:
        "HI (\(input.measure.rawValue), \(input.samples)) of each \(thing): the mean over its \(averaged), ± one standard "
        + "error over them.\(slope ?? "")",
      drawing: TrendChart(
        points: points, xTitle: thing, yTitle: "mean HI (\(input.measure.rawValue))", averaged: averaged
      ).drawing(),
      data: DataTable(
        [
          .init(thing, thing), .init("hi_mean", "mean HI"), .init("stderr_over_\(averaged)", "± s.e."),
          .init("chance_mean", "chance"), .init("fit", "fit"), .init("fit_stderr", "± s.e. of the fit"),
        ],
        points.map { point in
          [
            .integer(point.index), .number(point.mean), .number(point.standardError), .number(point.chance),
            .optional(fit?(point.index)), .optional(fit?.standardError(at: Double(point.index))),
          ]
        }))
  }

  private static func layerTable(_ input: ReportInput, _ points: [TrendChart.Point]) -> Table {
    let table = input.table
    let top = input.reader.layerTopFrequency
    let ranks = Dictionary(uniqueKeysWithValues: input.ranking.layers.enumerated().map { ($1.layer, $0 + 1) })
    return Table(
      id: "layer-table",
      caption:
        "Every layer: the mean HI of its heads (\(input.measure.rawValue), \(input.samples)), and in what share of the "
        + "bootstrap’s resamples it is among the best \(input.reader.topLayers).",
      data: DataTable(
        [
          .init("layer", "layer"), .init("rank", "rank"), .init("hi_mean", "mean HI"),
          .init("stderr_over_heads", "±\u{a0}s.e. over heads"), .init("chance_mean", "chance"),
          .init("hi_minus_chance", "HI − chance", isSigned: true), .init("best_head", "best head"),
          .init("best_hi", "its HI"), .init("top_frequency", "in the top \(input.reader.topLayers)"),
        ],
        points.map { point in
          let heads = (0..<table.heads).map { table.hi[table.index(input.measure, layer: point.index, head: $0)] }
          let best = heads.indices.max { (heads[$0], -$0) < (heads[$1], -$1) } ?? 0
          return [
            .integer(point.index), .integer(ranks[point.index] ?? 0), .number(point.mean),
            .number(point.standardError), .number(point.chance), .number(point.mean - point.chance), .integer(best),
            .number(heads[best]), .number(top[input.measure.index * table.layers + point.index]),
          ]
        }))
  }
}
