import Foundation
import IO

/// Who holds a lock, as its file says.
public struct LockHolder: Codable, Equatable, Sendable {
  public let process: ProcessMark
  /// When the run began, by its machine's clock: for people, never compared.
  public let begun: String
  public let command: String
  /// How long the lock must be untouched to be left behind, in seconds: the run touches it six times as often.
  let silence: Double
  /// Tells this lock from every other one.
  let token: String

  private static let longestCommand = 1000

  /// This process, from now on.
  static func current(silence: Double) -> LockHolder {
    var words = CommandLine.arguments
    if let program = words.first { words[0] = URL(fileURLWithPath: program).lastPathComponent }
    return LockHolder(
      process: .current, begun: ISO8601DateFormatter().string(from: Date()),
      command: String(words.joined(separator: " ").prefix(longestCommand)), silence: silence,
      token: String(UInt64.random(in: 0...UInt64.max), radix: 16))
  }

  /// "host node3, process 976, since 2026-11-27T16:40:00Z".
  var text: String { "host \(process.host), process \(process.process), since \(begun)" }

  func encode() throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return Array(try encoder.encode(self) + Data("\n".utf8))
  }

  /// nil for bytes that are none: of a lock that is being written, or of something else.
  init?(_ bytes: [UInt8]) {
    do { self = try JSONDecoder().decode(LockHolder.self, from: Data(bytes)) } catch { return nil }
  }

  private init(process: ProcessMark, begun: String, command: String, silence: Double, token: String) {
    (self.process, self.begun, self.command) = (process, begun, command)
    (self.silence, self.token) = (silence, token)
  }
}
