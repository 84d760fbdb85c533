/// The learning rate of each step: rising from 0 over the warm-up, then as its shape says; the same numbers as
/// transformers' `get_constant_schedule_with_warmup`, `get_linear_…` and `get_cosine_schedule_with_warmup`.
public struct LearningRateSchedule: Sendable, Equatable {
  public enum Shape: String, CaseIterable, Sendable, Codable {
    case constant
    /// Falling to 0 at the end.
    case linear
    /// Half a wave, falling to 0 at the end.
    case cosine
  }

  public let shape: Shape
  public let peak: Double
  public let warmupSteps: Int
  public let totalSteps: Int

  /// - Throws: `LowRankAdaptationError` if a number is out of range.
  public init(shape: Shape = .constant, peak: Double, warmupSteps: Int = 0, totalSteps: Int) throws {
    guard peak.isFinite, peak > 0 else {
      throw LowRankAdaptationError("the learning rate is \(peak); it must be above 0")
    }
    guard totalSteps >= 1 else {
      throw LowRankAdaptationError("there are \(totalSteps) steps to train; there must be at least 1")
    }
    guard (0...totalSteps).contains(warmupSteps) else {
      throw LowRankAdaptationError(
        "the warm-up has \(warmupSteps) steps; of \(totalSteps) steps in all it can have 0...\(totalSteps)")
    }
    self.shape = shape
    self.peak = peak
    self.warmupSteps = warmupSteps
    self.totalSteps = totalSteps
  }

  /// - Parameter step: from 0.
  public func rate(step: Int) -> Double { peak * factor(step) }

  private func factor(_ step: Int) -> Double {
    if step < warmupSteps { return Double(step) / Double(warmupSteps) }
    let rest = Double(max(1, totalSteps - warmupSteps))
    switch shape {
    case .constant: return 1
    case .linear: return max(0, Double(totalSteps - step) / rest)
    case .cosine: return 0.5 * (1 + cosine(halfTurns: min(1, Double(step - warmupSteps) / rest)))
    }
  }

  /// cos(π x) for x in 0...1, by its series: the C library's `cos` may end in another bit on another processor, and
  /// ranks must take the same step.
  private func cosine(halfTurns x: Double) -> Double {
    if x > 0.5 { return -cosine(halfTurns: 1 - x) }
    let square = Double.pi * x * (Double.pi * x)
    // Up to (π/2)^24 / 24!, which is below 1e-19.
    return stride(from: 24, to: 0, by: -2).reduce(1.0) { sum, n in 1 - sum * square / Double(n * (n - 1)) }
  }
}
