import CVectorMath
import Foundation
import Kernels
import TestSupport
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

  @Test("GELU and its derivative are exact to a few units in the last place at every magnitude, of both signs")
  func gelu() {
    let x = stride(from: UInt32(1), to: 0xff80_0000, by: 65_521).map { Float(bitPattern: $0) }.filter(\.isFinite)
    let (ones, n) = ([Float](repeating: 1, count: x.count), x.count)
    let exact = x.map { 0.5 * Double($0) * erfc(-Double($0) / 2.0.squareRoot()) }
    var (plain, derivative, gated) = (x, x, x)
    headimpact_gelu(&plain, n)
    headimpact_gelu_backward(ones, &derivative, n)
    headimpact_gelu_multiply(x, ones, &gated, n)
    #expect(plain == gated)
    var (greatest, beyond, slope) = (0.0, 0.0, 0.0)
    for i in x.indices {
      let (value, error) = (Double(x[i]), abs(Double(plain[i]) - exact[i]))
      // 2^-150: half a unit of the subnormal numbers.
      if x[i] > -12.9 {
        greatest = max(greatest, (error - 0x1p-150) / abs(exact[i]))
      } else {
        beyond = max(beyond, error)
      }
      let density = exp(-0.5 * value * value) / (2 * Double.pi).squareRoot()
      slope = max(slope, abs(Double(derivative[i]) - 0.5 * erfc(-value / 2.0.squareRoot()) - value * density))
    }
    // AVX2 comes with fused multiply-adds; without them the square of x is rounded. A build for ThreadSanitizer has none.
    let isFused = !isDebugBuild && ProductInstructions.available(for: .f32).contains(.avx2)
    #expect(greatest < (isFused ? 4.2e-7 : 8e-6) && beyond < 3e-37 && slope < 3e-7, "\(greatest), \(beyond), \(slope)")
  }

  @Test("GELU's derivative of an element is the same wherever it lies")
  func geluDerivativePlaces() {
    let x = stride(from: UInt32(1), to: 0xff80_0000, by: 655_211).map { Float(bitPattern: $0) }.filter(\.isFinite)
    var (whole, single) = (x, x)
    headimpact_gelu_backward([Float](repeating: 0.7, count: x.count), &whole, x.count)
    for i in x.indices { headimpact_gelu_backward([0.7], &single[i], 1) }
    #expect(whole.map(\.bitPattern) == single.map(\.bitPattern))
  }

  @Test("GELU keeps zeros with their signs, infinity, and what is not a number")
  func geluOfSpecialValues() {
    let broken = [Float.nan, -.nan, Float(bitPattern: 0x7fc0_0001), Float(bitPattern: 0xff80_0001)]
    let x = [0, -0.0, .infinity, -1e30] + broken
    var (y, derivative) = (x, x)
    headimpact_gelu(&y, x.count)
    headimpact_gelu_backward([Float](repeating: 1, count: x.count), &derivative, x.count)
    #expect(y[..<4].map(\.bitPattern) == [Float(0), -0.0, .infinity, -0.0].map(\.bitPattern))
    #expect(derivative[0] == 0.5 && derivative[1] == 0.5 && derivative[3] == 0)
    for values in [y, derivative] { #expect(values[4...].allSatisfy { $0.isNaN }) }
  }
}
