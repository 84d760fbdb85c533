import Foundation
import TestSupport
import Testing

extension CommandLineSuite {
  @Suite("What score prints")
  struct ScoreOutputTests {
    private struct Report: Decodable {
      struct Layer: Decodable {
        let layer: Int
        let score: Double
      }
      struct Head: Decodable {
        let layer: Int
        let head: Int
        let hi: Double
      }
      let output: String
      let samples: Int
      let skipped: Int
      let layers: [Layer]
      let heads: [Head]
    }

    @Test("as JSON, once, whatever the number of ranks: the best heads and layers first", arguments: [nil, 2])
    func json(ranks: Int?) async throws {
      try await ScratchFolder.with { scratch in
        let output = scratch.file("hi.h5")
        let run = try await MPIRun.launch(
          "headimpact", TinyCase.nested.score(to: output, "--format", "json"), ranks: ranks)
        try #require(run.exitCode == 0, "\(run.standardError)")
        let report = try run.json(Report.self)
        #expect(report.output == output.path)
        #expect(report.samples == 8 && report.skipped == 0)
        #expect(report.layers.map(\.layer).sorted() == [0, 1, 2, 3])
        #expect(report.layers.map(\.score) == report.layers.map(\.score).sorted(by: >))
        #expect(report.heads.map(\.hi) == report.heads.map(\.hi).sorted(by: >))
        #expect(report.heads.count == 8)
      }
    }

    @Test("an existing output is replaced only with --overwrite, and only once the new one is complete")
    func overwrites() async throws {
      try await ScratchFolder.with { scratch in
        let output = scratch.file("hi.h5")
        func score(_ more: String...) async throws -> MPIRun {
          try await MPIRun.launch("headimpact", TinyCase.nested.score(to: output, "--limit", "1") + more)
        }
        #expect(try await score().exitCode == 0)
        let first = try Data(contentsOf: output)
        let refused = try await score()
        #expect(refused.exitCode == 1 && refused.standardError.contains("--overwrite"), "\(refused.standardError)")
        #expect(try await score("--overwrite", "--dataset", scratch.file("none.json").path).exitCode != 0)
        #expect(try Data(contentsOf: output) == first)
        // What an interrupted run left is not continued.
        try Data("a journal".utf8).write(to: scratch.file("hi.h5.journal"))
        let again = try await score("--overwrite")
        #expect(again.exitCode == 0, "\(again.standardError)")
        #expect(try scratch.names == ["hi.h5"])
        #expect(try await score("--overwrite", "--resume").standardError.contains("give one of them"))
      }
    }

    @Test("one sample has no standard error, and is still printed in both forms", arguments: ["json", "table"])
    func oneSample(format: String) async throws {
      try await ScratchFolder.with { scratch in
        let run = try await MPIRun.launch(
          "headimpact", TinyCase.nested.score(to: scratch.file("hi.h5"), "--limit", "1", "--format", format))
        #expect(run.exitCode == 0, "\(run.standardError)")
        #expect(
          run.standardOutput.contains(format == "json" ? "\"samples\" : 1" : "1 sample, "), "\(run.standardOutput)")
        #expect(!run.standardOutput.contains("nan"))
      }
    }

    @Test("progress goes to standard error, and --quiet stops it")
    func progress() async throws {
      try await ScratchFolder.with { scratch in
        let arguments = TinyCase.nested.score(to: scratch.file("a.h5"), "--precision", "f32")
        let quiet = try await MPIRun.launch("headimpact", arguments)
        #expect(quiet.standardError.isEmpty, "\(quiet.standardError)")
        let loud = try await MPIRun.launch(
          "headimpact",
          TinyCase.nested.score(to: scratch.file("b.h5"), "--precision", "f32").filter { $0 != "--quiet" },
          ranks: 2)
        #expect(loud.standardError.contains(/8\/8 samples, [0-9.]+ samples\/s, 2 ranks\n/), "\(loud.standardError)")
        #expect(!loud.standardOutput.contains("samples/s"))
      }
    }
  }
}
