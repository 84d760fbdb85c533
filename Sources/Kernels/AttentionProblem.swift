import CVectorMath

/// What attention computes on: the numbers of all heads.
struct AttentionProblem {
  let queries: UnsafePointer<Float>
  let keys: UnsafePointer<Float>
  /// nil stops after the weights.
  let values: UnsafePointer<Float>?
  let output: UnsafeMutablePointer<Float>?
  let shape: AttentionShape
  let hidden: HiddenKeys?

  /// Elements of the scratch of `compute`.
  func scratch(for rows: Range<Int>, of span: AttentionSpan, heads: Int) -> Int {
    AttentionScratch(
      positions: span.positions(seenBy: rows).count, rows: rows.count * heads, headDim: shape.headDim,
      hasValues: values != nil
    ).count
  }

  /// Attention of some rows, all heads of a row before the next row.
  ///
  /// - Parameters:
  ///   - heads: of one group.
  ///   - show: is shown the weights of a head and row, at the positions that it sees.
  func compute(
    _ rows: Range<Int>, of span: AttentionSpan, heads: Range<Int>, scratch: UnsafeMutablePointer<Float>,
    show: (_ head: Int, _ row: Int, _ seen: Range<Int>, _ weights: UnsafePointer<Float>) -> Void
  ) {
    let piece = AttentionPiece(span: span, rows: rows, heads: heads)
    let layout = AttentionScratch(
      positions: piece.positions.count, rows: piece.count, headDim: shape.headDim, hasValues: values != nil)
    var attention = attention(of: piece, scratch, layout)
    let weights = scratch + layout.weights
    withUnsafeTemporaryAllocation(of: headimpact_attention_row.self, capacity: layout.rowsAtOnce) { lines in
      for first in stride(from: 0, to: piece.count, by: layout.rowsAtOnce) {
        let block = first..<min(first + layout.rowsAtOnce, piece.count)
        for (index, place) in block.enumerated() {
          lines.initializeElement(at: index, to: line(place, of: piece, weights + index * layout.distance))
        }
        headimpact_attention_scores(&attention, lines.baseAddress, block.count)
        for (index, place) in block.enumerated() {
          let (row, head) = piece.place(place)
          let seen = span.positions(seenBy: row)
          let scores = weights + index * layout.distance + (seen.lowerBound - piece.positions.lowerBound)
          if let hidden, hidden.isHidden(from: head, at: span.position(of: row)) {
            softmax(scores, of: seen, without: hidden)
          } else {
            shape.softmax(scores, seen.count)
          }
          show(head, row, seen, scores)
        }
        if output != nil {
          addValues(UnsafeBufferPointer(rebasing: lines[..<block.count]), block, of: piece, &attention)
        }
      }
    }
  }

  /// The keys and values of a piece, packed where there are rows enough.
  private func attention(
    of piece: AttentionPiece, _ scratch: UnsafeMutablePointer<Float>, _ layout: AttentionScratch
  ) -> headimpact_attention {
    let segments = piece.span.segments(of: piece.positions)
    let head = piece.heads.lowerBound / (shape.heads / shape.keyValueHeads) * shape.headDim
    func source(_ base: UnsafePointer<Float>) -> headimpact_attention_source {
      headimpact_attention_source(
        shared: base + segments[0].rows.lowerBound * shape.keyValueWidth + head, shared_count: segments[0].rows.count,
        own: base + segments[1].rows.lowerBound * shape.keyValueWidth + head, stride: shape.keyValueWidth)
    }
    var attention = headimpact_attention(
      version: 0, keys: source(keys), values: source(values ?? keys), positions: piece.positions.count,
      depth: shape.headDim, packed_keys: nil, packed_values: nil, scratch: scratch)
    if layout.isPacked {
      headimpact_attention_pack_keys(&attention, scratch + layout.keys)
      attention.packed_keys = UnsafePointer(scratch + layout.keys)
      if values != nil {
        headimpact_attention_pack_values(&attention, scratch + layout.values)
        attention.packed_values = UnsafePointer(scratch + layout.values)
      }
    }
    return attention
  }

  private func line(
    _ place: Int, of piece: AttentionPiece, _ weights: UnsafeMutablePointer<Float>
  ) -> headimpact_attention_row {
    let (row, head) = piece.place(place)
    let seen = piece.span.positions(seenBy: row)
    let offset = row * shape.queryWidth + head * shape.headDim
    output.map { ($0 + offset).update(repeating: 0, count: shape.headDim) }
    return headimpact_attention_row(
      query: queries + offset, weights: weights, output: output.map { $0 + offset },
      first: seen.lowerBound - piece.positions.lowerBound, end: seen.upperBound - piece.positions.lowerBound)
  }
}

extension AttentionShape {
  /// Products of a query and some keys become weights.
  func softmax(_ line: UnsafeMutablePointer<Float>, _ count: Int) {
    if let softcap {
      headimpact_softcap(line, count, scoreScale, softcap)
      headimpact_softmax(line, count, 1)
    } else {
      headimpact_softmax(line, count, scoreScale)
    }
  }
}

extension AttentionProblem {
  /// The same where some keys are hidden: the others move together, and back again; hidden ones weigh nothing.
  private func softmax(_ line: UnsafeMutablePointer<Float>, of seen: Range<Int>, without hidden: HiddenKeys) {
    let (kept, cut) = hidden.cut(seen)
    var count = 0
    for range in kept {
      (line + count).update(from: line + (range.lowerBound - seen.lowerBound), count: range.count)
      count += range.count
    }
    precondition(count > 0, "a query sees no key")
    shape.softmax(line, count)
    for range in kept.reversed() {
      count -= range.count
      (line + (range.lowerBound - seen.lowerBound)).update(from: line + count, count: range.count)
    }
    for range in cut { (line + (range.lowerBound - seen.lowerBound)).update(repeating: 0, count: range.count) }
  }

  /// Rows that don't see the hidden keys add the others in pieces: a value that isn't finite mustn't reach them.
  private func addValues(
    _ lines: UnsafeBufferPointer<headimpact_attention_row>, _ block: Range<Int>, of piece: AttentionPiece,
    _ attention: inout headimpact_attention
  ) {
    guard let hidden else {
      headimpact_attention_add_values(&attention, lines.baseAddress, lines.count)
      return
    }
    var (seeing, blind): ([headimpact_attention_row], [headimpact_attention_row]) = ([], [])
    for (line, place) in zip(lines, block) {
      let (row, head) = piece.place(place)
      if hidden.isHidden(from: head, at: piece.span.position(of: row)) {
        blind.append(line)
      } else {
        seeing.append(line)
      }
    }
    headimpact_attention_add_values(&attention, seeing, seeing.count)
    for range in hidden.cut(piece.positions).kept {
      let (first, end) = (
        range.lowerBound - piece.positions.lowerBound, range.upperBound - piece.positions.lowerBound
      )
      let parts = blind.filter { $0.first < end && first < $0.end }.map { line in
        var part = line
        (part.first, part.end) = (max(line.first, first), min(line.end, end))
        return part
      }
      headimpact_attention_add_values(&attention, parts, parts.count)
    }
  }
}

/// Rows of a span, and heads that share their keys and values.
private struct AttentionPiece {
  let span: AttentionSpan
  let rows: Range<Int>
  let heads: Range<Int>
  /// What the rows see together.
  let positions: Range<Int>

  init(span: AttentionSpan, rows: Range<Int>, heads: Range<Int>) {
    (self.span, self.rows, self.heads) = (span, rows, heads)
    positions = span.positions(seenBy: rows)
  }

  var count: Int { rows.count * heads.count }

  func place(_ index: Int) -> (row: Int, head: Int) {
    (rows.lowerBound + index / heads.count, heads.lowerBound + index % heads.count)
  }
}

/// How the weights of some rows lie in a thread's scratch.
struct AttentionRows {
  /// Between the weights of rows: an odd number of cache lines, so that they don't compete for the same places in a cache.
  let distance: Int
  /// So many that their weights stay in a core's cache.
  let atOnce: Int

  /// - Parameters:
  ///   - step: rows that a kernel computes together.
  ///   - rows: all that there are.
  init(positions: Int, step: Int, most: Int, rows: Int) {
    let tile = Int(HEADIMPACT_ATTENTION_TILE)
    distance = (positions + tile - 1) / tile * tile + 16
    atOnce = min(min(max((1 << 17) / distance, step), most) / step * step, rows)
  }
}

/// Where things lie in a thread's scratch.
private struct AttentionScratch {
  let distance: Int
  let rowsAtOnce: Int
  let isPacked: Bool
  let keys: Int
  let values: Int
  let weights: Int
  let count: Int

  /// - Parameter rows: of all heads together.
  init(positions: Int, rows: Int, headDim: Int, hasValues: Bool) {
    func rounded(_ count: Int, to unit: Int) -> Int { (count + unit - 1) / unit * unit }
    let lines = AttentionRows(
      positions: positions, step: headimpact_attention_rows_at_once(0), most: Int(HEADIMPACT_ATTENTION_ROWS), rows: rows
    )
    (distance, rowsAtOnce) = (lines.distance, lines.atOnce)
    // A few rows take the keys and values where they lie.
    isPacked = rows >= 16
    keys = rounded(headimpact_attention_scratch_size(0, headDim), to: 16)
    values = keys + (isPacked ? rounded(headimpact_attention_keys_size(0, positions, headDim), to: 16) : 0)
    weights =
      values + (isPacked && hasValues ? rounded(headimpact_attention_values_size(0, positions, headDim), to: 16) : 0)
    count = weights + rowsAtOnce * distance
  }
}
