import Foundation
import Safetensors

/// Finished units of work, appended beside the output as they come, so that a kill loses a few seconds of work at most.
///
/// The file is a magic number, the run's identity, then one record a unit; each is its length, 16 hexadecimal digits of
/// its SHA-256, and its bytes. A record that a kill cut short is dropped when the journal is opened again.
public final class Journal {
  private static let magic = Array("HIJOURNAL1\n".utf8)
  private static let digestBytes = 16
  /// Time between two flushes to the disk.
  private static let flushInterval = 3.0

  public let url: URL
  private let descriptor: Int32
  private var end: UInt64 = 0
  private var lastFlush = Date()
  /// Where each unit's record lies, by the unit's key.
  public private(set) var records: [Int: Range<UInt64>] = [:]

  private init(url: URL, descriptor: Int32) {
    self.url = url
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }

  /// A new journal for a run of this identity.
  ///
  /// - Throws: `JobError` where the file exists or can't be written.
  public static func create(at url: URL, identity: RunIdentity) throws -> Journal {
    let journal = try open(url, flags: O_RDWR | O_CREAT | O_EXCL)
    try journal.write(magic)
    try journal.append(identity.encode())
    try journal.flush()
    return journal
  }

  /// The journal of a run that was stopped.
  ///
  /// - Parameter visit: shown every record that is whole; gives the unit's key.
  /// - Throws: `JobError` where the journal belongs to another run, naming what differs.
  public static func resume(
    at url: URL, identity: RunIdentity, visit: ([UInt8]) throws -> Int
  ) throws -> Journal {
    let journal = try open(url, flags: O_RDWR)
    let size = UInt64(max(0, lseek(journal.descriptor, 0, SEEK_END)))
    let head = try journal.read(0..<min(UInt64(magic.count), size))
    guard head == magic, let first = try journal.record(at: UInt64(magic.count), fileSize: size) else {
      throw JobError("\(url.path): is no journal of a run of this program; remove it or choose another --output")
    }
    let begun = try RunIdentity(decoding: first.bytes)
    let differences = begun.differences(from: identity)
    guard differences.isEmpty else {
      throw JobError(
        "\(url.path): the run to resume had other inputs:\(differences.map { "\n  " + $0 }.joined())\n"
          + "Give the same ones, or remove the journal to start afresh")
    }
    var at = first.end
    while let record = try journal.record(at: at, fileSize: size) {
      journal.records[try visit(record.bytes)] = record.payload
      at = record.end
    }
    // What a kill cut short would hide everything after it.
    guard ftruncate(journal.descriptor, off_t(at)) == 0 else { throw journal.failure("truncate") }
    journal.end = at
    return journal
  }

  /// Appends one unit's result, and flushes to the disk every few seconds.
  public func append(_ bytes: [UInt8], key: Int) throws {
    records[key] = try append(bytes)
    if Date().timeIntervalSince(lastFlush) > Self.flushInterval { try flush() }
  }

  /// One unit's result, read back.
  public func record(of key: Int) throws -> [UInt8] {
    guard let range = records[key] else { throw JobError("\(url.path): has no record of unit \(key)") }
    return try read(range)
  }

  public func flush() throws {
    guard fsync(descriptor) == 0 else { throw failure("flush") }
    lastFlush = Date()
  }

  /// Removes the file: everything in it is in the output.
  public func remove() throws {
    guard unlink(url.path) == 0 else { throw failure("remove") }
  }

  private static func open(_ url: URL, flags: Int32) throws -> Journal {
    let descriptor = Foundation.open(url.path, flags | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw JobError("\(url.path): can't be opened: \(String(cString: strerror(errno)))")
    }
    let journal = Journal(url: url, descriptor: descriptor)
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      throw JobError("\(url.path): another run is writing to it; wait for it or choose another --output")
    }
    return journal
  }

  @discardableResult
  private func append(_ payload: [UInt8]) throws -> Range<UInt64> {
    var writer = ByteWriter()
    writer.integer(payload.count)
    let start = end
    try write(writer.bytes + Self.digest(payload) + payload)
    let first = start + 8 + UInt64(Self.digestBytes)
    return first..<first + UInt64(payload.count)
  }

  private func record(at start: UInt64, fileSize: UInt64) throws -> (
    bytes: [UInt8], payload: Range<UInt64>, end: UInt64
  )? {
    let head = 8 + UInt64(Self.digestBytes)
    guard start + head <= fileSize else { return nil }
    let bytes = try read(start..<start + head)
    var reader = ByteReader(bytes)
    let count = try reader.integer()
    guard count >= 0, UInt64(count) <= fileSize - start - head else { return nil }
    let payload = start + head..<start + head + UInt64(count)
    let content = try read(payload)
    guard try Self.digest(content) == Array(bytes[8...]) else { return nil }
    return (content, payload, payload.upperBound)
  }

  private static func digest(_ bytes: [UInt8]) throws -> [UInt8] {
    try bytes.withUnsafeBytes { Array(try SHA256.hex(of: $0).utf8.prefix(digestBytes)) }
  }

  private func write(_ bytes: [UInt8]) throws {
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes { buffer in
        buffer.baseAddress.map { pwrite(descriptor, $0 + done, bytes.count - done, off_t(end) + off_t(done)) } ?? 0
      }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw failure("write") }
      done += count
    }
    end += UInt64(bytes.count)
  }

  private func read(_ range: Range<UInt64>) throws -> [UInt8] {
    var done = 0
    var bytes = [UInt8](repeating: 0, count: range.count)
    while done < bytes.count {
      let count = bytes.withUnsafeMutableBytes { buffer in
        buffer.baseAddress.map {
          pread(descriptor, $0 + done, range.count - done, off_t(range.lowerBound) + off_t(done))
        }
          ?? 0
      }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw failure("read") }
      done += count
    }
    return bytes
  }

  private func failure(_ operation: String) -> JobError {
    JobError("\(url.path): \(operation) failed: \(String(cString: strerror(errno)))")
  }
}
