import Testing

@testable import HeadImpact

@Suite("Exact sums")
struct ExactSumTests {
  @Test("a sum is the nearest Double to the exact one")
  func nearest() {
    // 1 + 2^-53 lies half way between 1 and the next Double; what is added after it decides.
    #expect(sum([1, 0x1p-53]) == 1)
    #expect(sum([1, 0x1p-53, 0x1p-100]) == 1.0.nextUp)
    #expect(sum([1, 0x1p-53, -0x1p-100]) == 1)
    #expect(sum([0x1p20, 0x1p-100, -0x1p20]) == 0x1p-100)
    #expect(sum([-0.75, 0.25]) == -0.5)
    #expect(sum([]) == 0)
    #expect(sum([Double.leastNonzeroMagnitude, -0.0]) == 0)
  }

  @Test("a tenth, ten times, is 1 and the tenth's own error")
  func tenths() {
    #expect(sum([Double](repeating: 0.1, count: 10)) == 1)
    #expect(sum([Double](repeating: 0.1, count: 10) + [-1]) == 0x1p-54)
  }

  @Test("a square is added unrounded")
  func squares() {
    let x = 1 - 0x1p-53
    var sum = ExactSum()
    sum.addSquare(of: x)
    sum.add(-1)
    sum.add(0x1p-52)
    #expect(sum.value == 0x1p-106)
    var half = ExactSum()
    half.addSquare(of: -0.5)
    #expect(half.value == 0.25)
  }

  @Test("limbs of negative and positive sums add up like the sums")
  func limbs() {
    var a = ExactSum()
    a.add(-0.3)
    var b = ExactSum()
    b.add(0.1)
    a += b
    #expect(a.value == sum([0.1, -0.3]))
    #expect(a.value < 0)
  }

  @Test("limbs that no sum has still give a number")
  func hostile() {
    let sum = ExactSum(limbs: SIMD4(.min, .min, .max, .min))
    #expect(sum.value.isFinite)
  }

  private func sum(_ values: [Double]) -> Double {
    var sum = ExactSum()
    for value in values { sum.add(value) }
    return sum.value
  }
}
