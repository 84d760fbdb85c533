import Foundation
import TestSupport
import Testing

/// Tests that run the program itself; one after the other, so that none has to share the cores.
@Suite("Scoring runs", .serialized)
struct ScoringRuns {}

/// Runs `headimpact score`, and expects it to end in time.
func run(_ arguments: [String], ranks: Int? = nil, prefix: [String] = []) async throws -> MPIRun {
  let run = try await MPIRun.launch("headimpact", arguments, ranks: ranks, timeout: 120, prefix: prefix)
  #expect(!run.timedOut, "\(arguments) on \(ranks ?? 1) ranks had to be stopped")
  return run
}

/// A run that must work.
@discardableResult
func succeed(
  _ arguments: [String], ranks: Int? = nil, sourceLocation: SourceLocation = #_sourceLocation
) async throws -> MPIRun {
  let run = try await run(arguments, ranks: ranks)
  try #require(run.exitCode == 0, "\(run.standardError)", sourceLocation: sourceLocation)
  return run
}

/// A run that must end with exit code 1, and say each of `words` on standard error.
@discardableResult
func fail(
  _ arguments: [String], ranks: Int? = nil, prefix: [String] = [], saying words: String...,
  sourceLocation: SourceLocation = #_sourceLocation
) async throws -> MPIRun {
  let run = try await run(arguments, ranks: ranks, prefix: prefix)
  #expect(run.exitCode == 1, "\(run.standardError)", sourceLocation: sourceLocation)
  for word in words {
    #expect(run.standardError.contains(word), "\(run.standardError)", sourceLocation: sourceLocation)
  }
  return run
}
