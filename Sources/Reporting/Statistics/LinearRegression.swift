/// The least-squares line through points, with the standard errors of its slope and of itself.
struct LinearRegression: Sendable {
  let slope: Double
  let intercept: Double
  /// NaN for fewer than three points; so too the standard error of the line.
  let slopeStandardError: Double
  let count: Int
  private let meanX: Double
  private let squaresX: Double
  /// The standard deviation of what the line leaves over, with n - 2 degrees of freedom.
  private let residual: Double

  /// Nil for fewer than two points, where all have the same x, and where one is not a number.
  init?(x: [Double], y: [Double]) {
    precondition(x.count == y.count)
    count = x.count
    guard count >= 2, (x + y).allSatisfy(\.isFinite) else { return nil }
    let n = Double(count)
    let meanX = x.reduce(0, +) / n
    let meanY = y.reduce(0, +) / n
    let squaresX = x.reduce(0) { $0 + ($1 - meanX) * ($1 - meanX) }
    guard squaresX > 0 else { return nil }
    let slope = zip(x, y).reduce(0) { $0 + ($1.0 - meanX) * ($1.1 - meanY) } / squaresX
    let intercept = meanY - slope * meanX
    let left = zip(x, y).reduce(0.0) { sum, point in
      let rest = point.1 - (intercept + slope * point.0)
      return sum + rest * rest
    }
    self.meanX = meanX
    self.squaresX = squaresX
    self.slope = slope
    self.intercept = intercept
    residual = count > 2 ? (left / (n - 2)).squareRoot() : .nan
    slopeStandardError = residual / squaresX.squareRoot()
  }

  func callAsFunction(_ x: Int) -> Double { intercept + slope * Double(x) }

  /// The standard error of the line's height at x: of the mean there, not of a new point.
  func standardError(at x: Double) -> Double {
    residual * (1 / Double(count) + (x - meanX) * (x - meanX) / squaresX).squareRoot()
  }
}
