/// Little-endian integers, counted bytes and texts: what ranks send each other, and journals hold.
public struct ByteWriter {
  public private(set) var bytes: [UInt8] = []

  public init() {}

  /// 8 bytes.
  public mutating func integer(_ value: Int) {
    withUnsafeBytes(of: Int64(value).littleEndian) { bytes.append(contentsOf: $0) }
  }

  /// Their count, and then the bytes.
  public mutating func bytes(_ more: some Collection<UInt8>) {
    integer(more.count)
    bytes += more
  }

  /// As `bytes`, in UTF-8.
  public mutating func text(_ text: String) { bytes(text.utf8) }

  /// - Parameter write: writes the value, where there is one.
  public mutating func optional<Value>(_ value: Value?, _ write: (inout ByteWriter, Value) -> Void) {
    integer(value == nil ? 0 : 1)
    if let value { write(&self, value) }
  }

  /// - Parameter write: writes one element.
  public mutating func list<Element>(_ list: some Collection<Element>, _ write: (inout ByteWriter, Element) -> Void) {
    integer(list.count)
    for element in list { write(&self, element) }
  }
}

/// Reads what `ByteWriter` wrote. Throws `ByteCodingError` where the bytes are something else.
public struct ByteReader {
  private let all: [UInt8]
  private var at = 0

  public init(_ bytes: [UInt8]) { all = bytes }

  public mutating func integer() throws -> Int {
    guard all.count - at >= 8 else { throw ByteCodingError("ends at byte \(all.count), inside a number") }
    defer { at += 8 }
    return all.withUnsafeBytes { Int(Int64(littleEndian: $0.loadUnaligned(fromByteOffset: at, as: Int64.self))) }
  }

  public mutating func bytes() throws -> [UInt8] { Array(try slice()) }

  /// - Throws: also where the bytes are not UTF-8.
  public mutating func text() throws -> String {
    let start = at
    guard let text = String(validating: try slice(), as: UTF8.self) else {
      throw ByteCodingError("has a text at byte \(start) that is not UTF-8")
    }
    return text
  }

  public mutating func optional<Value>(_ read: (inout ByteReader) throws -> Value) throws -> Value? {
    let start = at
    switch try integer() {
    case 0: return nil
    case 1: return try read(&self)
    case let mark: throw ByteCodingError("has the mark \(mark) at byte \(start); known are 0 and 1")
    }
  }

  /// - Parameter leastBytes: of an element: a list that claims more elements than fit isn't begun.
  public mutating func list<Element>(
    leastBytes: Int = 8, _ read: (inout ByteReader) throws -> Element
  ) throws -> [Element] {
    let start = at
    let count = try integer()
    guard count >= 0, count <= (all.count - at) / leastBytes else {
      throw ByteCodingError("claims \(count) elements at byte \(start) of \(all.count)")
    }
    var list: [Element] = []
    list.reserveCapacity(count)
    for _ in 0..<count { list.append(try read(&self)) }
    return list
  }

  /// - Throws: where bytes are left.
  public func finish() throws {
    guard at == all.count else { throw ByteCodingError("has \(all.count - at) extra bytes") }
  }

  private mutating func slice() throws -> ArraySlice<UInt8> {
    let count = try integer()
    guard count >= 0, count <= all.count - at else {
      throw ByteCodingError("claims \(count) bytes at byte \(at) of \(all.count)")
    }
    defer { at += count }
    return all[at..<at + count]
  }
}

/// Bytes of another rank, or of a file of this program, that are not what they should be.
public struct ByteCodingError: Error, CustomStringConvertible, Equatable {
  /// "a message or record ends at byte 7, inside a number".
  public let description: String

  init(_ what: String) { description = "a message or record \(what)" }
}
