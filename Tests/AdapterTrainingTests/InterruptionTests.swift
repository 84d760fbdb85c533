import Foundation
import TestSupport
import Testing

extension TrainingRuns {
  @Suite("Signals and files that change")
  struct Interruptions {
    private static let steps = 300

    /// Something happens to a training run behind its first checkpoint; it continues on other ranks to the bytes of another.
    private func disturb(
      ranks: Int?, rank: Int = 0, exitCode: Int32, _ action: (_ model: URL) -> String,
      _ check: (_ run: MPIRun, _ lastCheckpoint: Int) throws -> Void
    ) async throws {
      try await ScratchFolder.with { scratch in
        let model = scratch.file("model")
        try FileManager.default.copyItem(at: TinyCase.nested.model, to: model)
        func arguments(_ output: URL, _ more: String...) -> [String] {
          var arguments = TrainingRuns.short(
            output, ["--validation-share", "0.3", "--validate-every", "40"], steps: Self.steps)
          arguments[2] = model.path
          return arguments + more
        }
        let output = scratch.file("adapter")
        let folder = scratch.file("adapter.training")
        let stopped = try await run(
          arguments(output, "--checkpoint-every", "2"), ranks: ranks,
          prefix: Meanwhile.prefix(
            when: checkpoint(of: output), do: action(model), on: rank))
        try #require(stopped.exitCode == exitCode, "\(stopped.standardError)")
        let checkpoints = try FileManager.default.contentsOfDirectory(atPath: folder.path)
          .compactMap { Int($0.replacing("checkpoint-", with: "")) }
        try check(stopped, try #require(checkpoints.max()))
        try await succeed(arguments(output, "--resume"), ranks: ranks == nil ? 2 : nil)
        try await succeed(arguments(scratch.file("whole")))
        #expect(try weights(output) == weights(scratch.file("whole")))
        #expect(try TrainingSteps(output).loss == TrainingSteps(scratch.file("whole")).loss)
      }
    }

    @Test(
      "a signal to any rank leaves a checkpoint of the last step and exit code 75",
      arguments: [(nil, 0), (2, 0), (2, 1)] as [(Int?, Int)])
    func signals(ranks: Int?, rank: Int) async throws {
      try await disturb(ranks: ranks, rank: rank, exitCode: 75) { _ in
        "kill -TERM $$"
      } _: { run, last in
        #expect(
          run.standardError.contains(": \(last) of \(Self.steps) steps done; the same command with --resume goes on\n"),
          "\(last): \(run.standardError)")
      }
    }

    @Test("a weight file that is overwritten in place stops it before the next step", arguments: [nil, 2])
    func model(ranks: Int?) async throws {
      try await disturb(ranks: ranks, exitCode: 1) {
        Meanwhile.overwrite($0.appendingPathComponent("model.safetensors"))
      } _: {
        run, _ in
        #expect(run.standardError.contains("model.safetensors: was written at "), "\(run.standardError)")
      }
    }
  }
}
