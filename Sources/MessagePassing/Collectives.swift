internal import CMPI

/// Operations that every rank takes part in, in the same order. What can fail on one rank alone belongs before them, in
/// `agree`: a rank that doesn't arrive leaves the others waiting.
extension Communicator {
  /// Returns when every rank has called it. Waits without holding a core.
  public func barrier() throws {
    guard let channels else { return }
    var request = cmpi_no_request()
    try check(cmpi_ibarrier(channels.messages, &request), "MPI_Ibarrier", rank: rank)
    try wait(&request, "MPI_Ibarrier")
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
    var count = Int64(values?.count ?? 0)
    try check(
      withUnsafeMutableBytes(of: &count) {
        cmpi_bcast($0.baseAddress, Int32($0.count), Int32(root), channel)
      }, "MPI_Bcast", rank: rank)
    if number == root, var values {
      try broadcast(&values, from: root, channel)
      return values
    }
    var received = try buffer(T.self, count: Int(count), "MPI_Bcast")
    try broadcast(&received, from: root, channel)
    return received
  }

  private func broadcast<T: MessageElement>(_ values: inout [T], from root: Int, _ channel: cmpi_comm) throws {
    try values.withUnsafeMutableBytes { bytes in
      for chunk in Chunks.ranges(count: bytes.count, limit: chunkBytes) {
        let code = cmpi_bcast(
          bytes.baseAddress?.advanced(by: chunk.lowerBound), Int32(chunk.count), Int32(root), channel)
        try check(code, "MPI_Bcast", rank: rank)
      }
    }
  }

  /// Combines the values of all ranks, element by element, at every rank.
  ///
  /// The order of a floating-point sum is MPI's: the last bits may depend on how many ranks there are.
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
    let limit = Chunks.elements(stride: MemoryLayout<T>.stride, limit: chunkBytes)
    for chunk in Chunks.ranges(count: values.count, limit: limit) {
      let code = cmpi_allreduce_in_place(
        values.baseAddress?.advanced(by: chunk.lowerBound), Int32(chunk.count), T.messageType.code, operation.code,
        channels.messages)
      try check(code, "MPI_Allreduce", rank: rank)
    }
  }

  /// Combines the values of all ranks, element by element, at `root`.
  ///
  /// - Returns: the combined values at the root, nil elsewhere.
  public func reduce<T: MessageElement>(_ values: [T], _ operation: ReduceOperation, to root: Int = 0) throws -> [T]? {
    guard let channels else { return values }
    var result = values
    let limit = Chunks.elements(stride: MemoryLayout<T>.stride, limit: chunkBytes)
    try result.withUnsafeMutableBufferPointer { values in
      for chunk in Chunks.ranges(count: values.count, limit: limit) {
        let code = cmpi_reduce_in_place(
          values.baseAddress?.advanced(by: chunk.lowerBound), Int32(chunk.count), T.messageType.code, operation.code,
          Int32(root), rank == root ? 1 : 0, channels.messages)
        try check(code, "MPI_Reduce", rank: rank)
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
    let all = try broadcast(gathered.map { Array($0.joined()) })
    var start = 0
    return counts.map { count in
      defer { start += Int(count) }
      return Array(all[start..<start + Int(count)])
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

  /// Waits for a request without holding a core.
  func wait(_ request: inout cmpi_request, _ call: String) throws {
    var backoff = Backoff()
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
