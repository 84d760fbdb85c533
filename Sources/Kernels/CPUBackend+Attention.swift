import CVectorMath

/// Shown the attention weights of one head and query row, after the softmax.
///
/// Called on the threads of the team: the rows of one sequence and head on one thread, in order, other heads and
/// sequences at the same time.
///
/// - Shape: weights [positions.count].
typealias AttentionObserver = (
  _ span: Int, _ head: Int, _ row: Int, _ positions: Range<Int>, _ weights: UnsafePointer<Float>
) -> Void

extension CPUBackend {
  public func attend(
    queries: Tensor, keys: Tensor, values: Tensor?, into output: Tensor?, spans: [AttentionSpan], shape: AttentionShape,
    adding sums: AttentionSums?, hiding hidden: HiddenKeys?
  ) throws {
    let adder = sums.map { AttentionAdder($0, queries: queries.rows, heads: shape.heads) }
    try attend(
      queries: queries, keys: keys, values: values, into: output, spans: spans, shape: shape, hiding: hidden,
      observer: adder.map { adder in
        { _, head, row, positions, weights in adder.add(head: head, row: row, positions, weights) }
      })
  }

  func attend(
    queries: Tensor, keys: Tensor, values: Tensor?, into output: Tensor?, spans: [AttentionSpan], shape: AttentionShape,
    hiding hidden: HiddenKeys? = nil, observer: AttentionObserver?
  ) throws(OneDNNError) {
    precondition(queries.columns == shape.queryWidth && keys.columns == shape.keyValueWidth)
    precondition((values == nil) == (output == nil) && spans.fit(queries: queries.rows, keys: keys.rows))
    let tasks = Self.tasks(of: spans, observedOnly: values == nil)
    let largest = tasks.joined().map { $0.rows * spans[$0.span].width(of: $0.rows) }.max() ?? 0
    attention.reserve(team.count * largest)
    let weights = attention.base
    let problem = AttentionProblem(
      queries: queries.floatBase, keys: keys.floatBase, values: values?.floatBase, output: output?.floatBase,
      shape: shape, hidden: hidden)
    let work = tasks.joined().reduce(0) { $0 + $1.queries.count * spans[$1.span].keys * shape.queryWidth / 4 }
    try team.forEach(tasks.count * shape.heads, work: work) { task, thread throws(OneDNNError) in
      let head = task % shape.heads
      for block in tasks[task / shape.heads] {
        let span = spans[block.span]
        for first in stride(from: block.queries.lowerBound, to: block.queries.upperBound, by: block.rows) {
          let rows = first..<min(first + block.rows, block.queries.upperBound)
          try problem.compute(rows, of: span, head: head, weights: weights + thread * largest) {
            row, positions, weights in
            if span.isObserved { observer?(block.span, head, row, positions, weights) }
          }
        }
      }
    }
  }

  /// Query rows of a span, `rows` of them at a time.
  private struct Block {
    let span: Int
    let queries: Range<Int>
    let rows: Int
  }

  /// Cuts the spans so that a block of weights stays in a core's cache. Observed spans of one sequence, whose own keys begin
  /// at the same row, stay in one task, so that their rows are added up in order.
  private static func tasks(of spans: [AttentionSpan], observedOnly: Bool) -> [[Block]] {
    let most = 192
    var tasks: [[Block]] = []
    for (index, span) in spans.enumerated() where !span.queries.isEmpty && (span.isObserved || !observedOnly) {
      let rows = min(max((1 << 18) / max(span.width(of: most), 1), 16), most)
      if span.isObserved {
        let block = Block(span: index, queries: span.queries, rows: min(rows, span.queries.count))
        if let before = tasks.last?.last.map({ spans[$0.span] }), before.isObserved,
          before.ownKeys.lowerBound == span.ownKeys.lowerBound
        {
          tasks[tasks.count - 1].append(block)
        } else {
          tasks.append([block])
        }
      } else {
        for first in stride(from: span.queries.lowerBound, to: span.queries.upperBound, by: rows) {
          let queries = first..<min(first + rows, span.queries.upperBound)
          tasks.append([Block(span: index, queries: queries, rows: queries.count)])
        }
      }
    }
    return tasks
  }
}

extension [AttentionSpan] {
  /// Whether they name rows that there are, and every query sees a key.
  func fit(queries: Int, keys: Int) -> Bool {
    allSatisfy { span in
      span.queries.isEmpty
        || span.queries.lowerBound >= 0 && span.queries.upperBound <= queries && span.sharedKeys.upperBound <= keys
          && span.ownKeys.lowerBound >= 0 && span.ownKeys.upperBound <= keys
          && !span.positions(seenBy: span.queries.lowerBound).isEmpty
    }
  }
}

private struct AttentionProblem {
  let queries: UnsafePointer<Float>
  let keys: UnsafePointer<Float>
  let values: UnsafePointer<Float>?
  let output: UnsafeMutablePointer<Float>?
  let shape: AttentionShape
  let hidden: HiddenKeys?

  func compute(
    _ rows: Range<Int>, of span: AttentionSpan, head: Int, weights: UnsafeMutablePointer<Float>,
    show: (Int, Range<Int>, UnsafePointer<Float>) -> Void
  ) throws(OneDNNError) {
    let depth = shape.headDim
    let keyValueOffset = head / (shape.heads / shape.keyValueHeads) * depth
    let positions = span.positions(seenBy: rows)
    let segments = span.segments(of: positions)
    let width = positions.count
    let query = rows.lowerBound * shape.queryWidth + head * depth

    for index in segments.indices where !segments[index].rows.isEmpty {
      let segment = segments[index]
      try multiplySerially(
        queries + query, stride: shape.queryWidth,
        keys + segment.rows.lowerBound * shape.keyValueWidth + keyValueOffset, stride: shape.keyValueWidth,
        isTransposed: true, into: weights + segment.column, stride: width, rows: rows.count,
        columns: segment.rows.count, depth: depth, accumulate: false)
    }
    for row in rows {
      let line = weights + (row - rows.lowerBound) * width
      let seen = span.positions(seenBy: row)
      let first = line + (seen.lowerBound - positions.lowerBound)
      if let hidden, hidden.isHidden(from: head, at: span.position(of: row)) {
        softmax(first, of: seen, without: hidden)
      } else {
        softmax(first, seen.count)
      }
      clear(line, of: positions, but: seen)
      show(row, seen, first)
    }
    guard let values, let output else { return }
    for index in segments.indices where !segments[index].rows.isEmpty {
      let segment = segments[index]
      try multiplySerially(
        weights + segment.column, stride: width,
        values + segment.rows.lowerBound * shape.keyValueWidth + keyValueOffset, stride: shape.keyValueWidth,
        isTransposed: false, into: output + query, stride: shape.queryWidth, rows: rows.count, columns: depth,
        depth: segment.rows.count, accumulate: segment.column > 0)
    }
  }
}

extension AttentionProblem {
  /// Scores become weights.
  private func softmax(_ line: UnsafeMutablePointer<Float>, _ count: Int) {
    if let softcap = shape.softcap {
      headimpact_softcap(line, count, shape.scoreScale, softcap)
      headimpact_softmax(line, count, 1)
    } else {
      headimpact_softmax(line, count, shape.scoreScale)
    }
  }

  /// The same where some keys are hidden: the others move together, and back again; hidden ones weigh nothing.
  private func softmax(_ line: UnsafeMutablePointer<Float>, of seen: Range<Int>, without hidden: HiddenKeys) {
    let (kept, cut) = hidden.cut(seen)
    var count = 0
    for range in kept {
      (line + count).update(from: line + (range.lowerBound - seen.lowerBound), count: range.count)
      count += range.count
    }
    precondition(count > 0, "a query sees no key")
    softmax(line, count)
    for range in kept.reversed() {
      count -= range.count
      (line + (range.lowerBound - seen.lowerBound)).update(from: line + count, count: range.count)
    }
    for range in cut { (line + (range.lowerBound - seen.lowerBound)).update(repeating: 0, count: range.count) }
  }
}

/// Zeroes the positions of a row of weights that its query doesn't see.
func clear(_ line: UnsafeMutablePointer<Float>, of positions: Range<Int>, but seen: Range<Int>) {
  line.update(repeating: 0, count: seen.lowerBound - positions.lowerBound)
  (line + (seen.upperBound - positions.lowerBound)).update(repeating: 0, count: positions.upperBound - seen.upperBound)
}

/// Adds attention weights up as `AttentionSums` says.
private struct AttentionAdder {
  private let sums: AttentionSums
  private let base: UnsafeMutablePointer<Float>
  /// Of each query, the index of its row; -1 without one.
  private let rows: [Int]

  init(_ sums: AttentionSums, queries: Int, heads: Int) {
    precondition(sums.sums.columns == sums.keys.reduce(0) { $0 + $1.count })
    self.sums = sums
    base = sums.sums.floatBase
    var rows = [Int](repeating: -1, count: queries)
    for (index, row) in sums.rows.enumerated() {
      precondition(row.row >= 0 && row.row + heads <= sums.sums.rows)
      rows[row.query] = index
    }
    self.rows = rows
  }

  /// Nobody else writes to this head's sums: their rows belong to one task.
  func add(head: Int, row: Int, _ positions: Range<Int>, _ weights: UnsafePointer<Float>) {
    guard rows[row] >= 0 else { return }
    let entry = sums.rows[rows[row]]
    var scale: Float = 1
    if sums.normalises {
      var total: Float = 0
      for range in sums.keys {
        for position in range.clamped(to: positions) { total += weights[position - positions.lowerBound] }
      }
      scale = total > 0 ? 1 / total : 0
    }
    scale /= entry.divisor
    var target = base + (entry.row + head) * sums.sums.columns
    for range in sums.keys {
      for position in range.clamped(to: positions) {
        target[position - range.lowerBound] += weights[position - positions.lowerBound] * scale
      }
      target += range.count
    }
  }
}
