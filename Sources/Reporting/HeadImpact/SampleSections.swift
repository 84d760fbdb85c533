import Figures
import HDF5Store
import HeadImpact

extension HeadImpactReport {
  /// Whether there were samples enough.
  static func stabilitySection(_ input: ReportInput) -> Section {
    let points = input.stability.points
    let (layers, heads) = (input.stability.topLayers, input.stability.topHeads)
    let settledLayers = TopKStability.settled(points) { $0.layers }
    let settledHeads = TopKStability.settled(points) { $0.heads }
    func words(_ settled: Int?, _ what: String) -> String {
      guard let settled, settled < input.table.samples else { return "\(what) changed up to the last sample" }
      return "\(what) stayed the same from \(NumberText.counted(settled, "sample")) on"
    }
    let chart = LineChart(
      series: [
        .init(
          name: "best \(NumberText.counted(layers, "layer"))", points: points.map { (Double($0.samples), $0.layers) },
          style: 0),
        .init(
          name: "best \(NumberText.counted(heads, "head"))", points: points.map { (Double($0.samples), $0.heads) },
          style: 1),
      ],
      xTitle: "samples", yTitle: "share of the final best", yDomain: 0...1, isLogarithmic: input.table.samples > 80,
      decimals: 2, height: 280)
    return Section(
      id: "stability", title: "Convergence with sample size",
      blocks: [
        .paragraph(
          "The samples are added one after the other, in the order of their ids. Where a curve reaches 1 early and stays "
            + "there, more samples would hardly change the choice."),
        .figure(
          Figure(
            id: "stability-\(input.measure.rawValue)", title: "How the best layers and heads converge",
            caption:
              "The share of the \(input.samples)' best layers and heads (\(input.measure.rawValue)) that are among the best "
              + "of the first n. \(words(settledLayers, "The layers")); \(words(settledHeads, "the heads")).",
            drawing: chart.drawing(),
            data: DataTable(
              [.init("samples", "samples"), .init("layer_overlap", "layers"), .init("head_overlap", "heads")],
              points.map { [.integer($0.samples), .number($0.layers), .number($0.heads)] }))),
      ])
  }

  /// What sinks take of the attention.
  static func sinkSection(_ input: ReportInput) -> Section {
    let table = input.table
    let map = HeatMap(
      rows: table.layers, columns: table.heads, values: table.sinkShare, scale: .sequential(table.sinkShare),
      valueTitle: "sink share"
    ) { layer, head, value in "\(layer).\(head): \(NumberText.number(value, decimals: 4))" }
    let anySink = table.sinkShare.contains { $0 > 0 }
    return Section(
      id: "sinks", title: "Attention sinks",
      blocks: [
        .paragraph(
          "A sink is a visual token that attracts attention regardless of the text: its score, over all heads, is many "
            + "times the median token’s. A head may look away from the object only because it looks at sinks."
            + (anySink ? "" : " No visual token of these samples is one.")),
        .figure(
          Figure(
            id: "sink-share", title: "Share of the visual attention on sinks",
            caption: "Mean over \(input.samples).", drawing: map.drawing(),
            data: DataTable(
              [.init("layer", "layer"), .init("head", "head"), .init("sink_share", "sink share")],
              table.sinkShare.enumerated().map {
                [.integer($0 / table.heads), .integer($0 % table.heads), .number($1)]
              }))),
      ])
  }

  /// HI of the best head by category.
  static func categorySection(_ input: ReportInput) -> Section {
    var groups: [Int: Moments] = [:]
    for (sample, value) in zip(input.reader.samples, input.bestBySample) {
      groups[sample.categoryID, default: Moments()].add(value)
    }
    let categories = groups.map { (id: $0, moments: $1) }.sorted {
      ($0.moments.mean, -$0.id) > ($1.moments.mean, -$1.id)
    }
    // The most frequent ones, where there are too many for a picture.
    let most = 40
    let frequent = Set(
      categories.sorted { ($0.moments.count, -$0.id) > ($1.moments.count, -$1.id) }.prefix(most).map(\.id))
    let drawn = categories.filter { frequent.contains($0.id) }
    let rows = drawn.map { category in
      let moments = category.moments
      return IntervalChart.Row(
        name: "\(input.categoryName(category.id)) (\(moments.count))", value: moments.mean,
        low: moments.mean - moments.standardError, high: moments.mean + moments.standardError,
        more: ", " + NumberText.counted(moments.count, "sample"))
    }
    let fewer = drawn.count < categories.count ? " The \(most) most frequent of \(categories.count) categories." : ""
    return Section(
      id: "categories", title: "Categories",
      blocks: [
        .figure(
          Figure(
            id: "categories-\(input.measure.rawValue)", title: "HI of head \(input.bestName) by category",
            caption:
              "Mean over the category’s samples (their number in brackets, \(input.samples) in all) ± one standard error. "
              + "The vertical line is the mean over all.\(fewer)",
            drawing: IntervalChart(
              rows: rows, xTitle: "HI (\(input.measure.rawValue))", reference: input.best.score
            ).drawing(),
            data: DataTable(
              [
                .init("category_id", "id"), .init("category", "category"), .init("samples", "samples"),
                .init("hi_mean", "mean HI"), .init("stderr", "± s.e."),
              ],
              categories.map {
                [
                  .integer($0.id), .text(input.categoryName($0.id)), .integer($0.moments.count),
                  .number($0.moments.mean), .number($0.moments.standardError),
                ]
              })))
      ])
  }

  /// The samples themselves: pictures of the best and the worst, and a list.
  static func sampleSection(_ input: ReportInput) throws -> Section {
    let pictures: [Block]
    if let dataset = input.dataset {
      pictures = try bestAndWorst(input, dataset).map { .pictures($0) }
    } else {
      pictures = [
        .paragraph(
          "With --dataset and --images this section shows the samples on which the best head does best and worst.")
      ]
    }
    return Section(id: "samples", title: "Samples", blocks: pictures + [.table(sampleTable(input))])
  }

  private static func sampleTable(_ input: ReportInput) -> Table {
    Table(
      id: "samples-table", caption: "HI of head \(input.bestName) (\(input.measure.rawValue)) in each sample.",
      data: DataTable(
        [
          .init("sample", "annotation"), .init("image_id", "image"), .init("category", "category"),
          .init("visual_tokens", "visual tokens"), .init("mask_tokens", "in the mask"),
          .init("caption_tokens", "description’s tokens"), .init("hi", "HI"),
        ],
        zip(input.reader.samples, input.bestBySample).map { sample, value in
          [
            .text(String(sample.id)), .text(String(sample.imageID)), .text(input.categoryName(sample.categoryID)),
            .integer(sample.tokens.visual), .integer(sample.tokens.mask), .integer(sample.tokens.caption),
            .number(value),
          ]
        }), mostRows: 25)
  }
}

extension ReportInput {
  /// A category's name where the dataset is at hand, else its id.
  func categoryName(_ id: Int) -> String {
    if id == -1 { return "none" }
    return dataset?.contents.category(Int64(id))?.name ?? "category \(id)"
  }
}
