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
    attend(
      queries: queries, keys: keys, values: values, into: output, spans: spans, shape: shape, hiding: hidden,
      observer: adder.map { adder in
        { _, head, row, positions, weights in adder.add(head: head, row: row, positions, weights) }
      })
  }

  public func attend(
    queries: Tensor, keys: Tensor, values: Tensor, into output: Tensor, blocks: [Range<Int>], shape: AttentionShape
  ) throws {
    precondition(queries.columns == shape.queryWidth && keys.columns == shape.keyValueWidth)
    precondition(blocks.allSatisfy { $0.lowerBound >= 0 && $0.upperBound <= min(queries.rows, keys.rows) })
    #if arch(x86_64)
      if precision == .bf16 {
        return product.attend(
          queries: queries, keys: keys, values: values, into: output, blocks: blocks, shape: shape, scratch: &attention)
      }
    #endif
    attend(
      queries: queries, keys: keys, values: values, into: output,
      spans: blocks.map { AttentionSpan(queries: $0, sharedKeys: 0, ownKeys: $0, isCausal: false) }, shape: shape,
      observer: nil)
  }

  func attend(
    queries: Tensor, keys: Tensor, values: Tensor?, into output: Tensor?, spans: [AttentionSpan], shape: AttentionShape,
    hiding hidden: HiddenKeys? = nil, observer: AttentionObserver?
  ) {
    precondition(queries.columns == shape.queryWidth && keys.columns == shape.keyValueWidth)
    precondition((values == nil) == (output == nil) && spans.fit(queries: queries.rows, keys: keys.rows))
    let plan = AttentionPlan(spans, shape, observedOnly: values == nil, threads: team.count)
    let problem = AttentionProblem(
      queries: queries.floatBase, keys: keys.floatBase, values: values?.floatBase, output: output?.floatBase,
      shape: shape, hidden: hidden)
    let largest =
      plan.tasks.joined().map { problem.scratch(for: $0.queries, of: spans[$0.span], heads: plan.heads) }
      .max() ?? 0
    attention.reserve(team.count * largest)
    let scratch = attention.base
    let parts = shape.heads / plan.heads
    let work = plan.tasks.joined().reduce(0) { $0 + $1.queries.count * spans[$1.span].keys * shape.queryWidth / 4 }
    team.forEach(plan.tasks.count * parts, work: work) { task, thread in
      let first = task % parts * plan.heads
      for piece in plan.tasks[task / parts] {
        let span = spans[piece.span]
        problem.compute(
          piece.queries, of: span, heads: first..<first + plan.heads, scratch: scratch + thread * largest
        ) { head, row, positions, weights in
          if span.isObserved { observer?(piece.span, head, row, positions, weights) }
        }
      }
    }
  }
}

/// How attention is cut into tasks. No row depends on it: a task is as many rows as are worth the packing of their keys.
private struct AttentionPlan {
  /// Query rows of a span.
  struct Piece {
    let span: Int
    let queries: Range<Int>
  }

  private(set) var tasks: [[Piece]] = []
  /// Heads of a task, which share their keys.
  let heads: Int

  /// Observed spans of one sequence, whose own keys begin at the same row, stay in one task, so that their rows are added up
  /// in order.
  init(_ spans: [AttentionSpan], _ shape: AttentionShape, observedOnly: Bool, threads: Int) {
    let group = shape.heads / shape.keyValueHeads
    let rows = max(384 / group, 1)
    for (index, span) in spans.enumerated() where !span.queries.isEmpty && (span.isObserved || !observedOnly) {
      if span.isObserved {
        let piece = Piece(span: index, queries: span.queries)
        if let before = tasks.last?.last.map({ spans[$0.span] }), before.isObserved,
          before.ownKeys.lowerBound == span.ownKeys.lowerBound
        {
          tasks[tasks.count - 1].append(piece)
        } else {
          tasks.append([piece])
        }
      } else {
        for first in stride(from: span.queries.lowerBound, to: span.queries.upperBound, by: rows) {
          tasks.append([Piece(span: index, queries: first..<min(first + rows, span.queries.upperBound))])
        }
      }
    }
    // Where there are few tasks, the heads of a group are divided, until the threads are evenly busy.
    let count = tasks.count * shape.keyValueHeads
    let parts = (1...group).first {
      group % $0 == 0 && (count * $0 % threads == 0 || count * $0 >= 4 * threads)
    }
    heads = group / (parts ?? group)
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
