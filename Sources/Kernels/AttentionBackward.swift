import CVectorMath

extension ComputeContext {
  /// The way back through `attend`: the gradients of queries, keys and values from that of the output. The attention
  /// weights are computed again, a block of rows at a time.
  ///
  /// - Shape: queries, dOutput, dQueries [T, heads · D]; keys, values, dKeys, dValues [K, keyValueHeads · D].
  /// - Parameters:
  ///   - spans: without shared keys; no key belongs to two of them.
  ///   - dKeys, dValues: rows that no query sees become 0.
  /// - Throws: where oneDNN has no memory for its scratch.
  public func attendBackward(
    _ dOutput: UnsafePointer<Float>, queries: UnsafePointer<Float>, keys: UnsafePointer<Float>,
    values: UnsafePointer<Float>, dQueries: UnsafeMutablePointer<Float>, dKeys: UnsafeMutablePointer<Float>,
    dValues: UnsafeMutablePointer<Float>, keyRows: Int, spans: [AttentionSpan], shape: AttentionShape,
    scratch: inout AlignedBuffer<Float>
  ) throws(OneDNNError) {
    precondition(spans.allSatisfy { $0.sharedKeys == 0 })
    let spans = spans.filter { !$0.queries.isEmpty }
    let largest = spans.map { Self.backwardRows($0) * $0.ownKeys.count }.max() ?? 0
    // Two blocks of weights a thread; then keys' and values' gradients of every head, added up over a group at the end.
    let perHead = keyRows * shape.headDim
    scratch.reserve(team.count * 2 * largest + 2 * shape.heads * perHead)
    let blocks = scratch.base
    let headKeys = blocks + team.count * 2 * largest
    let headValues = headKeys + shape.heads * perHead
    headKeys.update(repeating: 0, count: 2 * shape.heads * perHead)
    let work = spans.reduce(0) { $0 + $1.queries.count * $1.ownKeys.count * shape.queryWidth }
    try team.forEach(spans.count * shape.heads, work: work) { task, thread throws(OneDNNError) in
      let span = spans[task / shape.heads]
      let head = task % shape.heads
      let problem = AttentionBackwardProblem(
        dOutput: dOutput, queries: queries, keys: keys, values: values, dQueries: dQueries,
        dKeys: headKeys + head * perHead, dValues: headValues + head * perHead, shape: shape)
      let step = Self.backwardRows(span)
      let weights = blocks + thread * 2 * largest
      for first in stride(from: span.queries.lowerBound, to: span.queries.upperBound, by: step) {
        let rows = first..<min(first + step, span.queries.upperBound)
        try problem.compute(rows, of: span, head: head, weights: weights, gradients: weights + largest)
      }
    }
    let group = shape.heads / shape.keyValueHeads
    team.forEachRange(of: keyRows, work: 2 * keyRows * shape.queryWidth) { range in
      for row in range {
        for head in 0..<shape.heads {
          let target = row * shape.keyValueWidth + head / group * shape.headDim
          let source = head * perHead + row * shape.headDim
          if head % group == 0 {
            (dKeys + target).update(from: headKeys + source, count: shape.headDim)
            (dValues + target).update(from: headValues + source, count: shape.headDim)
          } else {
            headimpact_add(dKeys + target, headKeys + source, shape.headDim)
            headimpact_add(dValues + target, headValues + source, shape.headDim)
          }
        }
      }
    }
  }

  /// Query rows at a time: two blocks of their weights stay in a core's cache.
  private static func backwardRows(_ span: AttentionSpan) -> Int {
    min(max((1 << 17) / max(span.ownKeys.count, 1), 16), 192, span.queries.count)
  }
}

private struct AttentionBackwardProblem {
  let dOutput: UnsafePointer<Float>
  let queries: UnsafePointer<Float>
  let keys: UnsafePointer<Float>
  let values: UnsafePointer<Float>
  let dQueries: UnsafeMutablePointer<Float>
  /// One head's, [K, D].
  let dKeys: UnsafeMutablePointer<Float>
  let dValues: UnsafeMutablePointer<Float>
  let shape: AttentionShape

  func compute(
    _ rows: Range<Int>, of span: AttentionSpan, head: Int, weights: UnsafeMutablePointer<Float>,
    gradients: UnsafeMutablePointer<Float>
  ) throws(OneDNNError) {
    let depth = shape.headDim
    let width = span.ownVisible(to: rows.upperBound - 1)
    let firstKey = span.ownKeys.lowerBound
    let query = rows.lowerBound * shape.queryWidth + head * depth
    let key = firstKey * shape.keyValueWidth + head / (shape.heads / shape.keyValueHeads) * depth
    let scale = shape.scoreScale

    try multiplySerially(
      queries + query, stride: shape.queryWidth, keys + key, stride: shape.keyValueWidth, isTransposed: true,
      into: weights, stride: width, rows: rows.count, columns: width, depth: depth, accumulate: false)
    try multiplySerially(
      dOutput + query, stride: shape.queryWidth, values + key, stride: shape.keyValueWidth, isTransposed: true,
      into: gradients, stride: width, rows: rows.count, columns: width, depth: depth, accumulate: false)
    for row in rows {
      let at = (row - rows.lowerBound) * width
      let visible = span.ownVisible(to: row)
      headimpact_softmax(weights + at, visible, scale)
      headimpact_softmax_back(weights + at, gradients + at, visible, scale)
      (weights + at + visible).update(repeating: 0, count: width - visible)
      (gradients + at + visible).update(repeating: 0, count: width - visible)
    }
    try multiplySerially(
      gradients, stride: width, keys + key, stride: shape.keyValueWidth, isTransposed: false, into: dQueries + query,
      stride: shape.queryWidth, rows: rows.count, columns: depth, depth: width, accumulate: false)
    try multiplySerially(
      gradients, stride: width, isATransposed: true, queries + query, stride: shape.queryWidth, isTransposed: false,
      into: dKeys + firstKey * depth, stride: depth, rows: width, columns: depth, depth: rows.count, accumulate: true)
    try multiplySerially(
      weights, stride: width, isATransposed: true, dOutput + query, stride: shape.queryWidth, isTransposed: false,
      into: dValues + firstKey * depth, stride: depth, rows: width, columns: depth, depth: rows.count,
      accumulate: true)
  }
}
