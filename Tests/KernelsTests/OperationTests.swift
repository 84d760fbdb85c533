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
}
