/// Cosines and sines of the rotary angles of each row's position.
///
/// - Shape: [rows, half], half of the head dimension.
public struct RotaryAngles: Sendable {
  public private(set) var cosines: [Float]
  public private(set) var sines: [Float]
  public let half: Int

  public var rows: Int { cosines.count / half }

  public init(cosines: [Float], sines: [Float], half: Int) {
    precondition(half > 0 && cosines.count == sines.count && cosines.count % half == 0)
    self.cosines = cosines
    self.sines = sines
    self.half = half
  }
  /// Some consecutive rows.
  public func rows(_ range: Range<Int>) -> RotaryAngles {
    RotaryAngles(
      cosines: Array(cosines[range.lowerBound * half..<range.upperBound * half]),
      sines: Array(sines[range.lowerBound * half..<range.upperBound * half]), half: half)
  }

  /// Some rows, in the order given.
  public func rows(_ indices: [Int]) -> RotaryAngles {
    RotaryAngles(
      cosines: indices.flatMap { cosines[$0 * half..<($0 + 1) * half] },
      sines: indices.flatMap { sines[$0 * half..<($0 + 1) * half] }, half: half)
  }

  /// For the backward pass: the angles of the opposite sign.
  var reversed: RotaryAngles { RotaryAngles(cosines: cosines, sines: sines.map { -$0 }, half: half) }

  /// Adds the rows of `other` behind these.
  public mutating func append(_ other: RotaryAngles) {
    precondition(other.half == half)
    cosines += other.cosines
    sines += other.sines
  }
}
