import Foundation
import TestSupport
import Testing

/// Each launches `kernel-cases`, which runs every kernel and prints a checksum of each output.
@Suite("Kernels in other environments", .serialized, .disabled(if: isDebugBuild, "takes minutes in a debug build"))
struct EnvironmentTests {
  /// What a run prints: the threads that it had, and a line for each kernel.
  private func kernels(
    threads: Int, _ arguments: [String] = [], environment: [String: String] = [:]
  ) async throws -> (threads: String, kernels: [String]) {
    let run = try await MPIRun.launch(
      "kernel-cases", ["\(threads)"] + arguments, timeout: 60, environment: environment)
    #expect(!run.timedOut && run.exitCode == 0, "\(environment) \(arguments): \(run.standardError)")
    let lines = run.standardOutput.split(separator: "\n").map(String.init)
    try #require(lines.count > 40)
    return (lines[0], Array(lines.dropFirst()))
  }

  @Test("no kernel depends on the number of threads, nor on OpenMP's environment")
  func openMP() async throws {
    let plain = try await kernels(threads: 1)
    for environment in [
      [:], ["OMP_THREAD_LIMIT": "1"], ["OMP_THREAD_LIMIT": "2"], ["OMP_DYNAMIC": "true"],
      ["OMP_NUM_THREADS": "7"], ["OMP_PROC_BIND": "true"],
    ] {
      let run = try await kernels(threads: 4, environment: environment)
      #expect(run.threads == "threads 4", "\(environment)")
      #expect(run.kernels == plain.kernels, "\(environment)")
    }
  }

  @Test("threads that wait sleep")
  func idle() async throws {
    let run = try await MPIRun.launch("kernel-cases", ["4", "--idle"], timeout: 60)
    let milliseconds = try #require(Int(run.standardOutput.trimmingCharacters(in: .whitespacesAndNewlines)))
    #expect(milliseconds < 50, "of 500")
  }

  @Test("where no thread can start the calling one does all of the work")
  func noThreads() async throws {
    let run = try await kernels(threads: 4, ["--without-threads"])
    #expect(run.threads == "threads 1")
    #expect(run.kernels == (try await kernels(threads: 1)).kernels)
  }
}
