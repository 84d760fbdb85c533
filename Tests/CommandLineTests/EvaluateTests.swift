import Foundation
import TestSupport
import Testing

extension CommandLineSuite {
  @Suite("evaluate")
  struct EvaluateTests {
    private func write(_ scratch: ScratchFolder) throws -> (references: String, results: String, baseline: String) {
      let names = ["dog", "cat", "bus", "cup"]
      let images = (0..<4).map { "{\"id\":\($0)}" }.joined(separator: ",")
      let annotations = (0..<4).map { "{\"id\":\($0),\"image_id\":\($0),\"caption\":\"a red \(names[$0])\"}" }
      func results(_ noun: (Int) -> String) -> String {
        "[" + (0..<4).map { "{\"image_id\":\($0),\"caption\":\"a red \(noun($0))\"}" }.joined(separator: ",") + "]"
      }
      let files = [
        ("references.json", "{\"images\":[\(images)],\"annotations\":[\(annotations.joined(separator: ","))]}"),
        ("results.json", results { names[$0] }), ("baseline.json", results { _ in "dog" }),
      ]
      for (name, text) in files { try Data(text.utf8).write(to: scratch.file(name)) }
      return (
        scratch.file("references.json").path, scratch.file("results.json").path, scratch.file("baseline.json").path
      )
    }

    @Test("a table for people, and JSON with coco-caption's names")
    func formats() async throws {
      struct Report: Decodable {
        struct Captions: Decodable {
          let images: Int
          let scores: [String: Double]
        }
        struct Comparison: Decodable {
          struct Row: Decodable {
            let metric: String
            let is_distinguishable: Bool
          }
          let differences: [Row]
        }
        let captions: Captions
        let comparison: Comparison?
      }
      try await ScratchFolder.with { scratch in
        let files = try write(scratch)
        let table = try await headimpact(
          "evaluate", "--references", files.references, "--results", files.results, "--baseline", files.baseline)
        #expect(table.exitCode == 0, "\(table.standardError)")
        #expect(table.standardOutput.hasPrefix("metric         score\nBleu_1         1.0000\n"))
        #expect(table.standardOutput.contains("4 images, 4 references"))
        #expect(table.standardOutput.contains("paired bootstrap over 4 images, 1000 resamples, seed 0"))
        let json = try await headimpact(
          "evaluate", "--references", files.references, "--results", files.results, "--baseline", files.baseline,
          "--format", "json", "--per-image", scratch.file("each.csv").path)
        let report = try json.json(Report.self)
        #expect(report.captions.images == 4 && report.captions.scores["ROUGE_L"] == 1)
        #expect(report.comparison?.differences.count == 8)
        #expect(try scratch.names.contains("each.csv"))
      }
    }

    @Test("a difference that is printed as 0, as of BLEU without any match, is not called significant")
    func tinyDifference() async throws {
      try await ScratchFolder.with { scratch in
        func write(_ name: String, _ caption: String) throws -> String {
          let entries = (0..<4).map { "{\"id\":\($0),\"image_id\":\($0),\"caption\":\"\(caption)\"}" }
          let images = (0..<4).map { "{\"id\":\($0)}" }.joined(separator: ",")
          let list = "[\(entries.joined(separator: ","))]"
          let text = name == "references" ? "{\"images\":[\(images)],\"annotations\":\(list)}" : list
          try Data(text.utf8).write(to: scratch.file(name))
          return scratch.file(name).path
        }
        let run = try await headimpact(
          "evaluate", "--references", try write("references", "a red dog sits here"), "--results",
          try write("results", "a red cat ran there"), "--baseline", try write("baseline", "one red cat ran there"))
        let rows = run.standardOutput.split(separator: "\n").filter {
          $0.contains("+") || $0.contains("not significant")
        }
        #expect(rows.first { $0.hasPrefix("Bleu_1") }?.contains("not significant") == false, "\(run.standardOutput)")
        #expect(rows.first { $0.hasPrefix("Bleu_4") }?.hasSuffix("not significant") == true, "\(run.standardOutput)")
      }
    }

    @Test("a file that is wrong exits with 1 and is named; nothing is written")
    func wrongFile() async throws {
      try await ScratchFolder.with { scratch in
        let files = try write(scratch)
        let run = try await headimpact(
          "evaluate", "--references", files.results, "--results", files.results, "--per-image",
          scratch.file("each.h5").path)
        #expect(run.exitCode == 1 && run.standardOutput.isEmpty)
        #expect(run.standardError.contains(files.results), "\(run.standardError)")
        #expect(try !scratch.names.contains("each.h5"))
      }
    }

    @Test(
      "wrong usage exits with 64",
      arguments: [
        ["--results", "x"], ["--references", "a", "--questions", "b", "--results", "x"],
        ["--references", "a", "--annotations", "b", "--results", "x"],
        ["--questions", "a", "--meteor-jar", "b", "--results", "x"],
        ["--references", "a", "--results", "x", "--per-image", "each.txt"],
        ["--references", "a", "--results", "x", "--resamples", "0"],
      ])
    func usage(arguments: [String]) async throws {
      let run = try await MPIRun.launch("headimpact", ["evaluate"] + arguments)
      #expect(run.exitCode == 64, "\(run.standardError)")
    }
  }
}
