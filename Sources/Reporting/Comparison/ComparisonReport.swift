import Comparison
import Figures
import HeadImpact

/// The page of a comparison of scoring runs.
public enum ComparisonReport {
  /// - Parameter title: nil for one of the runs' names.
  public static func page(of comparison: RunComparison, title: String? = nil, programVersion: String) -> Page {
    let names = comparison.runs.map(\.name)
    var sections = [overview(comparison)]
    for (place, pair) in comparison.pairs.filter({ $0.first == 0 }).enumerated() {
      sections.append(PairSection(comparison, pair, place: place + 1).section)
    }
    if let best = bestHeads(comparison) { sections.append(best) }
    sections.append(attributes(comparison))
    return Page(
      title: title ?? names.joined(separator: " · "), kind: "Comparison of Head Impact", summary: summary(comparison),
      sections: sections,
      footer: "Made by headimpact \(programVersion) from \(NumberText.counted(names.count, "file")) of scoring runs. "
        + "Head Impact is defined in arXiv 2511.23375.")
  }

  private static func summary(_ comparison: RunComparison) -> [String] {
    comparison.pairs.filter { $0.first == 0 }.map { ComparisonWords.finding(comparison, $0) }
      + [ComparisonWords.whatDiffers(comparison)]
  }

  // MARK: - Sections

  private static func overview(_ comparison: RunComparison) -> Section {
    let measure = comparison.ranked.description
    var blocks: [Block] = [
      .paragraph(
        "Head Impact (\(measure)) of \(comparison.runs.count) runs. Runs over the same samples are compared on the samples "
          + "that all of them have, image by image. Runs over other data are independent. The 95% intervals are over images: a "
          + "bootstrap for means, a jackknife for orders."),
      .paragraph(
        "A run agrees with itself only as far as its images allow: “halves” is the rank correlation of the heads in two "
          + "random halves of its images. Two runs that agree as well as the halves of each can't be told apart by these data."
      ),
    ]
    if !comparison.isCorrected {
      blocks.append(
        .paragraph(
          "These values are not corrected for chance, which rises with the size of the object and depends on the model’s grid "
            + "of visual tokens. Between different data or models compare --corrected values."))
    }
    if comparison.runs.count > 2 { blocks.append(.figure(matrix(comparison))) }
    blocks += [.table(pairTable(comparison)), .table(runTable(comparison))]
    return Section(id: "overview", title: "How alike the runs are", blocks: blocks)
  }

  /// Of the heads where all models have the same, else of the layers.
  private static func matrix(_ comparison: RunComparison) -> Figure {
    let count = comparison.runs.count
    let ofHeads = comparison.pairs.allSatisfy { $0.heads != nil }
    var values = [Double](repeating: 1, count: count * count)
    for pair in comparison.pairs {
      let value = (ofHeads ? pair.heads?.spearman : pair.layers.spearman)?.value ?? .nan
      values[pair.first * count + pair.second] = value
      values[pair.second * count + pair.first] = value
    }
    let names = comparison.runs.map(\.name)
    let labels = names.map { shortened($0, to: 24) }
    return Figure(
      id: "agreement", title: "Rank correlation of the \(ofHeads ? "heads" : "layers") of every two runs",
      caption: "Spearman’s rank correlation of Head Impact (\(comparison.ranked)), over all "
        + (ofHeads ? "heads." : "layers, brought to the same relative depths."),
      data: DataTable(
        [.init("first", "first"), .init("second", "second"), .init("spearman", "rank correlation")],
        comparison.pairs.map {
          [
            .text(names[$0.first]), .text(names[$0.second]), .number(values[$0.first * count + $0.second]),
          ]
        })
    ) { width in
      MatrixChart(labels: labels, values: values, scale: .diverging(upTo: 1), width: width) { row, column, value in
        "\(names[row]) and \(names[column]): \(NumberText.number(value))"
      }.drawing()
    }
  }

  private static func pairTable(_ comparison: RunComparison) -> Table {
    let k = comparison.topHeads
    func rows(_ pair: PairComparison) -> [[DataTable.Value]] {
      let heads = pair.heads
      let numbers: [(String, Estimate?, Double?)] = [
        ("order of the heads (Spearman)", heads?.spearman, heads.map { _ in 0 }),
        ("values of the heads (Pearson)", heads?.pearson, heads.map { _ in 0 }),
        ("share of the \(k) best in common", heads?.topOverlap.share, heads?.topOverlap.chance),
        ("mean of second less first", heads?.meanDifference, nil),
        ("order of the layers (Spearman)", pair.layers.spearman, 0),
      ]
      return numbers.compactMap { name, estimate, chance in
        guard let estimate else { return nil }
        return [
          .text(comparison.runs[pair.first].name), .text(comparison.runs[pair.second].name),
          .text(pair.isPaired ? "yes" : "no"), .text(name), .optional(estimate.value), .optional(estimate.lower),
          .optional(estimate.upper), .optional(chance),
        ]
      }
    }
    return Table(
      id: "pairs",
      caption:
        "Every two runs, with 95% intervals, and what heads in random order would give. “Paired” runs have the same "
        + "samples.",
      data: DataTable(
        [
          .init("first", "first"), .init("second", "second"), .init("paired", "paired"), .init("what", "what"),
          .init("value", "value"), .init("low", "95% from"), .init("high", "to"), .init("chance", "chance"),
        ], comparison.pairs.flatMap(rows)))
  }

  private static func runTable(_ comparison: RunComparison) -> Table {
    Table(
      id: "runs",
      caption: "The runs. “Not shared” are samples of the file that another run over the same dataset lacks.",
      data: DataTable(
        [
          .init("run", "run"), .init("layers", "layers"), .init("heads_per_layer", "heads"),
          .init("samples", "samples"), .init("samples_not_shared", "not shared"), .init("images", "images"),
          .init("halves", "halves"), .init("best_head", "best head"), .init("best_value", "its value"),
          .init("best_layer", "best layer"),
        ],
        comparison.runs.map { run in
          let best = run.topHeads[0]
          return [
            .text(run.name), .integer(run.layers), .integer(run.headsPerLayer), .integer(run.samples),
            .integer(run.samplesNotShared), .integer(run.images), .optional(run.reliability?.value), .text("\(best)"),
            .number(run.values[best.layer][best.head]), .integer(run.layerOrder[0]),
          ]
        }))
  }

  /// The heads that are among the best of any run; nil where the models' heads are not the same.
  private static func bestHeads(_ comparison: RunComparison) -> Section? {
    guard !comparison.recurring.isEmpty else { return nil }
    let count = comparison.runs.count
    let everywhere = comparison.recurring.filter { $0.runs == count }.count
    let columns =
      [
        DataTable.Column("layer", "layer"), .init("head", "head"), .init("runs", "runs"),
        .init("mean", "mean"),
      ] + comparison.runs.map { .init("rank_\($0.name)", "rank in \($0.name)") }
    return Section(
      id: "best-heads", title: "The best heads of all runs",
      blocks: [
        .paragraph(
          "\(NumberText.counted(comparison.recurring.count, "head")) "
            + (comparison.recurring.count == 1 ? "is" : "are")
            + " among the \(comparison.topHeads) best of at least one of "
            + "the \(count) runs, \(everywhere) of them among the best of all."),
        .table(
          Table(
            id: "best-heads-table",
            caption:
              "In how many runs each head is among the \(comparison.topHeads) best, the mean of its values, and its "
              + "rank among all heads of each run.",
            data: DataTable(
              columns,
              comparison.recurring.map { head in
                [.integer(head.layer), .integer(head.head), .integer(head.runs), .number(head.meanValue)]
                  + head.ranks.map { .integer($0) }
              }), mostRows: 50)),
      ])
  }

  private static func attributes(_ comparison: RunComparison) -> Section {
    let columns = [DataTable.Column("attribute", "attribute")] + comparison.runs.map { .init($0.name, $0.name) }
    func rows(_ rows: [AttributeTable.Row]) -> [[DataTable.Value]] {
      rows.map { row in [.text(row.name)] + row.values.map { .text($0 ?? "–") } }
    }
    let (differing, all) = (comparison.attributes.differing, comparison.attributes.rows)
    let same = all.filter { !$0.differs }
    return Section(
      id: "differences", title: "What differs between the runs",
      blocks: [
        .paragraph(ComparisonWords.whatDiffers(comparison)),
        .table(
          Table(
            id: "attributes-differing", caption: "Attributes of the files that are not the same.",
            data: DataTable(columns, rows(differing)))),
        .table(
          Table(
            id: "attributes-same", caption: "Attributes that all files share.",
            data: DataTable(
              [.init("attribute", "attribute"), .init("value", "value")],
              same.map { [.text($0.name), .text($0.values[0] ?? "–")] }))),
      ])
  }
}
