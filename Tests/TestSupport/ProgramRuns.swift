import Foundation

/// Runs `headimpact` as a user does, under `mpirun` or alone.
///
/// - Throws: `UnexpectedEnd` where it had to be stopped.
public func run(
  _ arguments: [String], ranks: Int? = nil, prefix: [String] = [], line: Int = #line
) async throws -> MPIRun {
  let run = try await MPIRun.launch("headimpact", arguments, ranks: ranks, timeout: 120, prefix: prefix)
  if run.timedOut { throw UnexpectedEnd(run, of: arguments, expected: "it to end in time", line: line) }
  return run
}

/// A run that must work.
@discardableResult
public func succeed(_ arguments: [String], ranks: Int? = nil, line: Int = #line) async throws -> MPIRun {
  let run = try await run(arguments, ranks: ranks, line: line)
  if run.exitCode != 0 { throw UnexpectedEnd(run, of: arguments, expected: "exit code 0", line: line) }
  return run
}

/// A run that must write its output and end with exit code 2: more samples were skipped than it allows.
@discardableResult
public func skipTooMany(_ arguments: [String], ranks: Int? = nil, line: Int = #line) async throws -> MPIRun {
  let run = try await run(arguments, ranks: ranks, line: line)
  guard run.exitCode == 2, run.standardError.contains("--allow-skips") else {
    throw UnexpectedEnd(run, of: arguments, expected: "exit code 2 and --allow-skips on standard error", line: line)
  }
  return run
}

/// A run that must end with this exit code (64 is wrong usage), and say each of `words` on standard error.
@discardableResult
public func fail(
  _ arguments: [String], ranks: Int? = nil, prefix: [String] = [], exitCode: Int32 = 1, saying words: String...,
  line: Int = #line
) async throws -> MPIRun {
  let run = try await run(arguments, ranks: ranks, prefix: prefix, line: line)
  if run.exitCode != exitCode {
    throw UnexpectedEnd(run, of: arguments, expected: "exit code \(exitCode)", line: line)
  }
  for word in words where !run.standardError.contains(word) {
    throw UnexpectedEnd(run, of: arguments, expected: "\"\(word)\" on standard error", line: line)
  }
  return run
}

/// A run that ended otherwise than its test says.
public struct UnexpectedEnd: Error, CustomStringConvertible {
  public let description: String

  /// - Parameter line: where the test asks for the run.
  init(_ run: MPIRun, of arguments: [String], expected: String, line: Int) {
    description = """
      line \(line): headimpact \(arguments.joined(separator: " "))
      expected \(expected); exit code \(run.exitCode) after \(run.seconds) s, standard error:
      \(run.standardError)
      """
  }
}
