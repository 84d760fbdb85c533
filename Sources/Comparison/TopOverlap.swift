import HeadImpact

/// How many of the k best heads of one run are among the k best of another, beside what chance gives.
public struct TopOverlap: Sendable, Equatable, Encodable {
  /// How many of the best are compared.
  public let count: Int
  /// How many are among the best in both.
  public let shared: Int
  /// `shared` of each `count`, with its interval.
  public let share: Estimate
  /// The share that two random choices of `count` heads have in common on average: count / heads.
  public let chance: Double
  /// The 2.5% and 97.5% points of that share: it is distributed hypergeometrically.
  public let chanceLower: Double
  public let chanceUpper: Double
  /// How likely two random choices have as many in common, or more.
  public let pValue: Double

  /// - Parameters:
  ///   - count: 1...heads
  ///   - heads: how many there are to choose from.
  ///   - parts: `shared` in each part of the images.
  ///   - scales: of each part, as `ThirdsLeftOut.scales`.
  init(count: Int, of heads: Int, shared: Int, parts: [Int], scales: [Double]) {
    let distribution = Hypergeometric(drawn: count, of: heads)
    let size = Double(count)
    self.count = count
    self.shared = shared
    share = Estimate(
      Double(shared) / size, parts: parts.map { Double($0) / size }, scales: scales, bounds: 0...1,
      isCorrelation: false)
    chance = size / Double(heads)
    chanceLower = Double(distribution.quantile(0.025)) / size
    chanceUpper = Double(distribution.quantile(0.975)) / size
    pValue = distribution.atLeast(shared)
  }

  /// How many the k best of two orders have in common, for each k of `counts`.
  ///
  /// - Parameters:
  ///   - counts: ascending, each at most as many as there are heads.
  ///   - first: all heads, the best first; so too the second.
  static func shared(_ counts: [Int], _ first: [Int], _ second: [Int]) -> [Int] {
    var seen = [UInt8](repeating: 0, count: first.count)
    var shared = 0
    var done = 0
    return counts.map { count in
      for place in done..<count {
        for head in [first[place], second[place]] {
          seen[head] += 1
          if seen[head] == 2 { shared += 1 }
        }
      }
      done = count
      return shared
    }
  }

  /// Numbers of heads to compare: all up to 10, then in about equal ratios, `asked` and all heads among them.
  static func counts(of heads: Int, asked: Int) -> [Int] {
    var counts: Set<Int> = [asked, heads]
    var next = 1
    while next < heads {
      counts.insert(next)
      next = max(next + 1, next + next / 8)
    }
    return counts.filter { (1...heads).contains($0) }.sorted()
  }
}

/// How many two random choices of k of n things have in common.
struct Hypergeometric {
  private let least: Int
  /// The probability of `least`, `least` + 1 and so on.
  private let probabilities: [Double]

  init(drawn k: Int, of n: Int) {
    precondition((0...n).contains(k))
    least = max(0, 2 * k - n)
    let mode = (k + 1) * (k + 1) / (n + 2)
    /// P(x + 1) / P(x)
    func ratio(_ x: Int) -> Double { Double(k - x) * Double(k - x) / (Double(x + 1) * Double(n - 2 * k + x + 1)) }
    var weights = [Double](repeating: 0, count: k - least + 1)
    // From the mode outwards, so that nothing overflows.
    let start = min(max(mode, least), k)
    weights[start - least] = 1
    for x in start..<k { weights[x + 1 - least] = weights[x - least] * ratio(x) }
    for x in stride(from: start - 1, through: least, by: -1) { weights[x - least] = weights[x + 1 - least] / ratio(x) }
    let sum = weights.reduce(0, +)
    probabilities = weights.map { $0 / sum }
  }

  /// The probability of x or more.
  func atLeast(_ x: Int) -> Double {
    x <= least ? 1 : min(1, probabilities.dropFirst(x - least).reversed().reduce(0, +))
  }

  /// The least x with at least this probability of x or fewer.
  func quantile(_ probability: Double) -> Int {
    var sum = 0.0
    for (index, weight) in probabilities.enumerated() {
      sum += weight
      if sum >= probability { return least + index }
    }
    return least + probabilities.count - 1
  }
}
