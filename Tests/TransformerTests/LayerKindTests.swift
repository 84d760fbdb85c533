import Kernels
import TestSupport
import Testing

@testable import Transformer

extension LayerKind {
  /// What decoders are made of, one thing after another, and all that Gemma is made of together.
  static let ofDecoders =
    [
      llama, qwen2, LayerKind("LayerNorm") { $0.norm = .layer },
      LayerKind("norms behind attention and MLP") { $0.hasNormsBehind = true },
      LayerKind("layer scale") { $0.hasLayerScale = true },
      LayerKind("norms behind, and layer scale") { ($0.hasNormsBehind, $0.hasLayerScale) = (true, true) },
      LayerKind("norms of queries and keys over D") { $0.headNorm = .heads },
      LayerKind("norms of queries and keys over all channels") { $0.headNorm = .channels },
      LayerKind("a head dimension of its own") { $0.headDim = 10 },
      LayerKind("score scale") { $0.scoreScale = 0.9 },
      LayerKind("softcap") { ($0.scoreScale, $0.softcap) = (2, 1.5) },
      LayerKind("a window in every other layer") { $0.windows = [3, nil] },
      LayerKind("no rotary embedding") { $0.rotary = [nil] },
      LayerKind("rotary tables by layer") { $0.rotary = [0, 1] },
      LayerKind("Gemma 2") {
        ($0.hasBiases, $0.hasNormsBehind, $0.activation, $0.headDim) = (false, true, .tanhGELU, 8)
        ($0.scoreScale, $0.softcap, $0.windows) = (0.4, 3, [4, nil])
      },
      LayerKind("Gemma 3") {
        ($0.hasBiases, $0.hasNormsBehind, $0.activation, $0.headDim) = (false, true, .tanhGELU, 8)
        ($0.headNorm, $0.windows, $0.rotary, $0.windowHoldsBothWays) = (.heads, [4, 4, nil], [1, 1, 0], true)
      },
    ]
    + [Activation.quickGELU, .gelu, .tanhGELU, .silu].flatMap { activation in
      [true, false].map { isGated in
        LayerKind("\(isGated ? "gated" : "plain") \(activation)") {
          ($0.isGated, $0.activation) = (isGated, activation)
        }
      }
    }
}

/// Layouts of eleven rows.
private let layouts: [SequenceLayout] = [
  SequenceLayout(newPrefix: 11), SequenceLayout(newPrefix: 4, segments: [5, 2]),
  SequenceLayout(newPrefix: 0, segments: [6, 5], outputRowsAtEnd: [2, 3]),
  SequenceLayout(newPrefix: 11).withBlocks(prefix: [2..<7], segments: []),
  SequenceLayout(newPrefix: 0, segments: [8, 3], outputRowsAtEnd: [6, 1])
    .withBlocks(prefix: [], segments: [[0..<2, 4..<7], []]),
  SequenceLayout(newPrefix: 6, segments: [5]).withBlocks(prefix: [0..<6], segments: [[7..<9]]),
]

@Suite("Layers of every kind")
struct LayerKindTests {
  private static let size = RandomModel.hiddenSize

  private func expected(_ decoder: DecoderStack, _ layout: SequenceLayout, _ rows: [Float]) -> PlainTransformer {
    PlainTransformer(
      layers: decoder.layers, visible: PlainTransformer.visible(layout, decoder.layers),
      angles: RandomModel.tables(
        layout.places.map(\.position), headDim: decoder.layers[0].attention.shape.headDim))
  }

  private func outputs(_ rows: [[Double]], _ layout: SequenceLayout) -> [Double] {
    layout.outputs.map { $0.flatMap { rows[$0] } } ?? rows.flatMap { $0 }
  }

  @Test("a pass is what its definition gives in float64", arguments: LayerKind.ofDecoders, layouts)
  func forward(_ kind: LayerKind, _ layout: SequenceLayout) throws {
    var random = RandomModel()
    let decoder = try random.decoder(layers: 3, kind)
    let rows = random.numbers(11 * Self.size)
    let pass = try decoder.pass(rows, layout, cache: decoder.freshCache(rows: 11))
    let plain = expected(decoder, layout, rows).forward(rows.rows(Self.size), layers: 0..<3)
    let wanted = outputs(plain, layout)
    let closeness = Closeness(Array(pass.hidden.prefix(wanted.count)), wanted)
    #expect(closeness.relativeL2 < 2e-6, "\(closeness)")
  }

  @Test("a pass in pieces on the cache gives what one pass gives", arguments: LayerKind.ofDecoders)
  func pieces(_ kind: LayerKind) throws {
    var random = RandomModel()
    let decoder = try random.decoder(layers: 3, kind)
    let rows = random.numbers(11 * Self.size)
    let whole = try decoder.pass(
      rows, SequenceLayout(newPrefix: 11).withBlocks(prefix: [1..<5], segments: []), cache: decoder.freshCache(rows: 11)
    )
    // The prefix in two passes, then the rest in two steps of a segment that lies aside.
    let cache = decoder.freshCache(rows: 14)
    let steps = [
      SequenceLayout(newPrefix: 5).withBlocks(prefix: [1..<5], segments: []),
      SequenceLayout(cachedPrefix: 5, newPrefix: 2).withBlocks(prefix: [1..<5], segments: []),
      SequenceLayout(cachedPrefix: 7, segments: [3], slots: [CacheSlot(start: 9, cachedRows: 0)]),
      SequenceLayout(cachedPrefix: 7, segments: [1], slots: [CacheSlot(start: 9, cachedRows: 3)]),
    ]
    var (hidden, row): ([Float], Int) = ([], 0)
    for step in steps {
      let some = Array(rows[row * Self.size..<(row + step.rows) * Self.size])
      hidden += try decoder.pass(some, step, cache: cache).hidden
      row += step.rows
    }
    let closeness = Closeness(hidden, whole.hidden)
    #expect(closeness.relativeL2 < 1e-6, "\(closeness)")
  }

  /// A tape keeps the outputs of gate and up, and an adapter adds to them: then they aren't activated panel by panel.
  @Test(
    "the MLP has the same bits whether a tape or an update of nothing takes part or not",
    arguments: LayerKind.ofDecoders)
  func fused(_ kind: LayerKind) throws {
    var random = RandomModel()
    let decoder = try random.decoder(layers: 2, kind)
    let rows = random.numbers(11 * Self.size)
    func pass(_ projections: [Projection], tape: ActivationTape? = nil) throws -> [Float] {
      let adapter = LowRankAdapter(
        projections.map { (LoRATarget(layer: 1, projection: $0), 1, 1) }, for: decoder.layers, on: decoder.backend)
      decoder.adapter = projections.isEmpty ? nil : adapter
      let hidden = decoder.backend.tensor(rows, rows: 11)
      try decoder.forward(
        hidden, layout: SequenceLayout(newPrefix: 0, segments: [7, 4]),
        angles: RandomModel.tables(Array(0..<7) + Array(0..<4), headDim: decoder.layers[0].attention.shape.headDim),
        cache: decoder.freshCache(rows: 11), tape: tape)
      return decoder.backend.read(hidden)
    }
    let fused = try pass([])
    #expect(try pass([], tape: ActivationTape()) == fused)
    #expect(try pass([.up]) == fused)
    if kind.isGated {
      #expect(try pass([.gate]) == fused)
      #expect(try pass([.gate, .up]) == fused)
    }
    decoder.mlpRows = 4
    #expect(try pass([]) == fused)
  }

  @Test("updates of gate and up alone are applied", arguments: [Projection.gate, .up])
  func updated(_ projection: Projection) throws {
    var random = RandomModel()
    let decoder = try random.decoder(layers: 2)
    let layout = SequenceLayout(newPrefix: 11)
    let rows = random.numbers(11 * Self.size)
    let adapter = LowRankAdapter(
      [(LoRATarget(layer: 1, projection: projection), 2, 0.5)], for: decoder.layers, on: decoder.backend)
    adapter.values = random.numbers(adapter.count, scale: 0.4)
    decoder.adapter = adapter
    var plain = expected(decoder, layout, rows)
    plain.adapter = adapter
    plain.parameters = adapter.values.map(Double.init)
    let wanted = plain.forward(rows.rows(Self.size), layers: 0..<2).flatMap { $0 }
    let closeness = Closeness(try decoder.pass(rows, layout, cache: decoder.freshCache(rows: 11)).hidden, wanted)
    #expect(closeness.relativeL2 < 2e-6, "\(closeness)")
  }

  /// A loss, the dot product of a pass's outputs and fixed numbers, and its gradient by the decoder.
  private struct Problem {
    let decoder: DecoderStack
    let adapter: LowRankAdapter
    let layout: SequenceLayout
    let additions: [StreamAddition]
    let input: [Float]
    let weights: [Float]
    let range: Range<Int>

    init(_ kind: LayerKind, _ layout: SequenceLayout, layers range: Range<Int>, adds: Bool = false) throws {
      var random = RandomModel()
      decoder = try random.decoder(layers: 3, kind)
      let targets = range.flatMap { layer in
        Projection.allCases.filter { kind.isGated || $0 != .gate }.map {
          (target: LoRATarget(layer: layer, projection: $0), rank: 2, scaling: Float(0.5))
        }
      }
      adapter = LowRankAdapter(targets, for: decoder.layers, on: decoder.backend)
      adapter.values = random.numbers(adapter.count, scale: 0.4)
      decoder.adapter = adapter
      self.layout = layout
      self.range = range
      input = random.numbers(layout.rows * size)
      weights = random.numbers((layout.outputs?.count ?? layout.rows) * size)
      additions =
        adds
        ? [
          StreamAddition(
            afterLayer: 1, segment: 0, positions: [1, 3],
            values: decoder.backend.tensor(random.numbers(2 * size), rows: 2))
        ] : []
    }

    func gradient() throws -> [Float] {
      let backend = decoder.backend
      let (tape, cache) = (ActivationTape(), decoder.freshCache(rows: layout.rows))
      try decoder.forward(
        backend.tensor(input, rows: layout.rows), layout: layout,
        angles: RandomModel.tables(
          layout.places.map(\.position), headDim: decoder.layers[0].attention.shape.headDim), cache: cache,
        layers: range, additions: additions, tape: tape)
      let gradients = backend.tensor(rows: layout.segments.count, columns: adapter.count)
      backend.zero(gradients)
      try decoder.backward(
        backend.tensor(weights, rows: weights.count / size), tape: tape, cache: cache, into: gradients)
      return backend.read(gradients).joined(in: adapter.count)
    }
  }

  /// Training's layouts: segments, no prefix.
  private static let trained = [layouts[2], layouts[4]]

  @Test(
    "gradients are what finite differences of the definition in float64 give", arguments: LayerKind.ofDecoders, trained)
  func gradients(_ kind: LayerKind, _ layout: SequenceLayout) throws { try check(Problem(kind, layout, layers: 1..<3)) }

  @Test("rows that are added behind a layer change the gradients of those above", arguments: trained)
  func additions(_ layout: SequenceLayout) throws {
    let problem = try Problem(.qwen2, layout, layers: 0..<3, adds: true)
    try check(problem)
    #expect(try problem.gradient() != Problem(.qwen2, layout, layers: 0..<3).gradient())
  }

  private func check(_ problem: Problem) throws {
    let gradient = try problem.gradient()
    var plain = expected(problem.decoder, problem.layout, problem.input)
    plain.adapter = problem.adapter
    plain.additions = problem.additions.map { addition in
      let (chosen, rows) = addition.rows(in: problem.layout)
      return (
        addition.afterLayer, rows, problem.decoder.backend.read(addition.values.rows(chosen)).rows(Self.size)
      )
    }
    let (values, input) = (problem.adapter.values.map(Double.init), problem.input.rows(Self.size))
    var random = RandomModel()
    for update in problem.adapter.updates {
      for (name, range) in [("A", update.a), ("B", update.b)] {
        let direction = random.numbers(range.count).map(Double.init)
        func loss(_ step: Double) -> Double {
          plain.parameters = values
          for (place, index) in range.enumerated() { plain.parameters[index] += step * direction[place] }
          let hidden = outputs(plain.forward(input, layers: problem.range), problem.layout)
          return zip(hidden, problem.weights).reduce(0) { $0 + $1.0 * Double($1.1) }
        }
        let measured = (loss(1e-4) - loss(-1e-4)) / 2e-4
        let found = zip(gradient[range], direction).reduce(0) { $0 + Double($1.0) * $1.1 }
        #expect(
          abs(measured - found) < 2e-4 * max(abs(measured), 0.1),
          "\(update.target.layer) \(update.target.projection) \(name): \(found), differences say \(measured)")
      }
    }
  }
}

@Suite("Rows added behind a layer")
struct StreamAdditionTests {
  private static let size = RandomModel.hiddenSize

  private struct Model {
    let decoder: DecoderStack
    let rows: [Float]
    let addition: StreamAddition

    init() throws {
      var random = RandomModel()
      decoder = try random.decoder(layers: 3)
      rows = random.numbers(11 * size)
      addition = StreamAddition(
        afterLayer: 0, positions: [2, 3, 5, 8], values: decoder.backend.tensor(random.numbers(4 * size), rows: 4))
    }

    func rows(_ range: Range<Int>) -> [Float] { Array(rows[range.lowerBound * size..<range.upperBound * size]) }

    /// In one pass.
    func whole() throws -> PassResult {
      try decoder.pass(
        rows, SequenceLayout(newPrefix: 11), cache: decoder.freshCache(rows: 11), additions: [addition])
    }
  }

  @Test("they go to their positions' rows, behind their layer")
  func places() throws {
    let model = try Model()
    let without = try model.decoder.pass(
      model.rows, SequenceLayout(newPrefix: 11), cache: model.decoder.freshCache(rows: 11))
    let with = try model.whole()
    let values = model.decoder.backend.read(model.addition.values)
    for row in 0..<11 {
      let place = row * Self.size..<(row + 1) * Self.size
      let added = model.addition.positions.firstIndex(of: row).map { values[$0 * Self.size..<($0 + 1) * Self.size] }
      let expected = added.map { zip(without.layers[0][place], $0).map(+) } ?? Array(without.layers[0][place])
      #expect(Array(with.layers[0][place]) == expected, "row \(row)")
      #expect((with.hidden[place] == without.hidden[place]) == (row < 2), "row \(row)")
    }
  }

  @Test("they follow the rows through a pass in pieces", arguments: [3, 4, 6, 9])
  func pieces(_ first: Int) throws {
    let model = try Model()
    let cache = model.decoder.freshCache(rows: 11)
    let start = try model.decoder.pass(
      model.rows(0..<first), SequenceLayout(newPrefix: first), cache: cache, additions: [model.addition])
    let rest = try model.decoder.pass(
      model.rows(first..<11), SequenceLayout(cachedPrefix: first, newPrefix: 11 - first), cache: cache,
      additions: [model.addition])
    let closeness = Closeness(start.hidden + rest.hidden, try model.whole().hidden)
    #expect(closeness.maximumDifference <= 2e-6, "\(closeness)")
  }

  @Test("a shared prefix has its own, and each segment its own")
  func segments() throws {
    let model = try Model()
    let additions = [
      model.addition,
      StreamAddition(afterLayer: 0, segment: 0, positions: model.addition.positions, values: model.addition.values),
    ]
    let pass = try model.decoder.pass(
      model.rows, SequenceLayout(newPrefix: 4, segments: [7]), cache: model.decoder.freshCache(rows: 11),
      additions: additions)
    let closeness = Closeness(pass.hidden, try model.whole().hidden)
    #expect(closeness.maximumDifference <= 2e-6, "\(closeness)")
  }

  @Test("behind the last layer they reach the outputs that matter")
  func lastLayer() throws {
    let model = try Model()
    let addition = StreamAddition(
      afterLayer: 2, positions: model.addition.positions, values: model.addition.values)
    func hidden(_ layout: SequenceLayout) throws -> [Float] {
      try model.decoder.pass(model.rows, layout, cache: model.decoder.freshCache(rows: 11), additions: [addition])
        .hidden
    }
    let whole = try hidden(SequenceLayout(newPrefix: 11))
    let some = try hidden(SequenceLayout(newPrefix: 11, outputRowsAtEnd: [7]))
    let closeness = Closeness(Array(some[..<(7 * Self.size)]), Array(whole[(4 * Self.size)...]))
    #expect(closeness.maximumDifference <= 2e-6, "\(closeness)")
  }
}
