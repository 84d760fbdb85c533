import Testing

@testable import MessagePassing

@Suite("Agreed failures")
struct AgreementTests {
  @Test("ranks with the same message are named together; a hint comes last, and changes nothing else")
  func text() {
    let failure = AgreedFailure(
      failures: [(0, nil, "no room"), (2, nil, "no file"), (3, nil, "no room")], isTransient: true)
    #expect(failure.description == "ranks 0, 3: no room\nrank 2: no file")
    let hinted = failure.adding("make room")
    #expect(hinted.description == failure.description + "\nmake room")
    #expect(hinted.isTransient && hinted.failures.count == 3)
  }
}
