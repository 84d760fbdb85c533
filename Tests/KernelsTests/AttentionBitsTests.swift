import Kernels
import Testing

/// What a row of attention depends on: its query, and the keys and values that it sees.
@Suite("Bits of attention")
struct AttentionBitsTests {
  private static let shapes = [
    AttentionShape(heads: 6, keyValueHeads: 2, headDim: 24), AttentionShape(heads: 2, keyValueHeads: 2, headDim: 72),
    AttentionShape(heads: 8, keyValueHeads: 1, headDim: 10, softcap: 2),
  ]
  private static let length = 300
  private static let (queries, keys, values) = (
    numbers(length * 144, 1).map { 3 * $0 }, numbers(length * 144, 2), numbers(length * 144, 3)
  )

  @Test("a row alone, the last ones, and all of a sequence have the same bits", arguments: shapes)
  func rowsApart(_ shape: AttentionShape) throws {
    let length = Self.length
    let all = try attend(shape, [AttentionSpan(queries: 0..<length, sharedKeys: 0, ownKeys: 0..<length)])
    for first in [0, 1, 200, length - 40, length - 1] {
      let rest = first..<length
      #expect(try rows(rest, of: attend(shape, [own(rest, keys: length)])) == rows(rest, of: all))
      let one = first..<first + 1
      #expect(try rows(one, of: attend(shape, [own(one, keys: first + 1)])) == rows(one, of: all))
    }
  }

  @Test(
    "keys have the same bits in a shared prefix as in the sequence itself", arguments: shapes, [1, 32, 97, 299])
  func sharedPrefix(_ shape: AttentionShape, _ prefix: Int) throws {
    let length = Self.length
    let rest = prefix..<length
    let all = try attend(shape, [own(0..<length, keys: length)])
    let inTwo = AttentionSpan(queries: rest, sharedKeys: 0..<prefix, ownKeys: rest)
    #expect(try rows(rest, of: attend(shape, [inTwo])) == rows(rest, of: all))
    // Observed spans go another way through the tasks.
    let observed = AttentionSpan(queries: rest, sharedKeys: 0..<prefix, ownKeys: rest, isObserved: true)
    #expect(try attend(shape, [own(0..<prefix, keys: prefix), observed]) == all)
  }

  @Test("a window has the same bits row by row", arguments: shapes)
  func windows(_ shape: AttentionShape) throws {
    let length = Self.length
    let all = try attend(
      shape, [AttentionSpan(queries: 0..<length, sharedKeys: 0, ownKeys: 0..<length, window: 50)])
    for row in [0, 49, 50, 200, length - 1] {
      let one = AttentionSpan(queries: row..<row + 1, sharedKeys: 0, ownKeys: 0..<row + 1, window: 50)
      #expect(try rows(row..<row + 1, of: attend(shape, [one])) == rows(row..<row + 1, of: all))
    }
  }

  @Test("the bits don't depend on the number of threads, which divides heads in other ways", arguments: shapes)
  func threads(_ shape: AttentionShape) throws {
    for rows in [Self.length - 1..<Self.length, Self.length - 9..<Self.length, 0..<Self.length] {
      let spans = [own(rows, keys: Self.length)]
      let one = try attend(shape, spans, threads: 1)
      for threads in [2, 3, 5, 16] { #expect(try attend(shape, spans, threads: threads) == one) }
    }
  }

  @Test("weights that are added up are those of a row alone", arguments: shapes)
  func observed(_ shape: AttentionShape) throws {
    let length = Self.length
    let prefix = 280
    let spans = [
      own(0..<prefix, keys: prefix),
      AttentionSpan(queries: prefix..<length, sharedKeys: 0..<prefix, ownKeys: prefix..<length, isObserved: true),
    ]
    let all = try weights(shape, spans, of: prefix..<length)
    for row in [prefix, prefix + 7, length - 1] {
      let alone = AttentionSpan(queries: row..<row + 1, sharedKeys: 0, ownKeys: 0..<row + 1, isObserved: true)
      let one = try weights(shape, [alone], of: row..<row + 1)
      let first = (row - prefix) * shape.heads * length
      #expect(one == Array(all[first..<first + shape.heads * length]))
    }
  }

  @Test("a value that isn't finite reaches no row that doesn't see it", arguments: [Float.nan, .infinity])
  func brokenValues(_ broken: Float) throws {
    let shape = Self.shapes[0]
    let width = shape.keyValueWidth
    var values = numbers(60 * width, 3)
    for d in 0..<width { values[40 * width + d] = broken }
    for queries in [0..<60, 35..<60, 40..<60] {
      let output = try attend(shape, [own(queries, keys: 60)], values: values, length: 60)
      for row in queries {
        let isFinite = output[row * shape.queryWidth..<(row + 1) * shape.queryWidth].allSatisfy { $0.isFinite }
        #expect(isFinite == (row < 40), "row \(row)")
      }
    }
    let hidden = HiddenKeys(heads: [0, 4], keys: [40..<41], sparedQueries: [0..<41])
    let output = try attend(shape, [own(0..<60, keys: 60)], values: values, length: 60, hiding: hidden)
    for row in 40..<60 {
      for head in 0..<shape.heads {
        let first = row * shape.queryWidth + head * shape.headDim
        let isFinite = output[first..<first + shape.headDim].allSatisfy { $0.isFinite }
        #expect(isFinite == (row > 40 && hidden.heads.contains(head)), "row \(row), head \(head)")
      }
    }
  }
}

extension AttentionBitsTests {
  /// The last rows of a sequence of so many keys.
  private func own(_ queries: Range<Int>, keys: Int) -> AttentionSpan {
    AttentionSpan(queries: queries, sharedKeys: 0, ownKeys: 0..<max(keys, queries.upperBound))
  }

  private func rows(_ rows: Range<Int>, of output: [Float]) -> [Float] {
    let width = output.count / Self.length
    return Array(output[rows.lowerBound * width..<rows.upperBound * width])
  }

  /// - Returns: the output; rows that no span has are 0.
  private func attend(
    _ shape: AttentionShape, _ spans: [AttentionSpan], threads: Int = 2, values: [Float]? = nil, length: Int = length,
    hiding hidden: HiddenKeys? = nil
  ) throws -> [Float] {
    let backend = try CPUBackend(precision: .f32, team: ThreadTeam(count: threads))
    let output = backend.tensor(rows: length, columns: shape.queryWidth)
    backend.zero(output)
    try backend.attend(
      queries: backend.tensor(Array(Self.queries[..<(length * shape.queryWidth)]), rows: length),
      keys: backend.tensor(Array(Self.keys[..<(length * shape.keyValueWidth)]), rows: length),
      values: backend.tensor(values ?? Array(Self.values[..<(length * shape.keyValueWidth)]), rows: length),
      into: output,
      spans: spans, shape: shape, adding: nil, hiding: hidden)
    return backend.read(output)
  }

  /// - Returns: the weights [rows, heads, keys] of some rows.
  private func weights(_ shape: AttentionShape, _ spans: [AttentionSpan], of rows: Range<Int>) throws -> [Float] {
    let length = Self.length
    let backend = try CPUBackend(precision: .f32, team: ThreadTeam(count: 2))
    let sums = backend.tensor(rows: rows.count * shape.heads, columns: length)
    backend.zero(sums)
    try backend.attend(
      queries: backend.tensor(Array(Self.queries[..<(length * shape.queryWidth)]), rows: length),
      keys: backend.tensor(Array(Self.keys[..<(length * shape.keyValueWidth)]), rows: length), values: nil, into: nil,
      spans: spans, shape: shape,
      adding: AttentionSums(
        sums: sums, keys: [0..<length], normalises: false,
        rows: rows.enumerated().map { AttentionSums.Row(query: $1, row: $0 * shape.heads, divisor: 1) }))
    return backend.read(sums)
  }
}
