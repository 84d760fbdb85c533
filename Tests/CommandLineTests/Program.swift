import Foundation
import TestSupport
import Testing

/// All tests of the program's words and exit codes; one after the other, so that none has to share the cores.
@Suite("Command line", .serialized)
struct CommandLineSuite {}

func headimpact(_ arguments: String..., ranks: Int? = nil) async throws -> MPIRun {
  try await run(arguments, ranks: ranks)
}

extension MPIRun {
  /// Standard output as one JSON value.
  func json<T: Decodable>(_ type: T.Type) throws -> T {
    try JSONDecoder().decode(type, from: Data(standardOutput.utf8))
  }
}
