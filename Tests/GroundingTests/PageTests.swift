import COCO
import Foundation
import HeadImpact
import RunSupport
import TestSupport
import Testing

@testable import Grounding

@Suite("Page of grounding")
struct GroundingPageTests {
  private func found(_ id: Int, iou: Double, masks: Double? = nil, expression: String = "a dog") throws
    -> GroundedExpression
  {
    let mask = masks.map { #", "mask_intersection": \#(Int($0 * 100)), "mask_union": 100"# } ?? ""
    return try JSONDecoder().decode(
      GroundedExpression.self,
      from: Data(
        #"""
        {"image_id": \#(id), "file_name": "\#(id).png", "expression_id": \#(id), "annotation_id": \#(id),
         "expression": "\#(expression)", "bbox": [1, 2, 3, 4], "segmentation": {"size": [10, 20], "counts": "x"}, "score": 0.5,
         "target_bbox": [5, 6, 7, 3.5], "bbox_iou": \#(iou)\#(mask)}
        """#.utf8))
  }

  @Test("at either end are the best and the worst boxes; of equal ones those with the better masks, then the lower ids")
  func ends() throws {
    let all = try [
      found(1, iou: 0.2), found(2, iou: 0.9), found(3, iou: 0.5, masks: 0.1), found(4, iou: 0.5, masks: 0.2),
      found(5, iou: 0), found(6, iou: 0),
    ]
    let ends = BestAndWorst(all, atEachEnd: 2)
    #expect(ends.best.map(\.id) == [2, 4] && ends.worst.map(\.id) == [6, 5])
    let whole = BestAndWorst(all, atEachEnd: 3)
    #expect(whole.best.map(\.id) == [2, 4, 3, 1, 5, 6] && whole.worst.isEmpty)
  }

  private func page(_ entries: [GroundedExpression], problems: [String] = []) throws -> String {
    PlacesPage(
      model: "tiny", dataset: "val.json", heads: [Selection.Head(layer: 14, head: 3)], locating: LocatingOptions(),
      scores: try GroundingScores(entries, resamples: 20), skips: SkipCounts(samples: entries.count, skipped: []),
      best: entries.map { PlacesPage.Entry(expression: $0, picture: "\($0.id).png") }, worst: [], problems: problems
    ).html
  }

  @Test("a picture has both boxes in its own pixels, its IoUs and its expression, which never becomes markup")
  func entry() throws {
    let html = try page(
      [found(7, iou: 0.431, masks: 0.25, expression: "<b>left & right</b>"), found(8, iou: 0)],
      problems: ["expression 9: no such file"])
    #expect(html.contains(#"viewBox="0 0 20 10""#))
    #expect(html.contains(#"<rect class="found" x="1" y="2" width="3" height="4"/>"#))
    #expect(html.contains(#"<rect class="right" x="5" y="6" width="7" height="3.5"/>"#))
    #expect(html.contains("IoU 0.43, of masks 0.25"))
    #expect(html.contains("“&lt;b&gt;left &amp; right&lt;/b&gt;”") && !html.contains("<b>left"))
    #expect(html.contains("Heads 14.3; threshold mean, largest part.") && html.contains("expression 9: no such file"))
    #expect(html.contains("mean IoU of masks") && html.contains("content=\"headimpact ground\""))
  }

  @Test("where nothing was found there is only the right box")
  func nothing() throws {
    let nothing = try JSONDecoder().decode(
      GroundedExpression.self,
      from: Data(
        #"""
        {"image_id": 1, "file_name": "a", "expression_id": 1, "annotation_id": 1, "expression": "x", "bbox": [0, 0, 0, 0],
         "segmentation": {"size": [10, 20], "counts": "x"}, "score": 0, "target_bbox": [5, 6, 7, 3], "bbox_iou": 0}
        """#.utf8))
    let html = try page([nothing])
    #expect(html.contains("nothing found") && html.contains("rect class=\"right\""))
    #expect(!html.contains("rect class=\"found\"") && !html.contains("of masks"))
  }
}
