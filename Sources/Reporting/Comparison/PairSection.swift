import Comparison
import Figures
import HeadImpact

/// One run beside the first.
struct PairSection {
  private let comparison: RunComparison
  private let pair: PairComparison
  private let place: Int

  init(_ comparison: RunComparison, _ pair: PairComparison, place: Int) {
    (self.comparison, self.pair, self.place) = (comparison, pair, place)
  }

  private var first: RunComparison.Run { comparison.runs[pair.first] }
  private var second: RunComparison.Run { comparison.runs[pair.second] }
  private var names: String { "\(first.name) and \(second.name)" }

  var section: Section {
    // Of two runs the page's summary says it.
    var blocks: [Block] = comparison.runs.count > 2 ? [.paragraph(ComparisonWords.finding(comparison, pair))] : []
    if let heads = pair.heads {
      blocks += [
        .figure(scatter(heads)), .figure(differenceMap()), .figure(overlap(heads)), .table(differingHeads()),
      ]
    }
    blocks.append(.figure(layers()))
    return Section(id: "pair-\(place)", title: names, blocks: blocks)
  }

  private var paired: String {
    pair.isPaired
      ? "\(NumberText.counted(first.samples, "sample")) of \(NumberText.counted(first.images, "image")), the same for both"
      : "\(NumberText.counted(first.samples, "sample")) of the first, \(NumberText.grouped(second.samples)) of the second"
  }

  // MARK: - Heads

  private func scatter(_ heads: HeadAgreement) -> Figure {
    let (firstTop, secondTop) = (Set(first.topHeads), Set(second.topHeads))
    let k = comparison.topHeads
    // 0 in neither, 5 grey; 1 in one; 2 in both.
    func times(_ head: PairComparison.Head) -> Int {
      let head = Selection.Head(layer: head.layer, head: head.head)
      return (firstTop.contains(head) ? 1 : 0) + (secondTop.contains(head) ? 1 : 0)
    }
    let styles = [5, 1, 0]
    let points = pair.differences.sorted { times($0) < times($1) }.map { head in
      ScatterChart.Point(
        x: head.first, y: head.second, style: styles[times(head)], isHollow: !head.isDifferent, note: note(head))
    }
    let tested = pair.isPaired ? " Full dots differ beyond doubt (\(ComparisonWords.corrected(pair)))." : ""
    return Figure(
      id: "scatter-\(place)", title: "Every head in \(names)",
      caption: "Head Impact (\(comparison.ranked)) of each head in either run; on the dashed line it is the same. "
        + "Rank correlation \(ComparisonWords.interval(heads.spearman, isSigned: false)).\(tested) \(paired).",
      data: headData()
    ) { width in
      ScatterChart(
        points: points, xTitle: first.name, yTitle: second.name,
        legend: [
          (.hollow(series: 0), "among the \(k) best of both"), (.hollow(series: 1), "of one"),
          (.hollow(series: 5), "of neither"),
        ], width: width
      ).drawing()
    }
  }

  private func differenceMap() -> Figure {
    let values = pair.differences.map { $0.difference.value ?? .nan }
    let different = pair.differences.map(\.isDifferent)
    let tested =
      pair.isPaired
      ? " Dots mark the \(NumberText.counted(different.count { $0 }, "head")) that \(different.count { $0 } == 1 ? "differs" : "differ") "
        + "beyond doubt: a sign-flip test over the images, \(ComparisonWords.corrected(pair))."
      : ""
    return Figure(
      id: "difference-\(place)", title: "\(second.name) less \(first.name), head by head",
      caption: "The difference of Head Impact (\(comparison.ranked)).\(tested) \(paired).", data: headData()
    ) { width in
      HeatMap(
        rows: first.layers, columns: first.headsPerLayer, values: values, scale: .diverging(values),
        valueTitle: "difference", marks: different.map { $0 ? .dot : nil }, width: width
      ) { layer, head, _ in note(pair.differences[layer * first.headsPerLayer + head]) }.drawing()
    }
  }

  private func note(_ head: PairComparison.Head) -> String {
    "\(head.layer).\(head.head): \(NumberText.number(head.first)) and \(NumberText.number(head.second)), difference "
      + ComparisonWords.interval(head.difference) + (head.isDifferent ? ", beyond doubt" : "")
  }

  private func headData() -> DataTable {
    DataTable(Self.headColumns, pair.differences.map(Self.row))
  }

  private static let headColumns: [DataTable.Column] = [
    .init("layer", "layer"), .init("head", "head"), .init("first", "first"), .init("second", "second"),
    .init("difference", "difference", isSigned: true), .init("low", "95% from", isSigned: true),
    .init("high", "to", isSigned: true), .init("p_value", "p", decimals: 4), .init("p_holm", "p (Holm)", decimals: 4),
    .init("p_bh", "p (BH)", decimals: 4),
  ]

  private static func row(_ head: PairComparison.Head) -> [DataTable.Value] {
    [
      .integer(head.layer), .integer(head.head), .number(head.first), .number(head.second),
      .optional(head.difference.value), .optional(head.difference.lower), .optional(head.difference.upper),
      .optional(head.pValue), .optional(head.pHolm), .optional(head.pBH),
    ]
  }

  private func differingHeads() -> Table {
    let different = pair.differentHeads
    func size(_ head: PairComparison.Head) -> Double { (head.difference.value ?? 0).magnitude }
    let greatest = pair.differences.enumerated().sorted {
      size($0.element) > size($1.element) || (size($0.element) == size($1.element) && $0.offset < $1.offset)
    }.prefix(comparison.topHeads).map(\.element)
    let caption =
      different.isEmpty
      ? "The \(greatest.count) heads of greatest difference"
        + (pair.isPaired ? "; none differs beyond doubt (\(ComparisonWords.corrected(pair)))." : ".")
      : "Heads that differ beyond doubt (\(ComparisonWords.corrected(pair))), the greatest difference first."
    return Table(
      id: "differing-\(place)", caption: caption,
      data: DataTable(Self.headColumns, (different.isEmpty ? greatest : different).map(Self.row)), mostRows: 25)
  }

  private func overlap(_ heads: HeadAgreement) -> Figure {
    let overlaps = heads.overlaps
    let all = first.layers * first.headsPerLayer
    func bounds(_ overlap: TopOverlap) -> (low: Double, high: Double) {
      (overlap.share.lower ?? .nan, overlap.share.upper ?? .nan)
    }
    return Figure(
      id: "overlap-\(place)", title: "How many of the k best heads \(names) share",
      caption:
        "The share of the k best heads of one run that are among the k best of the other, with its 95% interval, beside "
        + "two random choices of k of the \(NumberText.grouped(all)) heads with the range of 95% of them. At k = "
        + "\(heads.topOverlap.count): \(heads.topOverlap.shared). \(paired).",
      data: DataTable(
        [
          .init("k", "k"), .init("shared", "shared"), .init("share", "share"), .init("low", "95% from"),
          .init("high", "to"), .init("chance", "chance"), .init("chance_low", "chance, 95% from"),
          .init("chance_high", "to"), .init("p_value", "p", decimals: 4),
        ],
        overlaps.map { overlap in
          [
            .integer(overlap.count), .integer(overlap.shared), .optional(overlap.share.value),
            .optional(overlap.share.lower), .optional(overlap.share.upper), .number(overlap.chance),
            .number(overlap.chanceLower), .number(overlap.chanceUpper), .number(overlap.pValue),
          ]
        })
    ) { width in
      LineChart(
        series: [
          LineChart.Series(
            name: "two random choices", points: overlaps.map { (Double($0.count), $0.chance) }, style: 5,
            bounds: overlaps.map { ($0.chanceLower, $0.chanceUpper) }),
          LineChart.Series(
            name: "the two runs", points: overlaps.map { (Double($0.count), $0.share.value ?? .nan) }, style: 0,
            bounds: overlaps.map(bounds)),
        ], xTitle: "k, of the best heads", yTitle: "share in common", yDomain: 0...1, isLogarithmic: all > 40,
        decimals: 2, width: width
      ).drawing()
    }
  }

  // MARK: - Layers

  private func layers() -> Figure {
    let layers = pair.layers.layers
    let axis = pair.layers.isLayerByLayer ? "layer" : "relative depth, in percent"
    func x(_ index: Int) -> Double { pair.layers.isLayerByLayer ? Double(index) : 100 * layers[index].depth }
    let interpolated =
      pair.layers.isLayerByLayer
      ? ""
      : " Layer l of L lies at the depth (l + 0.5) / L; the deeper model’s layers are interpolated at the other’s depths."
    return Figure(
      id: "layers-\(place)", title: "Layers of \(names)",
      caption: "The mean Head Impact (\(comparison.ranked)) of each layer’s heads. Rank correlation of the layers: "
        + "\(ComparisonWords.interval(pair.layers.spearman, isSigned: false)).\(interpolated) \(paired).",
      data: DataTable(
        [
          .init("depth", "depth"), .init("first", "first"), .init("second", "second"),
          .init("difference", "difference", isSigned: true), .init("low", "95% from", isSigned: true),
          .init("high", "to", isSigned: true),
        ],
        layers.map { layer in
          [
            .number(layer.depth), .number(layer.first), .number(layer.second), .optional(layer.difference.value),
            .optional(layer.difference.lower), .optional(layer.difference.upper),
          ]
        })
    ) { width in
      LineChart(
        series: [
          LineChart.Series(
            name: first.name, points: layers.indices.map { (x($0), layers[$0].first) }, style: 0),
          LineChart.Series(
            name: second.name, points: layers.indices.map { (x($0), layers[$0].second) }, style: 1),
        ], xTitle: axis, yTitle: "mean over heads", width: width
      ).drawing()
    }
  }
}
