import Foundation
import IO

/// Another program, which answers each line with a line.
final class LineProcess {
  private let process = Process()
  private let input = Pipe()
  private let output = Pipe()
  /// Where the program's standard error goes: to a pipe that nobody reads it could not write much.
  private let complaints: OpenFile
  /// What errors call the program.
  private let name: String
  private var unread: [UInt8] = []

  /// - Parameter program: looked for on the PATH where it is only a name.
  /// - Throws: `EvaluationError` if it can't be started.
  init(_ program: String, _ arguments: [String], name: String) throws {
    self.name = name
    do { complaints = try OpenFile(temporaryIn: FileManager.default.temporaryDirectory) } catch {
      throw EvaluationError("\(error); the standard error of \(program) goes there")
    }
    // Writing to a program that has ended must be an error, not this program's end.
    signal(SIGPIPE, SIG_IGN)
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [program] + arguments
    process.standardInput = input
    process.standardOutput = output
    process.standardError = complaints.withDescriptor { FileHandle(fileDescriptor: $0, closeOnDealloc: false) }
    do { try StopSignals.unblocked { try process.run() } } catch {
      throw EvaluationError("\(name) can't be started: \(reason(of: error))")
    }
  }

  func say(_ line: String) throws {
    do { try input.fileHandleForWriting.write(contentsOf: Data((line + "\n").utf8)) } catch { throw failure() }
  }

  func answer() throws -> String {
    while true {
      if let end = unread.firstIndex(of: UInt8(ascii: "\n")) {
        let line = String(decoding: unread[..<end], as: UTF8.self)
        unread.removeSubrange(...end)
        return line.trimmingCharacters(in: .whitespaces)
      }
      let more = output.fileHandleForReading.availableData
      guard !more.isEmpty else { throw failure() }
      unread += more
    }
  }

  /// The error for a program that has ended too early.
  private func failure() -> EvaluationError {
    end()
    var reason = ""
    do {
      let said = String(decoding: try complaints.read(0..<min(complaints.size, 1 << 16)), as: UTF8.self)
      let lines = said.split(separator: "\n").prefix(3)
      reason = lines.isEmpty ? "" : ": " + lines.joined(separator: " / ")
    } catch { reason = "; what it said on its standard error can't be read: \(error)" }
    return EvaluationError("\(name) ended with code \(process.terminationStatus) before it had answered\(reason)")
  }

  func end() {
    do { try input.fileHandleForWriting.close() } catch _ {}  // closed already, or its reader is gone: as wanted
    process.waitUntilExit()
  }
}
