import Foundation
import HeadImpact
import Testing

@Suite("Curves of ablation")
struct AblationCurvesTests {
  @Test("they are read from among the other values of ablation.json")
  func reading() throws {
    let json = """
      {"ablation": "mean", "images": 3, "samples": 5, "loss": 2, "run": {}, "curves": [{"choice": "random", "outcome": "loss",
      "baseline": 2, "points": [{"heads": 4, "draws": 2, "value": 2.5, "difference": 0.5, "lower": 0.1, "upper": 0.9,
      "lowest": 0.25, "highest": 0.75}]}]}
      """
    let curves = try AblationCurves(json: Array(json.utf8), name: "a.json")
    #expect(curves.ablation == "mean" && curves.images == 3 && curves.samples == 5)
    let point = AblationCurves.Point(
      heads: 4, draws: 2, value: 2.5, difference: 0.5, lower: 0.1, upper: 0.9, lowest: 0.25, highest: 0.75)
    #expect(
      curves.curves == [AblationCurves.Curve(choice: "random", outcome: "loss", baseline: 2, points: [point])])
  }

  @Test("another file is refused by its name")
  func refusal() {
    #expect(throws: HeadImpactError.self) { try AblationCurves(json: Array(#"{"loss": 2}"#.utf8), name: "old.json") }
  }
}
