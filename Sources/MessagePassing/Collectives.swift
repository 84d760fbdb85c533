internal import CMPI

/// Operations that every rank takes part in, in the same order. What can fail on one rank alone belongs before them, in
/// `agree`: a rank that doesn't arrive leaves the others waiting. Waits don't hold a core.
extension Communicator {
  /// Returns when every rank has called it.
  public func barrier() throws {
    guard let channels else { return }
    try barrier(over: channels.messages)
  }

  private func barrier(over channel: cmpi_comm) throws {
    var request = cmpi_no_request()
    try check(cmpi_ibarrier(channel, &request), "MPI_Ibarrier", rank: rank)
    try wait(&request, "MPI_Ibarrier", .short)
  }

  /// Gives every rank the values of `root`, of any length.
  ///
  /// - Parameter values: at the root the values; elsewhere ignored.
  public func broadcast<T: MessageElement>(_ values: [T]?, from root: Int = 0) throws -> [T] {
    guard let channels else { return values ?? [] }
    return try broadcast(values, from: root, as: rank, over: channels.messages)
  }

  /// - Parameter number: this process's among the ranks of the channel.
  private func broadcast<T: MessageElement>(
    _ values: [T]?, from root: Int, as number: Int, over channel: cmpi_comm
  ) throws -> [T] {
    precondition(number != root || values != nil, "the root has the values to broadcast")
    func broadcast(_ bytes: UnsafeMutableRawBufferPointer) throws {
      try run("MPI_Ibcast", on: bytes, stride: 1, over: channel) { memory, range, request in
        cmpi_ibcast(memory, Int32(range.count), Int32(root), channel, &request)
      }
    }
    var count = Int64(values?.count ?? 0)
    try withUnsafeMutableBytes(of: &count) { try broadcast($0) }
    var result = try number == root ? values ?? [] : buffer(T.self, count: Int(count), "MPI_Ibcast")
    try result.withUnsafeMutableBytes { try broadcast($0) }
    return result
  }

  /// Combines the values of all ranks, element by element, at every rank.
  ///
  /// The order of a floating-point sum is MPI's: the last bits may depend on how many ranks there are, and on the library.
  /// - Parameter values: as many on every rank.
  public func allreduce<T: MessageElement>(_ values: [T], _ operation: ReduceOperation) throws -> [T] {
    var result = values
    try result.withUnsafeMutableBufferPointer { try allreduce(inPlace: $0, operation) }
    return result
  }

  /// Combines one value of each rank, at every rank.
  public func allreduce<T: MessageElement>(_ value: T, _ operation: ReduceOperation) throws -> T {
    var result = value
    try withUnsafeMutablePointer(to: &result) {
      try allreduce(inPlace: UnsafeMutableBufferPointer(start: $0, count: 1), operation)
    }
    return result
  }

  /// Combines the values of all ranks where they lie.
  public func allreduce<T: MessageElement>(inPlace values: UnsafeMutableBufferPointer<T>, _ operation: ReduceOperation)
    throws
  {
    guard let channels else { return }
    let stride = MemoryLayout<T>.stride
    try run(
      "MPI_Iallreduce", on: UnsafeMutableRawBufferPointer(values), stride: stride, over: channels.messages
    ) { memory, range, request in
      cmpi_iallreduce_in_place(
        memory, Int32(range.count / stride), T.messageType.code, operation.code, channels.messages, &request)
    }
  }

  /// Combines the values of all ranks, element by element, at `root`.
  ///
  /// - Returns: the combined values at the root, nil elsewhere.
  public func reduce<T: MessageElement>(_ values: [T], _ operation: ReduceOperation, to root: Int = 0) throws -> [T]? {
    guard let channels else { return values }
    var result = values
    let stride = MemoryLayout<T>.stride
    try result.withUnsafeMutableBytes { bytes in
      try run("MPI_Ireduce", on: bytes, stride: stride, over: channels.messages) { memory, range, request in
        cmpi_ireduce_in_place(
          memory, Int32(range.count / stride), T.messageType.code, operation.code, Int32(root), rank == root ? 1 : 0,
          channels.messages, &request)
      }
    }
    return rank == root ? result : nil
  }

  /// Brings the values of every rank to `root`; each rank may have another number of them.
  ///
  /// - Returns: at the root one array a rank, in the order of ranks; nil elsewhere.
  public func gather<T: MessageElement>(_ values: [T], to root: Int = 0) throws -> [[T]]? {
    guard let channels else { return [values] }
    guard rank == root else {
      try values.withUnsafeBytes { try send($0, to: root, tag: ServiceTag.gather, over: channels.service) }
      return nil
    }
    // From each rank in turn rather than by MPI_Gatherv, whose offsets end at 2^31.
    return try (0..<worldSize).map { source in
      source == rank
        ? values
        : try receive(T.self, from: source, tag: ServiceTag.gather, over: channels.service).values
    }
  }

  /// Brings the values of every rank to every rank.
  ///
  /// - Returns: one array a rank, in the order of ranks.
  public func allgather<T: MessageElement>(_ values: [T]) throws -> [[T]] {
    let gathered = try gather(values)
    let counts = try broadcast(gathered?.map { Int64($0.count) })
    let all = try broadcast(gathered.map(joined))
    var start = 0
    return counts.map { count in
      defer { start += Int(count) }
      return all.withUnsafeBufferPointer { Array(UnsafeBufferPointer(rebasing: $0[start..<start + Int(count)])) }
    }
  }

  /// One array after the other. By whole arrays: a generic function takes long for each element.
  private func joined<T: MessageElement>(_ arrays: [[T]]) -> [T] {
    [T](unsafeUninitializedCapacity: arrays.reduce(0) { $0 + $1.count }) { memory, count in
      for array in arrays {
        array.withUnsafeBytes {
          UnsafeMutableRawBufferPointer(
            rebasing: UnsafeMutableRawBufferPointer(memory)[(count * MemoryLayout<T>.stride)...]
          ).copyMemory(from: $0)
        }
        count += array.count
      }
    }
  }

  /// Brings the values of every rank of this node to each of them; each may have another number of them. Every rank of the
  /// node calls it; those of other nodes needn't.
  ///
  /// - Returns: one array a rank of this node, in the order of `localRank`.
  public func allgatherOnNode<T: MessageElement>(_ values: [T]) throws -> [[T]] {
    guard let channels else { return [values] }
    return try (0..<localSize).map {
      try broadcast($0 == localRank ? values : nil, from: $0, as: localRank, over: channels.node)
    }
  }

  /// Runs a collective over `bytes` in pieces.
  ///
  /// MPI works on memory of its own that the bytes are copied to and from: where a wait ends with an error (a rank that no
  /// longer answers, a signal), MPI may still use that memory, and it is never freed.
  /// - Parameters:
  ///   - stride: the bytes of an element, which no piece cuts.
  ///   - start: starts the collective on a piece; gets its memory and its range among the bytes.
  private func run(
    _ call: String, on bytes: UnsafeMutableRawBufferPointer, stride: Int, over channel: cmpi_comm,
    start: (_ memory: UnsafeMutableRawPointer, _ range: Range<Int>, _ request: inout cmpi_request) -> Int32
  ) throws {
    let limit = Chunks.elements(stride: stride, limit: min(chunkBytes, Self.pieceBytes)) * stride
    let ranges = Chunks.ranges(count: bytes.count, limit: limit)
    guard let longest = ranges.first?.count, let values = bytes.baseAddress else { return }
    // A long transfer moves only while every rank looks after it. Before it starts, ranks may be late: that wait sleeps.
    let isLong = bytes.count > Self.shortBytes
    if isLong { try barrier(over: channel) }
    let memory = UnsafeMutableRawPointer.allocate(byteCount: longest, alignment: 64)
    for range in ranges {
      memory.copyMemory(from: values + range.lowerBound, byteCount: range.count)
      var request = cmpi_no_request()
      try check(start(memory, range, &request), call, rank: rank)
      try wait(&request, call, isLong ? .underWay : .short)
      (values + range.lowerBound).copyMemory(from: memory, byteCount: range.count)
    }
    memory.deallocate()
  }

  /// The longest piece of a collective, in bytes.
  private static let pieceBytes = 16 << 20
  /// Up to this many bytes a collective takes no longer than its ranks' coming together.
  private static let shortBytes = 32 << 10

  /// Waits for a request without holding a core.
  func wait(_ request: inout cmpi_request, _ call: String, _ backoff: Backoff = Backoff()) throws {
    var backoff = backoff
    while true {
      var done: Int32 = 0
      try check(cmpi_test(&request, &done), call, rank: rank)
      if done != 0 { return }
      try attend()
      backoff.pause()
    }
  }

  /// An array for `count` elements that another rank announced.
  func buffer<T: MessageElement>(_ type: T.Type, count: Int, _ call: String) throws -> [T] {
    guard count >= 0, !count.multipliedReportingOverflow(by: MemoryLayout<T>.stride).overflow else {
      throw MPIError(call: call, reason: "another rank announced \(count) elements", rank: rank)
    }
    return [T](unsafeUninitializedCapacity: count) { bytes, initialized in
      UnsafeMutableRawBufferPointer(bytes).initializeMemory(as: UInt8.self, repeating: 0)
      initialized = count
    }
  }
}
