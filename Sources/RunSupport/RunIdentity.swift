import Foundation

/// Everything that a run's numbers depend on, with readable names, and nothing else: a run may be resumed on other
/// ranks, but not with these changed.
public struct RunIdentity: Codable, Equatable, Sendable {
  public struct Part: Codable, Equatable, Sendable {
    public let name: String
    public let value: String
  }

  public let parts: [Part]

  public init(_ parts: [(name: String, value: String)]) {
    self.parts = parts.map { Part(name: $0.name, value: $0.value) }
  }

  /// One line per difference; none if the two are the same run.
  public func differences(from other: RunIdentity) -> [String] {
    let before = Dictionary(parts.map { ($0.name, $0.value) }) { first, _ in first }
    let now = Dictionary(other.parts.map { ($0.name, $0.value) }) { first, _ in first }
    let (past, present) = (Set(before.keys), Set(now.keys))
    guard 2 * past.intersection(present).count >= min(past.count, present.count) else {
      return ["it is a run of another kind"]
    }
    let names = parts.map(\.name) + other.parts.map(\.name).filter { before[$0] == nil }
    return names.compactMap { name in
      before[name] == now[name]
        ? nil : "\(name) was \(before[name] ?? "not recorded") and now is \(now[name] ?? "not asked for")"
    }
  }

  /// The same without some parts.
  public func without(_ names: Set<String>) -> RunIdentity {
    RunIdentity(parts.filter { !names.contains($0.name) }.map { ($0.name, $0.value) })
  }

  /// - Throws: `JobError` if a finished output is of another run than the one asked for, naming what differs.
  public func requireSame(as asked: RunIdentity, finished output: URL) throws {
    let differences = differences(from: asked)
    guard differences.isEmpty else {
      throw JobError(
        "\(output.path): is finished, with different inputs:\(differences.map { "\n  " + $0 }.joined())\n"
          + "Give the same ones, or choose another --output")
    }
  }

  /// - Parameters:
  ///   - record: where it was read.
  ///   - name: what to remove to start over.
  /// - Throws: `JobError` if the run that left the record is another than the one asked for, naming what differs.
  public func requireSame(as asked: RunIdentity, toResume record: URL, orRemove name: String) throws {
    let differences = differences(from: asked)
    guard differences.isEmpty else {
      throw JobError(
        "\(record.path): the run to resume had different inputs:\(differences.map { "\n  " + $0 }.joined())\n"
          + "Give the same ones, or remove \(name) to start over")
    }
  }

  /// As JSON with sorted keys: the same identity has the same bytes.
  public func encode() throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    return Array(try encoder.encode(self))
  }

  /// - Throws: `JobError` if the bytes are no identity.
  public init(decoding bytes: [UInt8]) throws {
    do {
      self = try JSONDecoder().decode(Self.self, from: Data(bytes))
    } catch {
      throw JobError("the run's record was written by another version of this program; start over")
    }
  }
}
