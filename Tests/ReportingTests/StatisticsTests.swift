import Testing

@testable import Reporting

/// Expected values: scipy 1.17.1 and numpy 2.4.6 on the same numbers, as each test says.
@Suite("Statistics of reports")
struct StatisticsTests {
  private func isClose(_ a: Double, _ b: Double) -> Bool { abs(a - b) <= 1e-12 * max(1, abs(b)) }

  @Test("the regression line and the standard error of its slope are scipy.stats.linregress's")
  func regression() throws {
    let line = try #require(LinearRegression(x: [0, 1, 2, 3, 4, 5, 6], y: [0.21, 0.34, 0.28, 0.45, 0.41, 0.39, 0.52]))
    #expect(isClose(line.slope, 0.041428571428571426))
    #expect(isClose(line.intercept, 0.24714285714285716))
    #expect(isClose(line.slopeStandardError, 0.011157499537009506))
    // numpy: s * sqrt(1/n + (x - mean)^2 / Sxx), s^2 = sum of squared residuals / (n - 2).
    #expect(isClose(line.standardError(at: 0), 0.04022893668665349))
    #expect(isClose(line.standardError(at: 3), 0.022314999074019008))
    #expect(isClose(line.standardError(at: 6.5), 0.04497731854694618))
  }

  @Test("two points have a line without errors; one, equal x, or NaN have none")
  func fewPoints() throws {
    let line = try #require(LinearRegression(x: [1, 3], y: [2, 6]))
    #expect(line.slope == 2 && line.intercept == 0)
    #expect(line.slopeStandardError.isNaN && line.standardError(at: 1).isNaN)
    #expect(LinearRegression(x: [1], y: [2]) == nil)
    #expect(LinearRegression(x: [1, 1], y: [2, 3]) == nil)
    #expect(LinearRegression(x: [1, 2], y: [2, .nan]) == nil)
  }

  /// C's old example of a random generator.
  private func numbers(_ count: Int, below bound: Int, seed: Int) -> [Double] {
    var seed = seed
    return (0..<count).map { _ in
      seed = (seed * 1_103_515_245 + 12345) % (1 << 31)
      return Double(seed / 65536 % bound)
    }
  }

  @Test("Kendall's tau-b is scipy.stats.kendalltau's, with ties in both lists")
  func kendall() {
    let few = kendallTau([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5], [2, 7, 1, 8, 2, 8, 1, 8, 2, 8, 4])
    #expect(isClose(few, 0.14757295747452434))
    let (a, b) = (numbers(1000, below: 97, seed: 1), numbers(1000, below: 13, seed: 2))
    #expect(isClose(kendallTau(a, b), 0.02556120716619577))
    #expect(isClose(kendallTau(a, zip(a, b).map { $0 + 3 * $1 }), 0.7725060250935359))
  }

  @Test("tau is 1 for the same order, -1 for the reverse, and not a number without an order")
  func kendallBounds() {
    #expect(kendallTau([1, 2, 3], [10, 20, 30]) == 1)
    #expect(kendallTau([1, 2, 3], [3, 2, 1]) == -1)
    #expect(kendallTau([1, 1, 1], [3, 2, 1]).isNaN)
    #expect(kendallTau([1], [1]).isNaN)
    #expect(kendallTau([], []).isNaN)
  }

  @Test("mean, standard deviation and standard error are numpy's and scipy.stats.sem's")
  func moments() {
    let moments = Moments([0.1, 0.4, 0.35, 0.8, 0.2])
    #expect(isClose(moments.mean, 0.37))
    #expect(isClose(moments.standardDeviation, 0.2683281572999748))
    #expect(isClose(moments.standardError, 0.12))
    #expect(Moments([3]).mean == 3 && Moments([3]).standardError.isNaN)
  }
}
