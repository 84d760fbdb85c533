import Foundation
import Kernels
import TestSupport
import Testing

@testable import Transformer

/// The gradients of a whole decoder, against finite differences of its own forward pass: what is left of float32's rounding
/// bounds how closely. PyTorch's own gradients, on real layouts, are AdapterTraining's goldens.
@Suite("Decoder, backward pass")
struct DecoderBackwardTests {
  static let size = RandomModel.hiddenSize

  /// A decoder whose projections are all adapted in some layers, and a loss: the dot product of its outputs and fixed numbers.
  final class Problem {
    let decoder: DecoderStack
    let adapter: LowRankAdapter
    let layout: SequenceLayout
    let angles: [RotaryAngles]
    var input: [Float]
    var weights: [Float]
    let cache: KeyValueCache
    let first: Int
    var dropout: ActivationTape.Dropout?

    init(layers: ClosedRange<Int>, of count: Int, segments: [Int], tails: [Int]?, threads: Int = 2) throws {
      var random = RandomModel()
      decoder = try random.decoder(layers: count, threads: threads)
      let targets = layers.flatMap { layer in
        Projection.allCases.map {
          (target: LoRATarget(layer: layer, projection: $0), rank: 3, scaling: Float(0.5))
        }
      }
      adapter = LowRankAdapter(targets, for: decoder.layers, on: decoder.backend)
      adapter.values = random.numbers(adapter.count, scale: 0.4)
      decoder.adapter = adapter
      layout = SequenceLayout(newPrefix: 0, segments: segments, outputRowsAtEnd: tails)
      angles = RandomModel.tables(segments.flatMap { Array(0..<$0) })
      input = random.numbers(layout.rows * DecoderBackwardTests.size)
      weights = random.numbers((layout.outputs?.count ?? layout.rows) * DecoderBackwardTests.size)
      cache = decoder.freshCache(rows: layout.rows)
      first = layers.lowerBound
    }

    func loss(tape: ActivationTape? = nil) throws -> Double {
      let hidden = decoder.backend.tensor(input, rows: layout.rows)
      let tape = tape ?? ActivationTape()
      tape.dropout = dropout
      try decoder.forward(
        hidden, layout: layout, angles: angles, cache: cache, layers: first..<decoder.layers.count, tape: tape)
      return zip(decoder.backend.read(hidden), weights).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    }

    /// What a pass over all layers leaves.
    func hidden() throws -> [Float] {
      let hidden = decoder.backend.tensor(input, rows: layout.rows)
      try decoder.forward(hidden, layout: layout, angles: angles, cache: cache)
      return decoder.backend.read(hidden)
    }

    /// Of all segments together.
    func gradients() throws -> [Float] { try gradientsOfSegments().joined(in: adapter.count) }

    /// A row a segment.
    func gradientsOfSegments() throws -> [Float] {
      let tape = ActivationTape()
      _ = try loss(tape: tape)
      let backend = decoder.backend
      let gradient = backend.tensor(weights, rows: weights.count / DecoderBackwardTests.size)
      let gradients = backend.tensor(rows: layout.segments.count, columns: adapter.count)
      backend.zero(gradients)
      try decoder.backward(gradient, tape: tape, cache: cache, into: gradients)
      return backend.read(gradients)
    }

    /// Along a random direction through the parameters of one update's A or B.
    func differences(over range: Range<Int>) throws -> (measured: Double, direction: [Float]) {
      var random = RandomModel()
      let direction = random.numbers(range.count)
      let step: Float = 0.01
      func move(_ factor: Float) {
        adapter.withParameters { parameters in
          for (place, index) in range.enumerated() { parameters[index] += factor * direction[place] }
        }
      }
      move(step)
      let above = try loss()
      move(-2 * step)
      let below = try loss()
      move(step)
      return ((above - below) / Double(2 * step), direction)
    }
  }

  @Test(
    "every projection's A and B, over one sequence or several, for all outputs or the last",
    arguments: [
      (0...2, [9], nil), (1...2, [7], [3]), (2...2, [5, 8], [2, 4]), (0...1, [6, 4, 5], [1, 4, 2]),
    ] as [(ClosedRange<Int>, [Int], [Int]?)])
  func gradients(_ layers: ClosedRange<Int>, _ segments: [Int], _ tails: [Int]?) throws {
    let problem = try Problem(layers: layers, of: 3, segments: segments, tails: tails)
    try check(problem)
  }

  @Test("the same without some heads, through which no gradient flows")
  func ablated() throws {
    let problem = try Problem(layers: 0...2, of: 3, segments: [6, 5], tails: [2, 3])
    problem.decoder.ablatedHeads = AblatedHeads([(0, 1), (1, 0), (1, 1), (2, 3)])
    try check(problem)
    let gradients = try problem.gradients()
    for update in problem.adapter.updates where update.target == .init(layer: 2, projection: .query) {
      let depth = RandomModel.heads.headDim
      for row in 0..<update.outputs {
        let its = gradients[update.b.lowerBound + row * update.rank..<update.b.lowerBound + (row + 1) * update.rank]
        #expect(its.allSatisfy { $0 == 0 } == (row / depth == 3), "row \(row)")
      }
    }
  }

  @Test("the same through dropout")
  func dropout() throws {
    let problem = try Problem(layers: 1...2, of: 3, segments: [6, 5], tails: [2, 3])
    problem.dropout = ActivationTape.Dropout(rate: 0.3, rowKeys: (0..<11).map { UInt64($0) &* 77 })
    let with = try problem.loss()
    try check(problem)
    problem.dropout = nil
    #expect(try problem.loss() != with)
  }

  @Test("an MLP cut into pieces has the same gradients")
  func pieces() throws {
    let problem = try Problem(layers: 0...1, of: 2, segments: [11], tails: nil)
    let whole = try problem.gradients()
    problem.decoder.mlpRows = 4
    let closeness = Closeness(try problem.gradients(), whole)
    #expect(closeness.relativeL2 < 1e-5, "\(closeness)")
  }

  @Test(
    "a segment's gradients have the bits of a pass over it alone, however many rows an MLP takes at a time",
    arguments: [nil, [2, 1, 3, 1]], [2048, 8, 4])
  func alone(_ tails: [Int]?, _ mlpRows: Int) throws {
    let lengths = [9, 5, 7, 3]
    let together = try Problem(layers: 0...2, of: 3, segments: lengths, tails: tails)
    together.decoder.mlpRows = mlpRows
    let keys = (0..<lengths.reduce(0, +)).map { UInt64($0) &* 77 }
    together.dropout = ActivationTape.Dropout(rate: 0.3, rowKeys: keys)
    let gradients = try together.gradientsOfSegments()
    let count = together.adapter.count
    var (row, output) = (0, 0)
    for (segment, length) in lengths.enumerated() {
      let alone = try Problem(layers: 0...2, of: 3, segments: [length], tails: tails.map { [$0[segment]] })
      let outputs = tails?[segment] ?? length
      alone.decoder.mlpRows = mlpRows
      alone.input = Array(together.input[row * Self.size..<(row + length) * Self.size])
      alone.weights = Array(together.weights[output * Self.size..<(output + outputs) * Self.size])
      alone.dropout = ActivationTape.Dropout(rate: 0.3, rowKeys: Array(keys[row..<row + length]))
      let isSame = try alone.gradients() == Array(gradients[segment * count..<(segment + 1) * count])
      #expect(isSame, "segment \(segment)")
      row += length
      output += outputs
    }
  }

  @Test("threads change no bit")
  func threads() throws {
    let results = try [1, 3].map {
      try Problem(layers: 0...1, of: 2, segments: [40, 30], tails: [5, 6], threads: $0).gradients()
    }
    #expect(results[0] == results[1])
  }

  @Test("outputs that don't matter change nothing for those that do")
  func tails() throws {
    let whole = try Problem(layers: 0...1, of: 2, segments: [9], tails: nil)
    let some = try Problem(layers: 0...1, of: 2, segments: [9], tails: [4])
    let (a, b) = (try whole.hidden(), try some.hidden())
    let closeness = Closeness(Array(b[..<(4 * Self.size)]), Array(a[(5 * Self.size)...]))
    #expect(closeness.relativeL2 < 1e-6, "\(closeness)")
  }

  private func check(_ problem: Problem) throws {
    let gradients = try problem.gradients()
    for update in problem.adapter.updates {
      for (name, range) in [("A", update.a), ("B", update.b)] {
        let (measured, direction) = try problem.differences(over: range)
        let expected = zip(gradients[range], direction).reduce(0) { $0 + Double($1.0) * Double($1.1) }
        #expect(
          abs(measured - expected) < 0.01 * max(abs(expected), 0.2),
          "\(update.target.layer) \(update.target.projection) \(name): \(expected), differences say \(measured)")
      }
    }
  }
}

/// Decoding: a prefix and beams, row by row, is the same as each sequence by itself.
@Suite("Decoding on the cache")
struct DecodingTests {
  @Test("beams that grow behind a shared prefix give what whole sequences give")
  func beams() throws {
    var random = RandomModel()
    let size = RandomModel.hiddenSize
    let decoder = try random.decoder(layers: 2)
    let prefix = random.numbers(5 * size)
    let beams = (0..<2).map { _ in random.numbers(3 * size) }
    let cache = decoder.freshCache(rows: 5 + 2 * 3)
    _ = try decoder.pass(
      prefix, SequenceLayout(newPrefix: 5, outputRowsAtEnd: [1]), positions: Array(0..<5), cache: cache)
    var last: [Float] = []
    for step in 0..<3 {
      let layout = SequenceLayout(
        cachedPrefix: 5, segments: [1, 1],
        slots: (0..<2).map { CacheSlot(start: 5 + 3 * $0, cachedRows: step) })
      let rows = beams.flatMap { Array($0[step * size..<(step + 1) * size]) }
      last = try decoder.pass(rows, layout, positions: [5 + step, 5 + step], cache: cache).hidden
    }
    for (index, beam) in beams.enumerated() {
      let whole = try decoder.pass(
        prefix + beam, SequenceLayout(newPrefix: 8), positions: Array(0..<8), cache: decoder.freshCache(rows: 8))
      let closeness = Closeness(
        Array(last[index * size..<(index + 1) * size]), Array(whole.hidden[(7 * size)...]))
      #expect(closeness.relativeL2 < 1e-5, "beam \(index): \(closeness)")
    }
  }
}
