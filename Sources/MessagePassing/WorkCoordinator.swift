/// Rank 0's side of `WorkSharing`.
final class WorkCoordinator {
  private let communicator: Communicator
  private let order: [Int]
  private let onResult: WorkSharing.ResultHandler

  private var position = 0
  /// Who computes what at present.
  private var holders: [Int: Int] = [:]
  private var completed = 0
  /// Workers that asked in advance when too few units were left, and wait for an answer.
  private var idle: Set<Int> = []
  /// Workers that were told there is no more.
  private var finished: Set<Int> = []
  private var sends: [SendRequest] = []
  private var failure: (any Error)?
  private var isServing = false

  init(_ communicator: Communicator, order: [Int], onResult: @escaping WorkSharing.ResultHandler) {
    precondition(Set(order).count == order.count && order.allSatisfy { $0 >= 0 }, "each unit once, from 0")
    self.communicator = communicator
    self.order = order
    self.onResult = onResult
  }

  func poll() throws { _ = try serve() }

  func next() throws -> Int? {
    try poll()
    return try take(for: 0)
  }

  func submit(_ result: [UInt8], for unit: Int) throws {
    try guarding { try accept(result, unit, from: 0) }
    try poll()
  }

  func finish() throws {
    if let forgotten = holders.filter({ $0.value == 0 }).keys.min() {
      throw WorkSharingError(description: "rank 0 finishes without a result for unit \(forgotten)")
    }
    guard communicator.worldSize > 1 else { return try guarding {} }
    var backoff = Backoff()
    while completed < order.count || finished.count < communicator.worldSize - 1 {
      if try serve() { backoff.reset() } else { backoff.pause() }
    }
    for worker in 1..<communicator.worldSize { try send([], to: worker, tag: ServiceTag.workDone) }
    for send in sends { try send.wait() }
    sends = []
  }

  /// Answers all that has come. Returns whether there was anything.
  private func serve() throws -> Bool {
    try guarding {
      guard let channel = communicator.channels?.service, communicator.worldSize > 1, !isServing else { return false }
      isServing = true
      defer { isServing = false }
      var busy = false
      while let envelope = try communicator.iprobe(from: nil, tag: ServiceTag.workRequest, over: channel) {
        let message = try communicator.receive(UInt8.self, envelope, over: channel)
        guard let request = message.first.flatMap(WorkRequest.init) else {
          throw WorkSharingError(
            description: "rank \(envelope.source) sent a request of \(message.count) bytes: \(message)")
        }
        try answer(request, of: envelope.source)
        busy = true
      }
      while let envelope = try communicator.iprobe(from: nil, tag: ServiceTag.workResult, over: channel) {
        let message = try communicator.receive(UInt8.self, envelope, over: channel)
        guard message.count >= 8 else {
          throw WorkSharingError(description: "rank \(envelope.source) sent a result of \(message.count) bytes")
        }
        let unit = message.withUnsafeBytes { Int($0.loadUnaligned(as: Int64.self)) }
        try accept(Array(message[8...]), unit, from: envelope.source)
        busy = true
      }
      sends = try sends.filter { try !$0.isComplete() }
      return busy
    }
  }

  private func answer(_ request: WorkRequest, of worker: Int) throws {
    switch request {
    case .ahead:
      // Near the end a unit given in advance would wait behind another while somebody is idle.
      if position < order.count, order.count - position < communicator.worldSize {
        idle.insert(worker)
      } else {
        try assign(to: worker)
      }
    case .now: try assign(to: worker)
    case .idleSinceAsked:
      // Not idle: the answer was on its way already.
      if idle.remove(worker) != nil { try assign(to: worker) }
    }
  }

  private func assign(to worker: Int) throws {
    if let unit = try take(for: worker) {
      try send([Int64(unit)], to: worker, tag: ServiceTag.workAssignment)
    } else {
      try dismiss(worker)
    }
  }

  private func dismiss(_ worker: Int) throws {
    finished.insert(worker)
    try send([-1], to: worker, tag: ServiceTag.workAssignment)
  }

  private func take(for rank: Int) throws -> Int? {
    guard position < order.count else { return nil }
    let unit = order[position]
    position += 1
    holders[unit] = rank
    if position == order.count {
      let waiting = idle.sorted()
      idle = []
      for worker in waiting { try dismiss(worker) }
    }
    return unit
  }

  private func accept(_ result: [UInt8], _ unit: Int, from rank: Int) throws {
    guard let holder = holders.removeValue(forKey: unit), holder == rank else {
      throw WorkSharingError(description: "rank \(rank) handed in unit \(unit), which it doesn't hold")
    }
    completed += 1
    try onResult(rank, unit, result)
  }

  private func send(_ values: [Int64], to worker: Int, tag: Int) throws {
    guard let channel = communicator.channels?.service else { return }
    let request = try values.withUnsafeBytes {
      try SendRequest(
        $0, to: worker, tag: tag, over: channel, rank: communicator.rank, chunkBytes: communicator.chunkBytes)
    }
    if try !request.isComplete() { sends.append(request) }
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
