/// MPI counts in 32 bits: longer buffers travel in chunks.
enum Chunks {
  /// The largest chunk in bytes. Half of what MPI allows, since some transports fail short of 2 GiB.
  static let standardBytes = 1 << 30

  /// How many elements of `stride` bytes fit in a chunk of `limit` bytes; at least one.
  static func elements(stride: Int, limit: Int) -> Int { max(1, limit / stride) }

  /// `0..<count` cut into ranges of at most `limit`, in order. Empty for a count of 0.
  static func ranges(count: Int, limit: Int) -> [Range<Int>] {
    precondition(limit > 0 && count >= 0)
    return stride(from: 0, to: count, by: limit).map { $0..<min(count, $0 + min(limit, count - $0)) }
  }

  /// The chunks of a message whose length the receiver doesn't know: a full chunk announces another, so that
  /// a message of exactly `limit` bytes ends with an empty chunk, and an empty message is one empty chunk.
  static func messageRanges(bytes: Int, limit: Int) -> [Range<Int>] {
    var chunks = ranges(count: bytes, limit: limit)
    if bytes % limit == 0 { chunks.append(bytes..<bytes) }
    return chunks
  }
}
