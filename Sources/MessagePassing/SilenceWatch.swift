/// How long ranks wait for one that gives no sign of life.
public struct SilenceRules: Sendable {
  /// After this many seconds a silent rank is named on standard error.
  let naming: Double
  /// After this many seconds the job ends; nil for never.
  public let limit: Double?
  /// The least time between two signs of life, in seconds.
  let interval: Double

  /// Names a silent rank after a minute, and ends the job after ten.
  public static let standard = SilenceRules(limit: 600)

  /// - Parameter limit: in seconds, above 0; a rank is named after a minute, or half of that.
  public init(limit: Double?) {
    precondition(limit.map { $0 > 0 } ?? true)
    self.limit = limit
    naming = min(60, (limit ?? .infinity) / 2)
    interval = naming / 6
  }
}

/// Who of some ranks has been silent, and for how long.
///
/// Time counts only while this rank looks: one that was stopped (a suspended job, a sleeping laptop) or computed for long
/// finds the messages of that time when it looks again, and nobody's silence to have grown by all of it.
struct SilenceWatch {
  enum Event: Equatable {
    case silent(rank: Int, seconds: Int)
    case back(rank: Int, seconds: Int)
    case over(rank: Int, seconds: Int)
  }

  private let rules: SilenceRules
  private let limit: Double
  private let first: Int
  /// Seconds of looking.
  private var time = 0.0
  private var lastLook: Double?
  private var heard: [Double]
  private var named: Set<Int> = []
  private var returned: [Event] = []

  /// - Parameter patience: seconds beyond the limit.
  init(_ ranks: Range<Int>, _ rules: SilenceRules, patience: Double = 0) {
    self.rules = rules
    limit = (rules.limit ?? .infinity) + patience
    first = ranks.lowerBound
    heard = Array(repeating: 0, count: ranks.count)
  }

  /// Takes a sign of life; of a rank that isn't watched it's ignored.
  mutating func heard(from rank: Int) {
    guard heard.indices.contains(rank - first) else { return }
    if named.remove(rank) != nil { returned.append(.back(rank: rank, seconds: silence(rank))) }
    heard[rank - first] = time
  }

  /// A rank is silent from now on, as it has said.
  mutating func left(_ rank: Int) {
    heard(from: rank)
    if heard.indices.contains(rank - first) { heard[rank - first] = .infinity }
  }

  /// What has changed since the last look. All that has come is to be told to `heard` before.
  ///
  /// - Parameter clock: seconds of any clock that isn't set.
  mutating func look(at clock: Double) -> [Event] {
    time += min(clock - (lastLook ?? clock), rules.naming / 2)
    lastLook = clock
    var events = returned
    returned = []
    for rank in first..<first + heard.count where time - heard[rank - first] >= rules.naming {
      if named.insert(rank).inserted { events.append(.silent(rank: rank, seconds: silence(rank))) }
      if time - heard[rank - first] >= limit { events.append(.over(rank: rank, seconds: silence(rank))) }
    }
    return events
  }

  private func silence(_ rank: Int) -> Int { Int(time - heard[rank - first]) }
}

/// A rank gave no sign of life for as long as the job waits for one.
public struct SilentRank: TransientError, CustomStringConvertible {
  public let rank: Int
  /// The node it runs on; nil if it never said.
  public let host: String?
  public let seconds: Int

  public var description: String {
    """
    rank \(rank)\(host.map { " on \($0)" } ?? "") has not answered for \(seconds) s: its host or network is down, or it \
    hangs in a file system. The same command with --resume goes on (--silence-limit sets how long to wait)
    """
  }
}
