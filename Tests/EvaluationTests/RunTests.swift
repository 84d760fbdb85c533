import COCO
import Foundation
import HDF5Store
import TestSupport
import Testing

@testable import Evaluation

@Suite("Files evaluated")
struct RunTests {
  private static let references =
    #"{"images":[{"id":1},{"id":2},{"id":3}],"annotations":[{"id":1,"image_id":1,"caption":"a red dog"},"#
    + #"{"id":2,"image_id":1,"caption":"the dog"},{"id":3,"image_id":2,"caption":"a cat"},"#
    + #"{"id":4,"image_id":3,"caption":"a bus"}]}"#
  private static let results =
    #"[{"image_id":3,"caption":"a bus"},{"image_id":1,"caption":"a dog"},{"image_id":2,"caption":""}]"#

  private func captions(
    _ references: String = references, _ results: String = results, baseline: String? = nil, isPartial: Bool = false
  ) throws -> EvaluationReport {
    try ScratchFolder.with { scratch in
      func write(_ text: String, _ name: String) throws -> URL {
        try Data(text.utf8).write(to: scratch.file(name))
        return scratch.file(name)
      }
      var run = try EvaluationRun(
        .captions(references: write(references, "references.json"), meteor: nil),
        results: write(results, "results.json"),
        baseline: baseline.map { try write($0, "baseline.json") })
      run.isPartial = isPartial
      return try run.run()
    }
  }

  @Test("results are found by id, whatever their order")
  func order() throws {
    let report = try captions()
    #expect(report.captions?.imageIDs == [1, 2, 3] && report.captions?.references == 4)
    #expect(report.captions?.perImage[.exactMatch] == [0, 0, 100])
    #expect(report.warnings.isEmpty && report.comparison == nil)
  }

  @Test("descriptions of key objects are references as captions are")
  func keyObjects() throws {
    let dataset = Self.references.replacingOccurrences(of: "\"caption\"", with: "\"category_id\":1,\"description\"")
    #expect(try captions(dataset).captions == captions().captions)
  }

  @Test("images without a result are an error that names them, or left out with --partial")
  func partial() throws {
    let some = #"[{"image_id":3,"caption":"a bus"},{"image_id":1,"caption":"a dog"}]"#
    let problem = try #require(failure { try captions(Self.references, some) })
    #expect(
      problem.contains("results.json") && problem.contains("1 of the 3 images") && problem.contains(": 2; --partial"))
    let report = try captions(Self.references, some, isPartial: true)
    #expect(report.captions?.imageIDs == [1, 3] && report.captions?.references == 3)
    #expect(report.warnings == ["1 of 3 images has no result and is left out (--partial)"])
    let both = try captions(
      Self.references, Self.results, baseline: #"[{"image_id":2,"caption":"a cat"},{"image_id":1,"caption":"x"}]"#,
      isPartial: true)
    #expect(both.captions?.imageIDs == [1, 2] && both.comparison?.images == 2)
  }

  @Test(
    "errors name file and place",
    arguments: [
      (
        references, #"[{"image_id":1,"caption":"x"},{"image_id":1,"caption":"y"}]"#,
        "results.json: [1]: image_id 1 already has a result"
      ),
      (references, #"[{"image_id":9,"caption":"x"}]"#, "1 result for images that are not in"),
      (references, #"{"images":[]}"#, "a list of results is expected"),
      (references, #"[{"image_id":1}]"#, #"[0]: the key "caption" is missing"#),
      (references, #"[{"image_id":1,"caption":7}]"#, "[0].caption: a number"),
      (references, #"[{"question_id":1,"answer":"x"}]"#, #"the key "image_id" is missing"#),
      (references, "[", "results.json"), (references, "[]", "3 of the 3 images"),
      (#"{"images":[{"id":1}],"annotations":[]}"#, "[]", "no image has a caption"),
      (#"{"images":[],"annotations":[]}"#, "[]", "no image"),
      (
        #"{"images":[{"id":1}],"annotations":[{"id":5,"image_id":1,"category_id":3,"bbox":[0,0,1,1]}]}"#, "[]",
        #"annotation 5 (annotations[0]): has neither "caption" nor "description""#
      ),
      (
        #"{"images":[{"id":1}],"annotations":[{"id":5,"image_id":1,"question":"q","answers":["a"]}]}"#, "[]",
        "is a question"
      ),
      (#"{"images":[{"id":1}],"annotations":[{"id":5,"image_id":2,"caption":"x"}]}"#, "[]", "no image with the id 2"),
      (#"{"images":[{"id":1}],"annotations":[{"id":5,"image_id":1,"caption":"\ud800"}]}"#, "[]", "not UTF-8"),
      (String(repeating: "[", count: 5000), "[]", "references.json"),
      (#"{"images":\#(String(repeating: "[", count: 5000))"#, "[]", "references.json"),
      (#"{"annotations":[]}"#, "[]", #"the key "images" is missing"#), ("", "[]", "references.json"),
    ])
  func wrong(references: String, results: String, words: String) throws {
    let problem = try #require(failure { try captions(references, results) })
    #expect(problem.contains(words), "\(problem)")
  }

  @Test("a file that isn't there or isn't UTF-8 is named")
  func unreadable() throws {
    try ScratchFolder.with { scratch in
      let file = scratch.file("latin1.json")
      try Data(Array(#"[{"image_id":1,"caption":""#.utf8) + [0xe9] + Array(#""}]"#.utf8)).write(to: file)
      #expect(
        failure { try GeneratedTexts(contentsOf: file, kind: .captions) }?.contains(
          "latin1.json: [0].caption: the string")
          == true)
      let none = scratch.file("none.json")
      #expect(failure { try CaptionReferences(contentsOf: none) }?.contains("none.json: there is no such file") == true)
    }
  }

  @Test("questions with all their answers: VQA v2 files, or one dataset")
  func questions() throws {
    let vqa =
      #"{"questions":[{"image_id":4,"question":"a?","question_id":40},{"image_id":5,"question":"b?","question_id":50}]}"#
    let annotations =
      #"{"annotations":[{"question_id":50,"answer_type":"other","answers":[{"answer":"x","answer_id":1},{"answer":"y"}]},"#
      + #"{"question_id":40,"question_type":"is it","answers":[{"answer":"yes"}]},{"question_id":9,"answers":[{"answer":"z"}]}]}"#
    let read = try AnsweredQuestions(
      json: Array(vqa.utf8), name: "q.json", annotations: (Array(annotations.utf8), "a.json"))
    #expect(read.questions.map(\.id) == [40, 50] && read.questions.map(\.imageID) == [4, 5])
    #expect(read.questions.map(\.answers) == [["yes"], ["x", "y"]] && read.questions[1].answerType == "other")
    #expect(
      failure { try AnsweredQuestions(json: Array(vqa.utf8), name: "q.json") }?.contains("annotation file") == true)
    let less = #"{"annotations":[{"question_id":50,"answers":[{"answer":"x"}]}]}"#
    let some = try AnsweredQuestions(json: Array(vqa.utf8), name: "q.json", annotations: (Array(less.utf8), "a.json"))
    #expect(some.questions.map(\.id) == [50] && some.unannotated == [40])
    let odd =
      #"{"annotations":[{"question_id":50,"answers":[{"answer":7}]},{"question_id":40,"multiple_choice_answer":"x"}]}"#
    let problem = failure {
      try AnsweredQuestions(json: Array(vqa.utf8), name: "q.json", annotations: (Array(odd.utf8), "a.json"))
    }
    #expect(problem?.contains("annotations[0].answers[0].answer): a number") == true, "\(problem ?? "")")
    #expect(problem?.contains("annotations[1]") == true)
    let dataset = #"{"images":[{"id":4}],"annotations":[{"id":7,"image_id":4,"question":"q?","answers":["a","b"]}]}"#
    let one = try AnsweredQuestions(json: Array(dataset.utf8), name: "d.json")
    #expect(one.questions == [question(7, ["a", "b"], image: 4)])
  }

  /// Evaluates answers to two questions, of which one has an annotation.
  private func answers(_ results: String, isPartial: Bool = false) throws -> EvaluationReport {
    try ScratchFolder.with { scratch in
      let questions =
        #"{"questions":[{"image_id":4,"question":"a?","question_id":40},{"image_id":5,"question":"b?","question_id":50}]}"#
      try Data(questions.utf8).write(to: scratch.file("q.json"))
      try Data(#"{"annotations":[{"question_id":50,"answers":[{"answer":"x"}]}]}"#.utf8).write(
        to: scratch.file("a.json"))
      try Data(results.utf8).write(to: scratch.file("r.json"))
      var run = EvaluationRun(
        .questions(scratch.file("q.json"), annotations: scratch.file("a.json"), dialect: .official),
        results: scratch.file("r.json"))
      run.isPartial = isPartial
      return try run.run()
    }
  }

  @Test("the questions that have an annotation are evaluated, and the others counted")
  func fewerAnnotations() throws {
    let report = try answers(#"[{"question_id":50,"answer":"x"}]"#)
    #expect(report.answers?.questionIDs == [50])
    #expect(report.warnings.first?.hasPrefix("1 of 2 questions has no annotation") == true)
    let both = #"[{"question_id":50,"answer":"x"},{"question_id":40,"answer":"y"}]"#
    #expect(failure { try answers(both) }?.contains("1 result for questions") == true)
    #expect(try answers(both, isPartial: true).answers?.questionIDs == [50])
    #expect(
      failure { try answers(#"[{"question_id":9,"answer":"x"}]"#, isPartial: true) }?.contains(
        "questions that are not in") == true
    )
  }

  @Test("a malformed caption and an image without one are left out and reported")
  func oddReferences() throws {
    let odd = #"""
      {"images":[{"id":"1"},{"id":2},{"id":3},{"id":null}],"annotations":[{"image_id":1,"caption":"a dog"},
      {"image_id":"1","caption":7},{"image_id":9,"caption":"x"},{"image_id":2,"caption":"a cat"},7]}
      """#
    let report = try captions(odd, #"[{"image_id":1,"caption":"a dog"},{"image_id":"2","caption":"a cat"}]"#)
    #expect(report.captions?.imageIDs == [1, 2] && report.captions?.references == 2)
    #expect(report.warnings.count == 4)
    let lone = odd.replacingOccurrences(of: #"{"image_id":1,"caption":"a dog"},"#, with: "")
    let left = try captions(lone, #"[{"image_id":1,"caption":"a dog"},{"image_id":"2","caption":"a cat"}]"#)
    #expect(left.captions?.imageIDs == [2])
    let more = #"[{"image_id":1,"caption":"a"},{"image_id":2,"caption":"b"},{"image_id":3,"caption":"c"}]"#
    #expect(failure { try captions(odd, more) }?.contains("nothing to compare with: 3") == true)
    #expect(try captions(odd, more, isPartial: true).captions?.imageIDs == [1, 2])
  }

  @Test("scores of each image go to CSV and to HDF5 with a named axis")
  func perImage() throws {
    try ScratchFolder.with { scratch in
      let report = try captions()
      let table = try #require(report.perImage)
      try table.write(to: scratch.file("scores.csv"), source: "test")
      let lines = try String(contentsOf: scratch.file("scores.csv"), encoding: .utf8).split(separator: "\n")
      #expect(lines[0] == "image_id,Bleu_1,Bleu_2,Bleu_3,Bleu_4,ROUGE_L,CIDEr,exact_match,token_F1")
      #expect(lines.count == 4 && lines[3].hasPrefix("3,") && lines[3].hasSuffix(",100.0,1.0"))
      try table.write(to: scratch.file("scores.h5"), source: "test")
      try HDF5File.read(from: scratch.file("scores.h5").path) { file throws in
        #expect(try file.read("image", as: Int64.self).values == [1, 2, 3])
        #expect(try file.read("CIDEr", as: Double.self).values == report.captions?.perImage[.cider])
        #expect(try file.dimensions(of: "ROUGE_L") == ["image"])
        #expect(try file.attribute("units", of: "ROUGE_L") == "1")
        #expect(try file.attribute("units", of: "exact_match") == "percent")
      }
      // Another table of this kind is replaced, and no other file: a scoring run is an HDF5 file too.
      try table.write(to: scratch.file("scores.csv"), source: "test")
      try table.write(to: scratch.file("scores.h5"), source: "test")
      try HDF5File.write(to: scratch.file("run.h5").path, replacing: false) { file in
        try file.setAttribute("title", .string("Head Impact"))
      }
      try Data("image_ids\n".utf8).write(to: scratch.file("other.csv"))
      for name in ["run.h5", "other.csv"] {
        let before = try Data(contentsOf: scratch.file(name))
        let refusal = failure { try table.write(to: scratch.file(name), source: "test") }
        #expect(refusal?.contains("\(name): is no output of --per-image") == true, "\(refusal ?? "")")
        #expect(try Data(contentsOf: scratch.file(name)) == before)
        try FileManager.default.removeItem(at: scratch.file(name))
      }
      #expect(failure { try table.write(to: scratch.file("scores.txt"), source: "") }?.contains(".csv or .h5") == true)
      #expect(try scratch.names == ["scores.csv", "scores.h5"])
    }
  }
}
