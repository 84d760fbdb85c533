import Foundation
import IO
import RunSupport

/// Finished units of work, appended to a file beside the output, so that a kill loses at most a few seconds of work.
///
/// The file is a magic number, then the records of an `AppendLog`: the run's identity, and one per unit. A record that
/// a kill cut off is dropped when the journal is opened again; if more is damaged, intact records after it are found
/// again.
public final class Journal {
  static let magic = Array("HIJOURNAL1\n".utf8)
  /// The maximum length of a run's identity, in bytes.
  private static let longestIdentity = 1 << 24
  /// Time between two flushes to the disk.
  private static let flushInterval = 3.0

  public let url: URL
  private let log: AppendLog
  private var lastFlush = Date()
  /// The byte range of each unit's record, by the unit's key.
  public private(set) var records: [Int: Range<UInt64>] = [:]
  /// Notes for the user about its state when it was opened.
  public private(set) var notes: [String] = []

  /// - Parameter name: its name in errors, if it replaces another journal.
  /// - Throws: `JobError` if it can't be opened, or another run is writing to it.
  private init(_ url: URL, flags: Int32, name: URL? = nil) throws {
    self.url = name ?? url
    let file: OpenFile
    do { file = try OpenFile(url, flags: O_RDWR | flags, name: name) } catch { throw JobError("\(error)") }
    guard file.lock() else {
      throw JobError("\(url.path): another run is writing to it; wait for it or choose another --output")
    }
    log = AppendLog(file)
  }

  /// A new journal for a run of this identity.
  ///
  /// - Throws: `JobError` if the file exists or can't be written.
  public static func create(at url: URL, identity: RunIdentity) throws -> Journal {
    let journal = try Journal(url, flags: O_CREAT | O_EXCL)
    try journal.begin(identity)
    return journal
  }

  /// The journal of an interrupted run; a new one if there is none, or it is empty.
  ///
  /// - Parameters:
  ///   - salvages: continues with the intact records if more than the last record is damaged.
  ///   - decode: reads a record; gives the unit's key and its result, nil if it is no unit's.
  ///   - visit: called once with every unit's result.
  /// - Throws: `JobError` if the journal belongs to another run, naming what differs, or is damaged.
  public static func resume<Result>(
    at url: URL, identity: RunIdentity, salvages: Bool = false, decode: ([UInt8]) throws -> (key: Int, result: Result)?,
    visit: (Result) throws -> Void
  ) throws -> Journal {
    guard FileManager.default.fileExists(atPath: url.path) else { return try create(at: url, identity: identity) }
    let journal = try Journal(url, flags: 0)
    let size = journal.log.file.size
    guard let first = try journal.first(of: size) else {
      // The run ended while it wrote these first bytes: on a full disk, say.
      try journal.begin(identity)
      journal.notes = ["\(url.path): is empty; the run starts from the beginning"]
      return journal
    }
    try RunIdentity(decoding: first.bytes).requireSame(as: identity, toResume: url, orRemove: "the journal")
    let scan = try AppendLogScan(journal.log, from: first.end, size: size)
    try journal.checkDamage(scan, salvages: salvages)
    for record in scan.records {
      let bytes = try journal.log.file.read(record)
      let decoded: (key: Int, result: Result)?
      do { decoded = try decode(bytes) } catch {
        throw JobError(
          "\(url.path): the record at byte \(record.lowerBound - AppendLog.headBytes) can't be used: \(error)")
      }
      guard let (key, result) = decoded else { continue }
      // A unit that occurs twice counts once.
      guard journal.records[key] == nil else { continue }
      journal.records[key] = record
      try visit(result)
    }
    if scan.isWhole(from: first.end) {
      // A record that a kill cut off would hide everything after it.
      try journal.log.resume(at: scan.records.last?.upperBound ?? first.end)
      return journal
    }
    return try journal.rewritten(identity)
  }

  /// Appends one unit's result, and flushes to the disk every few seconds.
  public func append(_ bytes: [UInt8], key: Int) throws {
    records[key] = try log.append(bytes)
    if abs(Date().timeIntervalSince(lastFlush)) > Self.flushInterval { try flush() }
  }

  /// One unit's result, read back.
  public func record(of key: Int) throws -> [UInt8] {
    guard let range = records[key] else { throw JobError("\(url.path): has no record of unit \(key)") }
    return try log.file.read(range)
  }

  public func flush() throws {
    try log.file.flush()
    lastFlush = Date()
  }

  /// Appends a last record, and makes the file the output itself.
  ///
  /// - Throws: `EnvironmentFault` naming the file.
  public func keep(as output: URL, closing record: [UInt8]) throws {
    try log.append(record)
    try flush()
    try putInPlace(url, at: output)
  }

  /// Removes the file: everything in it is in the output.
  public func remove() throws {
    guard unlink(url.path) == 0 else { throw EnvironmentFault(path: url.path, operation: "removed", code: errno) }
  }

  // MARK: - Whose it is

  /// The first record, the identity of the run; nil if the file ends before it is complete, and so holds nothing.
  ///
  /// - Throws: `JobError` if it is something else, or damaged.
  private func first(of size: UInt64) throws -> (bytes: [UInt8], end: UInt64)? {
    let magic = UInt64(Self.magic.count)
    let head = try log.file.read(0..<min(magic, size))
    guard head == Array(Self.magic.prefix(head.count)) else {
      throw JobError("\(url.path): is not a journal of this program; remove it or choose another --output")
    }
    if size < magic + AppendLog.headBytes { return nil }
    if let record = try log.record(at: magic, size: size) { return (try log.file.read(record), record.upperBound) }
    // Cut off, unless only its length was changed and records follow.
    if let length = try log.length(at: magic, size: size), length <= Self.longestIdentity,
      length > size - magic - AppendLog.headBytes, try AppendLogScan(log, from: magic, size: size).records.isEmpty
    {
      return nil
    }
    throw JobError("\(url.path): its run identity is damaged; remove it, or choose another --output")
  }

  // MARK: - Damage

  /// - Throws: if more is lost than a kill explains, without `--salvage`.
  private func checkDamage(_ scan: AppendLogScan, salvages: Bool) throws {
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

  /// Replaces this file by a new one with the same records.
  private func rewritten(_ identity: RunIdentity) throws -> Journal {
    let aside = TemporaryName.beside(url)
    let fresh = try Journal(aside, flags: O_CREAT | O_EXCL, name: url)
    do {
      try fresh.begin(identity)
      for (key, record) in records.sorted(by: { $0.value.lowerBound < $1.value.lowerBound }) {
        fresh.records[key] = try fresh.log.append(try log.file.read(record))
      }
      try fresh.flush()
      try putInPlace(aside, at: url)
    } catch {
      unlink(aside.path)
      throw error
    }
    fresh.notes = notes
    return fresh
  }

  // MARK: - Writing

  private func begin(_ identity: RunIdentity) throws {
    try log.begin(with: Self.magic)
    try log.append(identity.encode())
    try flush()
  }
}
