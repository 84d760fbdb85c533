import Foundation
import TestSupport
import Testing
import Transformer

@testable import LowRankAdaptation

@Suite("A fresh adapter")
struct ConfigurationTests {
  @Test("A is uniform in ±1/√in and depends on seed and place alone; B is zero")
  func values() throws {
    let model = try tiny()
    let all = LoRAConfiguration(
      targets: Projection.allCases, layers: [0, 1, 2, 3], loraRank: 8, loraAlpha: 16, seed: 5)
    let adapter = try all.makeAdapter(for: model)
    for update in adapter.updates {
      let a = Array(adapter.values[update.a])
      let bound = 1 / Double(update.inputs).squareRoot()
      #expect(a.allSatisfy { abs(Double($0)) <= bound * 1.000001 })
      let mean = a.reduce(0.0) { $0 + Double($1) } / Double(a.count)
      let variance = a.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(a.count)
      #expect(abs(mean) < 0.15 * bound && abs(variance * 3 / bound / bound - 1) < 0.2, "\(update.target)")
      #expect(adapter.values[update.b].allSatisfy { $0 == 0 } && update.scaling == 2)
    }
    #expect(Set(adapter.updates.map { adapter.values[$0.a.lowerBound] }).count == adapter.updates.count)

    let one = try LoRAConfiguration(targets: [.output], layers: [2], loraRank: 3, loraAlpha: 1, seed: 5)
      .makeAdapter(for: model)
    let target = LoRATarget(layer: 2, projection: .output)
    let within = try #require(adapter[target]).a
    #expect(
      Array(one.values[one.updates[0].a]) == Array(adapter.values[within].prefix(3 * one.updates[0].inputs)))
    var other = all
    other.seed = 6
    #expect(try other.makeAdapter(for: model).values != adapter.values)
    #expect(try all.makeAdapter(for: model).values == adapter.values)
  }

  @Test("rsLoRA divides by the root of the rank; DoRA's magnitudes begin as the norms of the weights' rows")
  func kinds() throws {
    let model = try tiny()
    let configuration = LoRAConfiguration(
      targets: [.query, .down], layers: [1], loraRank: 4, loraAlpha: 6, dividesByRoot: true, hasMagnitudes: true)
    let adapter = try configuration.makeAdapter(for: model)
    #expect(adapter.hasMagnitudes && adapter.updates.allSatisfy { $0.scaling == 3 })
    for update in adapter.updates {
      let weight = try #require(model.decoder.layers[1][update.target.projection]).weight
      let magnitudes = Array(adapter.values[try #require(update.magnitude)])
      for row in 0..<weight.rows {
        let norm = weight.rows(row..<row + 1).floats().reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        #expect(abs(Double(magnitudes[row]) - norm) < 1e-5 * norm)
      }
    }
    try ScratchFolder.with { scratch in
      adapter.fill()
      let folder = scratch.file("adapter")
      try PEFTAdapter.write(
        adapter, configuration: configuration, for: model,
        base: BaseModelName(folder: URL(fileURLWithPath: "/models/tiny")), to: folder)
      let (read, again) = try PEFTAdapter.loadForTraining(folder: folder, for: model)
      #expect(read.values == adapter.values && again == configuration)
    }
  }

  @Test(
    "what can't be is refused by name",
    arguments: [
      (LoRAConfiguration(layers: [4], loraRank: 2, loraAlpha: 1), "there is no layer 4"),
      (LoRAConfiguration(layers: [-1], loraRank: 2, loraAlpha: 1), "there is no layer -1"),
      (LoRAConfiguration(layers: [], loraRank: 2, loraAlpha: 1), "no layer is chosen"),
      (LoRAConfiguration(layers: [1, 1], loraRank: 2, loraAlpha: 1), "layer 1 is named more than once"),
      (LoRAConfiguration(targets: [], layers: [1], loraRank: 2, loraAlpha: 1), "no target"),
      (LoRAConfiguration(targets: [.key, .key], layers: [1], loraRank: 2, loraAlpha: 1), "k_proj is named more than"),
      (LoRAConfiguration(layers: [1], loraRank: 0, loraAlpha: 1), "rank is 0"),
      (LoRAConfiguration(layers: [1], loraRank: 33, loraAlpha: 1), "layers.1.self_attn.k_proj, which is [32, 64]"),
      (LoRAConfiguration(layers: [1], loraRank: 2, loraAlpha: 0), "alpha is 0"),
      (LoRAConfiguration(layers: [1], loraRank: 2, loraAlpha: .nan), "alpha is nan"),
      (LoRAConfiguration(layers: [1], loraRank: 2, loraAlpha: .infinity), "alpha is inf"),
      (LoRAConfiguration(layers: [1], loraRank: 2, loraAlpha: 1, dropout: 1), "dropout is 1"),
      (LoRAConfiguration(layers: [1], loraRank: 2, loraAlpha: 1, dropout: -0.1), "dropout is -0.1"),
      (LoRAConfiguration(layers: [1], loraRank: 2, loraAlpha: 1, dropout: 0.1, hasMagnitudes: true), "without dropout"),
    ])
  func refusals(_ configuration: LoRAConfiguration, _ words: String) throws {
    let model = try tiny()
    let error = try #require(throws: LowRankAdaptationError.self) { try configuration.makeAdapter(for: model) }
    #expect(error.description.contains(words), "\(error)")
  }
}
