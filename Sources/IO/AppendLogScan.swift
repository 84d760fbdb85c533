/// Which records of a log are intact, and which parts between them are damaged.
public struct AppendLogScan {
  /// The byte ranges of the intact records, ascending.
  public private(set) var records: [Range<UInt64>] = []
  /// The damaged byte ranges, ascending.
  public private(set) var damage: [Range<UInt64>] = []
  /// The number of records in the damaged parts, according to their lengths: at least one each.
  public private(set) var lostRecords = 0
  /// Whether the only damage is one record at the end, or bytes that the system never wrote.
  public private(set) var hasOnlyLostItsEnd = false

  public var lostBytes: UInt64 { damage.reduce(0) { $0 + UInt64($1.count) } }
  public var firstDamage: UInt64? { damage.first?.lowerBound }

  /// Bytes per block in the search for the next intact record.
  private static let window: UInt64 = 1 << 20

  /// - Parameters:
  ///   - start: where the first record lies.
  ///   - size: of the file.
  ///   - attend: called before each record: to read all of a long log takes minutes.
  /// - Throws: `EnvironmentFault`, and what `attend` throws.
  public init(_ log: AppendLog, from start: UInt64, size: UInt64, attend: () throws -> Void = {}) throws {
    var at = start
    while at < size {
      try attend()
      if let record = try log.record(at: at, size: size) {
        records.append(record)
        at = record.upperBound
        continue
      }
      let next = try Self.nextRecord(in: log, after: at, size: size) ?? size
      damage.append(at..<next)
      lostRecords += try Self.countLost(log, at..<next, size: size)
      at = next
    }
    if damage.count == 1, let end = damage.first, end.upperBound == size {
      hasOnlyLostItsEnd = try lostRecords == 1 || log.isZero(end)
    }
  }

  /// Whether the intact records follow one another from `start` on.
  public func isWhole(from start: UInt64) -> Bool {
    damage.allSatisfy { $0.lowerBound >= records.last?.upperBound ?? start }
  }

  /// The start of the first intact record after a damaged one.
  private static func nextRecord(in log: AppendLog, after damaged: UInt64, size: UInt64) throws -> UInt64? {
    // If only the bytes of a record were changed, its length still leads to the next.
    if let payload = try log.payload(at: damaged, size: size), payload.upperBound < size,
      try log.record(at: payload.upperBound, size: size) != nil
    {
      return payload.upperBound
    }
    var first = damaged + 1
    let head = AppendLog.headBytes
    while first + head <= size {
      let bytes = try log.file.read(first..<min(size, first + window + head))
      let starts = bytes.count - Int(head) + 1
      for offset in 0..<starts where couldBegin(bytes, at: offset, room: size - first - UInt64(offset) - head) {
        if try log.record(at: first + UInt64(offset), size: size) != nil { return first + UInt64(offset) }
      }
      first += UInt64(starts)
    }
    return nil
  }

  /// Whether a record's length and digest could be here; then the digest is computed.
  private static func couldBegin(_ bytes: [UInt8], at offset: Int, room: UInt64) -> Bool {
    // The length's highest byte is 0 in any file, and that of a text or a digest never is.
    guard bytes[offset + 7] == 0, bytes[offset + 6] == 0 else { return false }
    let length = (0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[offset + $1]) << (8 * UInt64($1)) }
    return length <= room
      && bytes[offset + 8..<offset + Int(AppendLog.headBytes)].allSatisfy {
        (0x30...0x39).contains($0) || (0x61...0x66).contains($0)
      }
  }

  /// Records in a damaged part, as far as their lengths lead.
  private static func countLost(_ log: AppendLog, _ part: Range<UInt64>, size: UInt64) throws -> Int {
    var count = 0
    var at = part.lowerBound
    while at < part.upperBound {
      count += 1
      // A length of 0 advances by one record head, as in the zeros of a part that was never written.
      guard let payload = try log.payload(at: at, size: size), payload.upperBound <= part.upperBound,
        !payload.isEmpty
      else { break }
      at = payload.upperBound
    }
    return count
  }
}
