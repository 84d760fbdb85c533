import Foundation
import TestSupport
import Testing

@testable import Scoring

extension ScoringRuns {
  @Suite("Inputs that change, and signals, in mid-run")
  struct ChangedInputTests {
    /// Something happens to a run; it ends with an exit code and these words, and continues to the bits of another run.
    private func disturb(
      ranks: Int?, exitCode: Int32, saying words: String, _ action: (_ model: URL, _ images: URL) -> String
    ) async throws {
      try await ScratchFolder.with { scratch in
        var edited = try EditedDataset(.nested, in: scratch)
        try edited.repeatEntries(150)
        let (dataset, images, model) = (edited.file, edited.images, scratch.file("model"))
        try FileManager.default.copyItem(at: TinyCase.nested.model, to: model)
        func arguments(_ output: URL, _ more: String...) -> [String] {
          TinyCase.nested.score(
            to: output, "--threads", "1", "--bootstrap", "20", dataset: dataset, images: images, model: model) + more
        }
        let output = scratch.file("hi.h5")
        let stopped = try await run(
          arguments(output), ranks: ranks,
          prefix: Meanwhile.prefix(
            when: Meanwhile.isLarger(scratch.file("hi.h5.journal"), than: 60_000), do: action(model, images)))
        #expect(stopped.exitCode == exitCode)
        #expect(stopped.standardError.contains(words), "\(stopped.standardError)")
        let resumed = try await succeed(arguments(output, "--resume").filter { $0 != "--quiet" })
        #expect(resumed.standardError.contains(/resuming: [1-9][0-9]* of 1200 samples (?:is|are) done/))
        try await succeed(arguments(scratch.file("whole.h5")))
        #expect(try Results(output).differences(from: Results(scratch.file("whole.h5"))).isEmpty)
      }
    }

    @Test("a weight file that is overwritten in place stops it; nothing wrong is recorded", arguments: [nil, 2])
    func model(ranks: Int?) async throws {
      try await disturb(ranks: ranks, exitCode: 1, saying: "model.safetensors: was written at ") { model, _ in
        Meanwhile.overwrite(model.appendingPathComponent("model.safetensors"))
      }
    }

    @Test("an image that is changed stops it")
    func image() async throws {
      try await disturb(ranks: nil, exitCode: 1, saying: "changed since the run began") { _, images in
        "touch '\(images.path)'/*"
      }
    }

    @Test("a signal to one rank stops it with exit code 75", arguments: [nil, 2])
    func signal(ranks: Int?) async throws {
      try await disturb(
        ranks: ranks, exitCode: 75, saying: "of 1200 samples done; the same command with --resume goes on\n"
      ) { _, _ in
        "kill -USR1 $$"
      }
    }
  }
}
