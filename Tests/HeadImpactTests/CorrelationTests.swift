import HeadImpact
import Testing

@Suite("Correlations")
struct CorrelationTests {
  private let x = [0.3, 0.1, 0.1, 0.7, 0.5, 0.5, 0.5, 0.2]
  private let y = [0.2, 0.4, 0.1, 0.9, 0.1, 0.6, 0.5, 0.1]

  @Test("equal values share the mean of their ranks")
  func ranks() {
    #expect(Correlation.ranks(x) == [4, 1.5, 1.5, 8, 6, 6, 6, 3])
    #expect(Correlation.ranks([]) == [])
  }

  @Test("are numpy's, of values and of ranks")
  func numpy() {
    #expect(abs(Correlation.spearman(x, y) - 0.6163643916476189) < 1e-14)
    #expect(abs(Correlation.pearson(x, y) - 0.6855585493157392) < 1e-14)
  }

  @Test("are 1 and -1 at the ends, and no number where one list is constant or too short")
  func ends() {
    #expect(Correlation.spearman([1, 2, 30], [5, 6, 7]) == 1)
    #expect(Correlation.spearman([1, 2, 30], [7, 6, 5]) == -1)
    #expect(Correlation.spearman([1, 1, 1], [5, 6, 7]).isNaN)
    #expect(Correlation.pearson([1], [1]).isNaN)
  }
}
