import Foundation

/// How the learning rate goes over a run: up in a line during the warm-up, then constant, in a line to zero, or along half a
/// cosine to zero (`transformers.get_*_schedule_with_warmup`).
public struct LearningRateSchedule: Sendable, Equatable {
  public enum Shape: String, CaseIterable, Sendable {
    case constant, linear, cosine
  }

  public let shape: Shape
  public let peak: Double
  public let warmup: Int
  public let steps: Int

  public init(shape: Shape, peak: Double, warmup: Int, steps: Int) {
    self.shape = shape
    self.peak = peak
    self.warmup = warmup
    self.steps = steps
  }

  /// - Parameter step: from 0.
  public func rate(at step: Int) -> Double {
    if step < warmup { return peak * Double(step) / Double(max(1, warmup)) }
    let progress = Double(step - warmup) / Double(max(1, steps - warmup))
    switch shape {
    case .constant: return peak
    case .linear: return peak * max(0, 1 - progress)
    case .cosine: return peak * max(0, 0.5 * (1 + cos(.pi * min(1, progress))))
    }
  }
}
