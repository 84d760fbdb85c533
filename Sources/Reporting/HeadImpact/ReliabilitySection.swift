import Figures
import HeadImpact

extension HeadImpactReport {
  /// Whether other images would choose the same heads.
  static func reliabilitySection(_ input: ReportInput) throws -> Section {
    guard let reliability = input.reliability else {
      return Section(
        id: "reliability", title: "Reliability",
        blocks: [
          .paragraph("Too few images or heads to compare the heads of one half of the images with those of the other.")
        ])
    }
    let whole = reliability.whole
    func words(_ estimate: Reliability.Estimate) -> String {
      "\(NumberText.number(estimate.mean, decimals: 2)) [\(NumberText.number(estimate.lower, decimals: 2)), "
        + "\(NumberText.number(estimate.upper, decimals: 2))]"
    }
    let top = NumberText.counted(reliability.top, "head")
    return Section(
      id: "reliability", title: "Reliability",
      blocks: [
        .paragraph(
          "Would other images choose the same heads? The images are halved at random \(reliability.halvings) times, and what "
            + "one half says is compared with the other. The halves share no image, so nothing agrees by construction."),
        .paragraph(
          "Halves of \(NumberText.counted(whole.images, "image")): the order of the heads has a rank correlation (Spearman) of "
            + "\(words(whole.rankCorrelation)); of the best \(top), a share of \(words(whole.overlap)) is the same. Chosen on one half, "
            + "they have \(input.scores.name) \(words(whole.chosen)) on the other, random ones \(words(whole.random)). "
            + "In brackets: 95% of the halvings."),
        .gallery([agreementFigure(input, reliability), chosenFigure(input, reliability)]),
      ])
  }

  private static func series(
    _ reliability: Reliability, _ name: String, style: Int, _ value: (Reliability.Point) -> Reliability.Estimate
  ) -> LineChart.Series {
    let estimates = reliability.points.map(value)
    return LineChart.Series(
      name: name, points: zip(reliability.points, estimates).map { (Double($0.images), $1.mean) }, style: style,
      bounds: estimates.map { (low: $0.lower, high: $0.upper) })
  }

  private static func columns(_ name: String, _ heading: String) -> [DataTable.Column] {
    [.init(name, heading), .init("\(name)_low", "95% from"), .init("\(name)_high", "to")]
  }

  private static func values(_ estimate: Reliability.Estimate) -> [DataTable.Value] {
    [.number(estimate.mean), .number(estimate.lower), .number(estimate.upper)]
  }

  private static func agreementFigure(_ input: ReportInput, _ reliability: Reliability) -> Figure {
    let curves = [
      series(reliability, "rank correlation", style: 0) { $0.rankCorrelation },
      series(reliability, "same among the best \(reliability.top)", style: 1) { $0.overlap },
    ]
    let least = curves.flatMap(\.bounds).map(\.low).filter(\.isFinite).min() ?? 0
    return Figure(
      id: "reliability-\(input.measure.rawValue)", title: "Agreement of two halves",
      caption:
        "By the number of images in each half (\(input.samples) of \(NumberText.counted(input.images, "image")) in all): Spearman’s "
        + "correlation of the heads’ \(input.scores.name), and the share of the best \(reliability.top) that both halves have. Mean "
        + "over \(reliability.halvings) random halvings; the bands hold 95% of them.",
      data: DataTable(
        [.init("images", "images")] + columns("rank_correlation", "Spearman’s ρ") + columns("overlap", "same"),
        reliability.points.map { [.integer($0.images)] + values($0.rankCorrelation) + values($0.overlap) }),
      room: Theme.Size.half
    ) { width in
      LineChart(
        series: curves, xTitle: "images in each half", yTitle: "agreement", yDomain: min(0, least)...1, decimals: 2,
        width: width, height: 300
      ).drawing()
    }
  }

  private static func chosenFigure(_ input: ReportInput, _ reliability: Reliability) -> Figure {
    let curves = [
      series(reliability, "chosen on the other half", style: 2) { $0.chosen },
      series(reliability, "random heads", style: 5) { $0.random },
    ]
    return Figure(
      id: "reliability-chosen-\(input.measure.rawValue)", title: "Heads chosen on one half, measured on the other",
      caption:
        "Mean \(input.scores.name) (\(input.measure.rawValue), \(input.samples)) of the \(NumberText.counted(reliability.top, "head")) "
        + "that are best in one half, measured on the other, and of as many random ones. The bands hold 95% of the halvings.",
      data: DataTable(
        [.init("images", "images")] + columns("chosen", "chosen") + columns("random", "random"),
        reliability.points.map { [.integer($0.images)] + values($0.chosen) + values($0.random) }),
      room: Theme.Size.half
    ) { width in
      LineChart(
        series: curves, xTitle: "images in each half", yTitle: input.scores.name, width: width, height: 300
      ).drawing()
    }
  }
}
