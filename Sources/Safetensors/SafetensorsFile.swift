import Foundation
import IO
import JSON

/// One safetensors file, mapped, its header read strictly: what the reference implementation in Rust refuses is
/// refused here, and so are duplicate keys.
///
/// Layout: a little-endian u64 `n`, `n` bytes of JSON, the tensors' bytes without gaps. Each JSON entry but
/// `__metadata__` is `{"dtype": "BF16", "shape": [2, 3], "data_offsets": [begin, end]}`, counted from the end of the header.
public struct SafetensorsFile: Sendable {
  /// The longest header that is read, as in the Rust implementation.
  ///
  /// - Units: bytes.
  public static let maximumHeaderByteCount = 100_000_000

  public let file: MappedFile
  public let tensors: [String: TensorView]
  public let metadata: [String: String]
  /// The header with the eight bytes of its length.
  ///
  /// - Units: bytes from the start of the file.
  public let headerRange: Range<Int>

  /// - Throws: `SafetensorsError` naming the file, and the tensor and byte if there is one.
  public init(contentsOf url: URL) throws {
    file = try Self.map(url)
    let path = url.path
    let fileByteCount = file.count
    if let complaint = Self.complaint(file) { throw SafetensorsError(path, complaint) }
    guard fileByteCount >= 8 else {
      throw SafetensorsError(
        path, offset: 0, "has \(fileByteCount) bytes; a safetensors file starts with the 8 bytes of its header's length"
      )
    }
    let declared = file.withBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
    guard declared <= Self.maximumHeaderByteCount else {
      throw SafetensorsError(
        path, offset: 0, "declares a header of \(declared) bytes; at most \(Self.maximumHeaderByteCount) are read")
    }
    guard declared <= fileByteCount - 8 else {
      throw SafetensorsError(
        path, offset: 0,
        "declares a header of \(declared) bytes, but only \(fileByteCount - 8) follow: the file is cut off; download it again"
      )
    }
    headerRange = 0..<8 + Int(declared)
    var header = Header(path: path)
    try file.withBytes(in: 8..<headerRange.upperBound) { try header.read($0) }
    try header.checkLayout(dataByteCount: fileByteCount - headerRange.upperBound)
    metadata = header.metadata
    var tensors: [String: TensorView] = [:]
    for entry in header.entries {
      tensors[entry.name] = TensorView(
        name: entry.name, dtype: entry.dtype, shape: entry.shape, file: file,
        offset: headerRange.upperBound + entry.begin, byteCount: entry.end - entry.begin)
    }
    self.tensors = tensors
  }

  /// - Throws: `SafetensorsError` naming the file, if it can't be mapped.
  static func map(_ url: URL) throws -> MappedFile {
    do { return try MappedFile(contentsOf: url) } catch let error as UnusableFile {
      throw SafetensorsError(error.path, error.reason)
    }
  }

  /// What the file is, where it isn't a safetensors file: those have a brace behind the eight bytes of the header's length.
  private static func complaint(_ file: MappedFile) -> String? {
    file.withBytes { bytes in
      guard bytes.count < 9 || bytes[8] != UInt8(ascii: "{") else { return nil }
      return bytes.isEmpty ? "is empty: download it again" : FileKind.recognise(bytes)?.complaint
    }
  }
}

/// A header being read.
private struct Header {
  struct Entry {
    let name: String
    let dtype: SafetensorsDType
    let shape: [Int]
    let begin: Int
    let end: Int
    /// The entry's place in the file, for errors.
    let place: Int
  }

  let path: String
  var entries: [Entry] = []
  var metadata: [String: String] = [:]

  mutating func read(_ bytes: UnsafeRawBufferPointer) throws {
    let header = HeaderReader(path: path, origin: 8)
    try header.read(bytes, "the header") { key, reader in
      if key == "__metadata__" {
        try header.object("__metadata__", &reader) { key, reader in
          metadata[key] = try header.string("the metadata value of '\(printable(key))'", &reader)
        }
      } else {
        entries.append(try Self.entry(key, header, &reader))
      }
    }
  }

  private static func entry(_ name: String, _ header: HeaderReader, _ reader: inout JSONReader) throws -> Entry {
    var dtype: SafetensorsDType?
    var shape: [Int]?
    var offsets: [Int]?
    let start = reader.position
    func error(_ reason: String, at place: Int? = nil) -> SafetensorsError {
      header.error(reason, at: place ?? start, tensor: name)
    }
    try header.object("the entry of tensor '\(printable(name))'", &reader) { key, reader in
      switch key {
      case "dtype":
        let written = try header.string("dtype", &reader)
        guard let known = SafetensorsDType(rawValue: written) else {
          let all = SafetensorsDType.allCases.map(\.rawValue).joined(separator: ", ")
          throw error("unknown dtype '\(printable(written))'; known are \(all)", at: reader.lastStart)
        }
        dtype = known
      case "shape": shape = try header.counts("shape", atMost: 64, tensor: name, &reader)
      case "data_offsets": offsets = try header.counts("data_offsets", atMost: 2, tensor: name, &reader)
      default: throw error("unknown key '\(printable(key))'", at: reader.keyPosition)
      }
    }
    guard let dtype, let shape, let offsets, offsets.count == 2 else {
      throw error("needs dtype, shape and data_offsets (two numbers)")
    }
    guard offsets[0] <= offsets[1] else {
      throw error("data_offsets \(offsets) end before they begin")
    }
    guard let byteCount = product(shape + [dtype.byteCount]) else {
      throw error("shape \(shape) is larger than any memory")
    }
    guard byteCount == offsets[1] - offsets[0] else {
      throw error(
        "shape \(shape) of \(dtype.rawValue) is \(byteCount) bytes, but data_offsets \(offsets) hold "
          + "\(offsets[1] - offsets[0])")
    }
    return Entry(name: name, dtype: dtype, shape: shape, begin: offsets[0], end: offsets[1], place: 8 + start)
  }

  /// `nil` on overflow. Zeros count last, so that [huge, huge, 0] is empty and no overflow.
  private static func product(_ factors: [Int]) -> Int? {
    if factors.contains(0) { return 0 }
    return factors.reduce(1 as Int?) { partial, factor in
      guard let (value, overflow) = partial?.multipliedReportingOverflow(by: factor), !overflow else { return nil }
      return value
    }
  }

  /// The tensors, in order of their offsets, must tile the data exactly.
  mutating func checkLayout(dataByteCount: Int) throws {
    entries.sort { ($0.begin, $0.end) < ($1.begin, $1.end) }
    var end = 0
    for entry in entries {
      func error(_ reason: String) -> SafetensorsError {
        SafetensorsError(path, tensor: entry.name, offset: entry.place, reason)
      }
      guard entry.end <= dataByteCount else {
        let whole = entries.map(\.end).max() ?? entry.end
        throw error(
          "ends at byte \(entry.end) of the data, which has \(dataByteCount) of \(whole) bytes: the file is cut off, probably by an "
            + "interrupted download; download it again")
      }
      guard entry.begin >= end else {
        throw error("starts at byte \(entry.begin) of the data, inside the tensor before it, which ends at \(end)")
      }
      guard entry.begin == end else {
        throw error("starts at byte \(entry.begin) of the data, leaving a gap after byte \(end)")
      }
      end = entry.end
    }
    guard end == dataByteCount else {
      throw SafetensorsError(
        path, offset: nil, "has \(dataByteCount - end) bytes after its last tensor that no header entry describes")
    }
  }
}
