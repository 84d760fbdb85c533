import Foundation
import Kernels
import Testing

@Suite struct AttentionTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let shape: AttentionShape
    let prefix: Int
    let segments: [Int]
    let cached: Int
    var testDescription: String { "\(shape.heads)/\(shape.keyValueHeads) heads, \(cached)+\(prefix)+\(segments)" }
  }

  static let cases = [
    Case(shape: .init(heads: 4, keyValueHeads: 2, headDim: 16), prefix: 1, segments: [], cached: 0),
    Case(shape: .init(heads: 4, keyValueHeads: 2, headDim: 16), prefix: 300, segments: [3, 1, 20], cached: 0),
    Case(shape: .init(heads: 3, keyValueHeads: 1, headDim: 10), prefix: 0, segments: [7, 2], cached: 40),
    Case(shape: .init(heads: 2, keyValueHeads: 2, headDim: 6), prefix: 5, segments: [4], cached: 11),
  ]

  /// Which keys a query row sees, by the definition.
  func visible(_ c: Case, _ row: Int) -> [Int] {
    if row < c.prefix { return Array(0...(c.cached + row)) }
    var start = c.prefix
    for length in c.segments {
      if row < start + length { return Array(0..<(c.cached + c.prefix)) + Array((c.cached + start)...(c.cached + row)) }
      start += length
    }
    return []
  }

  func spans(_ c: Case) -> [AttentionSpan] {
    var spans = [
      AttentionSpan(
        queries: 0..<c.prefix, sharedKeys: 0, ownKeys: c.prefix == 0 ? 0..<0 : 0..<(c.cached + c.prefix))
    ]
    var row = c.prefix
    for length in c.segments {
      spans.append(
        AttentionSpan(
          queries: row..<row + length, sharedKeys: c.cached + c.prefix,
          ownKeys: c.cached + row..<c.cached + row + length, isObserved: true))
      row += length
    }
    return spans
  }

  @Test("attention equals the plain one, and the tap sees the weights of every observed row", arguments: cases)
  func attention(_ c: Case) throws {
    let context = try ComputeContext(precision: .f32, team: ThreadTeam(count: 2))
    let rows = c.prefix + c.segments.reduce(0, +)
    let (wide, narrow, depth) = (c.shape.queryWidth, c.shape.keyValueWidth, c.shape.headDim)
    var numbers = Numbers(seed: 5)
    let q = numbers.floats(rows * wide).map { $0 * 4 }
    let k = numbers.floats((c.cached + rows) * narrow)
    let v = numbers.floats((c.cached + rows) * narrow)
    var out = [Float](repeating: .nan, count: rows * wide)
    var shown = [[Float]](repeating: [], count: rows * c.shape.heads)
    var scratch = AlignedBuffer<Float>()
    try shown.withUnsafeMutableBufferPointer { shown in
      guard let base = shown.baseAddress else { return }
      try context.attend(
        queries: q, keys: k, values: v, into: &out, spans: spans(c), shape: c.shape, scratch: &scratch,
        tap: { _, head, row, weights in base[row * c.shape.heads + head] = Array(weights) })
    }

    for row in 0..<rows {
      let keys = visible(c, row)
      for head in 0..<c.shape.heads {
        let at = head / (c.shape.heads / c.shape.keyValueHeads) * depth
        let scores = keys.map { key in
          (0..<depth).reduce(0.0) {
            $0 + Double(q[row * wide + head * depth + $1]) * Double(k[key * narrow + at + $1])
          } / Double(depth).squareRoot()
        }
        let peak = scores.max() ?? 0
        let total = scores.reduce(0) { $0 + exp($1 - peak) }
        let weights = scores.map { exp($0 - peak) / total }
        if row >= c.prefix { #expect(largestDifference(shown[row * c.shape.heads + head], weights) < 1e-6) }
        let mixed = (0..<depth).map { d in
          zip(keys, weights).reduce(0.0) { $0 + Double(v[$1.0 * narrow + at + d]) * $1.1 }
        }
        let start = row * wide + head * depth
        #expect(largestDifference(Array(out[start..<start + depth]), mixed) < 2e-6)
      }
    }
  }

  @Test("without values only the weights of observed rows are computed, and they are the same", arguments: cases)
  func weightsOnly(_ c: Case) throws {
    let context = try ComputeContext(precision: .f32, team: ThreadTeam(count: 2))
    let rows = c.prefix + c.segments.reduce(0, +)
    var numbers = Numbers(seed: 6)
    let q = numbers.floats(rows * c.shape.queryWidth)
    let k = numbers.floats((c.cached + rows) * c.shape.keyValueWidth)
    var out = [Float](repeating: 0, count: rows * c.shape.queryWidth)
    var scratch = AlignedBuffer<Float>()
    func weights(_ values: [Float]?) throws -> [[Float]] {
      var shown = [[Float]](repeating: [], count: rows * c.shape.heads)
      try shown.withUnsafeMutableBufferPointer { shown in
        guard let base = shown.baseAddress else { return }
        let tap: AttentionWeightsTap = { _, head, row, weights in base[row * c.shape.heads + head] = Array(weights) }
        if let values {
          try context.attend(
            queries: q, keys: k, values: values, into: &out, spans: spans(c), shape: c.shape, scratch: &scratch,
            tap: tap)
        } else {
          try context.attend(
            queries: q, keys: k, values: nil, into: nil, spans: spans(c), shape: c.shape, scratch: &scratch, tap: tap)
        }
      }
      return shown
    }
    #expect(try weights(nil) == weights(k))
  }
}
