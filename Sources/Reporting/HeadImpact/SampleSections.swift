import Figures
import HDF5Store
import HeadImpact

extension HeadImpactReport {
  /// What sinks take of the attention.
  static func sinkSection(_ input: ReportInput) -> Section {
    let table = input.table
    let words =
      "A sink is a visual token that attracts attention regardless of the text: its score, over all heads, is many "
      + "times the median token’s. A head may look away from the object only because it looks at sinks."
    guard input.anySink else {
      return Section(
        id: "sinks", title: "Attention sinks",
        blocks: [.paragraph(words + " No visual token of these samples is one.")])
    }
    return Section(
      id: "sinks", title: "Attention sinks",
      blocks: [
        .paragraph(words),
        .figure(
          Figure(
            id: "sink-share", title: "Share of the visual attention on sinks",
            caption: "Mean over \(input.samples).",
            data: DataTable(
              [.init("layer", "layer"), .init("head", "head"), .init("sink_share", "sink share")],
              table.sinkShare.enumerated().map {
                [.integer($0 / table.heads), .integer($0 % table.heads), .number($1)]
              }), room: 560
          ) { width in
            HeatMap(
              rows: table.layers, columns: table.heads, values: table.sinkShare, scale: .sequential(table.sinkShare),
              valueTitle: "sink share", width: width, gridHeight: 300
            ) { layer, head, value in "\(layer).\(head): \(NumberText.number(value, decimals: 4))" }.drawing()
          }),
      ])
  }

  /// Categories of fewer samples say nothing; the file has them.
  private static let fewest = 3

  /// The best head's score by category.
  static func categorySection(_ input: ReportInput) -> Section {
    var groups: [Int: Moments] = [:]
    for (sample, value) in zip(input.reader.samples, input.bestBySample) {
      groups[sample.categoryID, default: Moments()].add(value)
    }
    let categories = groups.map { (id: $0, moments: $1) }.sorted {
      ($0.moments.mean, -$0.id) > ($1.moments.mean, -$1.id)
    }
    let known = categories.filter { $0.moments.count >= fewest }
    let data = DataTable(
      [
        .init("category_id", "id"), .init("category", "category"), .init("samples", "samples"),
        .init("score_mean", "mean \(input.sampleScore)"), .init("stderr", "± s.e."),
      ],
      categories.map {
        [
          .integer($0.id), .text(input.categoryName($0.id)), .integer($0.moments.count), .number($0.moments.mean),
          .number($0.moments.standardError),
        ]
      })
    guard known.count > 1 else { return Section(id: "categories", title: "Categories", blocks: []) }
    return Section(
      id: "categories", title: "Categories",
      blocks: [.figure(categoryFigure(input, known, data: data, hidden: categories.count - known.count))])
  }

  private static func categoryFigure(
    _ input: ReportInput, _ known: [(id: Int, moments: Moments)], data: DataTable, hidden: Int
  ) -> Figure {
    // The most frequent ones, where there are too many for a picture.
    let most = 40
    let frequent = Set(known.sorted { ($0.moments.count, -$0.id) > ($1.moments.count, -$1.id) }.prefix(most).map(\.id))
    let drawn = known.filter { frequent.contains($0.id) }
    let rows = drawn.map { category in
      let moments = category.moments
      return IntervalChart.Row(
        name: "\(input.categoryName(category.id)) (\(moments.count))", value: moments.mean,
        low: moments.mean - moments.standardError, high: moments.mean + moments.standardError,
        more: ", " + NumberText.counted(moments.count, "sample"))
    }
    let fewer = drawn.count < known.count ? " The \(most) most frequent of \(known.count) categories." : ""
    let rare =
      hidden > 0
      ? " \(NumberText.counted(hidden, "category", "categories")) of fewer than \(fewest) samples \(hidden == 1 ? "is" : "are") "
        + "only in the file." : ""
    return Figure(
      id: "categories-\(input.measure.rawValue)", title: "Head \(input.bestName) by category",
      caption:
        "Mean \(input.sampleScore) over the category’s samples (their number in brackets, \(input.samples) in all) ± one "
        + "standard error. The vertical line is the mean over all.\(fewer)\(rare)", data: data
    ) { width in
      IntervalChart(
        rows: rows, xTitle: "\(input.sampleScore) (\(input.measure.rawValue))",
        reference: Moments(input.bestBySample.filter(\.isFinite)).mean, width: width
      ).drawing()
    }
  }

  /// The samples themselves: pictures of the best and the worst, and a list.
  static func sampleSection(_ input: ReportInput) throws -> Section {
    let pictures: [Block] = try bestAndWorst(input).map { .pictures($0) }
    let hint: [Block] =
      pictures.isEmpty
      ? [
        .paragraph(
          "With --dataset and --images this section shows the samples on which the best head does best and worst.")
      ] : []
    return Section(id: "samples", title: "Samples", blocks: hint + pictures + [.table(sampleTable(input))])
  }

  private static func sampleTable(_ input: ReportInput) -> Table {
    let isCorrected = input.scores.isCorrected
    return Table(
      id: "samples-table",
      caption: "Head \(input.bestName) (\(input.measure.rawValue)) in each sample.",
      data: DataTable(
        [
          .init("sample", "annotation"), .init("category", "category"),
        ] + (input.hasDescriptions ? [.init("description", "description", isExtra: true)] : []) + [
          .init("visual_tokens", "visual tokens", isExtra: true), .init("mask_tokens", "in the mask", isExtra: true),
          .init("hi", "HI"),
        ] + (isCorrected ? [.init("chance", "chance", isExtra: true), .init("hi_corrected", "corrected HI")] : []),
        input.reader.samples.enumerated().map { place, sample in
          [
            .text(String(sample.id)), .text(input.categoryName(sample.categoryID)),
          ] + (input.hasDescriptions ? [.text(input.description(of: sample))] : []) + [
            .integer(sample.tokens.visual), .integer(sample.tokens.mask),
            .number(input.hiBySample[place]),
          ] + (isCorrected ? [.number(input.chanceBySample[place]), .number(input.bestBySample[place])] : [])
        }), mostRows: 25)
  }
}
