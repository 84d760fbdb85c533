import Figures
import HeadImpact

extension HeadImpactReport {
  /// Which heads look at the object: the map of HI corrected for chance, and the list of the best.
  static func headSection(_ input: ReportInput) throws -> Section {
    Section(
      id: "heads", title: "Which heads look at the object",
      blocks: [
        .paragraph(
          "Head Impact (HI) compares where a head looks, while the object is being described, with where the object is. "
            + "By the measure “\(input.measure.rawValue)” one sample’s value is the \(input.measure.meaning). "
            + correction(input.scores)), .figure(leadMap(input)), .table(topHeads(input)),
        .paragraph(
          "HI itself rises with the size of the object, so a head that ignores it scores too. Chance is what the same "
            + "attention gets when the mask is moved to every other position in the image."),
        .figure(rawMap(input)),
      ])
  }

  private static func correction(_ scores: HeadScores) -> String {
    scores.isCorrected
      ? "Corrected HI is (value − chance) / (1 − chance) of each sample, averaged: 0 is chance and 1 perfect agreement, "
        + "whatever the object’s size."
      : "This file is of an older version, which has no chance of single samples: shown is HI minus chance. Scored again, "
        + "its samples are corrected for chance one by one, and each head is tested."
  }

  /// The figure that the report leads with.
  private static func leadMap(_ input: ReportInput) -> Figure {
    let (scores, table) = (input.scores, input.table)
    let marks = scores.values.indices.map { index -> HeatMap.Mark? in
      switch scores.finding(index) {
      case .above: .dot
      case .below: .dash
      case .neither, nil: nil
      }
    }
    let means = (0..<table.layers).map { layer -> HeatMap.RowMean in
      let mean = scores.mean(layer: layer)
      let error = mean.standardError.isFinite ? " ± \(NumberText.number(mean.standardError, decimals: 4))" : ""
      return HeatMap.RowMean(
        value: mean.mean, low: mean.mean - mean.standardError, high: mean.mean + mean.standardError,
        note: "layer \(layer), mean of its heads: \(NumberText.number(mean.mean, decimals: 4))\(error)")
    }
    return Figure(
      id: "\(scores.key)-\(input.measure.rawValue)",
      title: scores.isCorrected
        ? "HI of every head, corrected for chance: \(input.measure.rawValue)"
        : "HI of every head above chance: \(input.measure.rawValue)",
      caption: "Mean over \(input.samples). Blue heads look at the object more than chance would, brown ones less. "
        + markWords(input) + " Beside the map: the mean of each layer’s heads ± one standard error over them.",
      data: headData(input, input.measure)
    ) { width in
      HeatMap(
        rows: table.layers, columns: table.heads, values: scores.values, scale: .diverging(scores.values),
        valueTitle: scores.name, marked: input.framed.map { (row: $0.layer, column: $0.head) }, marks: marks,
        rowMeans: means, width: width
      ) { layer, head, _ in input.note(layer: layer, head: head) }.drawing()
    }
  }

  /// What the marks of the map say.
  private static func markWords(_ input: ReportInput) -> String {
    let framed = NumberText.counted(input.framed.count, "head")
    guard let beyond = input.scores.beyondChance else {
      return
        "The \(framed) of highest HI \(input.framed.count == 1 ? "is" : "are") framed; the file has no test against chance."
    }
    let level = NumberText.number(BeyondChance.level, decimals: 2)
    let below =
      input.scores.values.indices.contains { input.scores.finding($0) == .below }
      ? " A dash marks heads below chance." : ""
    guard beyond > 0 else {
      return
        "No head is beyond chance (sign-flip test over images, \(input.scores.correction.rawValue)’s correction, p ≤ \(level)), so none is marked.\(below)"
    }
    let ranked =
      beyond > input.framed.count
      ? "a dot marks them, and the best \(framed) are framed with their rank" : "all are framed with their rank"
    return
      "\(NumberText.counted(beyond, "head is", "heads are")) beyond chance (sign-flip test over images, \(input.scores.correction.rawValue)’s correction, "
      + "p ≤ \(level)): \(ranked).\(below)"
  }

  /// HI as measured, chance and all.
  private static func rawMap(_ input: ReportInput) -> Figure {
    let table = input.table
    let first = table.index(input.measure, layer: 0, head: 0)
    let values = Array(table.hi[first..<(first + table.layers * table.heads)])
    let chance = Moments(table.chance[first..<(first + values.count)]).mean
    return Figure(
      id: "hi-\(input.measure.rawValue)", title: "HI as measured: \(input.measure.rawValue)",
      caption: "Mean over \(input.samples): \(input.measure.meaning). The mean of the heads’ chance is "
        + "\(NumberText.number(chance)).",
      data: DataTable(
        [
          .init("layer", "layer"), .init("head", "head"), .init("hi", "HI"), .init("hi_stderr", "± s.e."),
          .init("hi_chance", "chance"),
        ],
        values.indices.map { index in
          [
            .integer(index / table.heads), .integer(index % table.heads), .number(values[index]),
            .number(table.stderr[first + index]), .number(table.chance[first + index]),
          ]
        }), room: 560
    ) { width in
      HeatMap(
        rows: table.layers, columns: table.heads, values: values, scale: .sequential(values), valueTitle: "HI",
        width: width, gridHeight: 300
      ) { layer, head, _ in input.note(layer: layer, head: head) }.drawing()
    }
  }

  private static func headData(_ input: ReportInput, _ measure: Measure) -> DataTable {
    DataTable(
      headColumns(input, all: true),
      input.ranking.heads.enumerated().map { row(input, rank: $0 + 1, $1, all: true) })
  }

  private static func topHeads(_ input: ReportInput) -> Table {
    let isTested = input.scores.pValues != nil
    let beyond = input.scores.beyondChance
    let which =
      beyond == 0
      ? "The heads of highest \(input.scores.name); none is beyond chance, so their order may be chance too."
      : isTested
        ? "The best heads by \(input.scores.name) (“\(input.measure.rawValue)”), and the p-value of the test against chance."
        : "The heads of highest HI (“\(input.measure.rawValue)”)."
    let sinks =
      input.anySink ? " Without sinks: HI with their scores set to 0; sink share: of the visual attention." : ""
    return Table(
      id: "top-heads",
      caption: "\(which) The 95% interval is a bootstrap over \(NumberText.counted(input.images, "image")).\(sinks)",
      data: DataTable(
        headColumns(input, all: false),
        input.topHeads.enumerated().map { row(input, rank: $0 + 1, $1, all: false) }))
  }

  private static func headColumns(_ input: ReportInput, all: Bool) -> [DataTable.Column] {
    let lead = input.scores.isCorrected ? "hi_corrected" : "hi_minus_chance"
    return [
      .init("rank", "rank", isExtra: true), .init("layer", "layer"), .init("head", "head"),
      .init(lead, input.scores.name),
    ] + (all ? [.init("\(lead)_stderr", "±\u{a0}s.e.")] : []) + [
      .init("low", "95% from"), .init("high", "to"),
    ]
      + (input.scores.pValues == nil
        ? []
        : [
          .init(
            input.scores.correction == .holm ? "p_holm" : "p_bh",
            "p\u{a0}(\(input.scores.correction == .holm ? "Holm" : "BH"))", decimals: 4)
        ]) + [
        .init("hi", "HI", isExtra: true), .init("hi_chance", "chance", isExtra: true),
      ]
      + (all || input.anySink
        ? [
          .init("hi_nosink", "without sinks", isExtra: true), .init("sink_share", "sink share", isExtra: true),
        ] : [])
  }

  private static func row(
    _ input: ReportInput, rank: Int, _ head: Ranking.Head, all: Bool
  ) -> [DataTable.Value] {
    let (table, scores) = (input.table, input.scores)
    let index = head.layer * table.heads + head.head
    let at = table.index(input.measure, layer: head.layer, head: head.head)
    return [
      .integer(rank), .integer(head.layer), .integer(head.head), .number(scores.values[index]),
    ] + (all ? [.number(scores.standardErrors[index])] : [])
      + [.number(scores.low[index]), .number(scores.high[index])] + (scores.pValues.map { [.number($0[index])] } ?? [])
      + [.number(table.hi[at]), .number(table.chance[at])]
      + (all || input.anySink ? [.number(table.nosink[at]), .number(table.sinkShare[index])] : [])
  }
}
