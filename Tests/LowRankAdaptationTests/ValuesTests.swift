import Foundation
import HeadImpact
import Kernels
import TestSupport
import Testing
import Transformer
import VisionLanguage

@testable import LowRankAdaptation

/// The committed tiny model, loaded.
func tinyModel(_ tiny: TinyCase = .nested) throws -> any VisionLanguageModel {
  try ModelRegistry.load(
    folder: tiny.model, context: ComputeContext(precision: .f32, team: ThreadTeam(count: 1)))
}

@Suite("Optimiser, schedules, order")
struct ValuesTests {
  @Test("AdamW steps as torch.optim.AdamW does")
  func adamW() {
    // torch 2.13: p = [0.5, -1.25, 3], lr 0.01, weight decay 0.1, gradients g * (1, -0.5, 0.25) for g in the list.
    var optimiser = AdamW(count: 3, weightDecay: 0.1)
    var parameters: [Float] = [0.5, -1.25, 3]
    for g: Float in [0.3, -0.2, 1.5, 1e-7] {
      parameters.withUnsafeMutableBufferPointer {
        optimiser.update($0, gradient: [g, -0.5 * g, 0.25 * g], free: [0..<3], learningRate: 0.01)
      }
    }
    let expected: [Float] = TorchAdamW.parameters
    for (value, wanted) in zip(parameters, expected) { #expect(abs(value - wanted) <= 2e-7 * abs(wanted)) }
    #expect(optimiser.step == 4)
  }

  @Test("only free parameters change")
  func freeOnly() {
    var optimiser = AdamW(count: 4, weightDecay: 0.1)
    var parameters: [Float] = [1, 1, 1, 1]
    parameters.withUnsafeMutableBufferPointer {
      optimiser.update($0, gradient: [1, 1, 1, 1], free: [1..<2, 3..<4], learningRate: 0.1)
    }
    #expect(parameters[0] == 1 && parameters[2] == 1 && parameters[1] != 1 && parameters[1] == parameters[3])
  }

  @Test("the norm is of the free part, and a longer gradient is shortened to the limit")
  func clip() {
    var gradient: [Float] = [3, 100, 4]
    #expect(clipGradient(&gradient, free: [0..<1, 2..<3], most: 1) == 5)
    #expect(abs(gradient[0] - 0.6) < 1e-5 && gradient[1] == 100 && abs(gradient[2] - 0.8) < 1e-5)
    #expect(clipGradient(&gradient, free: [0..<1, 2..<3], most: 0) > 0.99)
    #expect(abs(gradient[0] - 0.6) < 1e-5)
  }

  @Test("warm-up and the three shapes")
  func schedules() {
    func rates(_ shape: LearningRateSchedule.Shape) -> [Double] {
      let schedule = LearningRateSchedule(shape: shape, peak: 2, warmup: 2, steps: 6)
      return (0..<6).map(schedule.rate)
    }
    #expect(rates(.constant) == [0, 1, 2, 2, 2, 2])
    #expect(rates(.linear) == [0, 1, 2, 1.5, 1, 0.5])
    let cosine: [Double] = [0, 1, 2, 1 + cos(Double.pi / 4), 1, 1 - cos(Double.pi / 4)]
    for (rate, wanted) in zip(rates(.cosine), cosine) {
      #expect(abs(rate - wanted) < 1e-12)
    }
    #expect(LearningRateSchedule(shape: .linear, peak: 1, warmup: 0, steps: 4).rate(at: 0) == 1)
  }

  @Test("an epoch is a permutation, the same each time, another for another epoch or seed")
  func order() {
    func epoch(_ epoch: Int, seed: UInt64 = 5) -> [Int] {
      var order = SampleOrder(count: 50, seed: seed, shuffles: true)
      return order.batch(step: epoch, size: 50)
    }
    #expect(epoch(0).sorted() == Array(0..<50) && epoch(0) != Array(0..<50))
    #expect(epoch(0) == epoch(0) && epoch(0) != epoch(1) && epoch(0) != epoch(0, seed: 6))
  }

  @Test("batches go on over the end of an epoch, and the last is cut where the run ends")
  func batches() {
    var order = SampleOrder(count: 5, seed: 0, shuffles: false)
    #expect((0..<4).map { order.batch(step: $0, size: 3, total: 10) } == [[0, 1, 2], [3, 4, 0], [1, 2, 3], [4]])
    #expect(order.batch(step: 4, size: 3, total: 10).isEmpty)
    #expect(order.batch(step: 1, size: 7) == [2, 3, 4, 0, 1, 2, 3])
  }
}

@Suite("Adapters and heads")
struct ConfigurationTests {
  private func configuration(
    layers: [Int] = [1], targets: [Projection] = [.query, .output], rank: Int = 2, alpha: Double = 4
  ) throws -> LoRAConfiguration {
    try LoRAConfiguration(layers: layers, targets: targets, loraRank: rank, loraAlpha: alpha)
  }

  @Test("A is drawn within 1/sqrt(in), by the seed and the place alone; B is zero")
  func fresh() throws {
    let layers = try tinyModel().decoder.layers
    let one = try configuration(layers: [1, 2]).makeAdapter(for: layers, seed: 3)
    for update in one.updates {
      let bound = 1 / Float(update.inputs).squareRoot()
      #expect(one.parameters[update.a].allSatisfy { abs($0) <= bound })
      #expect(one.parameters[update.a].contains { abs($0) > 0.9 * bound })
      #expect(one.parameters[update.b].allSatisfy { $0 == 0 })
      #expect(update.scaling == 2)
    }
    let other = try configuration(layers: [2]).makeAdapter(for: layers, seed: 3)
    let update = try #require(one[LowRankAdapter.Site(layer: 2, projection: .query)])
    #expect(Array(other.parameters[other.updates[0].a]) == Array(one.parameters[update.a]))
    let seeded = try configuration(layers: [2]).makeAdapter(for: layers, seed: 4)
    #expect(Array(other.parameters) != Array(seeded.parameters))
  }

  @Test("what makes no sense is refused in words")
  func refusals() throws {
    let layers = try tinyModel().decoder.layers
    func refused(_ words: String, _ body: () throws -> Void) {
      let error = #expect(throws: LowRankAdaptationError.self) { try body() }
      #expect(error?.description.contains(words) == true, "\(String(describing: error))")
    }
    refused("no layer is named") { _ = try configuration(layers: []) }
    refused("named twice") { _ = try configuration(layers: [1, 1]) }
    refused("the rank is 0") { _ = try configuration(rank: 0) }
    refused("alpha is") { _ = try configuration(alpha: .infinity) }
    refused("there is no layer 99") { _ = try configuration(layers: [99]).makeAdapter(for: layers, seed: 0) }
    refused("there is no layer -1") { _ = try configuration(layers: [-1]).makeAdapter(for: layers, seed: 0) }
    refused("self_attn.q_proj is") { _ = try configuration(rank: 4000).makeAdapter(for: layers, seed: 0) }
  }

  @Test("a head's part: rows of q, of its key-value head's k and v, columns of o")
  func heads() throws {
    let layers = try tinyModel().decoder.layers
    let shape = layers[1].attention.shape
    let adapter = try configuration(layers: [1], targets: [.query, .key, .value, .output], rank: 2)
      .makeAdapter(for: layers, seed: 1)
    for index in 0..<adapter.count { adapter.parameters[index] = 1 }
    let head = shape.heads - 1
    let mask = try HeadMask([Selection.Head(layer: 1, head: head)], of: adapter, layers: layers)
    mask.apply(to: adapter)
    #expect(adapter.parameters.count { $0 == 1 } == mask.count)
    for update in adapter.updates {
      let isOutput = update.site.projection == .output
      let restricted = isOutput ? update.a : update.b
      let size = update.site.projection == .query || isOutput ? head : head / (shape.heads / shape.keyValueHeads)
      let block = size * shape.headDim..<(size + 1) * shape.headDim
      for (place, index) in restricted.enumerated() {
        let row = isOutput ? place % update.inputs : place / update.rank
        #expect(adapter.parameters[index] == (block.contains(row) ? 1 : 0))
      }
      #expect(adapter.parameters[isOutput ? update.b : update.a].allSatisfy { $0 == 1 })
    }
    #expect(throws: LowRankAdaptationError.self) {
      try HeadMask([Selection.Head(layer: 1, head: 99)], of: adapter, layers: layers)
    }
    #expect(throws: LowRankAdaptationError.self) {
      try HeadMask([Selection.Head(layer: 0, head: 0)], of: adapter, layers: layers)
    }
  }
}
