import Kernels
import TestSupport
import Testing

@testable import Transformer

@Suite("Decoder")
struct DecoderTests {
  private static let width = RandomModel.hiddenSize

  private struct Model {
    let decoder: DecoderStack
    let rows: [Float]
    let tokens: Int

    init(layers: Int = 3, tokens: Int = 11, threads: Int = 2) throws {
      var random = RandomModel()
      decoder = try random.decoder(layers: layers, threads: threads)
      rows = random.numbers(tokens * width)
      self.tokens = tokens
    }

    func rows(_ range: Range<Int>) -> [Float] { Array(rows[range.lowerBound * width..<range.upperBound * width]) }

    /// Everything in one pass, every row observed.
    func whole() throws -> PassResult {
      try decoder.pass(
        rows, SequenceLayout(newPrefix: 0, segments: [tokens]), positions: Array(0..<tokens),
        cache: decoder.freshCache(rows: tokens))
    }
  }

  private func expectClose(_ actual: [Float], _ expected: [Float], _ what: String) {
    let closeness = Closeness(actual, expected)
    #expect(closeness.maximumDifference <= 2e-6, "\(what): \(closeness)")
  }

  @Test("a sequence is the same as a prefix, as a segment, and as both")
  func layouts() throws {
    let model = try Model()
    let whole = try model.whole()
    for prefix in [4, 11] {
      let pass = try model.decoder.pass(
        model.rows, SequenceLayout(newPrefix: prefix, segments: prefix == 11 ? [] : [11 - prefix]),
        positions: Array(0..<11), cache: model.decoder.freshCache(rows: 11))
      expectClose(pass.hidden, whole.hidden, "prefix \(prefix)")
      #expect(pass.layers.count == 3)
      for (layer, hidden) in pass.layers.enumerated() { expectClose(hidden, whole.layers[layer], "layer \(layer)") }
    }
  }

  @Test("the last hidden state shown is what the pass leaves")
  func lastLayer() throws {
    let whole = try Model().whole()
    #expect(whole.layers.last == whole.hidden)
  }

  @Test("two steps on a key-value cache equal one", arguments: [1, 4, 10])
  func steps(_ first: Int) throws {
    let model = try Model()
    let whole = try model.whole()
    let cache = model.decoder.freshCache(rows: 11)
    let one = try model.decoder.pass(
      model.rows(0..<first), SequenceLayout(newPrefix: first), positions: Array(0..<first), cache: cache)
    expectClose(one.hidden, Array(whole.hidden[..<(first * Self.width)]), "first step")
    let two = try model.decoder.pass(
      model.rows(first..<11), SequenceLayout(cachedPrefix: first, newPrefix: 0, segments: [11 - first]),
      positions: Array(first..<11), cache: cache)
    expectClose(two.hidden, Array(whole.hidden[(first * Self.width)...]), "second step")
    for (key, weights) in two.weights {
      let same = PassResult.Key(layer: key.layer, head: key.head, row: key.row + first)
      expectClose(weights, whole.weights[same] ?? [], "\(key)")
    }
  }

  @Test("segments behind one prefix equal sequences of their own")
  func segments() throws {
    let model = try Model(tokens: 12)
    let lengths = [3, 1, 4]
    let positions = Array(0..<4) + lengths.flatMap { Array(4..<4 + $0) }
    let packed = try model.decoder.pass(
      model.rows, SequenceLayout(newPrefix: 4, segments: lengths), positions: positions,
      cache: model.decoder.freshCache(rows: 12))
    var row = 4
    for (segment, length) in lengths.enumerated() {
      let alone = try model.decoder.pass(
        model.rows(0..<4) + model.rows(row..<row + length), SequenceLayout(newPrefix: 4, segments: [length]),
        positions: Array(0..<4 + length), cache: model.decoder.freshCache(rows: 4 + length))
      expectClose(
        Array(packed.hidden[row * Self.width..<(row + length) * Self.width]), Array(alone.hidden[(4 * Self.width)...]),
        "segment \(segment)")
      for (key, weights) in alone.weights {
        let same = PassResult.Key(layer: key.layer, head: key.head, row: key.row - 4 + row)
        expectClose(packed.weights[same] ?? [], weights, "segment \(segment) \(key)")
      }
      row += length
    }
  }

  @Test("attention is causal: a row sees itself and what is before it, and its weights add up to 1")
  func causal() throws {
    let model = try Model()
    let whole = try model.whole()
    #expect(whole.weights.count == 3 * 4 * 11)
    for (key, weights) in whole.weights {
      #expect(weights.count == key.row + 1)
      #expect(abs(weights.reduce(0, +) - 1) < 1e-5)
      #expect(weights.allSatisfy { $0 >= 0 })
    }
    // Nothing that comes later changes a row.
    var rows = model.rows
    for index in 8 * Self.width..<rows.count { rows[index] = 9 }
    let changed = try model.decoder.pass(
      rows, SequenceLayout(newPrefix: 11), positions: Array(0..<11), cache: model.decoder.freshCache(rows: 11))
    expectClose(Array(changed.hidden[..<(8 * Self.width)]), Array(whole.hidden[..<(8 * Self.width)]), "rows before")
  }

  @Test("a pass that stops at the last layer's weights shows the weights of a whole one")
  func stops() throws {
    let model = try Model()
    for layout in [
      SequenceLayout(newPrefix: 4, segments: [4, 3]), SequenceLayout(newPrefix: 0, segments: [11]),
    ] {
      let positions = layout.newPrefix == 4 ? Array(0..<8) + Array(4..<7) : Array(0..<11)
      let whole = try model.decoder.pass(
        model.rows, layout, positions: positions, cache: model.decoder.freshCache(rows: 11))
      let stopped = try model.decoder.pass(
        model.rows, layout, positions: positions, cache: model.decoder.freshCache(rows: 11), stopsAtLastWeights: true)
      #expect(stopped.layers == Array(whole.layers[..<2]))
      #expect(stopped.hidden == whole.layers[1], "the last layer's input stays")
      #expect(stopped.weights.keys == whole.weights.keys)
      for (key, weights) in whole.weights { expectClose(stopped.weights[key] ?? [], weights, "\(key)") }
    }
  }

  @Test("after a pass that stopped, further segments find the prefix in the cache")
  func stopsThenGoesOn() throws {
    let model = try Model()
    let whole = try model.decoder.pass(
      model.rows, SequenceLayout(newPrefix: 4, segments: [4, 3]), positions: Array(0..<8) + Array(4..<7),
      cache: model.decoder.freshCache(rows: 11))
    let cache = model.decoder.freshCache(rows: 8)
    _ = try model.decoder.pass(
      model.rows(0..<8), SequenceLayout(newPrefix: 4, segments: [4]), positions: Array(0..<8), cache: cache,
      stopsAtLastWeights: true)
    let second = try model.decoder.pass(
      model.rows(8..<11), SequenceLayout(cachedPrefix: 4, newPrefix: 0, segments: [3]), positions: Array(4..<7),
      cache: cache, stopsAtLastWeights: true)
    #expect(second.weights.count == 3 * 4 * 3)
    for (key, weights) in second.weights {
      let same = PassResult.Key(layer: key.layer, head: key.head, row: key.row + 8)
      expectClose(weights, whole.weights[same] ?? [], "\(key)")
    }
  }

  @Test("the rows of the MLP in pieces equal all at once", arguments: [1, 3, 10, 11, 12])
  func pieces(_ mlpRows: Int) throws {
    let model = try Model()
    let whole = try model.whole()
    model.decoder.mlpRows = mlpRows
    expectClose(try model.whole().hidden, whole.hidden, "\(mlpRows) rows at a time")
  }

  @Test("the number of threads changes nothing", arguments: [2, 3, 7])
  func threads(_ count: Int) throws {
    // Enough rows for several threads to be worth waking.
    let one = try Model(layers: 2, tokens: 300, threads: 1).whole()
    let many = try Model(layers: 2, tokens: 300, threads: count).whole()
    expectClose(many.hidden, one.hidden, "\(count) threads")
  }

  @Test("a tap that throws ends the pass there", arguments: [0, 1, 2])
  func throwing(_ last: Int) throws {
    struct Stop: Error {}
    let model = try Model()
    var seen: [Int] = []
    #expect(throws: Stop.self) {
      try model.decoder.pass(
        model.rows, SequenceLayout(newPrefix: 11), positions: Array(0..<11), cache: model.decoder.freshCache(rows: 11)
      ) { layer in
        seen.append(layer)
        if layer == last { throw Stop() }
      }
    }
    #expect(seen == Array(0...last))
    // The decoder is as good as before.
    #expect(try model.whole().hidden == Model().whole().hidden)
  }
}
