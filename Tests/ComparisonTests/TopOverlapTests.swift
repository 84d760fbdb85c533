import TestSupport
import Testing

@testable import Comparison

@Suite("Overlap of the best heads")
struct TopOverlapTests {
  @Test("counts what the first k of two orders share, for every k")
  func shared() {
    #expect(TopOverlap.shared([1, 2, 3, 5], [4, 2, 0, 1, 3], [2, 4, 3, 0, 1]) == [0, 2, 2, 5])
    #expect(TopOverlap.shared([1, 3], [0, 1, 2], [0, 1, 2]) == [1, 3])
  }

  @Test("chance is hypergeometric: two choices of 3 out of 10, worked out by hand")
  func chance() {
    // C(10, 3) = 120 choices: 35, 63, 21 and 1 share 0, 1, 2 and 3.
    let distribution = Hypergeometric(drawn: 3, of: 10)
    #expect(abs(distribution.atLeast(2) - 22.0 / 120) < 1e-15)
    #expect(distribution.atLeast(0) == 1)
    #expect(distribution.quantile(35.0 / 120 - 1e-9) == 0 && distribution.quantile(35.0 / 120 + 1e-9) == 1)
    let overlap = TopOverlap(count: 3, of: 10, shared: 2, parts: [2, 2, 3], scales: [1, 1, 1])
    #expect(overlap.chance == 0.3 && overlap.chanceLower == 0 && overlap.chanceUpper == 2.0 / 3)
    #expect(overlap.share.value == 2.0 / 3)
  }

  @Test("more than half of the things must share some; all of them share all")
  func many() {
    let most = Hypergeometric(drawn: 4, of: 5)
    #expect(most.atLeast(3) == 1 && abs(most.atLeast(4) - 1.0 / 5) < 1e-15)
    #expect(Hypergeometric(drawn: 5, of: 5).quantile(0.025) == 5)
  }

  @Test("probabilities of a thousand heads neither overflow nor vanish")
  func large() {
    let distribution = Hypergeometric(drawn: 500, of: 1000)
    #expect(distribution.quantile(0.5) == 250)
    #expect(abs(distribution.atLeast(251) + distribution.atLeast(250) - 1) < 1e-12)
    #expect(distribution.atLeast(400) > 0)
  }

  @Test("numbers of heads include what was asked for, and all heads")
  func counts() {
    #expect(TopOverlap.counts(of: 4, asked: 3) == [1, 2, 3, 4])
    let counts = TopOverlap.counts(of: 784, asked: 23)
    #expect(counts.prefix(10) == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10][...] && counts.contains(23) && counts.last == 784)
    #expect(counts.count < 60)
  }
}
