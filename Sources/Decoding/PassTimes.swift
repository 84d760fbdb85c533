/// What passes of the decoder took, by what they did.
public final class PassTimes {
  /// Passes of one kind.
  public struct Kind: Sendable, Equatable, Encodable {
    public let count: Int
    /// Of all together.
    public let seconds: Double
    /// Of the median one: what it takes while no other program disturbs it.
    public let median: Double

    /// - Parameter seconds: of each pass, at least one.
    init(_ seconds: [Double]) {
      precondition(!seconds.isEmpty)
      let sorted = seconds.sorted()
      count = sorted.count
      self.seconds = sorted.reduce(0, +)
      median = (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
    }
  }

  /// Both kinds of passes.
  public struct Summary: Sendable, Equatable, Encodable {
    /// Those that began a picture: the vision tower, the questions' rows, and a token of every answer that grew meanwhile. nil
    /// if there was none.
    public let beginning: Kind?
    /// Those that only took one token on every answer, by the number of hypotheses that grew.
    public let continuing: [Int: Kind]
  }

  private var beginning: [Double] = []
  private var continuing: [Int: [Double]] = [:]

  public init() {}

  public var summary: Summary {
    Summary(beginning: beginning.isEmpty ? nil : Kind(beginning), continuing: continuing.mapValues(Kind.init))
  }

  func add(_ time: Duration, hypotheses: Int, begins: Bool) {
    if begins {
      beginning.append(time / .seconds(1))
    } else {
      continuing[hypotheses, default: []].append(time / .seconds(1))
    }
  }
}
