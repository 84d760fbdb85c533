import Foundation
import Kernels

/// Who sees whom, by the definition of `AttentionSpan`.
struct PlainAttention: Sendable {
  let shape: AttentionShape
  let spans: [AttentionSpan]
  let queries: Int
  let keys: Int
  var hidden: HiddenKeys?

  /// The positions that a query and head see, and the rows of the keys that stand there.
  func seen(by row: Int, head: Int, of span: AttentionSpan) -> [(position: Int, key: Int)] {
    let keys = Array(span.sharedKeys) + Array(span.ownKeys)
    let own = keys.count - (span.queries.upperBound - row)
    return keys.enumerated().map { (position: $0, key: $1) }.filter { position, _ in
      (span.ownKeys.isEmpty || !span.isCausal || position <= own) && (span.window.map { position > own - $0 } ?? true)
    }.filter { position, _ in
      guard let hidden, hidden.heads.contains(head), !hidden.sparedQueries.contains(where: { $0.contains(own) }) else {
        return true
      }
      return !hidden.keys.contains { $0.contains(position) }
    }
  }

  /// The weights of a query and head, in the order of the positions that it sees.
  func weights(_ q: [Double], _ k: [Double], row: Int, head: Int, of span: AttentionSpan) -> [Double] {
    let (depth, group) = (shape.headDim, shape.heads / shape.keyValueHeads)
    let scores = seen(by: row, head: head, of: span).map { _, key in
      let score =
        (0..<depth).reduce(0.0) {
          $0 + q[row * shape.queryWidth + head * depth + $1]
            * k[key * shape.keyValueWidth + head / group * depth + $1]
        } * Double(shape.scoreScale)
      return shape.softcap.map { Double($0) * tanh(score / Double($0)) } ?? score
    }
    let peak = scores.max() ?? 0
    let total = scores.reduce(0) { $0 + exp($1 - peak) }
    return scores.map { exp($0 - peak) / total }
  }

  func output(_ q: [Double], _ k: [Double], _ v: [Double]) -> [Double] {
    let (depth, group) = (shape.headDim, shape.heads / shape.keyValueHeads)
    var output = [Double](repeating: 0, count: queries * shape.queryWidth)
    for span in spans {
      for row in span.queries {
        for head in 0..<shape.heads {
          let seen = seen(by: row, head: head, of: span)
          for ((_, key), weight) in zip(seen, weights(q, k, row: row, head: head, of: span)) {
            for d in 0..<depth {
              output[row * shape.queryWidth + head * depth + d] +=
                weight * v[key * shape.keyValueWidth + head / group * depth + d]
            }
          }
        }
      }
    }
    return output
  }

  func inputs(_ seed: UInt64) -> (q: [Float], k: [Float], v: [Float]) {
    (
      numbers(queries * shape.queryWidth, seed).map { 3 * $0 },
      numbers(keys * shape.keyValueWidth, seed + 1),
      numbers(keys * shape.keyValueWidth, seed + 2)
    )
  }
}

extension PlainAttention {
  private static let grouped = AttentionShape(heads: 4, keyValueHeads: 2, headDim: 16)
  private static let capped = AttentionShape(
    heads: 3, keyValueHeads: 1, headDim: 10, scoreScale: 0.5, softcap: 2)

  /// One prefix, cached or not, and captions on top of it.
  private static func captions(
    _ shape: AttentionShape, cached: Int, prefix: Int, segments: [Int], window: Int? = nil
  ) -> PlainAttention {
    var spans = [
      AttentionSpan(
        queries: 0..<prefix, sharedKeys: 0, ownKeys: prefix == 0 ? 0..<0 : 0..<(cached + prefix), window: window)
    ]
    var row = prefix
    for length in segments {
      spans.append(
        AttentionSpan(
          queries: row..<row + length, sharedKeys: cached + prefix, ownKeys: cached + row..<cached + row + length,
          window: window, isObserved: true))
      row += length
    }
    return PlainAttention(shape: shape, spans: spans, queries: row, keys: cached + row)
  }

  static let cases: [(name: String, attention: PlainAttention)] = [
    ("one row", captions(grouped, cached: 0, prefix: 1, segments: [])),
    ("captions on a prefix", captions(grouped, cached: 0, prefix: 300, segments: [3, 1, 20])),
    ("captions on a cached prefix", captions(capped, cached: 40, prefix: 0, segments: [7, 2])),
    ("a prefix that grows, and a caption", captions(grouped, cached: 11, prefix: 5, segments: [4])),
    ("a window", captions(grouped, cached: 0, prefix: 300, segments: [3, 20], window: 7)),
    ("a window, softcapped", captions(capped, cached: 3, prefix: 5, segments: [6, 2], window: 4)),
    (
      "every row sees every row",
      PlainAttention(
        shape: grouped, spans: [AttentionSpan(queries: 0..<210, sharedKeys: 210)], queries: 210, keys: 210)
    ),
    (
      "tiles",
      PlainAttention(
        shape: grouped,
        spans: [0..<5, 5..<10, 10..<13].map {
          AttentionSpan(queries: $0, sharedKeys: 0, ownKeys: $0, isCausal: false)
        }, queries: 13, keys: 13)
    ),
    (
      "a block that sees itself both ways",
      PlainAttention(shape: capped, spans: block(window: nil), queries: 20, keys: 20)
    ),
    (
      "a block that sees itself both ways, in a window",
      PlainAttention(shape: grouped, spans: block(window: 6), queries: 20, keys: 20)
    ),
    ("sequences behind prefixes of their own", PlainAttention(shape: grouped, spans: apart, queries: 6, keys: 400)),
    // Its first rows see more keys than a window has, and than are computed at a time.
    (
      "a long block that sees itself both ways, in a window",
      PlainAttention(
        shape: grouped,
        spans: [AttentionSpan(queries: 0..<500, sharedKeys: 0, ownKeys: 0..<510, isCausal: false, window: 6)],
        queries: 500, keys: 510)
    ),
    (
      "keys hidden from two heads, grouped",
      {
        var attention = captions(grouped, cached: 0, prefix: 9, segments: [4, 6])
        attention.hidden = HiddenKeys(heads: [1, 2], keys: [2..<4, 5..<7], sparedQueries: [2..<7])
        return attention
      }()
    ),
    (
      "keys hidden behind a cached prefix, softcap, in a window",
      {
        var attention = captions(capped, cached: 8, prefix: 0, segments: [5, 3], window: 6)
        attention.hidden = HiddenKeys(heads: [0], keys: [0..<7], sparedQueries: [0..<7])
        return attention
      }()
    ),
    (
      "keys hidden in a block both ways",
      PlainAttention(
        shape: grouped, spans: block(window: nil), queries: 20, keys: 20,
        hidden: HiddenKeys(heads: [0, 3], keys: [4..<7], sparedQueries: [4..<8]))
    ),
  ]

  /// Causal before the block 4..<10 and behind it.
  /// Sequences whose prefixes lie anywhere in the cache, before or behind their own keys; two have the same prefix.
  private static let apart = [
    AttentionSpan(queries: 0..<1, sharedKeys: 30..<330, ownKeys: 340..<345, isObserved: true),
    AttentionSpan(queries: 1..<2, sharedKeys: 30..<330, ownKeys: 20..<21, isObserved: true),
    AttentionSpan(queries: 2..<4, sharedKeys: 360..<399, ownKeys: 0..<9, window: 12, isObserved: true),
    AttentionSpan(queries: 4..<5, sharedKeys: 5..<5, ownKeys: 350..<360, isObserved: true),
    AttentionSpan(queries: 5..<6, sharedKeys: 10..<19, isObserved: true),
  ]

  private static func block(window: Int?) -> [AttentionSpan] {
    [
      AttentionSpan(queries: 0..<4, sharedKeys: 0, ownKeys: 0..<4, window: window),
      AttentionSpan(queries: 4..<10, sharedKeys: 0, ownKeys: 0..<10, isCausal: false, window: window),
      AttentionSpan(queries: 10..<20, sharedKeys: 0, ownKeys: 0..<20, window: window, isObserved: true),
    ]
  }
}

extension Operation {
  static let attentions: [Operation] = PlainAttention.cases.flatMap { name, attention in
    let (q, k, v) = attention.inputs(80)
    return [
      Operation(
        name: "attention: \(name)", tolerance: 3e-6,
        run: { backend in
          let output = backend.unwritten(rows: attention.queries, columns: attention.shape.queryWidth)
          try backend.attend(
            queries: backend.tensor(q, rows: attention.queries), keys: backend.tensor(k, rows: attention.keys),
            values: backend.tensor(v, rows: attention.keys), into: output, spans: attention.spans,
            shape: attention.shape, adding: nil, hiding: attention.hidden)
          return backend.read(output)
        }, expected: { attention.output(q.doubles, k.doubles, v.doubles) })
    ] + sums(name, attention, q, k)
  }

  /// The weights of observed rows: each by itself over all positions, and averaged over spans, normalised over some positions.
  private static func sums(_ name: String, _ attention: PlainAttention, _ q: [Float], _ k: [Float]) -> [Operation] {
    let observed = attention.spans.filter(\.isObserved)
    guard !observed.isEmpty else { return [] }
    let (heads, positions) = (attention.shape.heads, attention.keys)
    let apart = observed.flatMap(\.queries).enumerated().map {
      AttentionSums.Row(query: $1, row: $0 * heads, divisor: 1)
    }
    let mean = observed.enumerated().flatMap { index, span in
      span.queries.dropFirst().map {
        AttentionSums.Row(query: $0, row: index * heads, divisor: Float(span.queries.count - 1))
      }
    }
    return [
      ("each row", apart, [0..<positions], false),
      ("means over some positions", mean, [0..<2, 3..<positions - 1], true),
    ].map { kind, rows, ranges, normalises in
      let blocks = rows.map { $0.row / heads }.max().map { $0 + 1 } ?? 0
      let columns = ranges.reduce(0) { $0 + $1.count }
      return Operation(
        name: "attention weights: \(name), \(kind)", tolerance: 2e-6,
        run: { backend in
          let keys = backend.tensor(k, rows: attention.keys)
          // Without values only the weights are computed, and they are the same.
          return try [nil, backend.unwritten(rows: attention.queries, columns: attention.shape.queryWidth)].flatMap {
            let sums = backend.tensor(rows: blocks * heads, columns: columns)
            backend.zero(sums)
            try backend.attend(
              queries: backend.tensor(q, rows: attention.queries), keys: keys, values: $0 == nil ? nil : keys,
              into: $0, spans: attention.spans, shape: attention.shape,
              adding: AttentionSums(sums: sums, keys: ranges, normalises: normalises, rows: rows),
              hiding: attention.hidden)
            return backend.read(sums)
          }
        },
        expected: {
          var sums = [Double](repeating: 0, count: blocks * heads * columns)
          let wanted = ranges.flatMap { $0 }
          for row in rows {
            guard let span = observed.first(where: { $0.queries.contains(row.query) }) else { continue }
            for head in 0..<heads {
              let weights = attention.weights(q.doubles, k.doubles, row: row.query, head: head, of: span)
              let byPlace = Dictionary(
                uniqueKeysWithValues: zip(attention.seen(by: row.query, head: head, of: span).map(\.position), weights))
              let values = wanted.map { byPlace[$0] ?? 0 }
              let total = normalises ? values.reduce(0, +) : 1
              for (column, value) in values.enumerated() where total > 0 {
                sums[(row.row + head) * columns + column] += value / total / Double(row.divisor)
              }
            }
          }
          return sums + sums
        })
    }
  }

  /// The gradients of queries, keys and values: small shapes, as finite differences are slow.
  static let attentionsBackward: [Operation] = {
    let shape = AttentionShape(heads: 4, keyValueHeads: 2, headDim: 3)
    let capped = AttentionShape(heads: 2, keyValueHeads: 1, headDim: 4, scoreScale: 1.5, softcap: 2)
    // Five keys of which the last two rows ask; three of their own.
    let apart = [
      AttentionSpan(queries: 0..<0, sharedKeys: 0), AttentionSpan(queries: 0..<2, sharedKeys: 0, ownKeys: 0..<5),
      AttentionSpan(queries: 2..<5, sharedKeys: 0, ownKeys: 5..<8),
    ]
    let shared = [
      AttentionSpan(queries: 0..<3, sharedKeys: 0, ownKeys: 0..<3),
      AttentionSpan(queries: 3..<5, sharedKeys: 3, ownKeys: 3..<5),
      AttentionSpan(queries: 5..<8, sharedKeys: 3, ownKeys: 5..<8),
    ]
    let prefixes = [
      AttentionSpan(queries: 0..<2, sharedKeys: 2..<5, ownKeys: 0..<2),
      AttentionSpan(queries: 2..<3, sharedKeys: 2..<5, ownKeys: 6..<7),
      AttentionSpan(queries: 3..<4, sharedKeys: 5..<6, ownKeys: 7..<8),
    ]
    let block = { (window: Int?) in
      [
        AttentionSpan(queries: 0..<2, sharedKeys: 0, ownKeys: 0..<2, window: window),
        AttentionSpan(queries: 2..<5, sharedKeys: 0, ownKeys: 0..<5, isCausal: false, window: window),
        AttentionSpan(queries: 5..<8, sharedKeys: 0, ownKeys: 0..<8, window: window),
      ]
    }
    return [
      ("spans apart, grouped, the last rows only", PlainAttention(shape: shape, spans: apart, queries: 5, keys: 8)),
      ("captions that share a prefix", PlainAttention(shape: shape, spans: shared, queries: 8, keys: 8)),
      ("prefixes of their own", PlainAttention(shape: shape, spans: prefixes, queries: 4, keys: 8)),
      ("a block both ways", PlainAttention(shape: capped, spans: block(nil), queries: 8, keys: 8)),
      ("a block both ways, in a window", PlainAttention(shape: capped, spans: block(3), queries: 8, keys: 9)),
      (
        "every row sees every row",
        PlainAttention(shape: shape, spans: [AttentionSpan(queries: 0..<5, sharedKeys: 5)], queries: 5, keys: 5)
      ),
    ].map { name, attention in
      let (q, k, v) = attention.inputs(90)
      let dy = numbers(attention.queries * attention.shape.queryWidth, 95)
      return Operation(
        name: "attention, backward: \(name)", tolerance: 2e-5,
        run: { backend in
          let (queries, keys) = (attention.queries, attention.keys)
          let dQ = backend.unwritten(rows: queries, columns: attention.shape.queryWidth)
          let dK = backend.unwritten(rows: keys, columns: attention.shape.keyValueWidth)
          let dV = backend.unwritten(rows: keys, columns: attention.shape.keyValueWidth)
          try backend.attendBackward(
            backend.tensor(dy, rows: queries), queries: backend.tensor(q, rows: queries),
            keys: backend.tensor(k, rows: keys), values: backend.tensor(v, rows: keys), dQueries: dQ, dKeys: dK,
            dValues: dV, spans: attention.spans, shape: attention.shape)
          return backend.read(dQ) + backend.read(dK) + backend.read(dV)
        },
        expected: {
          let (wide, narrow) = (q.count, k.count)
          return finiteDifferences(
            of: { all in
              dot(
                dy.doubles,
                attention.output(
                  Array(all[0..<wide]), Array(all[wide..<wide + narrow]), Array(all[(wide + narrow)...])))
            }, at: (q + k + v).doubles)
        })
    }
  }()
}
