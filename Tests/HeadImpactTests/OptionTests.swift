import Testing

@testable import HeadImpact

@Suite("Options")
struct OptionTests {
  @Test("what makes no sense, or has no meaning yet, is refused by its name")
  func refused() throws {
    func refusal(_ change: (inout HeadImpactOptions) -> Void) -> String {
      var options = HeadImpactOptions()
      change(&options)
      do {
        try options.validate()
        return "accepted"
      } catch { return "\(error)" }
    }
    #expect(refusal { _ in } == "accepted")
    #expect(refusal { $0.coverage = 1 }.contains("--coverage is 1"))
    #expect(refusal { $0.sinkFactor = 0 }.contains("--sink-factor is 0"))
    // Whether there are such views, the model decides.
    #expect(refusal { $0.views = .tiles } == "accepted")
  }
}
