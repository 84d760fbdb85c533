import HeadImpact
import TestSupport
import Testing
import Transformer

@testable import LowRankAdaptation

@Suite("An adapter of chosen heads")
struct HeadMaskTests {
  private func adapter(_ targets: [Projection], layers: [Int]) throws -> LowRankAdapter {
    let adapter = try LoRAConfiguration(targets: targets, layers: layers, loraRank: 3, loraAlpha: 3)
      .makeAdapter(for: tiny())
    adapter.fill()
    return adapter
  }

  /// Four heads of 16, two key-value heads: head 3 of layer 1 reads key-value head 1.
  @Test("an update of chosen heads touches only their rows and columns")
  func deltas() throws {
    let layers = try tiny().decoder.layers
    let heads = [Selection.Head(layer: 1, head: 3), .init(layer: 2, head: 0), .init(layer: 2, head: 1)]
    #expect(HeadMask.layers(of: heads) == [1, 2])
    let adapter = try adapter([.query, .key, .value, .output], layers: [1, 2])
    let mask = try HeadMask(heads: heads, adapter: adapter, layers: layers)
    let before = adapter.values
    mask.apply(to: adapter)
    let rows: [Int: [Projection: Range<Int>]] = [
      1: [.query: 48..<64, .key: 16..<32, .value: 16..<32], 2: [.query: 0..<32, .key: 0..<16, .value: 0..<16],
    ]
    for update in adapter.updates {
      let delta = adapter.delta(update)
      let touched = rows[update.target.layer]?[update.target.projection]
      let columns = update.target.layer == 1 ? 48..<64 : 0..<32
      for out in 0..<update.outputs {
        for input in 0..<update.inputs {
          let isFree = touched?.contains(out) ?? columns.contains(input)
          #expect((delta[out * update.inputs + input] != 0) == isFree, "\(update.target) [\(out), \(input)]")
        }
      }
    }
    // Free means kept, everything else is zero.
    var trainable = [Bool](repeating: false, count: adapter.count)
    for range in mask.trainableParameters { for place in range { trainable[place] = true } }
    #expect(zip(trainable, zip(before, adapter.values)).allSatisfy { $0 ? $1.0 == $1.1 : $1.1 == 0 })
    #expect(mask.count == trainable.count { $0 })
    #expect(
      zip(mask.trainableParameters, mask.trainableParameters.dropFirst()).allSatisfy { $0.upperBound < $1.lowerBound })
    // Layer 1: A of q, k, v, one block of B each; a block of o's A, all of its B.
    let layer1 = 3 * (3 * 64) + 3 * (16 * 3) + 3 * 16 + 64 * 3
    #expect(mask.count == layer1 + 3 * (3 * 64) + (32 + 16 + 16) * 3 + 3 * 32 + 64 * 3)
  }

  @Test("all heads make everything trainable")
  func everything() throws {
    let adapter = try adapter([.query, .key, .value, .output], layers: [0])
    let mask = try HeadMask(
      heads: (0..<4).map { .init(layer: 0, head: $0) }, adapter: adapter, layers: tiny().decoder.layers)
    #expect(mask.trainableParameters == [0..<adapter.count] && mask.trainableParameters == adapter.trainableParameters)
  }

  @Test("what can't be masked is refused")
  func refusals() throws {
    let layers = try tiny().decoder.layers
    func words(_ heads: [Selection.Head], _ targets: [Projection] = [.query]) throws -> String {
      let adapter = try adapter(targets, layers: [1])
      return try #require(throws: LowRankAdaptationError.self) {
        try HeadMask(heads: heads, adapter: adapter, layers: layers)
      }.description
    }
    #expect(try words([]).contains("no head"))
    #expect(try words([.init(layer: 9, head: 0)]).contains("no head 9.0"))
    #expect(try words([.init(layer: 1, head: 4)]).contains("layer 1 has 4 heads"))
    #expect(try words([.init(layer: 1, head: -1)]).contains("no head 1.-1"))
    #expect(try words([.init(layer: 1, head: 1), .init(layer: 1, head: 1)]).contains("twice"))
    #expect(try words([.init(layer: 2, head: 1)]).contains("updates the layers [1]"))
    for target in [Projection.gate, .up, .down] {
      #expect(try words([.init(layer: 1, head: 1)], [.query, target]).contains("layers.1.mlp.\(target.rawValue)"))
    }
  }
}
