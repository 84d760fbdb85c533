import Foundation
import HDF5Store
import RunSupport

/// training.h5: what was measured in each step, and what the run was.
enum TrainingFile {
  static func write(
    to url: URL, history: TrainingHistory, identity: RunIdentity, facts: [(String, HDF5Attribute)]
  ) throws {
    try HDF5File.write(to: url.path) { file in
      func describe(_ name: String, _ meaning: String, units: String) throws {
        try file.setAttribute("long_name", .string(meaning), of: name)
        try file.setAttribute("units", .string(units), of: name)
      }
      let steps = history.steps
      try file.defineDimension("step", values: steps.map { Int32($0.step) })
      try describe("step", "optimiser step, from 1", units: "1")
      for (name, values, meaning, units) in [
        ("loss", steps.map(\.loss), "mean loss over the supervised tokens of the global batch", "nat"),
        ("learning_rate", steps.map(\.learningRate), "learning rate", "1"),
        ("gradient_norm", steps.map(\.gradientNorm), "norm of the gradient before clipping", "nat"),
        ("seconds", steps.map(\.seconds), "time of the step on rank 0", "s"),
        (
          "seconds_allreduce", steps.map(\.secondsAllreduce),
          "of it in the allreduce, including waiting for other ranks",
          "s"
        ),
      ] {
        try file.write(values, to: name, dimensions: ["step"])
        try describe(name, meaning, units: units)
      }
      try file.write(steps.map { Int64($0.tokens) }, to: "tokens", dimensions: ["step"])
      try describe("tokens", "supervised tokens of the global batch", units: "1")
      if !history.validations.isEmpty {
        try file.defineDimension("validation_step", values: history.validations.map { Int32($0.step) })
        try describe("validation_step", "steps done when the validation loss was measured", units: "1")
        try file.write(history.validations.map(\.loss), to: "validation_loss", dimensions: ["validation_step"])
        try describe("validation_loss", "mean loss over the supervised tokens of the validation examples", units: "nat")
      }
      for (name, value) in facts { try file.setAttribute(name, value) }
      for part in identity.parts {
        try file.setAttribute(attributeName(part.name), .string(part.value))
      }
      try file.setAttribute("run_identity", .string(String(decoding: try identity.encode(), as: UTF8.self)))
    }
  }

  /// The run that a finished file is of, its losses, and how many steps were planned and what was skipped (nil in a file of an
  /// older version).
  static func read(
    _ url: URL
  ) throws -> (identity: RunIdentity, history: TrainingHistory, steps: Int?, skips: SkipCounts?) {
    try HDF5File.read(from: url.path) { file in
      guard case .string(let text) = try file.attribute("run_identity") else {
        throw JobError("\(url.path): is not from a finished training run; choose another --output")
      }
      var skips: SkipCounts?
      if case .string(let json) = try file.attribute("skips") {
        do { skips = try JSONDecoder().decode(SkipCounts.self, from: Data(json.utf8)) } catch {
          throw JobError("\(url.path): its attribute skips is not one that this program writes: \(error)")
        }
      }
      let curves = try TrainingCurves(file)
      var history = TrainingHistory()
      history.steps = curves.training.map {
        StepRecord(
          step: $0.step, loss: $0.loss, learningRate: 0, gradientNorm: 0, tokens: 0, seconds: 0, secondsAllreduce: 0)
      }
      history.validations = curves.validation.map { ValidationRecord(step: $0.step, loss: $0.loss, tokens: 0) }
      var steps: Int?
      if case .integer(let planned) = try file.attribute("steps_planned") { steps = Int(planned) }
      return (try RunIdentity(decoding: Array(text.utf8)), history, steps, skips)
    }
  }

  /// "--lora-rank" as an attribute: `lora_rank`.
  private static func attributeName(_ name: String) -> String {
    let words = name.lowercased().split { !$0.isLetter && !$0.isNumber }
    return words.joined(separator: "_")
  }
}
