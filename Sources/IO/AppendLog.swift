import Foundation

/// Records appended to a file, so that a kill loses the last one at most.
///
/// A record is its length (64 bits, little-endian), 16 hexadecimal digits of its SHA-256, and its bytes. Where a record
/// is damaged, intact ones after it are found by their digests (`AppendLogScan`). The bytes before the
/// first record belong to the owner of the log.
public final class AppendLog {
  static let digestBytes = 16
  private static let zeroBlock: UInt64 = 1 << 20
  /// Of a record, before its bytes.
  public static let headBytes = 8 + UInt64(digestBytes)

  public let file: OpenFile
  /// The position of the next record.
  public private(set) var end: UInt64 = 0

  public init(_ file: OpenFile) { self.file = file }

  /// Starts over, with these bytes before the first record.
  ///
  /// - Throws: `EnvironmentFault` naming the file.
  public func begin(with bytes: [UInt8]) throws {
    try file.truncate(to: 0)
    try bytes.withUnsafeBytes { try file.write($0, at: 0) }
    end = UInt64(bytes.count)
  }

  /// Drops everything from a byte on, and continues there.
  ///
  /// - Throws: `EnvironmentFault` naming the file.
  public func resume(at end: UInt64) throws {
    try file.truncate(to: end)
    self.end = end
  }

  /// - Returns: the byte range of the record.
  /// - Throws: `EnvironmentFault` naming the file; the next record then takes this one's place.
  @discardableResult
  public func append(_ payload: [UInt8]) throws -> Range<UInt64> {
    let length = withUnsafeBytes(of: Int64(payload.count).littleEndian) { Array($0) }
    try (length + Self.digest(payload) + payload).withUnsafeBytes { try file.write($0, at: end) }
    let first = end + Self.headBytes
    end = first + UInt64(payload.count)
    return first..<end
  }

  // MARK: - Reading

  /// The stated length of the record at a position; nil if the file ends before it.
  ///
  /// - Parameter size: of the file.
  public func length(at start: UInt64, size: UInt64) throws -> Int? { try head(at: start, size: size)?.length }

  /// The byte range of the record at a position; nil if there is none, or it is damaged.
  public func record(at start: UInt64, size: UInt64) throws -> Range<UInt64>? {
    guard let (_, digest) = try head(at: start, size: size), let payload = try payload(at: start, size: size) else {
      return nil
    }
    return try Self.digest(file.read(payload)) == digest ? payload : nil
  }

  /// Whether the bytes of a record are those that were written.
  ///
  /// - Parameter range: of the bytes, as `append` gave it.
  public func isIntact(_ payload: [UInt8], at range: Range<UInt64>) throws -> Bool {
    let head = try file.read(range.lowerBound - Self.headBytes..<range.lowerBound)
    return try Array(head[8...]) == Self.digest(payload)
  }

  /// The byte range of the record at a position, according to its length; nil if the file ends before it.
  func payload(at start: UInt64, size: UInt64) throws -> Range<UInt64>? {
    guard let (length, _) = try head(at: start, size: size), length >= 0,
      UInt64(length) <= size - start - Self.headBytes
    else { return nil }
    return start + Self.headBytes..<start + Self.headBytes + UInt64(length)
  }

  /// Whether a part of the file holds nothing but zeros, as after a crash of the machine.
  public func isZero(_ part: Range<UInt64>) throws -> Bool {
    var at = part.lowerBound
    while at < part.upperBound {
      let end = min(part.upperBound, at + Self.zeroBlock)
      guard try file.read(at..<end).allSatisfy({ $0 == 0 }) else { return false }
      at = end
    }
    return true
  }

  private func head(at start: UInt64, size: UInt64) throws -> (length: Int, digest: [UInt8])? {
    guard size >= Self.headBytes, start <= size - Self.headBytes else { return nil }
    let bytes = try file.read(start..<start + Self.headBytes)
    let length = bytes.withUnsafeBytes { Int64(littleEndian: $0.loadUnaligned(as: Int64.self)) }
    return (Int(length), Array(bytes[8...]))
  }

  private static func digest(_ bytes: [UInt8]) throws -> [UInt8] {
    try bytes.withUnsafeBytes { Array(try SHA256.hex(of: $0).utf8.prefix(digestBytes)) }
  }
}
