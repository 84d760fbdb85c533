import Foundation
import HDF5Store
import TestSupport
import Testing

/// Tests that run the program itself; one after the other, so that none has to share the cores.
@Suite("Training runs", .serialized)
struct TrainingRuns {}

/// Runs `headimpact`, and expects it to end in time.
func run(_ arguments: [String], ranks: Int? = nil, prefix: [String] = [], timeout: Double = 120) async throws -> MPIRun
{
  let run = try await MPIRun.launch("headimpact", arguments, ranks: ranks, timeout: timeout, prefix: prefix)
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

/// The steps that training.h5 holds.
struct TrainingSteps {
  let loss: [Double]
  let norm: [Double]
  let tokens: [Int]
  let seconds: [Double]

  init(_ folder: URL) throws {
    (loss, norm, tokens, seconds) = try HDF5File.read(from: folder.appendingPathComponent("training.h5").path) { file in
      (
        try file.read("loss", as: Double.self).values, try file.read("gradient_norm", as: Double.self).values,
        try file.read("tokens", as: Int64.self).values.map { Int($0) }, try file.read("seconds", as: Double.self).values
      )
    }
  }
}

/// The bytes of an adapter's weights.
func weights(_ folder: URL) throws -> Data {
  try Data(contentsOf: folder.appendingPathComponent("adapter_model.safetensors"))
}
