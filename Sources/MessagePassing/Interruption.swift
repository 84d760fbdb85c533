/// A signal asked the run to stop, and rank 0 has saved what was done. The error is printed as it is, without a rank.
public protocol Interruption: TransientError {}

/// How a rank that is asked to stop reaches rank 0, which saves what is done and ends all ranks.
extension Communicator {
  /// Asks rank 0 to end the run. Rank 0 finds the request with `stopRequest()`.
  ///
  /// - Parameter reason: a number that rank 0 understands.
  /// - Returns: the message, which nobody needs to wait for.
  @discardableResult
  public func requestStop(_ reason: Int32) throws -> SendRequest? { try sendStop(reason, to: 0) }

  /// Tells all others that this rank, rank 0, is ending the run.
  ///
  /// - Throws: the last error; every rank has been told that could be.
  public func announceStop() throws {
    var failure: (any Error)?
    for other in 1..<worldSize {
      do { _ = try sendStop(0, to: other) } catch { failure = error }
    }
    if let failure { throw failure }
  }

  /// What another rank sent with `requestStop` or `announceStop`. Doesn't wait.
  public func stopRequest() throws -> (source: Int, reason: Int32)? {
    guard let channel = channels?.service, worldSize > 1,
      let envelope = try iprobe(from: nil, tag: ServiceTag.stop, over: channel)
    else { return nil }
    let reason = try receive(Int32.self, envelope, over: channel).first ?? 0
    return (envelope.source, reason)
  }

  private func sendStop(_ reason: Int32, to other: Int) throws -> SendRequest? {
    guard let channel = channels?.service, other != rank, other < worldSize else { return nil }
    return try withUnsafeBytes(of: reason) {
      // If nobody waits for it, its memory stays, as `SendRequest` says.
      try SendRequest($0, to: other, tag: ServiceTag.stop, over: channel, rank: rank, chunkBytes: chunkBytes)
    }
  }
}
