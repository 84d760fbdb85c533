import Kernels
import Testing

@Suite("Operations of a backend")
struct OperationTests {
  @Test("every operation equals the plain one in float64, or its finite differences", arguments: Operation.all)
  func agrees(_ operation: Operation) throws {
    let result = try operation.run(CPUBackend(precision: .f32, team: ThreadTeam(count: 2)))
    let expected = operation.expected()
    #expect(result.count == expected.count)
    // NaN, which is what no operation has written, is not close to anything.
    let far = zip(result, expected).enumerated().first { !(abs(Double($1.0) - $1.1) <= operation.tolerance) }
    #expect(far == nil, "element \(far?.offset ?? 0)")
  }

  @Test("no operation depends on the number of threads", arguments: [2, 3, 7])
  func threads(_ count: Int) throws {
    let one = try CPUBackend(precision: .f32, team: ThreadTeam(count: 1))
    let several = try CPUBackend(precision: .f32, team: ThreadTeam(count: count))
    for operation in Operation.all {
      #expect(try operation.run(one) == operation.run(several), "\(operation)")
    }
  }

  /// The first span takes long, and the last no time: on another thread its row would be added first.
  @Test("observed spans of one sequence are added up in their order", arguments: [2, 8])
  func sumsInOrder(_ threads: Int) throws {
    let shape = AttentionShape(heads: 1, keyValueHeads: 1, headDim: 16)
    let (block, count) = (400, 404)
    let spans =
      [AttentionSpan(queries: 0..<block, sharedKeys: 0, ownKeys: 0..<block, isCausal: false, isObserved: true)]
      + (block..<count).map {
        AttentionSpan(queries: $0..<$0 + 1, sharedKeys: 0, ownKeys: 0..<$0 + 1, isObserved: true)
      }
    func sums(_ threads: Int) throws -> [Float] {
      let backend = try CPUBackend(precision: .f32, team: ThreadTeam(count: threads))
      let sums = backend.tensor(rows: 1, columns: count)
      backend.zero(sums)
      let rows = (0..<count).map { AttentionSums.Row(query: $0, row: 0, divisor: Float(count)) }
      try backend.attend(
        queries: backend.tensor(numbers(count * shape.queryWidth, 12), rows: count),
        keys: backend.tensor(numbers(count * shape.keyValueWidth, 13), rows: count), values: nil, into: nil,
        spans: spans, shape: shape, adding: AttentionSums(sums: sums, keys: [0..<count], normalises: false, rows: rows))
      return backend.read(sums)
    }
    let expected = try sums(1)
    for _ in 0..<8 { #expect(try sums(threads) == expected) }
  }
}
