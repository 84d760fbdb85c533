import Kernels
import Testing

@Suite("Operations of a backend")
struct OperationTests {
  @Test("every operation equals the plain one in float64, or its finite differences", arguments: Operation.all)
  func agrees(_ operation: Operation) throws {
    let result = try operation.run(CPUBackend(precision: .f32, team: ThreadTeam(count: 2)))
    let expected = operation.expected()
    #expect(result.count == expected.count)
    // NaN is what no operation has written: it makes the difference none, and so not small.
    let difference = zip(result, expected).map { abs(Double($0) - $1) }.reduce(0) { $1 <= $0 ? $0 : $1 }
    #expect(difference <= operation.tolerance)
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
