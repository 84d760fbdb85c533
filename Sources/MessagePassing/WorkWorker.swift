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
    results = try results.filter { try !$0.isComplete() }
  }

  func next() throws -> Int? {
    guard !isDismissed, let channel = communicator.channels?.service else { return nil }
    try poll()
    var answer = try hasAsked ? communicator.iprobe(from: 0, tag: ServiceTag.workAssignment, over: channel) : nil
    if answer == nil { try ask(hasAsked ? .idleSinceAsked : .now) }
    var backoff = Backoff()
    while answer == nil {
      answer = try communicator.iprobe(from: 0, tag: ServiceTag.workAssignment, over: channel)
      if answer == nil {
        backoff.pause()
        try poll()
      }
    }
    guard let answer, let unit = try communicator.receive(Int64.self, answer, over: channel).first else {
      throw WorkSharingError(description: "rank 0 answered rank \(communicator.rank) without a unit")
    }
    hasAsked = false
    guard unit >= 0 else {
      isDismissed = true
      return nil
    }
    held.insert(Int(unit))
    try ask(.ahead)
    return Int(unit)
  }

  func submit(_ result: [UInt8], for unit: Int) throws {
    guard held.remove(unit) != nil else {
      throw WorkSharingError(
        description: "rank \(communicator.rank) handed in unit \(unit), which it doesn't hold")
    }
    let message = withUnsafeBytes(of: Int64(unit)) { Array($0) } + result
    try send(message, tag: ServiceTag.workResult)
    try poll()
    var backoff = Backoff()
    while results.count > 1, results.reduce(0, { $0 + $1.byteCount }) > Self.bytesUnderway {
      backoff.pause()
      try poll()
    }
  }

  func finish() throws {
    guard isDismissed, held.isEmpty, let channel = communicator.channels?.service else {
      let what = held.min().map { "without a result for unit \($0)" } ?? "before next() said that there is no more"
      throw WorkSharingError(description: "rank \(communicator.rank) finishes \(what)")
    }
    var backoff = Backoff()
    while true {
      try poll()
      if results.isEmpty, let envelope = try communicator.iprobe(from: 0, tag: ServiceTag.workDone, over: channel) {
        _ = try communicator.receive(Int64.self, envelope, over: channel)
        return
      }
      backoff.pause()
    }
  }

  private func ask(_ request: WorkRequest) throws {
    try send([request.rawValue], tag: ServiceTag.workRequest)
    hasAsked = true
  }

  private func send(_ bytes: [UInt8], tag: Int) throws {
    guard let channel = communicator.channels?.service else { return }
    let request = try bytes.withUnsafeBytes {
      try SendRequest(
        $0, to: 0, tag: tag, over: channel, rank: communicator.rank, chunkBytes: communicator.chunkBytes)
    }
    if try !request.isComplete() { results.append(request) }
  }
}
