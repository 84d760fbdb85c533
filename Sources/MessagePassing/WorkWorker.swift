/// The side of `WorkSharing` of every rank but 0.
final class WorkWorker {
  /// Results on their way may take this much memory; more of them wait until rank 0 has taken some.
  private static let bytesUnderway = 64 << 20

  private let communicator: Communicator
  private var hasAsked = false
  private var isDismissed = false
  private var held: Set<Int> = []
  private var results: [SendRequest] = []

  init(_ communicator: Communicator) { self.communicator = communicator }

  /// Lets MPI move results that are on their way, and frees those that arrived.
  func poll() throws {
    if !results.isEmpty { results = try results.filter { try !$0.isComplete() } }
  }

  /// - Throws: `WorkSharingError` if it holds a unit: it could wait for itself.
  func next() throws -> WorkItem? {
    if let unit = held.min() {
      throw WorkSharingError(description: "rank \(communicator.rank) goes on without a result for unit \(unit)")
    }
    var backoff = Backoff()
    while !isDismissed, communicator.channels != nil {
      if let item = try nextIfAny() { return item }
      if isDismissed { break }
      try communicator.attend()
      backoff.pause()
    }
    return nil
  }

  func nextIfAny() throws -> WorkItem? {
    guard !isDismissed, let channel = communicator.channels?.service else { return nil }
    try poll()
    if !hasAsked { try ask() }
    guard let answer = try communicator.iprobe(from: 0, tag: ServiceTag.workAssignment, over: channel) else {
      return nil
    }
    hasAsked = false
    let bytes = try communicator.receive(UInt8.self, answer, over: channel)
    guard let item = try WorkItem.decode(bytes, at: communicator.rank) else {
      isDismissed = true
      return nil
    }
    held.insert(item.unit)
    try ask()
    return item
  }

  func submit(_ result: [UInt8], for item: WorkItem) throws {
    guard held.remove(item.unit) != nil else {
      throw WorkSharingError(
        description: "rank \(communicator.rank) handed in unit \(item.unit), which it doesn't hold")
    }
    try send(item.first == nil ? .result(unit: item.unit, result) : .check(unit: item.unit, result))
    try poll()
    var backoff = Backoff()
    while results.count > 1, results.reduce(0, { $0 + $1.byteCount }) > Self.bytesUnderway {
      try communicator.attend()
      backoff.pause()
      try poll()
    }
  }

  func finish() throws {
    guard isDismissed, held.isEmpty else {
      let what = held.min().map { "without a result for unit \($0)" } ?? "before next() said that there is no more"
      throw WorkSharingError(description: "rank \(communicator.rank) finishes \(what)")
    }
    // A request may still be on its way. This comes after it, so rank 0 knows that nothing else does.
    try send(.leaves)
    for result in results { try result.wait() }
    results = []
  }

  private func ask() throws {
    try send(.request)
    hasAsked = true
  }

  private func send(_ message: WorkMessage) throws {
    guard let channel = communicator.channels?.service else { return }
    let request = try message.bytes.withUnsafeBytes {
      try SendRequest(
        $0, to: 0, tag: ServiceTag.workMessage, over: channel, rank: communicator.rank,
        chunkBytes: communicator.chunkBytes, attending: communicator)
    }
    if try !request.isComplete() { results.append(request) }
  }
}
