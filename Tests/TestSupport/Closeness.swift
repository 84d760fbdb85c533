/// The difference between two arrays, as in the Agreement table of docs/measures.md.
public struct Closeness: Sendable, CustomStringConvertible {
  /// The largest |actual - expected|; infinite where either is no number or the counts differ.
  public let maximumDifference: Double
  /// The L2 norm of actual - expected over that of expected.
  public let relativeL2: Double
  /// The index of the largest difference.
  public let worst: Int

  public init<Actual: BinaryFloatingPoint, Expected: BinaryFloatingPoint>(_ actual: [Actual], _ expected: [Expected]) {
    guard actual.count == expected.count else {
      (maximumDifference, relativeL2, worst) = (.infinity, .infinity, min(actual.count, expected.count))
      return
    }
    var largest = 0.0
    var place = 0
    var differenceSquares = 0.0
    var expectedSquares = 0.0
    for (index, pair) in zip(actual, expected).enumerated() {
      var difference = abs(Double(pair.0) - Double(pair.1))
      if difference.isNaN { difference = .infinity }
      if difference > largest { (largest, place) = (difference, index) }
      differenceSquares += difference * difference
      expectedSquares += Double(pair.1) * Double(pair.1)
    }
    maximumDifference = largest
    relativeL2 = differenceSquares == 0 ? 0 : (differenceSquares / expectedSquares).squareRoot()
    worst = place
  }

  public var description: String {
    "max difference \(maximumDifference) at \(worst), relative L2 \(relativeL2)"
  }
}
