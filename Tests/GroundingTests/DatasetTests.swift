import COCO
import Foundation
import IO
import TestSupport
import Testing

@testable import Grounding

@Suite("Files of expressions")
struct GroundingDatasetTests {
  private func read(_ json: String) throws -> GroundingDataset {
    try GroundingDataset(json: Array(json.utf8), name: "f")
  }

  private let images = #""images": [{"id": 1, "file_name": "a.jpg", "width": 10, "height": 8}]"#

  @Test("a key-object dataset: one expression per annotation")
  func descriptions() throws {
    let dataset = try read(
      #"{\#(images), "annotations": [{"id": 7, "image_id": 1, "bbox": [1, 2, 3, 4], "description": "a cup"}, {"id": 5, "image_id": 1}]}"#
    )
    #expect(dataset.form == .description)
    #expect(dataset.examples.map(\.id) == [5, 7] && dataset.examples.map(\.expression) == ["", "a cup"])
    #expect(dataset.examples[1].box == BoundingBox(x: 1, y: 2, width: 3, height: 4) && dataset.examples[0].box == nil)
  }

  @Test("sentences of RefCOCO's refs, with their own ids or numbered")
  func sentences() throws {
    let refs = { (ids: [String]) in
      #"""
      {\#(self.images), "annotations": [
       {"id": 7, "image_id": 1, "sentences": [{"sent": "left cup", "raw": "Left cup!", \#(ids[0])"tokens": ["left"]}, {"raw": "cup", \#(ids[1])"x": 1}]},
       {"id": 5, "image_id": 1, "sentences": [{"sent": "dog", \#(ids[2])"x": 1}]}, {"id": 9, "image_id": 1}]}
      """#
    }
    let own = try read(refs([#""sent_id": 30, "#, #""sent_id": 20, "#, #""sent_id": 40, "#]))
    #expect(own.form == .sentences && own.withoutSentences == 1 && own.warnings.count == 1)
    #expect(own.examples.map(\.id) == [20, 30, 40])
    #expect(own.examples.map(\.expression) == ["cup", "left cup", "dog"])
    #expect(own.examples.map(\.annotationID) == [7, 7, 5])
    for ids in [
      ["", "", ""], [#""sent_id": 1, "#, "", ""], [#""sent_id": 1, "#, #""sent_id": 1, "#, #""sent_id": 2, "#],
    ] {
      let numbered = try read(refs(ids))
      #expect(numbered.examples.map(\.id) == [1, 2, 3])
      #expect(numbered.examples.map(\.expression) == ["dog", "left cup", "cup"])
    }
    let plain = try read(
      #"{\#(images), "annotations": [{"id": 7, "image_id": 1, "sentences": ["one", "two"]}]}"#)
    #expect(plain.examples.map(\.expression) == ["one", "two"])
  }

  @Test("MDETR's form: the expression is the image's caption")
  func captions() throws {
    let dataset = try read(
      #"{"images": [{"id": 3, "file_name": "a.jpg", "caption": "the cup"}], "annotations": [{"id": 7, "image_id": 3, "bbox": [1, 2, 3, 4]}]}"#
    )
    #expect(dataset.form == .imageCaption && dataset.examples.map(\.expression) == ["the cup"])
  }

  @Test("JSON lines of Qwen-VL and of Shikra: corners become boxes, and one picture is one image")
  func lines() throws {
    let dataset = try read(
      """
      {"image": "t/a.jpg", "sent": "the \\"cup\\" é", "bbox": [1.5, 2, 4, 6], "height": 8, "width": 10}

      {"img_path": "t/a.jpg", "expression": "dog", "bbox": [0, 0, 3, 3], "segmentation": [[0, 0, 3, 0, 3, 3.5]]}
      {"image": "b.jpg", "sent": "cat", "bbox": [0, 0, 3, 3]}
      """)
    #expect(dataset.form == .lines && dataset.examples.map(\.id) == [1, 3, 4])
    #expect(dataset.examples.map(\.expression) == ["the \"cup\" é", "dog", "cat"])
    #expect(dataset.examples[0].box == BoundingBox(x: 1.5, y: 2, width: 2.5, height: 4))
    #expect(dataset.objects.images.map(\.fileName) == ["t/a.jpg", "b.jpg"])
    #expect(dataset.objects.images[0].size == ImageSize(width: 10, height: 8))
    #expect(dataset.objects.annotations.map(\.hasOutline) == [false, true, false])
  }

  @Test("a line that is not as expected is named, with what would be right")
  func badLines() {
    func problem(_ line: String) -> String? {
      failure { try read(#"{"image": "a.jpg", "sent": "x", "bbox": [0, 0, 3, 3]}"# + "\n" + line) }
    }
    #expect(problem("{")?.hasPrefix("f: line 2: ") == true)
    #expect(problem("[1]") == "f: line 2: an object is expected")
    #expect(problem(#"{"sent": "x"}"#)?.contains("image (Qwen-VL) or img_path (Shikra)") == true)
    #expect(problem(#"{"image": "a.jpg"}"#)?.contains("sent (Qwen-VL) or expression (Shikra)") == true)
    for box in ["[1, 2, 3]", "[3, 2, 1, 4]", "[0, 0, 1e999, 4]", "[\"a\", 0, 1, 1]", "{}", "null"] {
      #expect(problem(#"{"image": "a.jpg", "sent": "x", "bbox": \#(box)}"#)?.hasPrefix("f: line 2: ") == true, "\(box)")
    }
    // x, y, width, height in the place of corners is seen where it leaves the image.
    let outside = problem(#"{"image": "a.jpg", "sent": "x", "bbox": [90, 10, 95, 60], "width": 92, "height": 80}"#)
    #expect(outside?.contains("are these corners") == true)
    #expect(
      problem(#"{"image": "a.jpg", "sent": "x", "bbox": [0, 0, 1, 1], "width": 9}"#)?.contains("both or neither")
        == true)
  }

  @Test("a file without any expression, a broken list of sentences, and no COCO file are refused")
  func refusals() {
    #expect(
      failure { try read(#"{\#(images), "annotations": [{"id": 7, "image_id": 1, "bbox": [1, 2, 3, 4]}]}"#) }?
        .contains("holds no expression") == true)
    let broken = failure { try read(#"{\#(images), "annotations": [{"id": 7, "image_id": 1, "sentences": [5]}]}"#) }
    #expect(broken?.hasPrefix("f: annotations[0].sentences") == true, "\(broken ?? "")")
    #expect(failure { try read("[1, 2]") } != nil && failure { try read("") } != nil)
  }

  @Test("a unit arrives as it was sent")
  func coding() throws {
    let dataset = try read(
      #"{\#(images), "annotations": [{"id": 7, "image_id": 1, "category_id": 3, "bbox": [1.1, 2, 3, 4], "segmentation": [[0, 0, 3, 0, 3, 3]], "sentences": ["a", "b"]}]}"#
    )
    let unit = try #require(GroundingUnit.units(of: dataset, limit: nil).first)
    let copy = try GroundingUnit(decoding: unit.encode())
    #expect(copy.examples == unit.examples && copy.key == 1 && copy.objects.annotations.map(\.id) == [7])
    #expect(copy.objects.annotations[0].hasOutline && copy.objects.annotations[0].categoryID == 3)
    #expect(GroundingUnit.units(of: dataset, limit: 1).flatMap(\.examples).map(\.expression) == ["a"])
    for length in stride(from: 0, to: unit.encode().count, by: 7) {
      #expect(throws: (any Error).self) { try GroundingUnit(decoding: Array(unit.encode().prefix(length))) }
    }
  }
}
