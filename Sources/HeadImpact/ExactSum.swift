/// A sum of floating-point numbers without rounding error, so that the order of addition and the division of the
/// numbers over ranks never change a bit.
///
/// Each number becomes a fixed-point number of `fractionBits` binary places, cut into four 32-bit digits, and every
/// digit is summed separately in an Int64. So sums can be added limb by limb (MPI_SUM), and nothing overflows in
/// `capacity` additions. A number's bits below 2^-106 are rounded off before it is added.
public struct ExactSum: Sendable, Equatable {
  /// Twice the 53 bits of a Double: the square of any x in [0.5, 1] is exact.
  public static let fractionBits = 106
  /// How many numbers may be added, over all ranks.
  public static let capacity = 1 << 30
  /// The greatest magnitude that can be added, 2^20; of a square, the greatest square.
  public static let greatestMagnitude = 0x1p20
  public static let limbCount = 4

  /// Digit sums, the least significant first: limb i counts 2^(32 i - 106).
  public var limbs = SIMD4<Int64>()

  public init() {}

  public init(limbs: SIMD4<Int64>) { self.limbs = limbs }

  /// - Parameter value: finite, of at most `greatestMagnitude`.
  public mutating func add(_ value: Double) {
    precondition(value.magnitude <= Self.greatestMagnitude)
    let (significand, exponent) = Self.parts(value)
    add(UInt128(significand), exponent: exponent, negative: value < 0)
  }

  /// Adds value * value, not rounded first.
  public mutating func addSquare(of value: Double) {
    precondition(value * value <= Self.greatestMagnitude)
    let (significand, exponent) = Self.parts(value)
    add(UInt128(significand) * UInt128(significand), exponent: 2 * exponent, negative: false)
  }

  public static func += (sum: inout ExactSum, other: ExactSum) { sum.limbs &+= other.limbs }

  /// The sum as the nearest Double.
  public var value: Double {
    let (magnitude, negative) = digits
    let nearest = magnitude.scaled(by: -Self.fractionBits)
    return negative ? -nearest : nearest
  }

  /// The sum in units of 2^-106.
  var digits: (magnitude: BigMagnitude, negative: Bool) {
    let (digits, carry) = Self.carried(limbs)
    if carry >= 0 { return (BigMagnitude(digits + [UInt32(truncatingIfNeeded: carry)]), false) }
    let (negated, negatedCarry) = Self.carried(SIMD4<Int64>() &- limbs)
    return (BigMagnitude(negated + [UInt32(truncatingIfNeeded: negatedCarry)]), true)
  }

  /// The limbs as digits of 32 bits, and what is left above them.
  private static func carried(_ limbs: SIMD4<Int64>) -> (digits: [UInt32], carry: Int64) {
    var carry: Int64 = 0
    var digits: [UInt32] = []
    for limb in 0..<limbCount {
      let sum = limbs[limb] &+ carry
      digits.append(UInt32(truncatingIfNeeded: sum))
      carry = sum >> 32
    }
    return (digits, carry)
  }

  /// |value| = significand * 2^exponent
  private static func parts(_ value: Double) -> (significand: UInt64, exponent: Int) {
    guard value != 0 else { return (0, 0) }
    let exponent = Int(max(value.exponent, Double.leastNormalMagnitude.exponent)) - Double.significandBitCount
    let hidden: UInt64 = value.isNormal ? 1 << UInt64(Double.significandBitCount) : 0
    return (value.significandBitPattern | hidden, exponent)
  }

  private mutating func add(_ significand: UInt128, exponent: Int, negative: Bool) {
    let shift = exponent + Self.fractionBits
    var fixed: UInt128
    if shift >= 0 {
      fixed = significand << UInt128(shift)
    } else if shift > -128 {
      fixed = (significand >> UInt128(-shift)) + ((significand >> UInt128(-shift - 1)) & 1)
    } else {
      fixed = 0
    }
    for limb in 0..<Self.limbCount {
      let digit = Int64(UInt32(truncatingIfNeeded: fixed))
      limbs[limb] &+= negative ? -digit : digit
      fixed >>= 32
    }
  }
}
