import COCO
import Foundation
import HeadImpact
import TestSupport
import Testing

@testable import Grounding

/// What numpy and pycocotools make of made-up scores (tools/goldens/grounding).
struct PlaceCase: Decodable, Sendable, CustomStringConvertible {
  struct Place: Decodable, Sendable {
    let rule: String
    let sigma: Double
    let parts: String
    let bbox: [Double]
    let counts: String
    let score: Double
  }

  /// Width and height.
  let size: [Int]
  /// Rows and columns of each view.
  let views: [[Int]]
  let cells: [[Double]]
  let scores: [Double]
  let places: [Place]

  var description: String { "\(views) over \(size)" }

  static func all() throws -> [PlaceCase] {
    try JSONDecoder().decode(
      [PlaceCase].self, from: Data(contentsOf: Goldens.root().appendingPathComponent("places.json")))
  }
}

@Suite("Places from attention")
struct PlaceTests {
  @Test("every rule finds the mask, the box and the share that numpy finds", arguments: try PlaceCase.all())
  func goldens(_ golden: PlaceCase) throws {
    for place in golden.places {
      var options = LocatingOptions()
      options.threshold = try #require(ThresholdRule(place.rule))
      options.sigma = place.sigma
      options.parts = try #require(LocatingOptions.Parts(rawValue: place.parts))
      let found = HeadLocator([Selection.Head(layer: 0, head: 0)], headsPerLayer: 1, options).locate(
        golden.scores, grids: golden.views.map { ViewGrid(rows: $0[0], cols: $0[1]) },
        cells: golden.cells.map { Cell(x0: $0[0], y0: $0[1], x1: $0[2], y1: $0[3]) }, width: golden.size[0],
        height: golden.size[1])
      let words = "\(place.rule), sigma \(place.sigma), \(place.parts)"
      #expect(RunLengthEncoding(found.mask).compressed == place.counts, "\(words)")
      let box: [Double] = found.box.map { [$0.x, $0.y, $0.width, $0.height] } ?? [0, 0, 0, 0]
      #expect(box == place.bbox, "\(words)")
      #expect(abs(found.score - place.score) < 1e-12, "\(words)")
    }
  }

  @Test("the mean over heads doesn't depend on their order, and attention that is not finite is refused")
  func means() throws {
    let scores: [Float] = [0.1, 0.2, 0.3, 0.4, 0.7, 0.8, 0.25, 0.5]
    func means(_ heads: [Selection.Head], _ scores: [Float]) throws -> [Double] {
      try HeadLocator(heads, headsPerLayer: 2, LocatingOptions()).meanScores(scores.span, visualTokens: 2)
    }
    let (a, b) = (Selection.Head(layer: 0, head: 1), Selection.Head(layer: 1, head: 1))
    let expected = [(Double(Float(0.3)) + 0.25) / 2, (Double(Float(0.4)) + 0.5) / 2]
    #expect(try means([a, b], scores) == expected)
    #expect(try means([b, a], scores) == expected)
    var broken = scores
    broken[7] = .nan
    #expect(throws: UnusableSample.self) { try means([b], broken) }
    #expect(try means([a], broken).count == 2)
  }

  @Test("an even map names no place, by any rule")
  func even() {
    for rule in [ThresholdRule.mean, .otsu, .quantile(0.5), .peak(1)] {
      var options = LocatingOptions()
      options.threshold = rule
      let found = HeadLocator([Selection.Head(layer: 0, head: 0)], headsPerLayer: 1, options).locate(
        [0.1, 0.1], grids: [ViewGrid(rows: 1, cols: 2)],
        cells: [Cell(x0: 0, y0: 0, x1: 4, y1: 8), Cell(x0: 4, y0: 0, x1: 8, y1: 8)], width: 8, height: 8)
      #expect(found.box == nil && found.mask.area == 0 && found.score == 0)
    }
  }

  @Test("thresholds are written as they are read, and others are refused")
  func rules() {
    for text in ["mean", "otsu", "quantile:0.9", "peak:0.5", "peak:1.0"] {
      #expect(ThresholdRule(text)?.description == text)
    }
    for text in [
      "", "median", "mean:1", "quantile", "quantile:0", "quantile:1", "quantile:nan", "peak:0", "peak:1.5", "peak:",
    ] {
      #expect(ThresholdRule(text) == nil, "\(text)")
    }
    var options = LocatingOptions()
    options.sigma = -1
    #expect(throws: HeadImpactError.self) { try options.validate() }
    options.sigma = .nan
    #expect(throws: HeadImpactError.self) { try options.validate() }
  }

  @Test("of parts of equal size the first, row by row, is taken; corners don't connect")
  func parts() {
    let pixels = [true, false, true, false, true, false, true, false, true]
    #expect(ConnectedComponents.largest(of: pixels, width: 3) == [true] + [Bool](repeating: false, count: 8))
    let two = [false, true, true, false, false, false, true, true, true]
    #expect(
      ConnectedComponents.largest(of: two, width: 3) == [false, false, false, false, false, false, true, true, true])
    #expect(ConnectedComponents.largest(of: [false, false], width: 2) == [false, false])
  }

  @Test("boxes overlap by their areas")
  func boxes() {
    let box = BoundingBox(x: 0, y: 0, width: 4, height: 2)
    #expect(box.intersectionOverUnion(box) == 1)
    #expect(box.intersectionOverUnion(BoundingBox(x: 2, y: 1, width: 4, height: 2)) == 2.0 / 14)
    #expect(box.intersectionOverUnion(BoundingBox(x: 4, y: 0, width: 1, height: 1)) == 0)
    let none = BoundingBox(x: 1, y: 1, width: 0, height: 0)
    #expect(none.intersectionOverUnion(none) == 0)
  }
}
