/// A whole number of any size, not negative: just enough to take a variance without rounding.
struct BigMagnitude: Equatable {
  /// Base 2^32, the least significant first.
  private let digits: [UInt32]

  init(_ digits: [UInt32]) { self.digits = digits }

  init(_ value: UInt64) { digits = [UInt32(truncatingIfNeeded: value), UInt32(value >> 32)] }

  static func powerOfTwo(_ exponent: Int) -> BigMagnitude {
    BigMagnitude([UInt32](repeating: 0, count: exponent / 32) + [1 << UInt32(exponent % 32)])
  }

  static func * (a: BigMagnitude, b: BigMagnitude) -> BigMagnitude {
    var product = [UInt32](repeating: 0, count: a.digits.count + b.digits.count)
    for (i, x) in a.digits.enumerated() {
      var carry: UInt64 = 0
      for (j, y) in b.digits.enumerated() {
        // At most (2^32 - 1)^2 + 2 (2^32 - 1) = 2^64 - 1.
        let sum = UInt64(x) * UInt64(y) + UInt64(product[i + j]) + carry
        product[i + j] = UInt32(truncatingIfNeeded: sum)
        carry = sum >> 32
      }
      product[i + b.digits.count] = UInt32(carry)
    }
    return BigMagnitude(product)
  }

  /// a - b, or 0 if b is the greater.
  static func - (a: BigMagnitude, b: BigMagnitude) -> BigMagnitude {
    var difference: [UInt32] = []
    var borrow: Int64 = 0
    for i in 0..<max(a.digits.count, b.digits.count) {
      let x = i < a.digits.count ? Int64(a.digits[i]) : 0
      let y = i < b.digits.count ? Int64(b.digits[i]) : 0
      let digit = x - y + borrow
      difference.append(UInt32(truncatingIfNeeded: digit))
      borrow = digit >> 32
    }
    return borrow < 0 ? BigMagnitude(0) : BigMagnitude(difference)
  }

  /// The nearest Double to this number times 2^exponent, which must be in Double's normal range.
  func scaled(by exponent: Int) -> Double {
    guard let top = digits.lastIndex(where: { $0 != 0 }) else { return 0 }
    // 96 bits hold the top 64; what lies below only breaks ties.
    var bits: UInt128 = 0
    for i in 0..<3 { bits = bits << 32 | (top >= i ? UInt128(digits[top - i]) : 0) }
    let excess = 32 - digits[top].leadingZeroBitCount
    var head = UInt64(truncatingIfNeeded: bits >> UInt128(excess))
    let belowHead = bits & ((1 << UInt128(excess)) - 1)
    if belowHead != 0 || digits.prefix(max(0, top - 2)).contains(where: { $0 != 0 }) { head |= 1 }
    return Double(sign: .plus, exponent: 32 * (top - 2) + excess + exponent, significand: Double(head))
  }
}
