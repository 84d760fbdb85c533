internal import CMPI

/// A message being sent, and its memory. Ask `isComplete()` or `wait()` until it has left.
public final class SendRequest {
  /// The message's length.
  public let byteCount: Int
  private let memory: UnsafeMutableRawBufferPointer
  private var requests: [cmpi_request] = []
  private let rank: Int
  private let communicator: Communicator?
  private var left = false

  /// - Parameter communicator: whose `attend` a wait calls.
  init(
    _ bytes: UnsafeRawBufferPointer, to destination: Int, tag: Int, over channel: cmpi_comm, rank: Int, chunkBytes: Int,
    attending communicator: Communicator? = nil
  ) throws {
    self.rank = rank
    self.communicator = communicator
    byteCount = bytes.count
    memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 16)
    memory.copyMemory(from: bytes)
    for chunk in Chunks.messageRanges(bytes: bytes.count, limit: chunkBytes) {
      var request = cmpi_no_request()
      let start = memory.baseAddress?.advanced(by: chunk.lowerBound)
      try check(
        cmpi_isend(start, Int32(chunk.count), Int32(destination), Int32(tag), channel, &request), "MPI_Isend",
        rank: rank)
      requests.append(request)
    }
    communicator?.lifeSigns?.sent(to: destination)
  }

  // Memory of a message that hasn't left is leaked: MPI still reads it, and to wait here might be for ever.
  deinit { if left { memory.deallocate() } }

  /// Whether the message has left. Doesn't wait.
  public func isComplete() throws -> Bool {
    while var request = requests.last {
      var done: Int32 = 0
      try check(cmpi_test(&request, &done), "MPI_Test", rank: rank)
      guard done != 0 else { return false }
      requests.removeLast()
    }
    left = true
    return true
  }

  /// Returns when the message has left. Waits without holding a core.
  public func wait() throws {
    var backoff = Backoff()
    while try !isComplete() {
      try communicator?.attend()
      backoff.pause()
    }
  }
}
