import Foundation
import TestSupport
import Testing

/// Each launches `mpi-cases crash`.
@Suite("Crashes")
struct CrashReportTests {
  private func crash(_ arguments: String..., environment: [String: String] = [:]) async throws -> MPIRun {
    let run = try await MPIRun.launch(
      "mpi-cases", ["crash"] + arguments, environment: ["HEADIMPACT_BACKTRACE": ""].merging(environment) { $1 },
      // Less to fill for the recursion, and no core files.
      prefix: ["sh", "-c", "ulimit -s 2048; ulimit -c 0; exec \"$@\"", "sh"])
    #expect(!run.timedOut && !run.standardOutput.contains("not reached"))
    return run
  }

  @Test("a mapped file that is shortened ends the program with one line that names it")
  func truncated() async throws {
    try await ScratchFolder.with { scratch in
      let url = scratch.file("model.safetensors")
      try Data(repeating: 1, count: 100_000).write(to: url)
      let run = try await crash("truncated", url.path)
      #expect(run.exitCode == 1)
      #expect(
        run.standardError
          == "headimpact: \(url.path): was shortened, or can't be read any more, while the program uses it. Replace a model's "
          + "files by renaming, never in place\n")
    }
  }

  @Test("another crash is one line too, and ends by the signal; a backtrace follows if it is asked for")
  func others() async throws {
    let pointer = try await crash("pointer")
    #expect(pointer.exitCode == 128 + SIGSEGV)
    #expect(
      pointer.standardError
        == "headimpact: crashed: SIGSEGV at address 0xdead000; HEADIMPACT_BACKTRACE=1 shows where\n")
    let stack = try await crash("stack")
    #expect(stack.exitCode == 128 + SIGSEGV)
    #expect(
      stack.standardError
        == "headimpact: crashed: the stack is too small (ulimit -s); HEADIMPACT_BACKTRACE=1 shows where\n")
    let traced = try await crash(
      "pointer", environment: ["HEADIMPACT_BACKTRACE": "1", "SWIFT_BACKTRACE": "color=no,symbolicate=off"])
    #expect(traced.exitCode == 128 + SIGSEGV)
    #expect(traced.standardError.hasPrefix("headimpact: crashed: SIGSEGV at address 0xdead000\n"))
  }
}
