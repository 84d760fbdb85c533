import Foundation
import IO
import RunSupport

/// Appends records to a journal on a thread of its own, so that the digests, the writes, and the flushes to the disk
/// don't delay rank 0's answers to the other ranks.
///
/// Invariant, which makes it `Sendable`: what `state` guards is touched under its lock only; from `init` to the end of
/// `drain` the thread alone touches the journal, and afterwards the caller alone.
public final class JournalWriter: @unchecked Sendable {
  /// Records may wait in this much memory; then `append` waits.
  public static let mostWaitingBytes = 256 << 20
  /// Written bytes are flushed at once where there are so many, so that no flush takes long enough for records to pile up.
  private static let mostUnflushedBytes = 64 << 20

  private let journal: Journal
  private let condition = NSCondition()
  private var waiting: [(bytes: [UInt8], key: Int)] = []
  private var waitingBytes = 0
  private var failure: (any Error)?
  private var isEnding = false
  /// Whether `save` waits, and whether all is on the disk.
  private var isSaving = false
  private var isSaved = false
  /// Whether the thread flushes at present.
  private var isFlushing = false
  /// nil after `drain`, and where no thread could be started: then `append` writes.
  private var thread: SideThread?

  /// Nothing else may touch the journal until `drain` returns.
  public init(_ journal: Journal) {
    self.journal = journal
    thread = SideThread { [self] in write() }
  }

  /// - Parameter attend: called now and then where this waits for a slow disk.
  /// - Throws: what writing an earlier record threw, then and ever after; what `attend` throws.
  public func append(_ bytes: [UInt8], key: Int, attend: () throws -> Void = {}) throws {
    guard thread != nil else { return try journal.append(bytes, key: key) }
    condition.lock()
    defer { condition.unlock() }
    while waitingBytes > Self.mostWaitingBytes, failure == nil {
      if condition.wait(until: Date(timeIntervalSinceNow: 0.2)) { continue }
      condition.unlock()
      defer { condition.lock() }
      try attend()
    }
    if let failure { throw failure }
    isSaved = false
    waiting.append((bytes, key))
    waitingBytes += bytes.count
    condition.broadcast()
  }

  /// Returns when all records are on the disk. The journal is the caller's again.
  ///
  /// - Throws: what writing a record threw.
  public func drain() throws {
    condition.lock()
    isEnding = true
    condition.broadcast()
    condition.unlock()
    thread.take()?.join()
    if let failure { throw failure }
    try journal.flush()
    condition.lock()
    isSaved = true
    condition.broadcast()
    condition.unlock()
  }

  /// Waits until all records are on the disk, at most so long; from another thread than `append`, while the process ends.
  ///
  /// - Parameter seconds: of waiting.
  /// - Returns: whether they are.
  @discardableResult
  public func save(within seconds: Double) -> Bool {
    condition.lock()
    defer { condition.unlock() }
    isSaving = true
    condition.broadcast()
    // Not by the condition's own limit, which is a time of the clock that may be set.
    let end = MonotonicClock.now + seconds
    while !isSaved, failure == nil, MonotonicClock.now < end {
      condition.unlock()
      usleep(1000)
      condition.lock()
    }
    return isSaved && failure == nil
  }

  /// The thread: until the end, or the first error.
  private func write() {
    var unflushed = 0
    while let records = take() {
      do {
        for record in records {
          try journal.append(record.bytes, key: record.key)
          unflushed += record.bytes.count
        }
        if records.isEmpty || unflushed > Self.mostUnflushedBytes {
          try journal.flush()
          unflushed = 0
        }
      } catch {
        condition.lock()
        failure = error
        condition.broadcast()
        condition.unlock()
        return
      }
    }
  }

  /// The records that wait, as soon as there are any; none if what was written is to be flushed; nil at the end.
  private func take() -> [(bytes: [UInt8], key: Int)]? {
    condition.lock()
    defer { condition.unlock() }
    if isFlushing {
      isFlushing = false
      isSaved = waiting.isEmpty
      condition.broadcast()
    }
    while waiting.isEmpty, !isEnding, !isSaving || isSaved { condition.wait() }
    if waiting.isEmpty {
      isFlushing = isSaving && !isSaved
      return isFlushing ? [] : nil
    }
    defer {
      waiting = []
      waitingBytes = 0
      condition.broadcast()
    }
    return waiting
  }
}
