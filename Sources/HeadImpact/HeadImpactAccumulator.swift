/// Sums over samples, from which the tables are made.
///
/// The sums are exact: any division of the samples over ranks, added in any order, gives the same bits.
public struct HeadImpactAccumulator: Sendable, Equatable {
  public let layers: Int
  /// Heads per layer.
  public let heads: Int
  public private(set) var samples = 0

  /// [hi, square of hi, chance, nosink, corrected, square of corrected] x [measure, layer, head], then
  /// sinkShare [layer, head]. Corrected values are in units of `correctedUnit`.
  private var sums: [ExactSum]
  /// How many samples have no corrected value, their chance being 1. - Shape: [measure, layer, head]
  private var leftOut: [Int64]

  /// A corrected value is at most 1, but may be far below 0: at chance's mean over n shifts, the sample's own among
  /// them, down to 1 - n. In these units its square too can be added.
  private static let correctedUnit = 0x1p10

  /// - Parameters: both at least 1.
  public init(layers: Int, heads: Int) {
    precondition(layers > 0 && heads > 0)
    self.layers = layers
    self.heads = heads
    sums = [ExactSum](repeating: ExactSum(), count: (6 * Measure.allCases.count + 1) * layers * heads)
    leftOut = [Int64](repeating: 0, count: Measure.allCases.count * layers * heads)
  }

  /// - Throws: `HeadImpactError` if the sample has another shape.
  public mutating func add(_ sample: SampleImpact) throws {
    guard sample.layers == layers, sample.heads == heads else {
      throw HeadImpactError(
        "sample \(sample.annotationID) has \(sample.layers) layers of \(sample.heads) heads; "
          + "the others have \(layers) of \(heads)")
    }
    guard samples < ExactSum.capacity else {
      throw HeadImpactError("more than \(ExactSum.capacity) samples can't be summed")
    }
    let corrected = try sample.corrected()
    samples += 1
    let n = sample.hi.count
    for i in 0..<n {
      sums[i].add(sample.hi[i])
      sums[n + i].addSquare(of: sample.hi[i])
      sums[2 * n + i].add(sample.chance[i])
      sums[3 * n + i].add(sample.nosink[i])
      if let value = corrected[i] {
        sums[4 * n + i].add(value / Self.correctedUnit)
        sums[5 * n + i].addSquare(of: value / Self.correctedUnit)
      } else {
        leftOut[i] += 1
      }
    }
    for (i, share) in sample.sinkShare.enumerated() { sums[6 * n + i].add(share) }
  }

  /// Adds the samples of another.
  /// - Throws: `HeadImpactError` if it has another shape.
  public mutating func merge(_ other: HeadImpactAccumulator) throws {
    guard other.layers == layers, other.heads == heads else {
      throw HeadImpactError(
        "sums of \(other.layers) layers of \(other.heads) heads can't be added to \(layers) of \(heads)")
    }
    guard samples <= ExactSum.capacity - other.samples else {
      throw HeadImpactError("more than \(ExactSum.capacity) samples can't be summed")
    }
    samples += other.samples
    for i in sums.indices { sums[i] += other.sums[i] }
    for i in leftOut.indices { leftOut[i] += other.leftOut[i] }
  }

  /// Everything as whole numbers: two accumulators' limbs, added element by element, are the limbs of both together.
  /// - Shape: [1 + left out + 4 * sums]; the number of samples first.
  public var limbs: [Int64] {
    [Int64(samples)] + leftOut + sums.flatMap { sum in (0..<ExactSum.limbCount).map { sum.limbs[$0] } }
  }

  /// - Parameter limbs: `limbs` of an accumulator of the same shape, or the sum of several.
  /// - Throws: `HeadImpactError` if there are more or fewer, or the number of samples is impossible.
  public init(layers: Int, heads: Int, limbs: [Int64]) throws {
    self.init(layers: layers, heads: heads)
    let count = 1 + leftOut.count + ExactSum.limbCount * sums.count
    guard limbs.count == count else {
      throw HeadImpactError("\(limbs.count) limbs; the sums of \(layers) layers of \(heads) heads have \(count)")
    }
    guard (0...Int64(ExactSum.capacity)).contains(limbs[0]) else {
      throw HeadImpactError("the sums claim \(limbs[0]) samples; possible are 0...\(ExactSum.capacity)")
    }
    samples = Int(limbs[0])
    leftOut = Array(limbs[1...leftOut.count])
    guard leftOut.allSatisfy({ (0...limbs[0]).contains($0) }) else {
      throw HeadImpactError("the sums claim to leave out more than their \(samples) samples, or fewer than none")
    }
    for i in sums.indices {
      let at = 1 + leftOut.count + ExactSum.limbCount * i
      sums[i] = ExactSum(limbs: SIMD4(limbs[at], limbs[at + 1], limbs[at + 2], limbs[at + 3]))
    }
  }

  /// The means over all samples, and their standard errors.
  /// - Throws: `HeadImpactError` if there is no sample.
  public func table() throws -> HeadImpactTable {
    guard samples > 0 else { throw HeadImpactError("no sample was scored, so there is no Head Impact") }
    let n = Measure.allCases.count * layers * heads
    func mean(_ range: Range<Int>) -> [Double] { sums[range].map { $0.value / Double(samples) } }
    return try HeadImpactTable(
      layers: layers, heads: heads, samples: samples, hi: mean(0..<n),
      stderr: (0..<n).map { standardError(sum: sums[$0], squares: sums[n + $0], of: samples) },
      chance: mean((2 * n)..<(3 * n)), nosink: mean((3 * n)..<(4 * n)), sinkShare: mean((6 * n)..<sums.count),
      corrected: corrected)
  }

  private var corrected: CorrectedImpact {
    let n = leftOut.count
    let counts = leftOut.map { samples - Int($0) }
    return CorrectedImpact(
      hi: (0..<n).map { counts[$0] == 0 ? .nan : sums[4 * n + $0].value / Double(counts[$0]) * Self.correctedUnit },
      stderr: (0..<n).map {
        standardError(sum: sums[4 * n + $0], squares: sums[5 * n + $0], of: counts[$0]) * Self.correctedUnit
      },
      samples: counts)
  }

  /// The sample standard deviation (n - 1) over the square root of n; NaN for one sample.
  ///
  /// n * squares - sum * sum is computed in integers: there is no cancellation between values that differ only in their
  /// last bits.
  private func standardError(sum: ExactSum, squares: ExactSum, of samples: Int) -> Double {
    guard samples > 1 else { return .nan }
    let n = BigMagnitude(UInt64(samples))
    let sum = sum.digits.magnitude
    let spread = n * squares.digits.magnitude * .powerOfTwo(ExactSum.fractionBits) - sum * sum
    let count = Double(samples)
    return (spread.scaled(by: -2 * ExactSum.fractionBits) / (count * count * (count - 1))).squareRoot()
  }
}
