import Kernels
import MessagePassing

/// What the ranks add up in a step: gradients, loss and tokens, and what tells that all is well.
///
/// One flat buffer of integers, reduced by one `MPI_Allreduce`. Numbers are in fixed point (2^-72 apart), so their sum is
/// exact, and neither the order of samples nor their division over ranks changes a bit of it.
struct StepSum {
  /// How many gradients there are.
  let count: Int
  /// The high halves of the gradients, their low halves, then the rest.
  private(set) var words: [Int64]
  /// What each gradient must be below for no sum of a step to overflow.
  let gradientLimit: Float
  /// What the losses of one rank must stay below together, for the same.
  let lossLimit: Double
  private var losses = 0.0

  private enum Rest: Int, CaseIterable {
    case lossHigh, lossLow, tokens, failures, checksum
  }

  /// - Parameters:
  ///   - passes: the most gradients that all ranks together add in a step.
  ///   - ranks: how many add.
  init(count: Int, passes: Int, ranks: Int) {
    self.count = count
    gradientLimit = 0x1p30 / Float(max(1, passes))
    lossLimit = 0x1p30 / Double(max(1, ranks))
    words = [Int64](repeating: 0, count: 2 * count + Rest.allCases.count)
  }

  private subscript(rest: Rest) -> Int64 {
    get { words[2 * count + rest.rawValue] }
    set { words[2 * count + rest.rawValue] = newValue }
  }

  /// Back to zero.
  mutating func clear() {
    for index in words.indices { words[index] = 0 }
    losses = 0
  }

  /// Adds the gradients of some samples.
  ///
  /// - Shape: gradient [1, count].
  /// - Returns: whether all were finite and below `gradientLimit`; those that are not are left out.
  mutating func add(gradient: Tensor, on backend: any Backend) -> Bool {
    precondition(gradient.count == count)
    return backend.addExactly(gradient, limit: gradientLimit, to: &words)
  }

  /// Adds one sample's loss.
  ///
  /// - Returns: whether it is finite, and this rank's losses together are below `lossLimit`; where not, it is left out.
  mutating func add(loss: Double, tokens: Int) -> Bool {
    guard losses + abs(loss) < lossLimit else { return false }
    losses += abs(loss)
    let scaled = loss * 0x1p32
    let whole = scaled.rounded(.down)
    self[.lossHigh] += Int64(whole)
    self[.lossLow] += Int64((scaled - whole) * 0x1p40)
    self[.tokens] += Int64(tokens)
    return true
  }

  /// This rank can't go on.
  mutating func noteFailure() { self[.failures] += 1 }

  /// This rank's adapter, in 32 bits.
  mutating func set(checksum: UInt32) { self[.checksum] = Int64(checksum) }

  /// Sums over all ranks, in place.
  mutating func reduce(over world: Communicator) throws {
    try words.withUnsafeMutableBufferPointer { try world.allreduce(inPlace: $0, .sum) }
  }

  var failures: Int { Int(self[.failures]) }
  var tokens: Int { Int(self[.tokens]) }
  /// Sum of the losses of all supervised tokens.
  var loss: Double { Self.value(high: self[.lossHigh], low: self[.lossLow]) }

  /// Whether every rank holds the adapter of this checksum. Each rank asks for its own: where two differ, at least one of
  /// them finds out.
  func allRanksHave(checksum: UInt32, worldSize: Int) -> Bool {
    self[.checksum] == Int64(checksum) * Int64(worldSize)
  }

  /// The gradient of the mean loss over the supervised tokens.
  func meanGradient() -> [Float] {
    let tokens = Double(max(1, self.tokens))
    return (0..<count).map { Float(Self.value(high: words[$0], low: words[count + $0]) / tokens) }
  }

  private static func value(high: Int64, low: Int64) -> Double { Double(high) * 0x1p-32 + Double(low) * 0x1p-72 }
}
