import Foundation

/// Another program, which answers each line with a line.
final class LineProcess {
  private let process = Process()
  private let input = Pipe()
  private let output = Pipe()
  /// Where the program's standard error goes: to a pipe that nobody reads it could not write much.
  private let complaints: URL
  /// What errors call the program.
  private let name: String
  private var unread: [UInt8] = []

  /// - Parameter program: looked for on the PATH where it is only a name.
  /// - Throws: `EvaluationError` if it can't be started.
  init(_ program: String, _ arguments: [String], name: String) throws {
    self.name = name
    complaints = FileManager.default.temporaryDirectory.appendingPathComponent("headimpact-\(UUID().uuidString)")
    guard FileManager.default.createFile(atPath: complaints.path, contents: nil) else {
      throw EvaluationError("\(complaints.path): can't be written; the standard error of \(program) goes there")
    }
    // Writing to a program that has ended must be an error, not this program's end.
    signal(SIGPIPE, SIG_IGN)
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [program] + arguments
    process.standardInput = input
    process.standardOutput = output
    do {
      process.standardError = try FileHandle(forWritingTo: complaints)
      try process.run()
    } catch {
      remove(complaints)
      throw EvaluationError("\(name) can't be started: \(error.localizedDescription)")
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
    if let said = FileManager.default.contents(atPath: complaints.path) {
      let lines = String(decoding: said, as: UTF8.self).split(separator: "\n").prefix(3)
      reason = lines.isEmpty ? "" : ": " + lines.joined(separator: " / ")
    }
    return EvaluationError("\(name) ended with code \(process.terminationStatus) before it had answered\(reason)")
  }

  func end() {
    do { try input.fileHandleForWriting.close() } catch _ {}  // closed already, or its reader is gone: as wanted
    process.waitUntilExit()
  }

  deinit { remove(complaints) }
}

/// Removes a temporary file; that it isn't there any more is not an error.
private func remove(_ file: URL) {
  do { try FileManager.default.removeItem(at: file) } catch _ {}
}
