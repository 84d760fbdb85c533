import Foundation
import HDF5Store
import TestSupport
import Testing

extension CommandLineSuite {
  @Suite("select")
  struct SelectTests {
    private struct Answer: Decodable, Equatable {
      let strategy: String
      let measure: String
      let layers: [Int]
      let scores: [Double]
      let heads: [[Int]]?
      let seed: UInt64?
      let source: String?
      let model_name: String?
    }

    /// A file of 5 layers of 2 heads whose scores by `matched` are 0.2, 0.6, 0.4, 0.6, 0.1; by `soft` they fall.
    private func write(_ url: URL) throws {
      try HDF5File.write(to: url.path) { file throws in
        try file.defineDimension("measure", values: ["matched", "mean", "otsu", "soft", "mass", "pointing"])
        try file.defineDimension("layer", values: [0, 1, 2, 3, 4] as [Int32])
        try file.defineDimension("head", values: [0, 1] as [Int32])
        try file.defineDimension("sample", values: [7, 8] as [Int64])
        var hi = [Double](repeating: 0.5, count: 60)
        hi.replaceSubrange(0..<10, with: [0.1, 0.3, 0.5, 0.7, 0.4, 0.4, 0.7, 0.5, 0.1, 0.1])
        hi.replaceSubrange(30..<40, with: [0.9, 0.9, 0.8, 0.8, 0.7, 0.7, 0.6, 0.6, 0.5, 0.5])
        for name in ["hi", "hi_stderr", "hi_chance", "hi_nosink"] { try file.write(hi, to: name, shape: [6, 5, 2]) }
        try file.write([Double](repeating: 0, count: 10), to: "sink_share", shape: [5, 2])
        try file.setAttribute("model_name", "tiny")
        try file.setAttribute("model_sha256", "abc")
      }
    }

    private func select(_ url: URL, _ more: String...) async throws -> Answer {
      let run = try await MPIRun.launch("headimpact", ["select", url.path] + more)
      try #require(run.exitCode == 0, "\(run.standardError)")
      return try run.json(Answer.self)
    }

    @Test("top takes the best layers, ties to the lower index; bottom the worst; a measure of choice")
    func strategies() async throws {
      try await ScratchFolder.with { scratch in
        let url = scratch.file("hi.h5")
        try write(url)
        let top = try await select(url)
        #expect(top.strategy == "top" && top.measure == "matched")
        #expect(top.layers == [1, 3, 2])
        #expect(zip(top.scores, [0.6, 0.6, 0.4]).allSatisfy { abs($0 - $1) < 1e-12 })
        #expect(top.source == "hi.h5" && top.model_name == "tiny" && top.heads == nil && top.seed == nil)
        #expect(try await select(url, "--strategy", "bottom", "--layers", "2").layers == [4, 0])
        #expect(try await select(url, "--measure", "soft", "--layers", "2").layers == [0, 1])
        #expect(try await select(url, "--measure", "mass", "--layers", "3").layers == [0, 1, 2])
        #expect(try await select(url, "--heads", "3").heads == [[1, 1], [3, 0], [1, 0]])
      }
    }

    @Test("random draws the same layers for the same seed, and others for others")
    func random() async throws {
      try await ScratchFolder.with { scratch in
        let url = scratch.file("hi.h5")
        try write(url)
        let first = try await select(url, "--strategy", "random", "--seed", "7", "--layers", "3")
        #expect(first.seed == 7)
        #expect(Set(first.layers).count == 3 && first.layers.allSatisfy { (0..<5).contains($0) })
        #expect(try await select(url, "--strategy", "random", "--seed", "7", "--layers", "3") == first)
        var drawn: Set<[Int]> = [first.layers]
        for seed in 0..<6 {
          drawn.insert(try await select(url, "--strategy", "random", "--seed", "\(seed)", "--layers", "3").layers)
        }
        #expect(drawn.count > 1)
      }
    }

    @Test("as a table: layers with scores, then heads")
    func table() async throws {
      try await ScratchFolder.with { scratch in
        let url = scratch.file("hi.h5")
        try write(url)
        let run = try await headimpact("select", url.path, "--format", "table", "--layers", "2", "--heads", "1")
        #expect(
          run.standardOutput == """
            layer  HI (matched)
            1      0.6000
            3      0.6000

            layer.head  HI (matched)
            1.1         0.7000

            """)
      }
    }

    @Test("--output writes the JSON to a file too, and replaces none unasked")
    func output() async throws {
      try await ScratchFolder.with { scratch in
        let (url, output) = (scratch.file("hi.h5"), scratch.file("selection.json"))
        try write(url)
        let arguments = ["select", url.path, "--layers", "2", "--heads", "2", "--output", output.path]
        let first = try await run(arguments)
        let written = try String(contentsOf: output, encoding: .utf8)
        #expect(first.exitCode == 0 && written == first.standardOutput && written.contains("\"head_scores\""))
        let second = try await run(arguments)
        #expect(second.exitCode == 1 && second.standardError.contains("\(output.path): already exists"))
        #expect(try await run(arguments + ["--overwrite"]).exitCode == 0)
      }
    }

    @Test("--overwrite replaces a selection and nothing else: not the scoring run, nor another JSON file")
    func overwritesSelectionsOnly() async throws {
      try await ScratchFolder.with { scratch in
        let (url, other) = (scratch.file("hi.h5"), scratch.file("keyobjects.json"))
        try write(url)
        try Data(#"{"images": []}"#.utf8).write(to: other)
        for file in [url, other] {
          let before = try Data(contentsOf: file)
          let answer = try await run(["select", url.path, "--layers", "2", "--output", file.path, "--overwrite"])
          #expect(answer.exitCode == 1 && answer.standardError.contains("\(file.path): is no output of this command"))
          #expect(try Data(contentsOf: file) == before)
        }
      }
    }

    @Test("corrected values are refused where the file has none")
    func corrected() async throws {
      try await ScratchFolder.with { scratch in
        let url = scratch.file("hi.h5")
        try write(url)
        let run = try await headimpact("select", url.path, "--corrected")
        #expect(run.exitCode == 1 && run.standardError.contains("version 1"))
      }
    }

    @Test("a file that is none of a scoring run exits with 1 and is named")
    func wrongFile() async throws {
      try await ScratchFolder.with { scratch in
        let text = scratch.file("text.h5")
        try Data("no".utf8).write(to: text)
        let other = scratch.file("other.h5")
        try HDF5File.write(to: other.path) { file throws in try file.write([1.0], to: "x") }
        for url in [text, other, scratch.file("none.h5")] {
          let run = try await headimpact("select", url.path)
          #expect(run.exitCode == 1)
          #expect(run.standardError.contains(url.path), "\(run.standardError)")
          #expect(run.standardOutput.isEmpty)
        }
      }
    }

    @Test("more layers or heads than there are exits with 1, saying how many there are")
    func tooMany() async throws {
      try await ScratchFolder.with { scratch in
        let url = scratch.file("hi.h5")
        try write(url)
        for (option, value) in [("--layers", "6"), ("--heads", "11")] {
          let run = try await headimpact("select", url.path, option, value)
          #expect(run.exitCode == 1)
          #expect(run.standardError.contains("5"), "\(run.standardError)")
        }
      }
    }
  }
}
