import Testing

@testable import MessagePassing

@Suite("Agreed failures")
struct AgreementTests {
  @Test("ranks with the same message are named together; a hint comes last, and changes nothing else")
  func text() {
    let failure = AgreedFailure(
      failures: [(0, nil, "no room"), (2, "b", "no file"), (3, nil, "no room")], isTransient: true)
    #expect(failure.description == "ranks 0, 3: no room\nrank 2 on b: no file")
    let hinted = failure.adding("make room")
    #expect(hinted.description == failure.description + "\nmake room")
    #expect(hinted.isTransient && hinted.failures.count == 3)
  }

  @Test("many ranks take one line, by their hosts")
  func many() {
    let failures = (0..<10_000).filter { $0 != 5 }.map {
      (rank: $0, host: $0 < 9000 ? "a" : "b" as String?, message: "no file")
    }
    #expect(
      AgreedFailure(failures: failures, isTransient: false).description
        == "ranks 0-4 on a, 6-8999 on a, 9000-9999 on b: no file")
  }
}
