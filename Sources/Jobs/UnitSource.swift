/// Where a job that computes several units at once has them from, and where their results go.
///
/// The rank takes one unit more in advance, so that its pictures are prepared while others are computed.
public final class UnitSource<Job: UnitJob> {
  enum Work {
    case unit(Job.Unit)
    /// A check of another rank's result, which is done at once.
    case check(() throws -> Void)
  }

  /// The ranks' work, or a test's.
  struct Supply {
    /// What there is for this rank; nil for nothing now, or, where it waits, for the end.
    let take: (_ waits: Bool) throws -> Work?
    let submit: (Job.UnitOutcome) throws -> Void
    /// Serves the other ranks. Returns whether that did more than look at the clock.
    let poll: () throws -> Bool
    /// Called with a unit in advance.
    let prepare: (Job.Unit) -> Void
  }

  private let supply: Supply
  /// How many units may be in hand.
  private let unitsAtATime: Int
  private var keys: Set<Int> = []
  private var ahead: Work?
  private(set) var isAtEnd = false
  /// What another rank, or work sharing, has failed with: no error of the job.
  private(set) var failure: (any Error)?

  init(unitsAtATime: Int, _ supply: Supply) {
    precondition(unitsAtATime > 0)
    (self.unitsAtATime, self.supply) = (unitsAtATime, supply)
  }

  /// A source of these units, without other ranks.
  ///
  /// - Parameter submit: takes the results.
  package convenience init(
    _ units: [Job.Unit], unitsAtATime: Int, submit: @escaping (Job.UnitOutcome) throws -> Void
  ) {
    var rest = units[...]
    self.init(
      unitsAtATime: unitsAtATime,
      Supply(take: { _ in rest.popFirst().map { .unit($0) } }, submit: submit, poll: { false }, prepare: { _ in }))
  }

  /// How many units the job has that it hasn't submitted.
  public var inHand: Int { keys.count }

  /// The next unit. Where none is in hand it waits until there is one, and nil is the end. Otherwise it doesn't wait, and
  /// nil says that there is none now, or that as many are in hand as may be: another may come once a result is submitted,
  /// or a little later.
  ///
  /// - Throws: what ends the run.
  public func next() throws -> Job.Unit? {
    while keys.count < unitsAtATime, !isAtEnd {
      let waits = keys.isEmpty
      guard let work = try takeAhead() ?? passing({ try supply.take(waits) }) else {
        isAtEnd = waits
        return nil
      }
      switch work {
      case .unit(let unit):
        keys.insert(unit.key)
        return unit
      case .check(let check): try passing(check)
      }
    }
    return nil
  }

  /// Hands in the result of a unit in hand.
  ///
  /// - Throws: what ends the run.
  public func submit(_ result: Job.UnitOutcome) throws {
    precondition(keys.remove(result.key) != nil, "a result of a unit that isn't in hand")
    try passing { try supply.submit(result) }
  }

  /// To be called often while the job computes: serves the other ranks, and prepares a unit in advance.
  ///
  /// - Throws: what ends the run.
  public func poll() throws {
    try passing {
      guard try supply.poll(), ahead == nil, !isAtEnd else { return }
      ahead = try supply.take(false)
      if case .unit(let unit)? = ahead { supply.prepare(unit) }
    }
  }

  private func takeAhead() -> Work? {
    defer { ahead = nil }
    return ahead
  }

  /// After a failure nothing continues, even if the job mistakes the error for a bad sample.
  private func passing<R>(_ body: () throws -> R) throws -> R {
    if let failure { throw failure }
    do { return try body() } catch {
      failure = error
      throw error
    }
  }
}
