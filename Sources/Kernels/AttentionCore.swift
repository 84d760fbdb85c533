import CVectorMath

/// The shape of an attention: grouped queries where `keyValueHeads` is smaller than `heads`.
public struct AttentionShape: Sendable, Equatable {
  public let heads: Int
  public let keyValueHeads: Int
  public let headDim: Int
  /// What scores are multiplied by before the softmax: D^-½ where a family says nothing else.
  public let scoreScale: Float
  /// Scores become cap · tanh(score / cap), before the mask (Gemma 2).
  public let softcap: Float?

  public init(heads: Int, keyValueHeads: Int, headDim: Int, scoreScale: Float? = nil, softcap: Float? = nil) {
    precondition(heads > 0 && keyValueHeads > 0 && headDim > 0 && heads % keyValueHeads == 0)
    self.heads = heads
    self.keyValueHeads = keyValueHeads
    self.headDim = headDim
    self.scoreScale = scoreScale ?? 1 / Float(headDim).squareRoot()
    self.softcap = softcap
  }

  /// Width of the queries and of the output: heads · D.
  public var queryWidth: Int { heads * headDim }
  /// Width of the keys and of the values.
  public var keyValueWidth: Int { keyValueHeads * headDim }
}

/// Consecutive query rows that see the same keys: all of a shared prefix, and, row by row, more of their own.
public struct AttentionSpan: Sendable, Equatable {
  /// Rows of the queries.
  public let queries: Range<Int>
  /// Every query sees the keys `0..<sharedKeys`.
  public let sharedKeys: Int
  /// The last query sees all of these too, the one before it one less, and so on (causal attention).
  public let ownKeys: Range<Int>
  /// Whether the tap is shown this span's weights.
  public let isObserved: Bool

  public init(queries: Range<Int>, sharedKeys: Int, ownKeys: Range<Int> = 0..<0, isObserved: Bool = false) {
    precondition(ownKeys.isEmpty || ownKeys.count >= queries.count)
    self.queries = queries
    self.sharedKeys = sharedKeys
    self.ownKeys = ownKeys
    self.isObserved = isObserved
  }

  /// The most keys that a query sees.
  var keys: Int { sharedKeys + ownKeys.count }

  /// The number of own keys that a query row sees.
  func ownVisible(to query: Int) -> Int {
    ownKeys.isEmpty ? 0 : ownKeys.count - (queries.upperBound - 1 - query)
  }
}

/// Shown the attention weights of one head and query row, after the softmax.
///
/// Called on the threads of the team: the rows of one span and head on one thread, in order, other heads and
/// spans at the same time.
///
/// - Shape: weights [keys that the row sees], the shared ones first.
public typealias AttentionWeightsTap = (
  _ span: Int, _ head: Int, _ row: Int, _ weights: UnsafeBufferPointer<Float>
) -> Void

extension ComputeContext {
  /// softmax(Q Kᵀ / sqrt(D)) V for every head, never more than a block of rows of the weights at a time.
  ///
  /// - Shape: queries [T, heads · D], keys and values [K, keyValueHeads · D], output [T, heads · D].
  /// - Parameters:
  ///   - values: nil stops after the weights: only the observed spans are computed, and nothing is written.
  ///   - tap: shown the weights of the observed spans.
  /// - Throws: where oneDNN has no memory for its scratch.
  public func attend(
    queries: UnsafePointer<Float>, keys: UnsafePointer<Float>, values: UnsafePointer<Float>?,
    into output: UnsafeMutablePointer<Float>?, spans: [AttentionSpan], shape: AttentionShape,
    scratch: inout AlignedBuffer<Float>, tap: AttentionWeightsTap? = nil
  ) throws(OneDNNError) {
    let blocks = Self.blocks(of: spans, observedOnly: values == nil)
    let largest = blocks.map { $0.rows * spans[$0.span].keys }.max() ?? 0
    scratch.reserve(team.count * largest)
    let weights = scratch.base
    let problem = AttentionProblem(queries: queries, keys: keys, values: values, output: output, shape: shape)
    let work = blocks.reduce(0) { $0 + $1.queries.count * spans[$1.span].keys * shape.queryWidth / 4 }
    try team.forEach(blocks.count * shape.heads, work: work) { task, thread throws(OneDNNError) in
      let block = blocks[task / shape.heads]
      let head = task % shape.heads
      let span = spans[block.span]
      for first in stride(from: block.queries.lowerBound, to: block.queries.upperBound, by: block.rows) {
        let rows = first..<min(first + block.rows, block.queries.upperBound)
        try problem.compute(rows, of: span, head: head, weights: weights + thread * largest) { row, weights in
          if span.isObserved { tap?(block.span, head, row, weights) }
        }
      }
    }
  }

  /// One task's query rows, `rows` of them at a time.
  private struct Block {
    let span: Int
    let queries: Range<Int>
    let rows: Int
  }

  /// Cuts the spans so that a block of weights stays in a core's cache. An observed span stays in one task, so
  /// that its rows reach the tap in order.
  private static func blocks(of spans: [AttentionSpan], observedOnly: Bool) -> [Block] {
    var blocks: [Block] = []
    for (index, span) in spans.enumerated() where !span.queries.isEmpty && (span.isObserved || !observedOnly) {
      let rows = min(max((1 << 18) / max(span.keys, 1), 16), 192)
      if span.isObserved {
        blocks.append(Block(span: index, queries: span.queries, rows: min(rows, span.queries.count)))
      } else {
        for first in stride(from: span.queries.lowerBound, to: span.queries.upperBound, by: rows) {
          let queries = first..<min(first + rows, span.queries.upperBound)
          blocks.append(Block(span: index, queries: queries, rows: queries.count))
        }
      }
    }
    return blocks
  }
}

private struct AttentionProblem {
  let queries: UnsafePointer<Float>
  let keys: UnsafePointer<Float>
  let values: UnsafePointer<Float>?
  let output: UnsafeMutablePointer<Float>?
  let shape: AttentionShape

  func compute(
    _ rows: Range<Int>, of span: AttentionSpan, head: Int, weights: UnsafeMutablePointer<Float>,
    show: (Int, UnsafeBufferPointer<Float>) -> Void
  ) throws(OneDNNError) {
    let depth = shape.headDim
    let keyValueOffset = head / (shape.heads / shape.keyValueHeads) * depth
    let own = span.ownVisible(to: rows.upperBound - 1)
    let width = span.sharedKeys + own
    let query = queries + rows.lowerBound * shape.queryWidth + head * depth
    let ownOffset = span.ownKeys.lowerBound * shape.keyValueWidth + keyValueOffset

    func scores(_ key: UnsafePointer<Float>, count: Int, at column: Int) throws(OneDNNError) {
      guard count > 0 else { return }
      try multiplySerially(
        query, stride: shape.queryWidth, key, stride: shape.keyValueWidth, isTransposed: true, into: weights + column,
        stride: width, rows: rows.count, columns: count, depth: depth, accumulate: false)
    }
    try scores(keys + keyValueOffset, count: span.sharedKeys, at: 0)
    try scores(keys + ownOffset, count: own, at: span.sharedKeys)

    let scale = shape.scoreScale
    for row in rows {
      let line = weights + (row - rows.lowerBound) * width
      let visible = span.sharedKeys + span.ownVisible(to: row)
      headimpact_softmax(line, visible, scale)
      (line + visible).update(repeating: 0, count: width - visible)
      show(row, UnsafeBufferPointer(start: line, count: visible))
    }

    guard let values, let output else { return }
    func mix(_ value: UnsafePointer<Float>, count: Int, at column: Int) throws(OneDNNError) {
      guard count > 0 else { return }
      try multiplySerially(
        weights + column, stride: width, value, stride: shape.keyValueWidth, isTransposed: false,
        into: output + rows.lowerBound * shape.queryWidth + head * depth, stride: shape.queryWidth, rows: rows.count,
        columns: depth, depth: count, accumulate: column > 0)
    }
    try mix(values + keyValueOffset, count: span.sharedKeys, at: 0)
    try mix(values + ownOffset, count: own, at: span.sharedKeys)
  }
}
