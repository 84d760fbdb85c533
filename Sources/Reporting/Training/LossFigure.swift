import Figures

/// How the loss went in a training run: an SVG file that is legible alone, and its numbers.
public struct LossFigure: Sendable {
  public typealias Curve = [(step: Int, loss: Double)]

  public let svg: String
  public let csv: String

  /// - Parameters:
  ///   - name: of the run, for the title.
  ///   - training: the mean loss over the supervised tokens of each step's batch, by step.
  ///   - validation: the same of the held-out examples; empty if there are none.
  public init(of name: String, training: Curve, validation: Curve) {
    func series(_ name: String, _ curve: Curve, style: Int, isDotted: Bool) -> LineChart.Series {
      LineChart.Series(
        name: name, points: curve.map { (Double($0.step), $0.loss) }, style: style, isDotted: isDotted)
    }
    let thinned =
      training.count > LineChart.mostPoints ? " Neighbouring steps are averaged; loss.csv has them all." : ""
    let held = validation.isEmpty ? "" : " and of the validation examples"
    let figure = Figure(
      id: "loss", title: "Loss of \(name)",
      caption: "Mean loss per supervised token of each step’s batch\(held), in nats.\(thinned)",
      drawing: LineChart(
        series: [series("training", training, style: 0, isDotted: false)]
          + (validation.isEmpty ? [] : [series("validation", validation, style: 1, isDotted: true)]),
        xTitle: "step", yTitle: "loss"
      ).drawing(),
      data: DataTable(
        [.init("split", "split"), .init("step", "step"), .init("loss", "loss")],
        training.map { [.text("training"), .integer($0.step), .number($0.loss)] }
          + validation.map { [.text("validation"), .integer($0.step), .number($0.loss)] }))
    (svg, csv) = (figure.svg, figure.data.csv)
  }
}
