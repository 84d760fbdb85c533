import Foundation
import JSON
import TestSupport
import Testing

@testable import COCO

private let image = #"{"id": 9, "file_name": "a.jpg", "width": 4, "height": 3, "license": 1}"#

private func dataset(
  images: String = image, annotations: String, more: String = #", "categories": [{"id": 1, "name": "cat"}]"#
) throws -> KeyObjectDataset {
  try KeyObjectDataset(
    json: Data(
      #"{"info": {"a": [1, {"b": null}]}, "images": [\#(images)], "annotations": [\#(annotations)]\#(more)}"#.utf8),
    name: "d.json")
}

private func annotation(_ segmentation: String, id: Int64 = 1, more: String = "") -> String {
  #"{"id": \#(id), "image_id": 9, "category_id": 1, "segmentation": \#(segmentation)\#(more)}"#
}

@Suite("Key-object datasets")
struct DatasetTests {
  @Test("a dataset's records are read, extra keys passed over")
  func reads() throws {
    let more = #", "iscrowd": 1, "area": 2.5, "bbox": [0, 0, 1, 2], "description": "a \"grün\u00e9\" \ud83d\ude00 cat""#
    let dataset = try dataset(
      annotations: annotation("[[0, 0, 2, 0, 2, 2]]", id: .max, more: more) + "," + annotation("[[1]]", id: -5))
    #expect(
      dataset.images.map(\.id) == [9] && dataset.images[0].fileName == "a.jpg"
        && dataset.images[0].size == ImageSize(width: 4, height: 3))
    #expect(dataset.category(1)?.name == "cat")
    #expect(dataset.category(2) == nil)
    #expect(dataset.image(9)?.size?.width == 4)
    let first = dataset.annotations[0]
    #expect(first.id == .max)
    #expect(first.isCrowd)
    #expect(first.area == 2.5)
    #expect(first.description == "a \"grüné\" 😀 cat")
    #expect(dataset.annotations[1].description == nil)
    #expect(dataset.annotationsByID().map(\.id) == [-5, .max])
  }

  @Test("polygons, counts and compressed counts give the same mask")
  func masks() throws {
    let dataset = try dataset(
      annotations: [
        annotation("[[1, 0, 3, 0, 3, 2, 1, 2]]"),
        annotation(#"{"size": [3, 4], "counts": [3, 2, 1, 2, 4]}"#, id: 2),
        annotation(#"{"counts": "32103", "size": [3, 4]}"#, id: 3),
      ].joined(separator: ","))
    let expected = BinaryMask(height: 3, width: 4, pixels: [0, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0])
    for annotation in dataset.annotations {
      #expect(try dataset.mask(for: annotation) == expected, "annotation \(annotation.id)")
    }
  }

  @Test("a question-answering dataset's question and answers are read")
  func questions() throws {
    let dataset = try dataset(annotations: annotation("[]", more: #", "question": "what?", "answers": ["a", "b"]"#))
    #expect(dataset.annotations[0].question == "what?")
    #expect(dataset.annotations[0].answers == ["a", "b"])
  }

  @Test(
    "what is wrong in a segmentation is named with its place, when the mask is asked for",
    arguments: [
      ("null", ": annotation 1 has no segmentation"),
      ("[]", ": there is no polygon"),
      ("[[0, 0, 1, 1]]", "[0]: a polygon of 4 coordinates"),
      ("[[0, 0, 1, 1, 2]]", "[0]: a polygon of 5 coordinates"),
      ("[[0, 0, 1, 1, 2, \"b\"]]", "[0][5]: \"b\", where a number is expected"),
      ("[[0, 0, 1, 1, 2, null]]", "[0][5]: null, where a number is expected"),
      ("[[0, 0, 1, 1, 2, NaN]]", "[0][5]: the coordinate nan"),
      ("[[0, 0, 1, 1, 2, -Infinity]]", "[0][5]: the coordinate -inf"),
      ("\"x\"", ": a string, where a list of polygons"),
      ("7", ": a number, where a list of polygons"),
      ("[[0, 0, 1, 1, 2, 1e999]]", "[0][5]: the coordinate inf"),
      ("[[0, 0, 1, 1, 2, 2e9]]", "[0][5]: the coordinate"),
      ("[0, 0, 1, 1, 2, 2]", "[0]: a number, where a list is expected"),
      (#"{"counts": [12]}"#, ": the key \"size\" is missing"),
      (#"{"size": [3, 4]}"#, ": the key \"counts\" is missing"),
      (#"{"size": [3], "counts": [12]}"#, ".size: 1 numbers"),
      (#"{"size": [4, 3], "counts": [12]}"#, ".size: the mask is 3 x 4 pixels, its image 4 x 3"),
      (#"{"size": [3, 4], "counts": [13]}"#, ": the runs leave"),
      (#"{"size": [3, 4], "counts": []}"#, ": there are no runs"),
      (#"{"size": [3, 4], "counts": [1, 5, 2]}"#, ": the runs sum to 8"),
      (#"{"size": [3, 4], "counts": [1], "counts": [2]}"#, ".counts: the key occurs twice"),
      (#"[{"size": [3, 5], "counts": [15]}]"#, "[0].size: the mask is 5 x 3"),
      (#"{"size": [3, 4], "counts": [1, 5.5]}"#, ".counts[1]: 5.5 is not a whole number"),
      (#"{"size": [3, 4], "counts": "oo"}"#, ": the compressed counts end inside a count"),
      (#"{"size": [100000, 100000], "counts": [10000000000]}"#, ": a mask of 100000 x 100000"),
      (#"{"size": [9223372036854775807, 2], "counts": []}"#, ": a mask of"),
    ])
  func wrongSegmentations(segmentation: String, expected: String) throws {
    let dataset = try dataset(annotations: annotation(segmentation))
    let found = failure { try dataset.mask(for: dataset.annotations[0]) }
    #expect(found?.hasPrefix("d.json: annotations[0].segmentation" + expected) == true, "\(found ?? "no error")")
  }

  @Test(
    "what is not a COCO file is refused",
    arguments: [
      "", " ", "[]", "3", "{}", "{\"images\": []}", "{\"images\": {}, \"annotations\": []}", "{\"images\": [], }",
      "{\"images\": [], \"images\": [], \"annotations\": []}", "{\"images\": [], \"annotations\": []} x",
      "{\"images\": [], \"annotations\": [], \"a\": \"\u{1}\"}", "{\"images\": [], \"annotations\": [], \"a\": 01}",
      "{\"images\": [], \"annotations\": [], \"a\": tru", "{\"images\": [], \"annotations\": [], \"a\": \"\\",
      "{\"images\": [], \"annotations\": [], \"a\": 1.}",
      "{\"images\": [], \"annotations\": [], \"a\": nan}", "{\"images\": [], \"annotations\": [], \"a\": -NaN}",
      "{\"images\": [], \"annotations\": [NaN", "{\"images\": [], \"annotations\": [], \"a\": Infinit}",
    ])
  func notADataset(text: String) {
    #expect(failure { try KeyObjectDataset(json: Data(text.utf8), name: "d.json") }?.hasPrefix("d.json: ") == true)
  }

  @Test("nesting without end is refused")
  func deepNesting() {
    let text = "{\"a\": " + String(repeating: "[", count: 1_000_000)
    #expect(failure { try KeyObjectDataset(json: Data(text.utf8), name: "d") }?.contains("deep") == true)
  }

  @Test("a dataset cut off anywhere is refused")
  func truncated() throws {
    let whole = Array(
      (#"{"images": [\#(image)], "annotations": [\#(annotation(#"[[0, 0, 2.5e0, 0, 2, 2]]"#, more: #", "iscrowd": true"#))]}"#)
        .utf8)
    _ = try KeyObjectDataset(json: Data(whole), name: "d")
    for length in 0..<whole.count {
      #expect(failure { try KeyObjectDataset(json: Data(whole[..<length]), name: "d") } != nil, "\(length) bytes")
    }
  }

  @Test("a file that is not there is named")
  func missingFile() {
    let url = URL(fileURLWithPath: "/nowhere/d.json")
    #expect(failure { try KeyObjectDataset(contentsOf: url) }?.hasPrefix("/nowhere/d.json: can't be opened") == true)
  }

  @Test(
    "coordinates read as the nearest double",
    arguments: [
      "0", "-0.5", "123.45", "0.1", "9007199254740993", "1e-7", "123456789012345.6", "3.3333333333333335", "-7e2",
    ])
  func numbers(text: String) throws {
    #expect(try JSONReader.readFile(Array(text.utf8)) { try $0.readReal() } == Double(text))
  }
}
