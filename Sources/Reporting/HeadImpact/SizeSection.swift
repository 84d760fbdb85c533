import Figures
import HeadImpact

extension HeadImpactReport {
  /// What the size of the object does to HI, and what the correction leaves of that.
  static func sizeSection(_ input: ReportInput) -> Section {
    guard let quarters = input.sizeQuarters?.quarters, input.table.samples >= 8 else {
      return Section(id: "size", title: "", blocks: [])
    }
    let index = input.best.layer * input.table.heads + input.best.head
    let names = ["smallest", "second", "third", "largest"]
    func percent(_ share: Double) -> String { NumberText.number(100 * share, decimals: share < 0.1 ? 1 : 0) }
    let rows = zip(names, quarters).map { name, quarter in
      IntervalChart.Row(
        name:
          "\(name), \(percent(quarter.shares.lowerBound))–\(percent(quarter.shares.upperBound))% (\(quarter.samples))",
        value: quarter.corrected[index], low: quarter.corrected[index] - quarter.correctedStderr[index],
        high: quarter.corrected[index] + quarter.correctedStderr[index],
        others: [
          .init(name: "HI", value: quarter.hi[index], style: 1),
          .init(name: "chance", value: quarter.chance[index], style: 4),
        ])
    }
    let figure = Figure(
      id: "size-\(input.measure.rawValue)", title: "Head \(input.bestName) by the size of the object",
      caption:
        "The \(input.samples) in quarters by the share of the visual tokens that the object takes (in brackets: samples). "
        + "Dots: mean corrected HI (\(input.measure.rawValue)) ± one standard error; rings: HI as measured, and chance.",
      data: DataTable(
        [
          .init("quarter", "quarter"), .init("share_from", "from"), .init("share_to", "to"),
          .init("samples", "samples"), .init("hi", "HI"), .init("hi_stderr", "± s.e."),
          .init("hi_chance", "chance"), .init("hi_corrected", "corrected HI"),
          .init("hi_corrected_stderr", "± s.e."),
        ],
        quarters.enumerated().map { place, quarter in
          [
            .integer(place + 1), .number(quarter.shares.lowerBound), .number(quarter.shares.upperBound),
            .integer(quarter.samples), .number(quarter.hi[index]), .number(quarter.stderr[index]),
            .number(quarter.chance[index]), .number(quarter.corrected[index]),
            .number(quarter.correctedStderr[index]),
          ]
        })
    ) { width in
      IntervalChart(
        rows: rows, xTitle: "\(input.measure.rawValue)", reference: 0,
        legend: [(.dot(series: 0), "corrected HI"), (.hollow(series: 1), "HI"), (.hollow(series: 4), "chance")],
        width: width
      ).drawing()
    }
    return Section(
      id: "size", title: "Size of the object",
      blocks: [
        .paragraph(
          "The larger the object, the more of it attention hits by chance, and HI as measured rises with that. What is left "
            + "after the correction is the head’s own."), .figure(figure),
      ])
  }
}
