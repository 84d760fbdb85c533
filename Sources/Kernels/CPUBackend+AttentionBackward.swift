import CVectorMath

extension CPUBackend {
  /// The attention weights are computed again, a block of rows at a time.
  public func attendBackward(
    _ dOutput: Tensor, queries: Tensor, keys: Tensor, values: Tensor, dQueries: Tensor, dKeys: Tensor, dValues: Tensor,
    spans: [AttentionSpan], shape: AttentionShape
  ) throws {
    precondition(queries.columns == shape.queryWidth && keys.columns == shape.keyValueWidth)
    precondition(
      dKeys.rows == keys.rows && dValues.rows == keys.rows && spans.fit(queries: queries.rows, keys: keys.rows))
    let spans = spans.filter { !$0.queries.isEmpty }
    let largest = spans.map { Self.backwardRows($0) * $0.width(of: Self.backwardRows($0)) }.max() ?? 0
    // Two blocks of weights a thread, three with a softcap; then keys' and values' gradients of every head, added up over a
    // group at the end.
    let blocksAThread = shape.softcap == nil ? 2 : 3
    let perHead = keys.rows * shape.headDim
    attention.reserve(team.count * blocksAThread * largest + 2 * shape.heads * perHead)
    let blocks = attention.base
    let headKeys = blocks + team.count * blocksAThread * largest
    let headValues = headKeys + shape.heads * perHead
    headKeys.update(repeating: 0, count: 2 * shape.heads * perHead)
    let work = spans.reduce(0) { $0 + $1.queries.count * $1.keys * shape.queryWidth }

    // Spans that share keys add to the same gradients, so one thread takes them in order.
    let together = spans.shareKeys ? spans.count : 1
    team.forEach(spans.count / max(together, 1) * shape.heads, work: work) { task, thread in
      let head = task % shape.heads
      let problem = AttentionBackwardProblem(
        dOutput: dOutput.floatBase, queries: queries.floatBase, keys: keys.floatBase, values: values.floatBase,
        dQueries: dQueries.floatBase, dKeys: headKeys + head * perHead, dValues: headValues + head * perHead,
        shape: shape)
      let scratch = blocks + thread * blocksAThread * largest
      for span in spans[task / shape.heads * together..<(task / shape.heads + 1) * together] {
        let step = Self.backwardRows(span)
        for first in stride(from: span.queries.lowerBound, to: span.queries.upperBound, by: step) {
          let rows = first..<min(first + step, span.queries.upperBound)
          problem.compute(
            rows, of: span, head: head, weights: scratch, gradients: scratch + largest, capped: scratch + 2 * largest)
        }
      }
    }
    addHeads(headKeys, to: dKeys, shape)
    addHeads(headValues, to: dValues, shape)
  }

  /// Adds the gradients of a group's heads up.
  ///
  /// - Shape: heads [H, K, D], output [K, keyValueHeads · D].
  private func addHeads(_ heads: UnsafePointer<Float>, to output: Tensor, _ shape: AttentionShape) {
    let (group, depth, rows, base) = (shape.heads / shape.keyValueHeads, shape.headDim, output.rows, output.floatBase)
    team.forEachRange(of: rows, work: rows * shape.queryWidth) { range in
      for row in range {
        for head in 0..<shape.heads {
          let target = base + row * shape.keyValueWidth + head / group * depth
          let source = heads + (head * rows + row) * depth
          if head % group == 0 {
            target.update(from: source, count: depth)
          } else {
            headimpact_add(target, source, depth)
          }
        }
      }
    }
  }

  /// Query rows at a time: the blocks of their weights stay in a core's cache.
  private static func backwardRows(_ span: AttentionSpan) -> Int {
    let most = 192
    return min(max((1 << 17) / max(span.width(of: most), 1), 16), most, span.queries.count)
  }
}

extension [AttentionSpan] {
  /// Whether a key is seen by more than one of them.
  fileprivate var shareKeys: Bool {
    let ranges = flatMap { [$0.sharedKeys, $0.ownKeys] }.filter { !$0.isEmpty }
      .sorted { $0.lowerBound < $1.lowerBound }
    return zip(ranges, ranges.dropFirst()).contains { $0.upperBound > $1.lowerBound }
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

  /// - Parameter capped: scratch of its own where there is a softcap.
  func compute(
    _ rows: Range<Int>, of span: AttentionSpan, head: Int, weights: UnsafeMutablePointer<Float>,
    gradients: UnsafeMutablePointer<Float>, capped: UnsafeMutablePointer<Float>
  ) {
    let depth = shape.headDim
    let positions = span.positions(seenBy: rows)
    let segments = span.segments(of: positions)
    let width = positions.count
    let query = rows.lowerBound * shape.queryWidth + head * depth
    let keyValueOffset = head / (shape.heads / shape.keyValueHeads) * depth

    for index in segments.indices where !segments[index].rows.isEmpty {
      let segment = segments[index]
      let key = segment.rows.lowerBound * shape.keyValueWidth + keyValueOffset
      multiplySerially(
        queries + query, stride: shape.queryWidth, keys + key, stride: shape.keyValueWidth, isTransposed: true,
        into: weights + segment.column, stride: width, rows: rows.count, columns: segment.rows.count, depth: depth,
        accumulate: false)
      multiplySerially(
        dOutput + query, stride: shape.queryWidth, values + key, stride: shape.keyValueWidth, isTransposed: true,
        into: gradients + segment.column, stride: width, rows: rows.count, columns: segment.rows.count, depth: depth,
        accumulate: false)
    }
    for row in rows {
      let line = (row - rows.lowerBound) * width
      let seen = span.positions(seenBy: row)
      scoreGradients(
        weights + line + (seen.lowerBound - positions.lowerBound),
        gradients + line + (seen.lowerBound - positions.lowerBound), capped, count: seen.count)
      clear(weights + line, of: positions, but: seen)
      clear(gradients + line, of: positions, but: seen)
    }
    for index in segments.indices where !segments[index].rows.isEmpty {
      let segment = segments[index]
      let key = segment.rows.lowerBound * shape.keyValueWidth + keyValueOffset
      multiplySerially(
        gradients + segment.column, stride: width, keys + key, stride: shape.keyValueWidth, isTransposed: false,
        into: dQueries + query, stride: shape.queryWidth, rows: rows.count, columns: depth, depth: segment.rows.count,
        accumulate: segment.column > 0)
      multiplySerially(
        gradients + segment.column, stride: width, isATransposed: true, queries + query, stride: shape.queryWidth,
        isTransposed: false, into: dKeys + segment.rows.lowerBound * depth, stride: depth, rows: segment.rows.count,
        columns: depth, depth: rows.count, accumulate: true)
      multiplySerially(
        weights + segment.column, stride: width, isATransposed: true, dOutput + query, stride: shape.queryWidth,
        isTransposed: false, into: dValues + segment.rows.lowerBound * depth, stride: depth,
        rows: segment.rows.count, columns: depth, depth: rows.count, accumulate: true)
    }
  }

  /// One row: scores become weights, and the gradient of the weights that of the scores.
  private func scoreGradients(
    _ weights: UnsafeMutablePointer<Float>, _ gradients: UnsafeMutablePointer<Float>,
    _ capped: UnsafeMutablePointer<Float>, count: Int
  ) {
    guard let softcap = shape.softcap else {
      headimpact_softmax(weights, count, shape.scoreScale)
      headimpact_softmax_backward(weights, gradients, count, shape.scoreScale)
      return
    }
    headimpact_softcap(weights, count, shape.scoreScale, softcap)
    capped.update(from: weights, count: count)
    headimpact_softmax(weights, count, 1)
    headimpact_softmax_backward(weights, gradients, count, 1)
    headimpact_softcap_backward(gradients, capped, count, shape.scoreScale, softcap)
  }
}

/// Zeroes the positions of a row of weights that its query doesn't see.
private func clear(_ line: UnsafeMutablePointer<Float>, of positions: Range<Int>, but seen: Range<Int>) {
  line.update(repeating: 0, count: seen.lowerBound - positions.lowerBound)
  (line + (seen.upperBound - positions.lowerBound)).update(repeating: 0, count: positions.upperBound - seen.upperBound)
}
