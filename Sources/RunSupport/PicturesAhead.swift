import Foundation
import ImageInput

/// Reads pictures before their turn, on one thread: a file system that answers late, and the decoding, then cost the thread
/// that computes nothing.
///
/// There is one picture in advance, and one that is being read. Errors stay with their picture until it is taken.
final class PicturesAhead: Sendable {
  struct ReadPicture: Sendable {
    let picture: Picture
    /// What an image processor made of it.
    let patches: Result<PatchBatch, any Error>?
  }

  private let queue: Queue

  /// - Parameter read: called on the thread.
  init(_ read: @escaping @Sendable (_ fileName: String) throws -> ReadPicture) { queue = Queue(read) }

  /// Nobody waits for the thread: the file system that it reads from may hang.
  deinit { queue.end() }

  /// Lets a picture be read. Doesn't wait; ignored where another is already to be read.
  func begin(_ fileName: String) { queue.add(fileName) }

  /// A picture that was read in advance, or what went wrong; waits for one that is being read. Doesn't poll meanwhile: a
  /// rank whose file system hangs is to be silent, so that the others notice.
  ///
  /// - Returns: nil for another picture.
  func take(_ fileName: String) -> Result<ReadPicture, any Error>? { queue.take(fileName) }

  /// What the two threads share.
  ///
  /// Invariant of `@unchecked Sendable`: all that changes is touched under the condition's lock.
  private final class Queue: @unchecked Sendable {
    private let read: @Sendable (String) throws -> ReadPicture
    private let condition = NSCondition()
    private var next: String?
    private var current: String?
    private var ready: (fileName: String, result: Result<ReadPicture, any Error>)?
    private var hasThread = false
    private var isEnding = false

    init(_ read: @escaping @Sendable (String) throws -> ReadPicture) { self.read = read }

    func add(_ fileName: String) {
      condition.lock()
      defer { condition.unlock() }
      guard next == nil, current != fileName, ready?.fileName != fileName else { return }
      // Without a thread nothing is read in advance.
      if !hasThread { hasThread = SideThread { [self] in run() } != nil }
      guard hasThread else { return }
      next = fileName
      condition.broadcast()
    }

    func take(_ fileName: String) -> Result<ReadPicture, any Error>? {
      condition.lock()
      defer { condition.unlock() }
      while current == fileName || next == fileName && current == nil { condition.wait() }
      // The thread is still busy with another: whoever wants it reads it sooner.
      if next == fileName { next = nil }
      guard ready?.fileName == fileName else { return nil }
      defer { ready = nil }
      return ready?.result
    }

    func end() {
      condition.lock()
      defer { condition.unlock() }
      (isEnding, next, ready) = (true, nil, nil)
      condition.broadcast()
    }

    private func run() {
      while let fileName = begin() {
        let result = Result { try read(fileName) }
        condition.lock()
        current = nil
        if !isEnding { ready = (fileName, result) }
        condition.broadcast()
        condition.unlock()
      }
    }

    /// The next picture, as soon as there is one; nil at the end.
    private func begin() -> String? {
      condition.lock()
      defer { condition.unlock() }
      while next == nil, !isEnding { condition.wait() }
      current = next
      next = nil
      return current
    }
  }
}
