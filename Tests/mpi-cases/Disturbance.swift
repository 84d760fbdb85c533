import Foundation
import MessagePassing

/// A signal that a rank sends in the midst of its work: "TERM:parent:1" is SIGTERM from rank 1 to the process that started it.
///
/// Receivers: `self`; `parent`, the launcher; `stuck`, the rank itself, which then computes for long without a poll; `slurm`
/// and `slurm-stuck`, the rank itself, which gets it from Slurm's program when rank 0 answers no longer. In these every rank
/// is on a host of its own, so it seems.
final class Disturbance {
  /// Units that the rank computes before.
  private static let after = 4

  private let signal: Int32
  private let receiver: String
  private let rank: Int
  private let folder: URL
  private var isSent = false
  /// Rank 0's process, of which others are to know.
  var first: pid_t?

  init?(_ text: String, folder: URL) {
    let parts = text.split(separator: ":")
    let signals = ["TERM": SIGTERM, "INT": SIGINT, "USR1": SIGUSR1, "KILL": SIGKILL]
    guard parts.count == 3, let signal = signals[String(parts[0])], let rank = Int(parts[2]) else { return nil }
    (self.signal, receiver, self.rank, self.folder) = (signal, String(parts[1]), rank, folder)
    pretendsHosts = receiver.hasPrefix("slurm")
  }

  /// Called before each unit.
  func act(on rank: Int, computed: Int) throws {
    // Time for the signal's way through the launcher, which waits a second.
    if computed >= Self.after { usleep(100_000) }
    guard rank == self.rank, computed == Self.after, !isSent else { return }
    isSent = true
    if receiver.hasPrefix("slurm") {
      if let first { kill(first, SIGSTOP) }
      try signalAsSlurm()
    } else {
      kill(receiver == "parent" ? getppid() : getpid(), signal)
    }
    if receiver.hasSuffix("stuck") { Thread.sleep(forTimeInterval: 10) }
  }

  /// Signals come from a process with the name of Slurm's, which is there as long as the ranks.
  private func signalAsSlurm() throws {
    let program = folder.appendingPathComponent("slurmstepd")
    try FileManager.default.createSymbolicLink(at: program, withDestinationURL: URL(fileURLWithPath: "/bin/sh"))
    let process = Process()
    process.executableURL = program
    process.arguments = ["-c", "kill -\(signal) \(getpid()); sleep 8; :"]
    // Nobody waits for its end of a pipe.
    (process.standardOutput, process.standardError) = (FileHandle.nullDevice, FileHandle.nullDevice)
    try process.run()
  }
}

nonisolated(unsafe) private var pretendsHosts = false

/// MPI lets a program put its own function in front of one of the library's.
@_cdecl("MPI_Get_processor_name") func hostOrPretended(
  _ text: UnsafeMutablePointer<CChar>, _ length: UnsafeMutablePointer<Int32>
) -> Int32 {
  guard pretendsHosts else { return hostOfTheLibrary(text, length) }
  let name = "host\(Communicator.launchedRank())"
  for (index, byte) in name.utf8CString.enumerated() { text[index] = byte }
  length.pointee = Int32(name.utf8.count)
  return 0
}

@_silgen_name("PMPI_Get_processor_name") private func hostOfTheLibrary(
  _ text: UnsafeMutablePointer<CChar>, _ length: UnsafeMutablePointer<Int32>
) -> Int32
