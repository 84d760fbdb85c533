// The program that multi-rank tests launch: `mpi-cases <case> [arguments]`. A case prints what its test looks for, throws
// where something is wrong, and lies in a file of its own.
import Foundation
import MessagePassing

let cases: [String: ([String]) throws -> Void] = [
  "collectives": collectivesCase,
  "point-to-point": pointToPointCase,
  "start": startCase,
  "agree": agreeCase,
  "throw": throwCase,
  "kill": killCase,
  "late": lateCase,
  "share": shareCase,
  "silent": silentCase,
  "startless": startlessCase,
  "endless": endlessCase,
  "suspended": suspendedCase,
  "share-fails": shareFailsCase,
  "share-balance": shareBalanceCase,
  "share-checks": shareChecksCase,
  "share-rate": shareRateCase,
  "coordinator": coordinatorCase,
  "unit-job": unitJobCase,
  "run-lock": runLockCase,
  "full-disk": fullDiskCase,
  "crash": crashCase,
  "exchange-fails": exchangeFailsCase, "exchange-pictures": exchangePicturesCase,
]

/// What a case finds wrong.
struct CaseFailure: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

func expect<T: Equatable>(_ value: T, _ expected: T, _ what: String) throws {
  guard value == expected else { throw CaseFailure("\(what): \(value) instead of \(expected)") }
}

let arguments = Array(CommandLine.arguments.dropFirst())
guard let name = arguments.first, let run = cases[name] else {
  print("usage: mpi-cases <case> [arguments]; cases: \(cases.keys.sorted().joined(separator: " "))")
  exit(64)
}
do {
  try run(Array(arguments.dropFirst()))
} catch {
  FileHandle.standardError.write(Data("\(error)\n".utf8))
  exit(TransientFailure.exitCode(for: error))
}
