import Testing

@testable import HeadImpact

@Suite("Measures")
struct MeasureTests {
  @Test(
    "HI, chance, sinks equal the reference's", arguments: try Golden.cases("measures.json", as: Golden.Measures.self))
  func golden(_ golden: Golden.Measures) throws {
    let impacts = try golden.scores.values.withUnsafeBufferPointer {
      try headImpacts(
        scores: $0, heads: golden.heads, mask: TokenMask(golden.mask.values),
        views: golden.views.map { ViewGrid(rows: $0[0], cols: $0[1]) }, sinkFactor: golden.sink_factor)
    }
    #expect(impacts.isSink == golden.sinks.values)
    #expect(greatestDifference(impacts.hi, golden.hi.values) < 1e-12)
    #expect(greatestDifference(impacts.chance, golden.chance.values) < 1e-12)
    #expect(greatestDifference(impacts.nosink, golden.nosink.values) < 1e-12)
    #expect(greatestDifference(impacts.sinkShare, golden.sink_share.values) < 1e-12)
  }

  @Test("measures have the names and places of the file format")
  func names() {
    #expect(Measure.allCases.map(\.rawValue) == ["matched", "mean", "otsu", "soft", "mass", "pointing"])
    #expect(Measure.allCases.map(\.index) == Array(0..<6))
  }

  @Test("a head that looks at the object alone has HI 1, one that looks elsewhere 0")
  func extremes() throws {
    let mask = try TokenMask([true, true, false, false, false, false])
    let scores: [Float] = [0.5, 0.5, 0, 0, 0, 0, 0, 0, 0, 0, 0.3, 0.3]
    let impacts = try scores.withUnsafeBufferPointer {
      try headImpacts(scores: $0, heads: 2, mask: mask, views: [ViewGrid(rows: 2, cols: 3)])
    }
    #expect(impacts.hi == [1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0])
  }

  @Test("the highest k come first, and the earlier of equals")
  func highest() {
    func highest(_ count: Int, _ scores: [Double]) -> [Int] {
      var found: [Int] = []
      forEachOfHighest(count, of: scores) { found.append($0) }
      return found
    }
    #expect(highest(3, [0.5, 0.25, 0.5, 0.5, 1]) == [0, 2, 4])
    #expect(highest(2, [0, -0.0, 0]) == [0, 1])
    #expect(highest(0, [1]) == [])
    #expect(highest(2, [1e-40, 2e-40, 1e-40]) == [0, 1])
  }

  @Test("scores that are negative, NaN or infinite are refused", arguments: [-0.1, .nan, .infinity] as [Float])
  func notScores(_ bad: Float) {
    #expect { try impacts([0.1, bad, 0.1, 0.1], heads: 1) } throws: { "\($0)".contains("visual token 1") }
  }

  @Test("shapes that disagree are refused")
  func shapes() {
    #expect(throws: HeadImpactError.self) { try impacts([0.1, 0.1, 0.1], heads: 1) }
    #expect(throws: HeadImpactError.self) { try impacts([0.1, 0.1, 0.1, 0.1], heads: 0) }
    for views in [[], [ViewGrid(rows: 2, cols: 3)], [ViewGrid(rows: -2, cols: -2)], [ViewGrid(rows: .max, cols: 2)]] {
      #expect(throws: HeadImpactError.self) { try impacts([0.1, 0.1, 0.1, 0.1], heads: 1, views: views) }
    }
  }

  private func impacts(
    _ scores: [Float], heads: Int, views: [ViewGrid] = [ViewGrid(rows: 2, cols: 2)]
  ) throws -> HeadImpacts {
    let mask = try TokenMask([true, false, false, false])
    return try scores.withUnsafeBufferPointer { try headImpacts(scores: $0, heads: heads, mask: mask, views: views) }
  }
}
