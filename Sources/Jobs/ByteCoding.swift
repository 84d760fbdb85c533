import RunSupport

/// Little-endian integers and counted bytes.
public struct ByteWriter {
  public private(set) var bytes: [UInt8] = []

  public init() {}

  public mutating func integer(_ value: Int) {
    withUnsafeBytes(of: Int64(value).littleEndian) { bytes.append(contentsOf: $0) }
  }

  public mutating func bytes(_ more: [UInt8]) {
    integer(more.count)
    bytes += more
  }
}

/// Reads what `ByteWriter` wrote, and throws if bytes are missing.
public struct ByteReader {
  private let all: [UInt8]
  private var at = 0

  public init(_ bytes: [UInt8]) { all = bytes }

  public mutating func integer() throws -> Int {
    guard all.count - at >= 8 else { throw JobError("a result ends at byte \(all.count), inside a number") }
    defer { at += 8 }
    return all.withUnsafeBytes { Int(Int64(littleEndian: $0.loadUnaligned(fromByteOffset: at, as: Int64.self))) }
  }

  public mutating func bytes() throws -> [UInt8] {
    let count = try integer()
    guard count >= 0, count <= all.count - at else {
      throw JobError("a result claims \(count) bytes at byte \(at) of \(all.count)")
    }
    defer { at += count }
    return Array(all[at..<at + count])
  }

  public func finish() throws {
    guard at == all.count else { throw JobError("a result has \(all.count - at) extra bytes") }
  }
}
