import Testing

@testable import Jobs

@Suite("The line of a run that a signal stops")
struct RunStandingTests {
  private func line(
    _ done: (count: Int, total: Int, name: String, kept: Int)?, step: String? = nil, isSaved: Bool = true
  ) -> String {
    var state = RunStanding.State()
    (state.step, state.done, state.mayLoseSome) = (step, done, !isSaved)
    return state.line("SIGTERM")
  }

  @Test("it promises only what is kept")
  func kept() {
    let next = "the same command with --resume"
    #expect(line(nil) == "SIGTERM before the work began; \(next) goes on")
    #expect(line(nil, step: "step 1 of 2") == "SIGTERM in step 1 of 2; \(next) goes on")
    #expect(line((4, 9, "samples", 4)) == "SIGTERM: 4 of 9 samples done; \(next) goes on")
    #expect(
      line((4, 9, "steps", 2)) == "SIGTERM: 4 of 9 steps done, and 2 of them kept; \(next) goes on from there")
    #expect(
      line((4, 9, "steps", 0)) == "SIGTERM: 4 of 9 steps done, and none of these steps kept; \(next) does them again")
    #expect(
      line((4, 9, "samples", 4), isSaved: false)
        == "SIGTERM: 4 of 9 samples done, the last of which may not be kept; \(next) goes on")
  }
}
