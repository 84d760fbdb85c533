import Demonstration
import Foundation
import ImageInput
import TestSupport
import Testing

extension GeneratingRuns {
  @Suite("Stopped, resumed and refused")
  struct KilledRunTests {
    /// The demonstration model and dataset in a folder of their own.
    private struct Demo {
      let scratch: ScratchFolder
      var dataset: URL { scratch.file("dataset") }
      var images: URL { dataset.appendingPathComponent("images") }

      init(_ scratch: ScratchFolder, scenes: Int) throws {
        self.scratch = scratch
        try DemoModel.write(to: scratch.file("model"))
        try DemoDataset(split: .test, count: scenes).write(to: scratch.file("dataset")) { width, height, pixels in
          try encodePNG(RGBImage(width: width, height: height, pixels: pixels))
        }
      }

      func arguments(_ dataset: String, to output: URL, _ more: [String]) -> [String] {
        [
          "generate", "--model", scratch.file("model").path, "--dataset",
          self.dataset.appendingPathComponent(dataset).path,
          "--images", images.path, "--output", output.path, "--quiet",
        ] + more
      }

      func run(_ dataset: String, to output: URL, ranks: Int? = nil, _ more: String...) async throws -> MPIRun {
        let run = try await MPIRun.launch(
          "headimpact", arguments(dataset, to: output, more), ranks: ranks, timeout: 120)
        #expect(!run.timedOut)
        return run
      }

      func succeed(
        _ dataset: String, to name: String, ranks: Int? = nil, _ more: String...
      ) async throws -> [[String: Any]] {
        let output = scratch.file(name)
        let run = try await MPIRun.launch(
          "headimpact", arguments(dataset, to: output, more), ranks: ranks, timeout: 120)
        try #require(run.exitCode == 0, "\(run.standardError)")
        let json = try JSONSerialization.jsonObject(with: Data(contentsOf: output))
        return try #require(json as? [[String: Any]])
      }
    }

    @Test("one answer a question, ascending by id, and mostly right")
    func questions() async throws {
      try await ScratchFolder.with { scratch in
        let demo = try Demo(scratch, scenes: 4)
        let answers = try await demo.succeed("questions.json", to: "answers.json")
        let file = try JSONSerialization.jsonObject(
          with: Data(contentsOf: demo.dataset.appendingPathComponent("annotations.json")))
        let annotations = try #require((file as? [String: Any])?["annotations"] as? [[String: Any]])
        #expect(answers.map { $0["question_id"] as? Int } == annotations.map { $0["question_id"] as? Int })
        let right = zip(answers, annotations).count {
          $0["answer"] as? String == $1["multiple_choice_answer"] as? String
        }
        #expect(Double(right) > 0.8 * Double(answers.count), "\(right) of \(answers.count)")
        #expect(try await demo.succeed("questions.json", to: "first.json", "--limit", "5").count == 5)
      }
    }

    @Test("a run that is killed resumes on other ranks to the same bytes, but not strictly nor with other options")
    func killed() async throws {
      try await ScratchFolder.with { scratch in
        let demo = try Demo(scratch, scenes: 60)
        // Its questions are skipped, early.
        try Data("no picture".utf8).write(to: demo.images.appendingPathComponent("000000000002.png"))
        let options = ["--beams", "8", "--threads", "1", "--allow-skips", "0.1"]
        let whole = scratch.file("whole.json")
        let run = try await MPIRun.launch(
          "headimpact", demo.arguments("questions.json", to: whole, options), timeout: 120)
        try #require(run.exitCode == 0, "\(run.standardError)")

        let output = scratch.file("out.json")
        let journal = scratch.file("out.json.journal")
        async let stopped = MPIRun.launch(
          "headimpact", demo.arguments("questions.json", to: output, options), ranks: 2, timeout: 120)
        let end = Date().addingTimeInterval(60)
        while size(of: journal) < 3000 {
          try #require(Date() < end, "the journal doesn't grow")
          try await Task.sleep(for: .milliseconds(2))
        }
        let victims = processes(of: output)
        for process in victims { kill(process, SIGKILL) }
        #expect(try await stopped.exitCode != 0)
        try await Task.sleep(for: .milliseconds(500))
        try #require(!FileManager.default.fileExists(atPath: output.path), "the run ended before it was killed")

        let other = try await demo.run("questions.json", to: output, "--resume", "--beams", "7")
        #expect(other.exitCode == 1)
        #expect(other.standardError.contains("--beams was 8 and now is 7"), "\(other.standardError)")
        let strict = try await demo.run("questions.json", to: output, ranks: 2, "--resume", "--beams", "8", "--strict")
        #expect(strict.exitCode == 1)
        #expect(
          ["sample 2000", "--strict"].allSatisfy { strict.standardError.contains($0) },
          "\(strict.standardError)")
        let resumed = try await MPIRun.launch(
          "headimpact",
          demo.arguments("questions.json", to: output, options + ["--resume"]).filter { $0 != "--quiet" }, ranks: 3,
          timeout: 120)
        #expect(resumed.exitCode == 0, "\(resumed.standardError)")
        #expect(
          resumed.standardError.contains(/resuming: [1-9][0-9]* of 540 samples (?:is|are) done/),
          "\(resumed.standardError)")
        #expect(try Data(contentsOf: output) == Data(contentsOf: whole))
        #expect(!FileManager.default.fileExists(atPath: journal.path))

        let again = try await demo.run(
          "questions.json", to: output, "--resume", "--beams", "8", "--allow-skips", "0.1")
        #expect(again.exitCode == 0)
        #expect(
          again.standardOutput.contains("531 results, 9 skipped (9 picture)")
            && again.standardOutput.contains("already finished"))
        let foreign = try await demo.run("questions.json", to: output, "--resume", "--beams", "8", "--limit", "2")
        #expect(foreign.exitCode == 1 && foreign.standardError.contains("--limit was none and now is 2"))
      }
    }

    @Test("inputs that are wrong are named, and leave nothing behind")
    func inputs() async throws {
      try await ScratchFolder.with { scratch in
        let demo = try Demo(scratch, scenes: 1)
        let before = try scratch.names
        let output = scratch.file("out.json")
        func refused(_ dataset: String, _ words: String, ranks: Int? = nil, _ more: String...) async throws {
          let run = try await MPIRun.launch(
            "headimpact", demo.arguments(dataset, to: output, more), ranks: ranks, timeout: 60)
          #expect(run.exitCode == 1, "\(words)")
          #expect(run.standardError.contains(words), "\(run.standardError)")
        }
        func dataset(_ json: String) throws {
          try Data(json.utf8).write(to: demo.dataset.appendingPathComponent("bad.json"))
        }
        try await refused("none.json", "none.json", ranks: 2)
        try await refused("annotations.json", "annotations.json: ")
        try await refused("captions.json", "adapter_config.json", "--adapter", scratch.file("none").path)
        try dataset(#"{"questions": [{"question_id": 1, "image_id": 77, "question": "x"}]}"#)
        try await refused("bad.json", "image 77 is not in the images folder", ranks: 2)
        try dataset(#"{"questions": []}"#)
        try await refused("bad.json", "has no image to describe")
        try dataset(
          #"{"images": [{"id": 1, "file_name": "../captions.json", "width": 1, "height": 1}], "#
            + #""annotations": [{"id": 1, "image_id": 1, "caption": "x"}]}"#)
        try await refused("bad.json", "leaves the images folder")
        try Data("precious".utf8).write(to: output)
        try await refused("captions.json", "already exists", ranks: 2)
        #expect(try Data(contentsOf: output) == Data("precious".utf8))
        try await refused("captions.json", "out.json.run", "--resume")
        try FileManager.default.removeItem(at: output)
        #expect(try scratch.names == before)
      }
    }
  }
}

private func size(of file: URL) -> Int {
  (try? FileManager.default.attributesOfItem(atPath: file.path)[.size] as? Int) ?? 0
}

/// Processes of the run with this output, mpirun too.
private func processes(of output: URL) -> [pid_t] {
  let entries = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
  return entries.compactMap { pid_t($0) }.filter { pid in
    let command = FileManager.default.contents(atPath: "/proc/\(pid)/cmdline") ?? Data()
    return String(decoding: command, as: UTF8.self).split(separator: "\0").contains { $0 == output.path }
  }
}
