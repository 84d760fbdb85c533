import CVectorMath
import Foundation
import Testing

@Suite struct RowKernelTests {
  static let lengths = [1, 2, 15, 16, 17, 391, 1536]

  @Test("softmax equals the plain one, also far from zero", arguments: lengths)
  func softmax(_ n: Int) {
    var numbers = Numbers(seed: 1)
    for spread in [Float(0.1), 10, 300] {
      var row = numbers.floats(n).map { $0 * spread + 1000 }
      let peak = row.map(Double.init).max() ?? 0
      let weights = row.map { exp(0.25 * (Double($0) - peak)) }
      let total = weights.reduce(0, +)
      headimpact_softmax(&row, n, 0.25)
      #expect(largestDifference(row, weights.map { $0 / total }) < 3e-7)
    }
  }

  @Test(
    "a NaN score makes its row NaN, wherever it is and whatever its payload",
    arguments: [Float(bitPattern: 0x7fc0_0001), Float(bitPattern: 0xffff_ffff), .nan, .infinity], lengths)
  func softmaxOfNoNumber(_ value: Float, _ n: Int) {
    for place in Set([0, n / 2, n - 1]) {
      var row = [Float](repeating: 1, count: n)
      row[place] = value
      headimpact_softmax(&row, n, 1)
      #expect(row.allSatisfy { $0.isNaN }, "at \(place) of \(n)")
    }
  }

  @Test("bf16 rounds to nearest with ties to even, and every bf16 and f16 widens exactly")
  func conversions() {
    let x: [Float] = [1, 1.00390625, 1.01171875, -3.1415927, .infinity, -.infinity, Float(bitPattern: 70_000), 3.4e38]
    var narrow = [UInt16](repeating: 0, count: x.count)
    headimpact_narrow_bf16(x, &narrow, x.count)
    #expect(narrow == x.map(Plain.bfloat16))
    headimpact_narrow_bf16([Float.nan], &narrow, 1)
    #expect(Plain.float(narrow[0]).isNaN)
    var rounded = [Float](repeating: 0, count: x.count)
    headimpact_round_bf16(x, &rounded, x.count)
    #expect(rounded == x.map { Plain.float(Plain.bfloat16($0)) })
    headimpact_round_bf16([Float(bitPattern: 0x7f80_0001)], &rounded, 1)
    #expect(rounded[0].isNaN)

    let all = (0...UInt16.max).map { $0 }
    var wide = [Float](repeating: 0, count: all.count)
    headimpact_widen_bf16(all, &wide, all.count)
    #expect(zip(all, wide).allSatisfy { $1.bitPattern == UInt32($0) << 16 })
    headimpact_widen_f16(all, &wide, all.count)
    let isExact = zip(all, wide).allSatisfy { bits, value in
      let fraction = Double(bits & 0x3ff) / 1024
      let exponent = Int(bits >> 10 & 31)
      let sign = bits >> 15 == 1 ? -1.0 : 1.0
      guard exponent < 31 else { return fraction == 0 ? value == Float(sign) * .infinity : value.isNaN }
      return Double(value) == sign
        * (exponent == 0 ? fraction * 0x1p-14 : (1 + fraction) * pow(2, Double(exponent - 15)))
    }
    #expect(isExact)
  }
}
