import HeadImpact
import TestSupport
import Testing

@testable import Comparison

@Suite("Intervals of rank statistics")
struct IntervalTests {
  /// Two runs of 8 layers of 8 heads over the same images, noisy alike and apart.
  private struct Simulation {
    let truth: [[Double]]
    private let heads = 64
    private let images = 30
    private let random: SplitMix64

    init(seed: UInt64) {
      let random = SplitMix64(seed: seed)
      let first = (0..<64).map { Self.normal(random, UInt64($0)) * 0.15 }
      truth = [first, first.enumerated().map { $1 + 0.05 * Self.normal(random, UInt64(100 + $0)) }]
      self.random = random
    }

    /// A sum of twelve even numbers: mean 0, variance 1.
    private static func normal(_ random: SplitMix64, _ number: UInt64) -> Double {
      (0..<12).reduce(-6) { $0 + Double(random[12 * number + $1] >> 11) * 0x1p-53 }
    }

    /// Both runs of one sample of images.
    func agreement(_ sample: Int) throws -> HeadAgreement {
      let runs = try truth.indices.map { run in
        let scores = (0..<images).map { image in
          var scores = ImageScores(heads: heads)
          let place = UInt64((sample * images + image) * heads * 3)
          scores.add(
            truth[run].indices.map { head in
              let shared = Self.normal(random, 1000 + place + UInt64(3 * head))
              let own = Self.normal(random, 1001 + place + UInt64(3 * head + run))
              return Float(truth[run][head] + 0.25 * shared + 0.25 * own)
            }, chance: [Float]?.none)
          return scores
        }
        return try ScoredHeads(name: "run", layers: 8, heads: 8, images: scores, resamples: 120, seed: 7)
      }
      return HeadAgreement(runs[0], runs[1], topHeads: 10)
    }
  }

  @Test("hold what other samples of as many images give on average, about 19 times of 20, and always their own value")
  func coverage() throws {
    let simulation = Simulation(seed: 11)
    let found = try (0..<120).map { try simulation.agreement($0) }
    for estimates in [found.map(\.spearman), found.map(\.pearson), found.map(\.topOverlap.share)] {
      let mean = estimates.reduce(0) { $0 + ($1.value ?? 0) } / Double(estimates.count)
      var held = 0
      for estimate in estimates {
        let (value, lower, upper) = (
          try #require(estimate.value), try #require(estimate.lower), try #require(estimate.upper)
        )
        #expect(lower <= value && value <= upper && lower < upper)
        if lower <= mean, mean <= upper { held += 1 }
      }
      // Of 120, 95% are 114, with a standard deviation of 2.4; intervals of so few images may be a little wide.
      #expect(held >= 106, "\(held) of 120 hold \(mean)")
    }
    // Not wider than they must be: the scatter of the values themselves, within a third.
    let values = found.compactMap(\.spearman.value)
    let mean = values.reduce(0, +) / Double(values.count)
    let scatter = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)).squareRoot()
    let widths = found.map { (($0.spearman.upper ?? 0) - ($0.spearman.lower ?? 0)) / 2 / 1.96 }
    let width = widths.reduce(0, +) / Double(widths.count)
    #expect((0.75...1.35).contains(width / scatter), "\(width) for \(scatter)")
  }

  @Test("each round leaves every image out once")
  func thirds() {
    for images in [3, 4, 5, 10] {
      let thirds = ThirdsLeftOut(images: images, subsets: 10, seed: 3)
      #expect(thirds.rounds == 4 && thirds.scales.count == 12)
      let hands = thirds.deal(1)
      #expect(hands.flatMap { $0 }.sorted() == Array(0..<images))
      #expect(hands.enumerated().allSatisfy { thirds.size(of: $0) == images - $1.count })
    }
    #expect(ThirdsLeftOut(images: 2, subsets: 10, seed: 3).rounds == 0)
    // Two thirds left of three: the square root of 2 / 1.
    #expect(ThirdsLeftOut(images: 3, subsets: 1, seed: 3).scales == [Double](repeating: 2.0.squareRoot(), count: 3))
  }

  @Test("the means are over the samples of the images that are left")
  func means() {
    let thirds = ThirdsLeftOut(images: 3, subsets: 3, seed: 0)
    let hands = thirds.deal(0).map { $0[0] }
    let means = thirds.means([[1, 10], [2, 20], [6, 60]], counts: [1, 2, 3]) { tasks, body in
      for task in 0..<tasks { body(task) }
    }
    let (sums, counts) = ([1.0, 2, 6], [1.0, 2, 3])
    for hand in 0..<3 {
      let kept = (0..<3).filter { $0 != hand }.map { hands[$0] }
      let mean = (sums[kept[0]] + sums[kept[1]]) / (counts[kept[0]] + counts[kept[1]])
      #expect(means[2 * hand] == mean && abs(means[2 * hand + 1] - 10 * mean) < 1e-12)
    }
  }
}
