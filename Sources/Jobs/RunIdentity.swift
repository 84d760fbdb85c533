import Foundation

/// Everything that a run's numbers depend on, as a person calls it, and nothing else: a run may be resumed on other ranks, not
/// with these changed.
public struct RunIdentity: Codable, Equatable, Sendable {
  public struct Part: Codable, Equatable, Sendable {
    public let name: String
    public let value: String
  }

  public let parts: [Part]

  public init(_ parts: [(name: String, value: String)]) {
    self.parts = parts.map { Part(name: $0.name, value: $0.value) }
  }

  /// One line a difference; none where the two are the same run.
  public func differences(from other: RunIdentity) -> [String] {
    guard parts.map(\.name) == other.parts.map(\.name) else { return ["it is a run of another kind"] }
    return zip(parts, other.parts).compactMap { mine, theirs in
      mine.value == theirs.value ? nil : "\(mine.name) was \(mine.value) and now is \(theirs.value)"
    }
  }

  public func encode() throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    return Array(try encoder.encode(self))
  }

  /// - Throws: `JobError` where the bytes are no identity.
  public init(decoding bytes: [UInt8]) throws {
    do {
      self = try JSONDecoder().decode(Self.self, from: Data(bytes))
    } catch {
      throw JobError("what begins the run's record is of another version of this program; start afresh")
    }
  }
}
