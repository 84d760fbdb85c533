import Figures
import HeadImpact

/// What the report leads with: each head's HI of one measure, corrected for chance. A file of version 1 has no corrected
/// values; there it is HI minus chance.
struct HeadScores {
  let measure: Measure
  let layers: Int
  /// Heads per layer.
  let heads: Int
  /// Whether samples were corrected one by one.
  let isCorrected: Bool
  /// - Shape: [layer, head]; so too the next three, which are NaN where there is none.
  let values: [Double]
  let standardErrors: [Double]
  let low: [Double]
  let high: [Double]
  /// Of the test against chance, corrected for the number of heads; nil if the file has no test. - Shape: [layer, head]
  let pValues: [Double]?
  /// How they were corrected.
  let correction: BeyondChance.Correction
  /// What the test says of each head; nil if the file has none. - Shape: [layer, head]
  let findings: [BeyondChance.Finding]?

  var name: String { isCorrected ? "corrected HI" : "HI − chance" }
  /// For file names.
  var key: String { isCorrected ? "corrected" : "excess" }

  /// Whether a head looks at the object more, or less, than chance would; nil if the file has no test.
  func finding(_ index: Int) -> BeyondChance.Finding? { findings?[index] }

  /// How many heads are beyond chance; nil if the file has no test.
  var beyondChance: Int? { findings.map { $0.count { $0 == .above } } }

  /// The mean of a layer's heads, and its standard error over them.
  func mean(layer: Int) -> Moments { Moments(values[(layer * heads)..<((layer + 1) * heads)].filter(\.isFinite)) }

  /// "0.598 [0.513, 0.674]".
  func interval(_ index: Int) -> String {
    let value = NumberText.number(values[index])
    guard low[index].isFinite, high[index].isFinite else { return value }
    return "\(value) [\(NumberText.number(low[index])), \(NumberText.number(high[index]))]"
  }
}
