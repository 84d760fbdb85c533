import Foundation
import TestSupport
import Testing

@testable import LowRankAdaptation

@Suite("Steps of the optimiser")
struct OptimiserTests {
  struct Case: Decodable, Sendable, CustomStringConvertible {
    struct Step: Decodable, Sendable {
      let learningRate: Double
      let gradient: [Float]
      let norm: Double
      let weights: [Float]
      let first: [Float]
      let second: [Float]
    }

    let name: String
    let weightDecay: Double
    let clip: Double
    let initial: [Float]
    let steps: [Step]
    var description: String { name }

    static var all: [Case] {
      get throws {
        let file = Goldens.root().appendingPathComponent("adamw.json")
        return try JSONDecoder().decode([Case].self, from: Data(contentsOf: file))
      }
    }
  }

  @Test("as torch's AdamW and clip_grad_norm_, step by step", arguments: try Case.all)
  func golden(_ golden: Case) throws {
    // The trainable parameters lie between others, which must stay.
    let count = golden.initial.count
    let trainable = [1..<3, 4..<count + 2]
    let places = trainable.flatMap { $0 }
    var weights = [Float](repeating: 7, count: count + 3)
    for (place, value) in zip(places, golden.initial) { weights[place] = value }
    var optimiser = AdamW(count: weights.count, weightDecay: golden.weightDecay)
    for (number, step) in golden.steps.enumerated() {
      var gradient = [Float](repeating: 100, count: weights.count)
      for (place, value) in zip(places, step.gradient) { gradient[place] = value }
      let norm = try GradientClipping.clip(&gradient, over: trainable, maximumNorm: golden.clip)
      #expect(abs(norm - step.norm) <= 1e-6 * step.norm)
      optimiser.update(&weights, gradient: gradient, over: trainable, learningRate: step.learningRate)
      // torch fuses some multiplications and additions, where the processor can.
      for (mine, theirs) in [
        (weights, step.weights), (optimiser.firstMoments, step.first), (optimiser.secondMoments, step.second),
      ] {
        let closeness = Closeness(places.map { mine[$0] }, theirs)
        #expect(closeness.relativeL2 < 3e-7, "step \(number): \(closeness)")
      }
      #expect([0, 3, count + 2].allSatisfy { weights[$0] == 7 && optimiser.firstMoments[$0] == 0 })
    }
    #expect(optimiser.step == golden.steps.count)
  }

  @Test("a step from stored moments is the step that would have been")
  func resumed() {
    func steps(_ optimiser: inout AdamW, _ weights: inout [Float], _ numbers: Range<Int>) {
      for number in numbers {
        let gradient = (0..<4).map { Float($0 + number) * 0.1 - 0.3 }
        optimiser.update(&weights, gradient: gradient, over: [0..<4], learningRate: 0.01)
      }
    }
    var (whole, weights) = (AdamW(count: 4), [Float](repeating: 1, count: 4))
    steps(&whole, &weights, 0..<6)
    var (first, half) = (AdamW(count: 4), [Float](repeating: 1, count: 4))
    steps(&first, &half, 0..<3)
    var second = AdamW(count: 4)
    (second.step, second.firstMoments, second.secondMoments) = (first.step, first.firstMoments, first.secondMoments)
    steps(&second, &half, 3..<6)
    #expect(half == weights && second.firstMoments == whole.firstMoments)
  }

  @Test("no clipping leaves the bits; a gradient that is not finite is an error")
  func clipping() throws {
    var gradient: [Float] = [3, 4, 1e30]
    func clip(_ trainable: [Range<Int>], maximumNorm: Double) throws -> Double {
      try GradientClipping.clip(&gradient, over: trainable, maximumNorm: maximumNorm)
    }
    #expect(try clip([0..<2], maximumNorm: .infinity) == 5)
    #expect(gradient == [3, 4, 1e30])
    #expect(try clip([0..<2], maximumNorm: 6) == 5)
    #expect(gradient == [3, 4, 1e30])
    _ = try clip([0..<2], maximumNorm: 1)
    #expect(abs(gradient[0] - 0.6) < 1e-6 && abs(gradient[1] - 0.8) < 1e-6 && gradient[2] == 1e30)
    #expect(try clip([], maximumNorm: 1) == 0)
    for bad in [Float.nan, .infinity] {
      gradient[1] = bad
      #expect(throws: LowRankAdaptationError.self) { try clip([0..<2], maximumNorm: 1) }
    }
  }
}

extension AdamW {
  fileprivate mutating func update(
    _ weights: inout [Float], gradient: [Float], over trainable: [Range<Int>], learningRate: Double
  ) {
    weights.withUnsafeMutableBufferPointer {
      var span = $0.mutableSpan
      update(&span, gradient: gradient, over: trainable, learningRate: learningRate)
    }
  }
}
