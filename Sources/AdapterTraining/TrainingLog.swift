import Foundation
import IO
import RunSupport

/// One step, as it is logged and written.
struct StepRecord: Sendable, Equatable, Codable {
  /// From 1.
  let step: Int
  /// Mean over the supervised tokens of the global batch.
  let loss: Double
  let learningRate: Double
  /// Before clipping.
  let gradientNorm: Double
  /// Supervised tokens of the global batch.
  let tokens: Int
  let seconds: Double
  /// Of `seconds`, those in the allreduce, waiting for slower ranks included; on rank 0.
  let secondsAllreduce: Double
}

/// A measurement of the validation loss.
struct ValidationRecord: Sendable, Equatable, Codable {
  let step: Int
  let loss: Double
  let tokens: Int
}

/// Everything that was measured so far: what training.h5 holds, and what a checkpoint carries on.
struct TrainingHistory: Sendable, Equatable, Codable {
  var steps: [StepRecord] = []
  var validations: [ValidationRecord] = []

  /// The lowest validation loss of a trained state; the earlier one of equals. That before the first step isn't one.
  var best: ValidationRecord? {
    validations.filter { $0.step > 0 }.min { ($0.loss, $0.step) < ($1.loss, $1.step) }
  }

  /// How many measurements came after the lowest one.
  var validationsSinceBest: Int {
    guard let best else { return 0 }
    return validations.count { $0.step > best.step }
  }
}

/// Tells on standard error how far training is: JSON lines, or one line that renews itself on a terminal, or a plain line
/// every so often.
final class TrainingLog {
  private let totalSteps: Int
  private let isQuiet: Bool
  private let isJSON: Bool
  private let isTerminal = isatty(STDERR_FILENO) == 1
  private let start = MonotonicClock.now
  private let firstStep: Int
  private var last = -Double.infinity
  private var hasLine = false

  init(totalSteps: Int, firstStep: Int, isQuiet: Bool, isJSON: Bool) {
    self.totalSteps = totalSteps
    self.firstStep = firstStep
    self.isQuiet = isQuiet
    self.isJSON = isJSON
  }

  func show(_ record: StepRecord, epoch: Double) {
    if isJSON {
      return line(
        JSONLine(
          step: record.step, steps: totalSteps, epoch: epoch, loss: record.loss, learning_rate: record.learningRate,
          gradient_norm: record.gradientNorm, tokens: record.tokens, seconds: record.seconds))
    }
    let now = MonotonicClock.now
    let isLast = record.step == totalSteps
    guard !isQuiet, isLast || now - last >= (isTerminal ? 0.2 : 15) else { return }
    last = now
    let each = (now - start) / Double(record.step - firstStep)
    var text = String(
      format: "step %d/%d, epoch %.2f, loss %.4f, lr %.3g, gradient %.3g, %.2f s/step", record.step, totalSteps, epoch,
      record.loss, record.learningRate, record.gradientNorm, each)
    if !isLast { text += ", \(ProgressReporter.duration(each * Double(totalSteps - record.step))) left" }
    if isTerminal {
      write("\r\u{1B}[K" + text)
      hasLine = true
    } else {
      write(text + "\n")
    }
  }

  func show(_ record: ValidationRecord, isBest: Bool) {
    if isJSON {
      return line(ValidationLine(step: record.step, validation_loss: record.loss, tokens: record.tokens, best: isBest))
    }
    note(String(format: "step %d: validation loss %.4f%@", record.step, record.loss, isBest ? ", the best so far" : ""))
  }

  /// Says something that the user may want to know.
  func note(_ text: String) {
    guard !isQuiet else { return }
    clear()
    write(text + "\n")
  }

  /// Says something that the user should see even with `--quiet`.
  func warn(_ text: String) {
    clear()
    write("headimpact: \(text)\n")
  }

  /// Leaves the cursor on a line of its own.
  func finish() {
    if hasLine { write("\n") }
    hasLine = false
  }

  private func clear() {
    if hasLine { write("\r\u{1B}[K") }
    hasLine = false
  }

  private func line(_ value: some Encodable) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    // Every number in it is finite, and so it always encodes.
    if let data = try? encoder.encode(value) { write(String(decoding: data, as: UTF8.self) + "\n") }
  }

  private func write(_ text: String) { StandardError.write(text) }

  private struct JSONLine: Encodable {
    let step: Int
    let steps: Int
    let epoch: Double
    let loss: Double
    let learning_rate: Double
    let gradient_norm: Double
    let tokens: Int
    let seconds: Double
  }

  private struct ValidationLine: Encodable {
    let step: Int
    let validation_loss: Double
    let tokens: Int
    let best: Bool
  }
}
