import Foundation
import JSON
import TestSupport
import Testing

@testable import COCO

/// Files that nobody should have: they may be refused or read, but never trap, hang or fill the memory.
@Suite("Hostile files")
struct HostileInputTests {
  private static let dataset = #"""
    {"info": {"x": [1, {"y": NaN}]}, "licenses": [{"id": 4}], "categories": [{"id": 1, "name": "cat"}],
    "images": [{"id": "9", "file_name": "a\u0041.jpg", "width": 4, "height": 3.0, "date": "\ud83d\ude00"}],
    "annotations": [{"id": 1, "image_id": 9, "iscrowd": "0", "area": 1.5e0, "bbox": [1, 2, 3, 4], "description": "ü \"x\"",
    "segmentation": [[0, 0, "2.5", 0, 2, 2, 1], {"size": [3, 4], "counts": "32103"}], "category_id": 1},
    {"id": 2, "image_id": 9, "segmentation": {"size": [3, 4], "counts": [3, 2.0]}, "question": "q", "answers": ["a"]}]}
    """#
  private static let questions = #"""
    {"questions": [{"question_id": 1, "image_id": "00ff", "question": "q"}, {"question_id": "2", "image_id": 9, "question": "r"}]}
    """#
  private static let annotations = #"""
    {"annotations": [{"question_id": 1, "answer_type": "other", "multiple_choice_answer": "a", "answers": [{"answer": "a"}]}]}
    """#
  private static let results = #"[{"image_id": 9, "caption": "a", "question_id": 1, "answer": "b"}]"#

  /// Reads the bytes in every way there is.
  private static func readAll(_ json: [UInt8]) {
    for needs in [DatasetNeeds(), DatasetNeeds(pictures: false), DatasetNeeds(newIDs: true)] {
      do {
        let dataset = try KeyObjectDataset(json: json, name: "d", needs: needs)
        for annotation in dataset.annotations { _ = failure { try dataset.mask(for: annotation).area } }
        _ = dataset.sampleProblems(of: dataset.annotations).refusal
        let described = dataset.annotations.map { KeyObjectDataset.DescribedAnnotation($0, description: "x") }
        _ = failure { try dataset.json(of: described, info: "{}") }
      } catch {}
    }
    _ = failure { try CaptionReferences(json: json, name: "d") }
    _ = failure { try AnsweredQuestions(json: json, name: "d") }
    _ = failure { try AnsweredQuestions(json: json, name: "d", annotations: (json, "e")) }
    _ = failure { try AnsweredQuestions(json: Array(questions.utf8), name: "d", annotations: (json, "e")) }
    _ = failure { try ImageTextDataset(json: json, name: "d") { ["00ff.jpg", "9.png"] } }
    _ = failure {
      try ImageTextDataset(json: Array(questions.utf8), name: "d", annotations: (json, "e")) { ["00ff.jpg", "9.png"] }
    }
    for kind in [ImageTextDataset.Kind.captions, .questions, .objects] {
      _ = failure { try GeneratedTexts(json: json, name: "d", kind: kind) }
    }
  }

  @Test("cut off at any byte a file is refused", arguments: [dataset, questions, annotations, results])
  func truncated(text: String) {
    let whole = Array(text.utf8)
    let end = whole.lastIndex { $0 == UInt8(ascii: "}") || $0 == UInt8(ascii: "]") } ?? 0
    for length in 0...end {
      let part = Array(whole[..<length])
      #expect(failure { try KeyObjectDataset(json: part, name: "d") } != nil)
      Self.readAll(part)
    }
  }

  @Test("with any byte changed a file is read or refused", arguments: [dataset, questions, annotations, results])
  func changed(text: String) {
    let whole = Array(text.utf8)
    for at in whole.indices {
      for byte: UInt8 in [0x00, 0x22, 0x2c, 0x2d, 0x30, 0x39, 0x5b, 0x5c, 0x5d, 0x65, 0x7b, 0x7d, 0x80, 0xff] {
        var json = whole
        json[at] = byte
        Self.readAll(json)
      }
    }
  }

  @Test("with any value taken for another a file is read")
  func exchanged() throws {
    let values = [
      "null", "true", "[]", "{}", "\"\"", "0", "-1", "1e999", "-1e999", "NaN", "Infinity", "9223372036854775807",
      "-9223372036854775808", "1e18", "123456789012345678901234567890", "[[]]", "[[[]]]", "\"9\"", "\"\\ud800\"",
      "[null]",
      "[{}]", "{\"size\": [9223372036854775807, 2], \"counts\": \"~\"}", "{\"size\": [1, 1], \"counts\": [-1]}",
      "[9223372036854775807, 9223372036854775807, 1, 1, 1, 1]",
    ]
    for text in [Self.dataset, Self.questions, Self.annotations, Self.results] {
      let whole = Array(text.utf8)
      // Where each value begins and ends, found by trying.
      for start in whole.indices where !Array(" ,:]}\n".utf8).contains(whole[start]) {
        guard let range = Self.value(at: start, in: whole), range.count < whole.count else { continue }
        for value in values {
          Self.readAll(Array(whole[..<range.lowerBound]) + Array(value.utf8) + Array(whole[range.upperBound...]))
        }
      }
    }
  }

  /// The value that begins here, found by trying; nil where none does.
  private static func value(at start: Int, in text: [UInt8]) -> Range<Int>? {
    let closings: [UInt8: UInt8] = [0x7B: 0x7D, 0x5B: 0x5D, 0x22: 0x22]  // braces, brackets, quotes
    let ends = (start + 1...text.count).filter { end in
      if let closing = closings[text[start]] { return text[end - 1] == closing }
      return end == text.count || Array(" ,]}\n".utf8).contains(text[end])
    }
    return ends.first { end in
      failure { _ = try JSONReader.readFile(text, in: start..<end) { try $0.skipValue() } } == nil
    }.map { start..<$0 }
  }

  @Test("nesting without end, numbers and strings without end are refused or read")
  func endless() {
    for text in ["[", "{\"a\":", "{\"images\":[", "{\"images\":[{\"x\":[", "[{\"caption\":"] {
      Self.readAll(Array(String(repeating: text, count: 200_000).utf8))
    }
    let digits = String(repeating: "7", count: 1_000_000)
    Self.readAll(
      Array(
        "{\"images\": [{\"id\": \(digits), \"file_name\": \"\(digits)\", \"width\": \(digits)}], \"annotations\": []}"
          .utf8))
    Self.readAll(Array("[{\"image_id\": \"\(digits)\", \"caption\": \"\(digits)\"}]".utf8))
  }

  @Test("bytes drawn by chance are refused or read")
  func random() {
    var generator = SystemRandomNumberGenerator()
    let alphabet = Array("{}[]\":,0159-.eE\\ud8NaInfty imagesd".utf8)
    for _ in 0..<3000 {
      let count = Int.random(in: 0...60, using: &generator)
      Self.readAll((0..<count).map { _ in alphabet[Int.random(in: alphabet.indices, using: &generator)] })
    }
  }
}
