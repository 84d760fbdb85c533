import CVectorMath
import Foundation
import Kernels
import Testing

/// Every way back against finite differences of the same arithmetic in float64.
@Suite("Backward kernels")
struct BackwardTests {
  let context: ComputeContext

  init() throws { context = try ComputeContext(precision: .f32, team: ThreadTeam(count: 2)) }

  @Test("RMS norm", arguments: [1, 2, 7, 33])
  func rmsNorm(_ n: Int) {
    var numbers = Numbers(seed: 1)
    let (x, weight, dy) = (numbers.floats(2 * n), numbers.floats(n), numbers.floats(2 * n))
    let before = numbers.floats(2 * n)
    var dx = before
    context.rmsNormBackward(dy, x: x, weight: weight, eps: 1e-3, into: &dx, rows: 2)
    let expected = finiteDifferences(
      of: { x in
        (0..<2).reduce(0) { sum, row in
          let values = Array(x[row * n..<(row + 1) * n])
          let inverse = 1 / (dot(values, values) / Double(n) + 1e-3).squareRoot()
          return sum
            + (0..<n).reduce(0) { $0 + Double(dy[row * n + $1]) * Double(weight[$1]) * values[$1] * inverse }
        }
      }, at: x.doubles)
    #expect(largestDifference(dx, zip(before.doubles, expected).map(+)) < 1e-5)
  }

  @Test("SiLU times up", arguments: [1, 16, 35])
  func silu(_ n: Int) {
    var numbers = Numbers(seed: 2)
    let (gate, up, dy) = (numbers.floats(n).map { 4 * $0 }, numbers.floats(n), numbers.floats(n))
    var (dGate, dUp) = (gate, up)
    context.siluMultiplyBackward(dy, gate: &dGate, up: &dUp, rows: 1, columns: n)
    func value(_ both: [Double]) -> Double {
      (0..<n).reduce(0) { $0 + Double(dy[$1]) * both[$1] / (1 + exp(-both[$1])) * both[n + $1] }
    }
    let expected = finiteDifferences(of: value, at: (gate + up).doubles)
    #expect(largestDifference(dGate + dUp, expected) < 1e-5)
  }

  @Test("rotary embedding")
  func rotate() {
    var numbers = Numbers(seed: 3)
    let angles = numbers.floats(6)
    let rotary = RotaryAngles(cosines: angles.map { cos($0) }, sines: angles.map { sin($0) }, half: 3)
    let (x, dy) = (numbers.floats(24), numbers.floats(24))
    var dx = dy
    context.rotateBackward(&dx, by: rotary, rows: 2, heads: 2)
    let expected = finiteDifferences(
      of: { x in
        (0..<12).reduce(0) { sum, pair in
          let (head, i) = (pair / 3, pair % 3)
          let (c, s) = (cos(Double(angles[head / 2 * 3 + i])), sin(Double(angles[head / 2 * 3 + i])))
          let (a, b) = (x[head * 6 + i], x[head * 6 + 3 + i])
          return sum + Double(dy[head * 6 + i]) * (a * c - b * s) + Double(dy[head * 6 + 3 + i]) * (b * c + a * s)
        }
      }, at: x.doubles)
    #expect(largestDifference(dx, expected) < 1e-5)
  }

  @Test("linear layer, in every element type and size", arguments: ElementType.allCases)
  func linear(_ elementType: ElementType) throws {
    for (rows, outputs, inputs) in [(1, 1, 1), (3, 17, 5), (5, 300, 70), (2, 1030, 261)] {
      var numbers = Numbers(seed: 4)
      let owned = OwnedWeights(numbers.floats(outputs * inputs), rows: outputs, columns: inputs, as: elementType)
      let weights = owned.weight.floats()
      let dy = numbers.floats(rows * outputs)
      let before = numbers.floats(rows * inputs)
      // The product is linear: its gradient is dy · W itself, and finite differences would show no more.
      let expected = (0..<rows * inputs).map { at in
        (0..<outputs).reduce(Double(before[at])) {
          $0 + Double(dy[at / inputs * outputs + $1]) * Double(weights[$1 * inputs + at % inputs])
        }
      }
      var dx = before
      try context.applyBackward(
        Linear(weight: owned.weight), to: dy, rows: rows, into: &dx,
        accumulate: true)
      #expect(largestDifference(dx, expected) < 2e-4, "\(rows) x \(outputs) x \(inputs)")
    }
  }

  @Test("linear layer in bf16, with the instructions for it where there are some, and without")
  func linearInBFloat16() throws {
    for useInstructions in ComputeContext.hasBFloat16Instructions ? [true, false] : [false] {
      let narrow = try ComputeContext(
        precision: .bf16, team: ThreadTeam(count: 2), useBFloat16Instructions: useInstructions)
      var numbers = Numbers(seed: 5)
      let (rows, outputs, inputs) = (3, 70, 1100)
      let owned = OwnedWeights(numbers.floats(outputs * inputs), rows: outputs, columns: inputs, as: .bf16)
      let weights = owned.weight.floats()
      let dy = numbers.floats(rows * outputs)
      let rounded = dy.map { Plain.float(Plain.bfloat16($0)) }
      let expected = (0..<rows * inputs).map { at in
        (0..<outputs).reduce(0.0) {
          $0 + Double(rounded[at / inputs * outputs + $1]) * Double(weights[$1 * inputs + at % inputs])
        }
      }
      var dx = [Float](repeating: .nan, count: rows * inputs)
      try narrow.applyBackward(
        Linear(weight: owned.weight), to: dy, rows: rows, into: &dx)
      #expect(largestDifference(dx, expected) < 2e-4)
    }
  }

  @Test("low-rank update: A, B and the input", arguments: [1, 3])
  func lowRank(_ rank: Int) throws {
    let (rows, inputs, outputs) = (5, 7, 6)
    var numbers = Numbers(seed: 6)
    let (a, b) = (numbers.floats(rank * inputs), numbers.floats(outputs * rank))
    let (x, dy) = (numbers.floats(rows * inputs), numbers.floats(rows * outputs))
    func value(_ all: [Double]) -> Double {
      let (a, b) = (all[0..<rank * inputs], all[rank * inputs..<rank * (inputs + outputs)])
      let x = all[(rank * (inputs + outputs))...]
      var sum = 0.0
      for row in 0..<rows {
        for r in 0..<rank {
          let low = (0..<inputs).reduce(0.0) { $0 + a[r * inputs + $1] * x[x.startIndex + row * inputs + $1] }
          for out in 0..<outputs {
            sum += Double(dy[row * outputs + out]) * 1.5 * b[b.startIndex + out * rank + r] * low
          }
        }
      }
      return sum
    }
    var (dA, dB) = ([Float](repeating: 0, count: a.count), [Float](repeating: 0, count: b.count))
    var dx = [Float](repeating: 0, count: x.count)
    var y = [Float](repeating: 0, count: rows * outputs)
    var scratch = AlignedBuffer<Float>()
    try a.withUnsafeBufferPointer { a in
      try b.withUnsafeBufferPointer { b in
        guard let a = a.baseAddress, let b = b.baseAddress else { return }
        let factors = LowRankFactors(a: a, b: b, rank: rank, inputs: inputs, outputs: outputs, scaling: 1.5)
        try context.lowRankBackward(factors, x: x, dy: dy, dA: &dA, dB: &dB, dx: &dx, rows: rows, scratch: &scratch)
        try context.applyLowRank(factors, to: x, into: &y, rows: rows, scratch: &scratch)
      }
    }
    let all = (a + b + x).doubles
    #expect(largestDifference(dA + dB + dx, finiteDifferences(of: value, at: all)) < 1e-4)
    #expect(abs(dot(y.doubles, dy.doubles) - value(all)) < 1e-4)
  }

  @Test("attention: queries, keys and values, grouped, over several spans and for the last rows only")
  func attention() throws {
    let shape = AttentionShape(heads: 4, keyValueHeads: 2, headDim: 3)
    // Five keys of which the last two rows ask; three of their own.
    let spans = [
      AttentionSpan(queries: 0..<0, sharedKeys: 0),
      AttentionSpan(queries: 0..<2, sharedKeys: 0, ownKeys: 0..<5, isObserved: true),
      AttentionSpan(queries: 2..<5, sharedKeys: 0, ownKeys: 5..<8, isObserved: true),
    ]
    var numbers = Numbers(seed: 7)
    let (queries, keys, values) = (numbers.floats(5 * 12), numbers.floats(8 * 6), numbers.floats(8 * 6))
    let dy = numbers.floats(5 * 12)
    func value(_ all: [Double]) -> Double {
      let (q, k, v) = (Array(all[0..<60]), Array(all[60..<108]), Array(all[108...]))
      var sum = 0.0
      for span in spans {
        for row in span.queries {
          let visible = Array(span.ownKeys.prefix(span.ownKeys.count - (span.queries.upperBound - 1 - row)))
          for head in 0..<4 {
            let scores = visible.map { key in
              (0..<3).reduce(0.0) { $0 + q[row * 12 + head * 3 + $1] * k[key * 6 + head / 2 * 3 + $1] } / sqrt(3)
            }
            let weights = scores.map { exp($0) }
            let total = weights.reduce(0, +)
            for (key, weight) in zip(visible, weights) {
              for d in 0..<3 {
                sum += Double(dy[row * 12 + head * 3 + d]) * weight / total * v[key * 6 + head / 2 * 3 + d]
              }
            }
          }
        }
      }
      return sum
    }
    var dQueries = [Float](repeating: .nan, count: 60)
    var (dKeys, dValues) = ([Float](repeating: .nan, count: 48), [Float](repeating: .nan, count: 48))
    var scratch = AlignedBuffer<Float>()
    try context.attendBackward(
      dy, queries: queries, keys: keys, values: values, dQueries: &dQueries, dKeys: &dKeys, dValues: &dValues,
      keyRows: 8, spans: spans, shape: shape, scratch: &scratch)
    let expected = finiteDifferences(of: value, at: (queries + keys + values).doubles)
    #expect(largestDifference(dQueries + dKeys + dValues, expected) < 1e-5)
  }

  @Test("attention of more rows than a block holds gives the same gradients on any number of threads")
  func attentionOnThreads() throws {
    let shape = AttentionShape(heads: 2, keyValueHeads: 1, headDim: 8)
    let span = AttentionSpan(queries: 0..<500, sharedKeys: 0, ownKeys: 0..<500)
    var numbers = Numbers(seed: 8)
    let (queries, keys, values) = (numbers.floats(500 * 16), numbers.floats(500 * 8), numbers.floats(500 * 8))
    let dy = numbers.floats(500 * 16)
    let results = try [1, 2, 3].map { threads in
      let context = try ComputeContext(precision: .f32, team: ThreadTeam(count: threads))
      var dQueries = [Float](repeating: .nan, count: 500 * 16)
      var (dKeys, dValues) = ([Float](repeating: .nan, count: 500 * 8), [Float](repeating: .nan, count: 500 * 8))
      var scratch = AlignedBuffer<Float>()
      try context.attendBackward(
        dy, queries: queries, keys: keys, values: values, dQueries: &dQueries, dKeys: &dKeys, dValues: &dValues,
        keyRows: 500, spans: [span], shape: shape, scratch: &scratch)
      return dQueries + dKeys + dValues
    }
    #expect(results[0] == results[1] && results[1] == results[2])
    let areFinite = results[0].allSatisfy { $0.isFinite }
    #expect(areFinite)
  }

  @Test("cross-entropy and its gradient", arguments: [1, 2, 503])
  func crossEntropy(_ vocabulary: Int) {
    var numbers = Numbers(seed: 9)
    let logits = numbers.floats(2 * vocabulary).map { 8 * $0 }
    let targets: [Int32] = [0, Int32(vocabulary - 1)]
    func loss(_ row: Int, _ logits: [Double]) -> Double {
      let values = logits[row * vocabulary..<(row + 1) * vocabulary]
      let peak = values.max() ?? 0
      return log(values.reduce(0) { $0 + exp($1 - peak) }) + peak - logits[row * vocabulary + Int(targets[row])]
    }
    var gradient = logits
    let losses = context.crossEntropy(&gradient, vocabulary: vocabulary, targets: targets[...])
    for row in 0..<2 { #expect(abs(losses[row] - loss(row, logits.doubles)) < 1e-6) }
    let expected = finiteDifferences(of: { loss(0, $0) + loss(1, $0) }, at: logits.doubles)
    #expect(largestDifference(gradient, expected) < 1e-5)
  }

  @Test("a score that is no number gives a loss that is none", arguments: [Float.nan, .infinity])
  func brokenScores(_ value: Float) {
    var logits: [Float] = [0, value, 1]
    #expect(!context.crossEntropy(&logits, vocabulary: 3, targets: [0])[0].isFinite)
  }

  @Test("dropout leaves out its share, scales the rest, and depends on keys alone")
  func dropout() {
    let x = [Float](repeating: 1, count: 20_000)
    var out = x
    context.dropout(x, rate: 0.25, rowKeys: [5, 6], salt: 3, into: &out, columns: 10_000)
    #expect(Set(out) == [0, Float(4) / 3])
    #expect(abs(Double(out.filter { $0 == 0 }.count) / 20_000 - 0.25) < 0.01)
    #expect(out[..<10_000] != out[10_000...])
    var one = [Float](repeating: 1, count: 10_000)
    context.dropout(one, rate: 0.25, rowKeys: [6], salt: 3, into: &one, columns: 10_000)
    #expect(one[...] == out[10_000...])
  }

  @Test("exact sums don't depend on the order, and refuse what they can't hold")
  func exactSums() {
    let values: [Float] = [1e8, -3.25, 1e-9, -1e8, 2.5e-12, 7, -1e-9, 0]
    func sum(_ order: [Float]) -> (Int64, Int64) {
      var (high, low): (Int64, Int64) = (0, 0)
      for value in order {
        let refused = headimpact_add_exactly([value], 0x1p30, &high, &low, 1)
        #expect(refused == 0)
      }
      return (high, low)
    }
    let forward = sum(values)
    #expect(forward == sum(values.reversed()))
    let total = Double(forward.0) * 0x1p-32 + Double(forward.1) * 0x1p-72
    #expect(abs(total - (3.75 + 2.5e-12)) < 1e-15)
    var (high, low): (Int64, Int64) = (0, 0)
    for value in [Float.nan, .infinity, 0x1p30, -0x1p30] {
      let refused = headimpact_add_exactly([value], 0x1p30, &high, &low, 1)
      #expect(refused == 1)
    }
    for (value, limit) in [(Float(0x1p20), Float(0x1p20)), (1, 0x1p31), (1, .infinity)] {
      let refused = headimpact_add_exactly([value], limit, &high, &low, 1)
      #expect(refused == 1)
    }
    #expect(high == 0 && low == 0)
    // As many as the limit is for, of one sign and as large as can be.
    for sign in [Float(1), -1] {
      (high, low) = (0, 0)
      for _ in 0..<1024 {
        let refused = headimpact_add_exactly([sign * Float(0x1p20).nextDown], 0x1p20, &high, &low, 1)
        #expect(refused == 0)
      }
      #expect(Double(high) * 0x1p-32 + Double(low) * 0x1p-72 == Double(sign) * 1024 * Double(Float(0x1p20).nextDown))
    }
  }
}
