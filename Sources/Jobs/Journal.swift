import Foundation
import Safetensors

/// Finished units of work, appended beside the output as they come, so that a kill loses a few seconds of work at most.
///
/// The file is a magic number, the run's identity, then one record a unit; each is its length, 16 hexadecimal digits of
/// its SHA-256, and its bytes. A record that a kill cut short is dropped when the journal is opened again; where more is
/// damaged, what is whole behind it is found again by its digests (`JournalScan`).
public final class Journal {
  static let magic = Array("HIJOURNAL1\n".utf8)
  static let digestBytes = 16
  /// Of a record, before its bytes.
  static let headBytes = 8 + UInt64(digestBytes)
  /// Time between two flushes to the disk.
  private static let flushInterval = 3.0

  public let url: URL
  private let file: JournalBytes
  private var end: UInt64 = 0
  private var lastFlush = Date()
  /// Where each unit's record lies, by the unit's key.
  public private(set) var records: [Int: Range<UInt64>] = [:]
  /// What the user should know of how it was found.
  public private(set) var notes: [String] = []

  private init(_ file: JournalBytes) {
    self.file = file
    url = file.url
  }

  /// A new journal for a run of this identity.
  ///
  /// - Throws: `JobError` where the file exists or can't be written.
  public static func create(at url: URL, identity: RunIdentity) throws -> Journal {
    let journal = Journal(try JournalBytes(url, flags: O_RDWR | O_CREAT | O_EXCL))
    try journal.begin(identity)
    return journal
  }

  /// The journal of a run that was stopped; a new one where there is none, or nothing was in it yet.
  ///
  /// - Parameters:
  ///   - salvages: goes on with what is whole where more than the last record is damaged.
  ///   - decode: reads a record; gives the unit's key and its result.
  ///   - visit: shown every unit's result, once.
  /// - Throws: `JobError` where the journal belongs to another run, naming what differs, or is damaged.
  public static func resume<Result>(
    at url: URL, identity: RunIdentity, salvages: Bool = false, decode: ([UInt8]) throws -> (key: Int, result: Result),
    visit: (Result) throws -> Void
  ) throws -> Journal {
    guard FileManager.default.fileExists(atPath: url.path) else { return try create(at: url, identity: identity) }
    let journal = Journal(try JournalBytes(url, flags: O_RDWR))
    let size = journal.file.size
    guard let first = try journal.file.first(of: size) else {
      // The run ended while it wrote these first bytes: on a full disk, say.
      try journal.file.truncate(to: 0)
      try journal.begin(identity)
      journal.notes = ["\(url.path): is empty; the run starts from the beginning"]
      return journal
    }
    let differences = try RunIdentity(decoding: first.bytes).differences(from: identity)
    guard differences.isEmpty else {
      throw JobError(
        "\(url.path): the run to resume had different inputs:\(differences.map { "\n  " + $0 }.joined())\n"
          + "Give the same ones, or remove the journal to start over")
    }
    let scan = try JournalScan(journal.file, from: first.end, size: size)
    try journal.checkDamage(scan, salvages: salvages)
    for record in scan.records {
      let bytes = try journal.file.read(record)
      let (key, result): (Int, Result)
      do { (key, result) = try decode(bytes) } catch {
        throw JobError("\(url.path): the record at byte \(record.lowerBound - headBytes) can't be used: \(error)")
      }
      // A unit that is there twice was done once.
      guard journal.records[key] == nil else { continue }
      journal.records[key] = record
      try visit(result)
    }
    if scan.isWhole(from: first.end) {
      // What a kill cut short would hide everything after it.
      journal.end = scan.records.last?.upperBound ?? first.end
      try journal.file.truncate(to: journal.end)
      return journal
    }
    return try journal.rewritten(identity)
  }

  /// Appends one unit's result, and flushes to the disk every few seconds.
  public func append(_ bytes: [UInt8], key: Int) throws {
    records[key] = try append(bytes)
    if abs(Date().timeIntervalSince(lastFlush)) > Self.flushInterval { try flush() }
  }

  /// One unit's result, read back.
  public func record(of key: Int) throws -> [UInt8] {
    guard let range = records[key] else { throw JobError("\(url.path): has no record of unit \(key)") }
    return try file.read(range)
  }

  public func flush() throws {
    try file.flush()
    lastFlush = Date()
  }

  /// Removes the file: everything in it is in the output.
  public func remove() throws { try file.remove() }

  // MARK: - Damage

  /// - Throws: where more is lost than a kill explains, and isn't to be salvaged.
  private func checkDamage(_ scan: JournalScan, salvages: Bool) throws {
    guard scan.lostBytes > 0 else { return }
    let lost = "\(scan.lostBytes) bytes"
    if scan.hasOnlyLostItsEnd {
      notes.append(
        "\(url.path): its last record was cut off when the run ended (\(lost)); that unit is done again")
      return
    }
    let text =
      "\(url.path): is damaged from byte \(scan.firstDamage ?? 0) on: \(lost), at least \(scan.lostRecords) records, are lost; "
      + "\(scan.records.count) records are intact"
    guard salvages else {
      throw JobError(
        text + ". Continue from these with --salvage (the others are done again), or remove the journal to start over")
    }
    notes.append(text + " and kept")
  }

  /// The same records in a new file in the place of this one.
  private func rewritten(_ identity: RunIdentity) throws -> Journal {
    let aside = url.deletingLastPathComponent().appendingPathComponent(".\(url.lastPathComponent).\(getpid()).partial")
    unlink(aside.path)
    let fresh = Journal(try JournalBytes(aside, flags: O_RDWR | O_CREAT | O_EXCL, name: url))
    do {
      try fresh.begin(identity)
      for (key, record) in records.sorted(by: { $0.value.lowerBound < $1.value.lowerBound }) {
        fresh.records[key] = try fresh.append(try file.read(record))
      }
      try fresh.flush()
      guard rename(aside.path, url.path) == 0 else { throw fresh.file.failure("replace") }
    } catch {
      unlink(aside.path)
      throw error
    }
    fresh.notes = notes
    return fresh
  }

  // MARK: - Writing

  private func begin(_ identity: RunIdentity) throws {
    try file.write(Self.magic, at: 0)
    end = UInt64(Self.magic.count)
    try append(identity.encode())
    try flush()
  }

  @discardableResult
  private func append(_ payload: [UInt8]) throws -> Range<UInt64> {
    var writer = ByteWriter()
    writer.integer(payload.count)
    let first = end + Self.headBytes
    try file.write(writer.bytes + JournalBytes.digest(payload) + payload, at: end)
    end = first + UInt64(payload.count)
    return first..<end
  }
}
