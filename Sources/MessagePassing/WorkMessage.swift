/// What another rank sends to rank 0: a request, what it computed, or that it leaves.
package enum WorkMessage: Equatable, Sendable {
  /// It would like a unit, beside what it holds.
  case request
  case result(unit: Int, [UInt8])
  /// What a check found.
  case check(unit: Int, [UInt8])
  /// Its last message.
  case leaves

  private static let requestKind: UInt8 = 1
  private static let resultKind: UInt8 = 2
  private static let checkKind: UInt8 = 3
  private static let leavesKind: UInt8 = 4
  private static let headBytes = 9

  package var bytes: [UInt8] {
    switch self {
    case .request: [Self.requestKind]
    case .result(let unit, let bytes): Self.join(Self.resultKind, unit, bytes)
    case .check(let unit, let bytes): Self.join(Self.checkKind, unit, bytes)
    case .leaves: [Self.leavesKind]
    }
  }

  /// - Throws: `WorkSharingError` if the bytes are no such message.
  package init(_ bytes: [UInt8], from rank: Int) throws {
    switch bytes.first {
    case Self.leavesKind? where bytes.count == 1: self = .leaves
    case Self.requestKind? where bytes.count == 1: self = .request
    case let kind? where (kind == Self.resultKind || kind == Self.checkKind) && bytes.count >= Self.headBytes:
      let unit = bytes.withUnsafeBytes { Int($0.loadUnaligned(fromByteOffset: 1, as: Int64.self)) }
      let rest = Array(bytes[Self.headBytes...])
      self = kind == Self.resultKind ? .result(unit: unit, rest) : .check(unit: unit, rest)
    default: throw Self.unknown(bytes, rank)
    }
  }

  private static func join(_ kind: UInt8, _ unit: Int, _ bytes: [UInt8]) -> [UInt8] {
    var all: [UInt8] = []
    all.reserveCapacity(headBytes + bytes.count)
    all.append(kind)
    withUnsafeBytes(of: Int64(unit)) { all.append(contentsOf: $0) }
    all += bytes
    return all
  }

  private static func unknown(_ bytes: [UInt8], _ rank: Int) -> WorkSharingError {
    WorkSharingError(
      description: "rank \(rank) sent rank 0 a message of \(bytes.count) bytes that begins with \(bytes.prefix(9))")
  }
}

/// A unit of work, as the rank that does it gets it.
public struct WorkItem: Equatable, Sendable {
  public let unit: Int
  /// All that is needed to compute it.
  public let content: [UInt8]
  /// The result of another rank, where this one is to check it; nil where the unit is to be computed.
  public let first: [UInt8]?

  package init(unit: Int, content: [UInt8], first: [UInt8]? = nil) {
    (self.unit, self.content, self.first) = (unit, content, first)
  }

  private static let headBytes = 17

  /// As it travels: whether it is a check, the unit, the length of the content; the content, and the first result.
  package var bytes: [UInt8] {
    var all: [UInt8] = []
    all.reserveCapacity(Self.headBytes + content.count + (first?.count ?? 0))
    all.append(first == nil ? 0 : 1)
    for number in [unit, content.count] { withUnsafeBytes(of: Int64(number)) { all.append(contentsOf: $0) } }
    all += content
    if let first { all += first }
    return all
  }

  /// - Returns: nil for a message without bytes: there is no more.
  /// - Throws: `WorkSharingError` if the bytes are no such message.
  package static func decode(_ bytes: [UInt8], at rank: Int) throws -> WorkItem? {
    if bytes.isEmpty { return nil }
    func wrong() -> WorkSharingError {
      WorkSharingError(
        description:
          "rank 0 sent rank \(rank) a unit of \(bytes.count) bytes that begins with \(bytes.prefix(headBytes))")
    }
    guard bytes.count >= headBytes, bytes[0] <= 1 else { throw wrong() }
    let (unit, count) = bytes.withUnsafeBytes {
      ($0.loadUnaligned(fromByteOffset: 1, as: Int64.self), $0.loadUnaligned(fromByteOffset: 9, as: Int64.self))
    }
    guard unit >= 0, count >= 0, count <= bytes.count - headBytes else { throw wrong() }
    let end = headBytes + Int(count)
    guard bytes[0] == 1 || end == bytes.count else { throw wrong() }
    return WorkItem(
      unit: Int(unit), content: Array(bytes[headBytes..<end]), first: bytes[0] == 1 ? Array(bytes[end...]) : nil)
  }
}
