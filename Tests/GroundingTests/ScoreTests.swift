import COCO
import Foundation
import HeadImpact
import TestSupport
import Testing

@testable import Grounding

@Suite("Scores of grounding")
struct GroundingScoreTests {
  private func entry(_ file: String, iou: Double, masks: (Int, Int)?) throws -> GroundedExpression {
    let mask = masks.map { #", "mask_intersection": \#($0.0), "mask_union": \#($0.1)"# } ?? ""
    return try JSONDecoder().decode(
      GroundedExpression.self,
      from: Data(
        #"""
        {"image_id": 1, "file_name": "\#(file)", "expression_id": 1, "annotation_id": 1, "expression": "x", "bbox": [0, 0, 1, 1],
         "segmentation": {"size": [10, 10], "counts": "x"}, "score": 0.5, "target_bbox": [0, 0, 10, 6], "bbox_iou": \#(iou)\#(mask)}
        """#.utf8))
  }

  @Test("accuracies count IoUs at or above a threshold; masks have a mean and a cumulative IoU, worked out by hand")
  func values() throws {
    let scores = try GroundingScores([
      entry("a", iou: 0.5, masks: (1, 4)), entry("a", iou: 0.25, masks: (3, 4)), entry("b", iou: 0.8, masks: nil),
    ])
    #expect(scores.expressions == 3 && scores.images == 2 && scores.masks == 2)
    #expect(scores.boxAccuracy25.value == 1 && scores.boxAccuracy50.value == 2.0 / 3)
    #expect(scores.boxAccuracy75.value == 1.0 / 3)
    #expect(abs(scores.meanBoxIoU.value - 1.55 / 3) < 1e-15)
    #expect(scores.meanMaskIoU?.value == 0.5 && scores.cumulativeMaskIoU?.value == 0.5)
    // Only one image has masks: there is nothing to draw from.
    #expect(scores.meanMaskIoU?.lower == nil && scores.boxAccuracy50.lower != nil)
    #expect(scores.wholeImageMeanIoU == 0.6 && scores.wholeImageAccuracy50 == 1)
  }

  @Test("intervals draw pictures with all of their expressions")
  func intervals() throws {
    let found = try [
      entry("a", iou: 0.9, masks: nil), entry("a", iou: 0.9, masks: nil), entry("b", iou: 0.1, masks: nil),
      entry("c", iou: 0.6, masks: nil),
    ]
    let score = try GroundingScores(found, resamples: 200, seed: 3).boxAccuracy50
    let interval = try RatioInterval(numerators: [2, 0, 1], denominators: [2, 1, 1], resamples: 200, seed: 3)
    #expect(score.value == 0.75 && score.lower == interval.lower && score.upper == interval.upper)
  }

  @Test("results are read as they were written; another file is refused")
  func results() throws {
    try ScratchFolder.with { scratch in
      let found = try [entry("a", iou: 0.1 + 0.2, masks: (1, 3)), entry("b", iou: 0, masks: nil)]
      let file = scratch.file("places.json")
      try Data(GroundingResults.bytes(of: found)).write(to: file)
      #expect(try GroundingResults.read(file) == found)
      try Data("[{}]".utf8).write(to: file)
      #expect(failure { try GroundingResults.read(file) }?.contains("is not a result of `headimpact ground`") == true)
    }
  }
}
