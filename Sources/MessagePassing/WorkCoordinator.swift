/// How rank 0's side of `WorkSharing` exchanges messages with the other ranks: over MPI, or with the virtual ranks of a
/// simulation.
package protocol WorkTransport: AnyObject {
  /// The next message that has come; nil if there is none. Doesn't wait.
  func receive() throws -> (source: Int, bytes: [UInt8])?
  /// Sends without waiting.
  func send(_ bytes: [UInt8], to rank: Int) throws
  /// Lets messages leave. Doesn't wait.
  func progress() throws
  /// Returns when all messages have left.
  func drain() throws
  /// Looks after what isn't work sharing, while rank 0 waits.
  func attend() throws
}

/// Rank 0's side of `WorkSharing`.
package final class WorkCoordinator<Transport: WorkTransport> {
  private let transport: Transport
  private let handlers: WorkHandlers
  private var ledger: WorkLedger
  /// Results that are being checked.
  private var unchecked: [Int: WorkReport] = [:]
  /// Units that rank 0 itself computes or checks.
  private var own: Set<Int> = []
  /// How many ranks have said that they leave.
  private var gone = 0
  private var failure: (any Error)?
  private var isServing = false

  package init(_ ledger: WorkLedger, over transport: Transport, _ handlers: WorkHandlers) {
    (self.ledger, self.transport, self.handlers) = (ledger, transport, handlers)
  }

  /// Whether every unit is recorded, and every other rank has left.
  package var isFinished: Bool { ledger.isComplete && gone == ledger.ranks - 1 }

  /// Answers all that has come. Returns whether there was anything.
  @discardableResult
  package func serve() throws -> Bool {
    try guarding {
      // What comes after the end is for the next sharing.
      guard ledger.ranks > 1, !isServing, !isFinished else { return false }
      isServing = true
      defer { isServing = false }
      var wasBusy = false
      while !isFinished, let (source, bytes) = try transport.receive() {
        try handle(WorkMessage(bytes, from: source), from: source)
        wasBusy = true
      }
      try transport.progress()
      return wasBusy
    }
  }

  /// What rank 0 does next: waits until there is something; nil when every unit is recorded.
  ///
  /// - Throws: `WorkSharingError` if it holds a unit: it would wait for itself.
  func next() throws -> WorkItem? {
    try guarding {}
    try requireNothingHeld()
    var backoff = Backoff()
    while true {
      let wasBusy = try serve()
      if let item = try take() { return item }
      // Nothing can come any more: what is left is this rank's own.
      if ledger.isComplete || ledger.ranks == 1 { return nil }
      try transport.attend()
      if wasBusy { backoff.reset() } else { backoff.pause() }
    }
  }

  /// What rank 0 may do beside what it holds; nil if there is nothing now.
  func nextIfAny() throws -> WorkItem? {
    try serve()
    return try take()
  }

  private func take() throws -> WorkItem? {
    let task = try guarding { try ledger.next().flatMap { try item($0) } }
    if let task { own.insert(task.unit) }
    return task
  }

  func submit(_ bytes: [UInt8], for item: WorkItem) throws {
    try guarding {
      try handle(
        item.first == nil ? .result(unit: item.unit, bytes) : .check(unit: item.unit, bytes), from: 0)
      own.remove(item.unit)
    }
    try serve()
  }

  func finish() throws {
    try guarding {}
    try requireNothingHeld()
    var backoff = Backoff()
    while !isFinished {
      try transport.attend()
      if try serve() { backoff.reset() } else { backoff.pause() }
    }
    try transport.drain()
  }

  private func requireNothingHeld() throws {
    guard let unit = own.min() else { return }
    throw WorkSharingError(description: "rank 0 goes on without a result for unit \(unit)")
  }

  private func handle(_ message: WorkMessage, from rank: Int) throws {
    switch message {
    case .request: try send(ledger.asked(by: rank))
    case .leaves: gone += 1
    case .result(let unit, let bytes):
      try ledger.require(unit, of: rank, isCheck: false)
      let report = WorkReport(rank: rank, unit: unit, bytes: bytes)
      let isRecorded = try handlers.onResult(report, ledger.canCheck)
      guard isRecorded || ledger.canCheck else {
        throw WorkSharingError(description: "nobody can check unit \(unit) of rank \(rank)")
      }
      let assignments = try ledger.finished(unit, by: rank, needsCheck: !isRecorded)
      if !isRecorded { unchecked[unit] = report }
      try send(assignments)
    case .check(let unit, let bytes):
      let assignments = try ledger.checked(unit, by: rank)
      guard let first = unchecked.removeValue(forKey: unit) else {
        throw WorkSharingError(description: "rank \(rank) checked unit \(unit), which has no result")
      }
      try handlers.onCheck(first, WorkReport(rank: rank, unit: unit, bytes: bytes))
      try send(assignments)
    }
  }

  private func send(_ assignments: [WorkLedger.Assignment]) throws {
    for assignment in assignments {
      try transport.send(item(assignment.task)?.bytes ?? [], to: assignment.rank)
    }
  }

  private func item(_ task: WorkLedger.Task) throws -> WorkItem? {
    switch task {
    case .compute(let unit): WorkItem(unit: unit, content: try handlers.content(unit))
    case .check(let unit): WorkItem(unit: unit, content: try handlers.content(unit), first: unchecked[unit]?.bytes)
    case .leave: nil
    }
  }

  /// After a failure nothing continues, even if a caller mistook the first error for a bad sample.
  private func guarding<R>(_ body: () throws -> R) throws -> R {
    if let failure { throw failure }
    do { return try body() } catch {
      failure = error
      throw error
    }
  }
}

/// The messages of `WorkSharing` over MPI, on rank 0.
final class MPIWorkTransport: WorkTransport {
  private let communicator: Communicator
  private var sends: [SendRequest] = []

  init(_ communicator: Communicator) { self.communicator = communicator }

  func receive() throws -> (source: Int, bytes: [UInt8])? {
    guard let channel = communicator.channels?.service,
      let envelope = try communicator.iprobe(from: nil, tag: ServiceTag.workMessage, over: channel)
    else { return nil }
    return (envelope.source, try communicator.receive(UInt8.self, envelope, over: channel))
  }

  func send(_ bytes: [UInt8], to rank: Int) throws {
    guard let channel = communicator.channels?.service else { return }
    let request = try bytes.withUnsafeBytes {
      try SendRequest(
        $0, to: rank, tag: ServiceTag.workAssignment, over: channel, rank: communicator.rank,
        chunkBytes: communicator.chunkBytes, attending: communicator)
    }
    if try !request.isComplete() { sends.append(request) }
  }

  func progress() throws {
    if !sends.isEmpty { sends = try sends.filter { try !$0.isComplete() } }
  }

  func drain() throws {
    for send in sends { try send.wait() }
    sends = []
  }

  func attend() throws { try communicator.attend() }
}
