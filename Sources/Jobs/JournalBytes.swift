import Foundation
import Safetensors

/// A journal's file: its bytes, its lock, and the records at a place.
final class JournalBytes {
  /// What errors call it.
  let url: URL
  private let descriptor: Int32

  /// - Parameter name: what it is called once it has taken another's place.
  /// - Throws: `JobError` where it can't be opened, or another run is writing to it.
  init(_ url: URL, flags: Int32, name: URL? = nil) throws {
    self.url = name ?? url
    descriptor = open(url.path, flags | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw JobError("\(url.path): can't be opened: \(String(cString: strerror(errno)))")
    }
    guard Self.lock(descriptor) else {
      throw JobError("\(url.path): another run is writing to it; wait for it or choose another --output")
    }
  }

  /// Takes the lock for as long as the descriptor is open. A run that was killed may hold it a moment longer, and so may a
  /// process between fork and exec.
  ///
  /// - Returns: false where another process holds it for over a second. A file system without locks (ENOLCK, ENOSYS)
  ///   can't tell.
  private static func lock(_ descriptor: Int32) -> Bool {
    for _ in 0..<25 {
      if flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK { return true }
      usleep(50_000)
    }
    return false
  }

  deinit { close(descriptor) }

  var size: UInt64 { UInt64(max(0, lseek(descriptor, 0, SEEK_END))) }

  /// No run's identity is longer, in bytes.
  private static let longestIdentity = 1 << 24

  /// The first record, which says whose journal it is; nil where the file ends before it does, and so holds nothing.
  ///
  /// - Throws: `JobError` where it is something else, or damaged.
  func first(of size: UInt64) throws -> (bytes: [UInt8], end: UInt64)? {
    let magic = UInt64(Journal.magic.count)
    let head = try read(0..<min(magic, size))
    if head == Array(Journal.magic.prefix(head.count)) {
      if size < magic + Journal.headBytes { return nil }
      if let record = try record(at: magic, size: size) { return (try read(record), record.upperBound) }
      // Cut short: but not where only its length was changed, and records follow.
      if let length = try self.head(at: magic, size: size)?.length, length <= Self.longestIdentity,
        length > size - magic - Journal.headBytes, try JournalScan(self, from: magic, size: size).records.isEmpty
      {
        return nil
      }
      throw JobError("\(url.path): its run identity is damaged; remove it, or choose another --output")
    }
    throw JobError("\(url.path): is not a journal of this program; remove it or choose another --output")
  }

  /// Where the bytes of the record at a place would lie, by its length; nil where the file ends before.
  func payload(at start: UInt64, size: UInt64) throws -> Range<UInt64>? {
    guard let (length, _) = try head(at: start, size: size), length >= 0,
      UInt64(length) <= size - start - Journal.headBytes
    else { return nil }
    return start + Journal.headBytes..<start + Journal.headBytes + UInt64(length)
  }

  /// Where the bytes of the record at a place lie; nil where none is there, or it is damaged.
  func record(at start: UInt64, size: UInt64) throws -> Range<UInt64>? {
    guard let (_, digest) = try head(at: start, size: size), let payload = try payload(at: start, size: size) else {
      return nil
    }
    return try Self.digest(read(payload)) == digest ? payload : nil
  }

  private func head(at start: UInt64, size: UInt64) throws -> (length: Int, digest: [UInt8])? {
    guard size >= Journal.headBytes, start <= size - Journal.headBytes else { return nil }
    let bytes = try read(start..<start + Journal.headBytes)
    var reader = ByteReader(bytes)
    return (try reader.integer(), Array(bytes[8...]))
  }

  static func digest(_ bytes: [UInt8]) throws -> [UInt8] {
    try bytes.withUnsafeBytes { Array(try SHA256.hex(of: $0).utf8.prefix(Journal.digestBytes)) }
  }

  func write(_ bytes: [UInt8], at start: UInt64) throws {
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes { buffer in
        buffer.baseAddress.map { pwrite(descriptor, $0 + done, bytes.count - done, off_t(start) + off_t(done)) } ?? 0
      }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw failure("write") }
      done += count
    }
  }

  func read(_ range: Range<UInt64>) throws -> [UInt8] {
    var done = 0
    var bytes = [UInt8](repeating: 0, count: range.count)
    while done < bytes.count {
      let count = bytes.withUnsafeMutableBytes { buffer in
        buffer.baseAddress.map {
          pread(descriptor, $0 + done, range.count - done, off_t(range.lowerBound) + off_t(done))
        } ?? 0
      }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw failure("read") }
      done += count
    }
    return bytes
  }

  func truncate(to size: UInt64) throws {
    guard ftruncate(descriptor, off_t(size)) == 0 else { throw failure("truncate") }
  }

  func flush() throws {
    guard fsync(descriptor) == 0 else { throw failure("flush") }
  }

  func remove() throws {
    guard unlink(url.path) == 0 else { throw failure("remove") }
  }

  func failure(_ operation: String) -> JobError {
    JobError("\(url.path): \(operation) failed: \(String(cString: strerror(errno)))")
  }
}
