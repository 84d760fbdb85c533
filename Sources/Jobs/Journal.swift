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
  /// The run's lock on its output, without which nothing may be written.
  private let lock: RunLock?
  private var lastFlush = MonotonicClock.now
  /// The byte range of each unit's record, by the unit's key.
  public private(set) var records: [Int: Range<UInt64>] = [:]
  /// Units whose records this run appended, and hasn't read back yet.
  private var unread: Set<Int> = []
  /// Notes for the user about its state when it was opened.
  public private(set) var notes: [String] = []

  /// - Parameter name: its name in errors, if it replaces another journal.
  /// - Throws: `JobError` if it can't be opened.
  private init(_ url: URL, flags: Int32, lock: RunLock?, name: URL? = nil) throws {
    self.url = name ?? url
    self.lock = lock
    do { log = AppendLog(try OpenFile(url, flags: O_RDWR | flags, name: name)) } catch { throw JobError("\(error)") }
  }

  /// A new journal for a run of this identity.
  ///
  /// - Parameter lock: of the run's output; nil if no other run can write to it.
  /// - Throws: `JobError` if the file exists or can't be written.
  public static func create(at url: URL, identity: RunIdentity, lock: RunLock? = nil) throws -> Journal {
    let journal = try Journal(url, flags: O_CREAT | O_EXCL, lock: lock)
    do { try journal.begin(identity) } catch {
      // Nothing is in it, and it would block a run without --resume.
      unlink(url.path)
      throw error
    }
    return journal
  }

  /// The journal of an interrupted run; a new one if there is none, or it is empty.
  ///
  /// - Parameters:
  ///   - lock: of the run's output; nil if no other run can write to it.
  ///   - salvages: continues with the intact records if more than the last record is damaged.
  ///   - attend: called before each record is read: the other ranks wait for this one.
  ///   - decode: reads a record; gives the unit's key and its result, nil if it is no unit's.
  ///   - visit: called once with every unit's result.
  /// - Throws: `JobError` if the journal belongs to another run, naming what differs, is damaged, or holds two different
  ///   results of one unit.
  public static func resume<Result>(
    at url: URL, identity: RunIdentity, lock: RunLock? = nil, salvages: Bool = false,
    attend: () throws -> Void = {},
    decode: ([UInt8]) throws -> (key: Int, result: Result)?, visit: (Result) throws -> Void
  ) throws -> Journal {
    guard FileManager.default.fileExists(atPath: url.path) else {
      return try create(at: url, identity: identity, lock: lock)
    }
    let journal = try Journal(url, flags: 0, lock: lock)
    let size = journal.log.file.size
    guard let first = try journal.first(of: size) else {
      // The run ended while it wrote these first bytes: on a full disk, say.
      try journal.begin(identity)
      journal.notes = ["\(url.path): is empty; the run starts from the beginning"]
      return journal
    }
    try RunIdentity(decoding: first.bytes).requireSame(as: identity, toResume: url, orRemove: "the journal")
    let scan = try AppendLogScan(journal.log, from: first.end, size: size, attend: attend)
    try journal.checkDamage(scan, salvages: salvages)
    for record in scan.records {
      try attend()
      let bytes = try journal.log.file.read(record)
      let decoded: (key: Int, result: Result)?
      do { decoded = try decode(bytes) } catch {
        throw JobError(
          "\(url.path): the record at byte \(record.lowerBound - AppendLog.headBytes) can't be used: \(error)")
      }
      guard let (key, result) = decoded else { continue }
      if let first = journal.records[key] {
        // A unit that occurs twice counts once.
        guard try journal.log.file.read(first) == bytes else { throw journal.contradiction(key, first, record) }
        continue
      }
      journal.records[key] = record
      try visit(result)
    }
    if scan.isWhole(from: first.end) {
      // A record that a kill cut off would hide everything after it.
      try journal.log.resume(at: scan.records.last?.upperBound ?? first.end)
      return journal
    }
    return try journal.rewritten(identity, attend)
  }

  /// Appends one unit's result, and flushes to the disk every few seconds.
  ///
  /// - Throws: `LockLost`; `JobError` if the file is no longer there; `EnvironmentFault`.
  public func append(_ bytes: [UInt8], key: Int) throws {
    let isDue = MonotonicClock.now - lastFlush > Self.flushInterval
    // A process that was stopped for long may have lost its output meanwhile: that is found before it writes.
    if isDue { try check() }
    records[key] = try log.append(bytes)
    unread.insert(key)
    if isDue { try flush() }
  }

  /// One unit's result, read back. Its digest is checked the first time.
  ///
  /// - Throws: `JobError` if there is none, or it is not what was written; `EnvironmentFault`.
  public func record(of key: Int) throws -> [UInt8] {
    guard let range = records[key] else { throw JobError("\(url.path): has no record of unit \(key)") }
    let bytes = try log.file.read(range)
    if unread.remove(key) != nil, try !log.isIntact(bytes, at: range) {
      throw JobError(
        "\(url.path): the record of unit \(key) at byte \(range.lowerBound) is not what was written; continue with "
          + "--resume --salvage")
    }
    return bytes
  }

  /// Flushes everything appended to the disk, once it is certain that the file is still this run's.
  ///
  /// - Throws: as `append`.
  public func flush() throws {
    try check()
    try log.file.flush()
    lastFlush = MonotonicClock.now
  }

  /// Makes sure that the run may still write, before it gives its output a name.
  ///
  /// - Throws: as `append`.
  func check() throws {
    try lock?.check()
    guard log.file.isAt(url) else {
      throw JobError(
        "\(url.path): was removed, renamed or replaced, or its folder was, while this run was writing to it: the run stops, "
          + "since its results would be lost. Where it was renamed, restore the name and continue with --resume")
    }
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
    // A machine that crashed leaves zeros for what it hadn't written.
    if try log.isZero(0..<size) { return nil }
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

  private func contradiction(_ key: Int, _ first: Range<UInt64>, _ second: Range<UInt64>) -> JobError {
    let places = [first, second].map { "\($0.lowerBound - AppendLog.headBytes)" }.joined(separator: " and ")
    return JobError(
      "\(url.path): holds two different results of unit \(key), at bytes \(places): two runs wrote to it, or its ranks "
        + "compute different numbers. Remove it to start over")
  }

  /// - Throws: if more is lost than a kill explains, without `--salvage`.
  private func checkDamage(_ scan: AppendLogScan, salvages: Bool) throws {
    guard scan.lostBytes > 0 else { return }
    let lost = counted(Int(scan.lostBytes), "byte")
    if scan.hasOnlyLostItsEnd {
      notes.append(
        "\(url.path): its last record was cut off when the run ended (\(lost)); that unit is done again")
      return
    }
    let text =
      "\(url.path): is damaged from byte \(scan.firstDamage ?? 0) on: \(lost), at least \(counted(scan.lostRecords, "record")), are lost; "
      + "\(counted(scan.records.count, "record")) \(agreeing(with: scan.records.count, "is", "are")) intact"
    guard salvages else {
      throw JobError(
        text + ". Continue from these with --salvage (the others are done again), or remove the journal to start over")
    }
    notes.append(text + " and kept")
  }

  /// Replaces this file by a new one with the same records.
  private func rewritten(_ identity: RunIdentity, _ attend: () throws -> Void) throws -> Journal {
    let aside = TemporaryName.beside(url)
    let fresh = try Journal(aside, flags: O_CREAT | O_EXCL, lock: lock, name: url)
    do {
      try fresh.begin(identity)
      for (key, record) in records.sorted(by: { $0.value.lowerBound < $1.value.lowerBound }) {
        try attend()
        fresh.records[key] = try fresh.log.append(try log.file.read(record))
      }
      try fresh.log.file.flush()
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
    try log.file.flush()
  }
}
