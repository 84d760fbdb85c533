import Figures
import HeadImpact

extension HeadImpactReport {
  /// Which heads look at the object: the maps of HI and of its excess over chance, and the list of the best.
  static func headSection(_ input: ReportInput) -> Section {
    Section(
      id: "heads", title: "Which heads look at the object",
      blocks: [
        .paragraph(
          "Head Impact (HI) compares where a head looks, while the object is being described, with where the object is. "
            + "By the measure “\(input.measure.rawValue)” one sample’s value is the \(input.measure.meaning). "
            + "HI is the mean over samples: 1 is perfect agreement."),
        .figure(headMap(input, input.measure)), .table(topHeads(input)),
        .paragraph(
          "IoU rises with the size of the object, so a head that ignores it scores too. Chance is what the same attention "
            + "gets when the mask is moved to every other position in the image. Only what exceeds chance is due to the head."
        ),
        .figure(excessMap(input)),
      ])
  }

  /// HI of every head by one measure, its best heads marked.
  ///
  /// - Parameter isSmall: for a gallery.
  static func headMap(_ input: ReportInput, _ measure: Measure, isSmall: Bool = false) -> Figure {
    let table = input.table
    let first = table.index(measure, layer: 0, head: 0)
    let values = Array(table.hi[first..<(first + table.layers * table.heads)])
    let top = Ranking(table, by: measure).heads.prefix(input.topHeads.count)
    let map = HeatMap(
      rows: table.layers, columns: table.heads, values: values, scale: .sequential(values), valueTitle: "HI",
      marked: top.map { (row: $0.layer, column: $0.head) }, preferred: isSmall ? (280, 300) : (640, 460),
      smallestCell: isSmall ? 4 : 9
    ) { layer, head, value in
      let at = table.index(measure, layer: layer, head: head)
      let error = table.stderr[at].isFinite ? " ± \(NumberText.number(table.stderr[at], decimals: 4))" : ""
      return
        "\(layer).\(head): \(NumberText.number(value, decimals: 4))\(error), chance \(NumberText.number(table.chance[at], decimals: 4))"
    }
    return Figure(
      id: "hi-\(measure.rawValue)", title: "HI of every head: \(measure.rawValue)",
      caption: "Mean over \(input.samples): \(measure.meaning). The \(top.count) best heads are marked.",
      drawing: map.drawing(), data: headData(input, measure))
  }

  private static func excessMap(_ input: ReportInput) -> Figure {
    let table = input.table
    let first = table.index(input.measure, layer: 0, head: 0)
    let values = (first..<(first + table.layers * table.heads)).map { table.hi[$0] - table.chance[$0] }
    let map = HeatMap(
      rows: table.layers, columns: table.heads, values: values, scale: .diverging(values),
      valueTitle: "HI − chance", marked: input.topHeads.map { (row: $0.layer, column: $0.head) }
    ) { layer, head, value in "\(layer).\(head): \(NumberText.signed(value, decimals: 4)) over chance" }
    return Figure(
      id: "excess-\(input.measure.rawValue)", title: "HI above chance: \(input.measure.rawValue)",
      caption: "HI minus what chance gives, mean over \(input.samples). Blue heads look at the object more than "
        + "at a mask put elsewhere, brown ones less. The \(NumberText.counted(input.topHeads.count, "head")) of highest HI "
        + "\(input.topHeads.count == 1 ? "is" : "are") marked.",
      drawing: map.drawing(),
      data: DataTable(
        [.init("layer", "layer"), .init("head", "head"), .init("hi_minus_chance", "HI − chance")],
        values.enumerated().map { index, value in
          [.integer(index / table.heads), .integer(index % table.heads), .number(value)]
        }))
  }

  private static func headData(_ input: ReportInput, _ measure: Measure) -> DataTable {
    let heads = Ranking(input.table, by: measure).heads
    return DataTable(headColumns(measure), heads.enumerated().map { row(input, measure, rank: $0 + 1, $1) })
  }

  private static func topHeads(_ input: ReportInput) -> Table {
    Table(
      id: "top-heads",
      caption:
        "The best heads by “\(input.measure.rawValue)”, with the standard error of HI over \(input.samples) and its 95% "
        + "interval (bootstrap over images); HI with the scores of sinks set to 0; and the share of visual attention on sinks.",
      data: DataTable(
        headColumns(input.measure),
        input.topHeads.enumerated().map { row(input, input.measure, rank: $0 + 1, $1) }))
  }

  private static func headColumns(_ measure: Measure) -> [DataTable.Column] {
    [
      .init("rank", "rank"), .init("layer", "layer"), .init("head", "head"), .init("hi", "HI"),
      .init("hi_stderr", "±\u{a0}s.e."), .init("low", "95% from"), .init("high", "to"), .init("hi_chance", "chance"),
      .init("hi_minus_chance", "HI − chance", isSigned: true), .init("hi_nosink", "without sinks"),
      .init("sink_share", "sink share"),
    ]
  }

  private static func row(
    _ input: ReportInput, _ measure: Measure, rank: Int, _ head: Ranking.Head
  ) -> [DataTable.Value] {
    let table = input.table
    let at = table.index(measure, layer: head.layer, head: head.head)
    let bounds = input.reader.interval
    return [
      .integer(rank), .integer(head.layer), .integer(head.head), .number(table.hi[at]), .number(table.stderr[at]),
      .number(bounds[at]), .number(bounds[bounds.count / 2 + at]), .number(table.chance[at]),
      .number(table.hi[at] - table.chance[at]), .number(table.nosink[at]),
      .number(table.sinkShare[head.layer * table.heads + head.head]),
    ]
  }
}
