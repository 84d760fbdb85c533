import COCO
import Foundation
import HeadImpact
import Jobs
import RunSupport
import Testing

@testable import Scoring
@testable import VisionLanguage

@Suite("Plan of the work")
struct ScoringPlanTests {
  private static let dimensions = ModelDimensions(
    layers: 2, heads: 2, hiddenSize: 8, intermediateSize: 16, queryWidth: 8, keyValueWidth: 4,
    vision: ModelDimensions.Vision(
      layers: 1, width: 8, intermediateSize: 16, patchWidth: 12, connectorMultiplications: 10), templateTokens: 24)

  /// Images of these sizes, ids from 1; two annotations of each, of which ids fall as images rise.
  private func plan(_ sizes: [Int], limit: Int? = nil) throws -> ScoringPlan {
    let images = sizes.enumerated().map { #"{"id": \#($0 + 1), "file_name": "a", "width": \#($1), "height": \#($1)}"# }
    let annotations = (0..<2 * sizes.count).map {
      #"{"id": \#(2 * sizes.count - $0), "image_id": \#($0 / 2 + 1), "description": "a dog"}"#
    }
    let json =
      #"{"images": [\#(images.reversed().joined(separator: ","))], "annotations": [\#(annotations.joined(separator: ","))]}"#
    let dataset = try KeyObjectDataset(json: Data(json.utf8), name: "test")
    return ScoringPlan(dataset, limit: limit, prompt: "?", dimensions: Self.dimensions) { width, height in
      if width == 13 { throw JobError("13 pixels are unlucky") }
      let count = width * height / 100
      return VisualLayout(
        views: [(.wholeImage, ViewGrid(rows: 1, cols: count))],
        cells: Array(repeating: Cell(x0: 0, y0: 0, x1: 1, y1: 1), count: count), text: "", patches: 4 * count)
    }
  }

  @Test("the costliest image comes first; of equal ones that with the lower id")
  func order() throws {
    let plan = try plan([30, 60, 30, 90, 30])
    #expect(plan.units.map(\.image.id) == [1, 2, 3, 4, 5])
    #expect(costliestFirst(plan.costs).map { plan.units[$0].image.id } == [4, 2, 1, 3, 5])
    #expect(plan.samples == 10)
    #expect(plan.units.allSatisfy { $0.annotations.map(\.id) == $0.annotations.map(\.id).sorted() })
  }

  @Test("a limit takes the first samples by annotation id, and no image without one")
  func limit() throws {
    let plan = try plan([30, 60, 90], limit: 3)
    #expect(plan.units.map(\.image.id) == [2, 3])
    #expect(plan.units.map { $0.annotations.map(\.id) } == [[3], [1, 2]])
    #expect(try self.plan([30], limit: 99).samples == 2)
  }

  @Test("an image that the model can't take stays in the plan, to be reported")
  func unusable() throws {
    let plan = try plan([13, 30])
    #expect(plan.units.count == 2)
    #expect(plan.costs.count == 2)
  }
}
