import Foundation
import TestSupport
import Testing

@testable import COCO

/// Files as people have them, from the cases beside the repository.
@Suite("Files that people have", .enabled(if: SharedData.has("cases/bom/bom.json"), "\(SharedData.absence)"))
struct CaseTests {
  private func file(_ name: String) -> URL { SharedData.file("cases/" + name) }

  @Test(
    "a malformed record costs that record, or nothing",
    arguments: [
      ("orphan", [1, 2, 3, 4, 5, 6], [99]), ("duplicate-annotation-id", [1, 2, 3, 4], [5, 5]),
      ("nan-area", [1, 2, 3, 4, 5, 6], []), ("bbox-empty", [1, 2, 3, 4, 5, 6], []),
      ("iscrowd-string", [1, 2, 3, 4, 5, 6], []), ("segmentation-string", [1, 2, 3, 4, 5, 6], []),
    ] as [(String, [Int64], [Int64])])
  func oneRecord(name: String, used: [Int64], lost: [Int64]) throws {
    let dataset = try KeyObjectDataset(contentsOf: file("one-record-refuses-file/\(name).json"))
    #expect(dataset.annotations.map(\.id) == used)
    #expect(dataset.problems.lost.map(\.id) == lost)
    let drawn = dataset.annotations.count { annotation in failure { try dataset.mask(for: annotation) } == nil }
    #expect(drawn == (name == "segmentation-string" ? 3 : used.count))
    #expect(dataset.annotations.allSatisfy { !$0.isCrowd })
  }

  @Test("a degenerate part leaves the mask of the good one")
  func degenerateParts() throws {
    let odd = try KeyObjectDataset(contentsOf: file("polygon-degenerate-part/degenerate.json"))
    let clean = try KeyObjectDataset(contentsOf: file("polygon-degenerate-part/clean.json"))
    for (a, b) in zip(odd.annotations, clean.annotations) { #expect(try odd.mask(for: a) == clean.mask(for: b)) }
    #expect(odd.outlineProblems(of: odd.annotations).lostParts(of: 6)?.hasPrefix("3 of 6 objects") == true)
    #expect(clean.outlineProblems(of: clean.annotations).isEmpty)
  }

  @Test(
    "every form of outline gives a mask",
    arguments: ["list-of-rle", "odd-count", "rle-without-last-run", "string-coordinates"])
  func outlineForms(name: String) throws {
    let dataset = try KeyObjectDataset(contentsOf: file("outline-forms/\(name).json"))
    #expect(dataset.annotations.count == 6)
    for annotation in dataset.annotations { #expect(try dataset.mask(for: annotation).area > 1000) }
    #expect(dataset.sampleProblems(of: dataset.annotations).isEmpty)
  }

  @Test("ids may be strings of digits")
  func stringIDs() throws {
    let dataset = try KeyObjectDataset(contentsOf: file("string-ids/string-image-ids.json"))
    #expect(dataset.images.map(\.id) == [1, 2, 3, 4, 5, 6] && dataset.problems.isEmpty)
    #expect(dataset.annotations.count == 6)
    let questions = try AnsweredQuestions(
      questions: file("string-ids/questions.json"), annotations: file("string-ids/annotations.json"))
    #expect(questions.problems.isEmpty && questions.unannotated == [])
    #expect(Set(questions.questions.map(\.imageID)) == [1, 2, 3, 4, 5, 6])
  }

  @Test("a captions file needs no sizes")
  func captions() throws {
    let json = [UInt8](try Data(contentsOf: file("captions-without-size/captions.json")))
    let data = try ImageTextDataset(json: json, name: "captions.json") { [] }
    #expect(data.examples.count == 6 && data.problems.isEmpty)
    #expect(try CaptionReferences(contentsOf: file("captions-without-size/captions.json")).images.count == 6)
  }

  @Test("a byte order mark is named, with what to do")
  func byteOrderMark() {
    let found = failure { try KeyObjectDataset(contentsOf: file("bom/bom.json")) }
    #expect(found?.contains("byte order mark") == true && found?.contains("without") == true)
  }
}
