internal import CMPI

/// The tags of this module's own messages, on a channel of their own.
enum ServiceTag {
  static let gather = 1
  static let workMessage = 2
  static let workAssignment = 3
  static let stop = 6
  static let life = 7
}

/// A message that has come and waits to be received.
public struct Envelope: Sendable {
  /// The rank that sent it.
  public let source: Int
  public let tag: Int
  /// The length of the first chunk.
  let bytes: Int
}

/// From one rank to another. Messages of one source and tag arrive in the order they were sent. Tags are 0 to 32767.
extension Communicator {
  /// Sends values to another rank; returns when they may be changed, which may be only when they were received.
  public func send<T: MessageElement>(_ values: [T], to destination: Int, tag: Int) throws {
    let channel = try peer(destination, tag)
    try values.withUnsafeBytes { try send($0, to: destination, tag: tag, over: channel) }
  }

  /// Sends values to another rank without waiting. The request owns a copy of them and must be waited for.
  public func isend<T: MessageElement>(_ values: [T], to destination: Int, tag: Int) throws -> SendRequest {
    let channel = try peer(destination, tag)
    return try values.withUnsafeBytes {
      try SendRequest($0, to: destination, tag: tag, over: channel, rank: rank, chunkBytes: chunkBytes, attending: self)
    }
  }

  /// Whether a message has come, from `source` or from any rank. Doesn't wait.
  public func iprobe(from source: Int? = nil, tag: Int) throws -> Envelope? {
    guard let channels else { return nil }
    if let source { _ = try peer(source, tag) }
    return try iprobe(from: source, tag: tag, over: channels.messages)
  }

  /// Waits for a message, from `source` or from any rank, without holding a core.
  public func probe(from source: Int? = nil, tag: Int) throws -> Envelope {
    guard let channels, worldSize > 1 else { throw noPeer }
    if let source { _ = try peer(source, tag) }
    return try probe(from: source, tag: tag, over: channels.messages)
  }

  /// Receives a message, from `source` or from any rank.
  ///
  /// - Throws: `MPIError` if the message isn't a whole number of `T`.
  public func receive<T: MessageElement>(_ type: T.Type, from source: Int? = nil, tag: Int) throws
    -> (values: [T], source: Int)
  {
    guard let channels, worldSize > 1 else { throw noPeer }
    if let source { _ = try peer(source, tag) }
    return try receive(type, from: source, tag: tag, over: channels.messages)
  }

  // What the above and this module's own services share.

  func send(_ bytes: UnsafeRawBufferPointer, to destination: Int, tag: Int, over channel: cmpi_comm) throws {
    let request = try SendRequest(
      bytes, to: destination, tag: tag, over: channel, rank: rank, chunkBytes: chunkBytes, attending: self)
    try request.wait()
  }

  func iprobe(from source: Int?, tag: Int, over channel: cmpi_comm) throws -> Envelope? {
    var found: Int32 = 0
    var envelope = cmpi_envelope(source: 0, tag: 0, bytes: 0)
    let from = Int32(source ?? CMPI_ANY)
    try check(cmpi_iprobe(from, Int32(tag), channel, &found, &envelope), "MPI_Iprobe", rank: rank)
    return found == 0 ? nil : Envelope(source: Int(envelope.source), tag: Int(envelope.tag), bytes: Int(envelope.bytes))
  }

  func probe(from source: Int?, tag: Int, over channel: cmpi_comm) throws -> Envelope {
    var backoff = Backoff()
    while true {
      if let envelope = try iprobe(from: source, tag: tag, over: channel) { return envelope }
      try attend()
      backoff.pause()
    }
  }

  func receive<T: MessageElement>(_ type: T.Type, from source: Int?, tag: Int, over channel: cmpi_comm) throws
    -> (values: [T], source: Int)
  {
    let envelope = try probe(from: source, tag: tag, over: channel)
    return (try receive(type, envelope, over: channel), envelope.source)
  }

  func receive<T: MessageElement>(_ type: T.Type, _ first: Envelope, over channel: cmpi_comm) throws -> [T] {
    lifeSigns?.heard(from: first.source)
    let stride = MemoryLayout<T>.stride
    var chunks: [[UInt8]] = []
    var envelope = first
    while true {
      if chunks.isEmpty, envelope.bytes < chunkBytes {
        // The usual case: one chunk, received where it stays.
        try checkWhole(envelope.bytes, stride, envelope)
        var values = try buffer(type, count: envelope.bytes / stride, "MPI_Irecv")
        try values.withUnsafeMutableBytes { try receive($0, envelope, over: channel) }
        return values
      }
      var chunk = try buffer(UInt8.self, count: envelope.bytes, "MPI_Irecv")
      try chunk.withUnsafeMutableBytes { try receive($0, envelope, over: channel) }
      chunks.append(chunk)
      guard chunk.count == chunkBytes else { break }
      envelope = try probe(from: first.source, tag: first.tag, over: channel)
    }
    let total = chunks.reduce(0) { $0 + $1.count }
    try checkWhole(total, stride, first)
    var values = try buffer(type, count: total / stride, "MPI_Irecv")
    values.withUnsafeMutableBytes { bytes in
      var start = 0
      for chunk in chunks {
        bytes[start..<start + chunk.count].copyBytes(from: chunk)
        start += chunk.count
      }
    }
    return values
  }

  private func receive(_ bytes: UnsafeMutableRawBufferPointer, _ envelope: Envelope, over channel: cmpi_comm) throws {
    // Memory of its own: where the wait ends with an error, MPI may still write to it, and it is never freed.
    let memory = UnsafeMutableRawPointer.allocate(byteCount: max(1, bytes.count), alignment: 64)
    var request = cmpi_no_request()
    let code = cmpi_irecv(
      memory, Int32(bytes.count), Int32(envelope.source), Int32(envelope.tag), channel, &request)
    try check(code, "MPI_Irecv", rank: rank)
    try wait(&request, "MPI_Irecv", .underWay)
    bytes.copyMemory(from: UnsafeRawBufferPointer(start: memory, count: bytes.count))
    memory.deallocate()
  }

  private func checkWhole(_ bytes: Int, _ stride: Int, _ envelope: Envelope) throws {
    guard bytes % stride == 0 else {
      throw MPIError(
        call: "receive",
        reason: "the message of rank \(envelope.source) has \(bytes) bytes, not a multiple of \(stride)", rank: rank)
    }
  }

  private var noPeer: MPIError { MPIError(call: "receive", reason: "there is no other rank", rank: rank) }

  private func peer(_ other: Int, _ tag: Int) throws -> cmpi_comm {
    precondition((0...32767).contains(tag), "MPI promises tags up to 32767")
    guard let channels, other != rank, (0..<worldSize).contains(other) else {
      throw MPIError(call: "message", reason: "rank \(other) isn't another rank of \(worldSize)", rank: rank)
    }
    return channels.messages
  }
}
