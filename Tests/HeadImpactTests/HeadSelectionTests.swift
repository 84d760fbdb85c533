import Testing

@testable import HeadImpact

@Suite("Chosen heads")
struct HeadSelectionTests {
  /// By `matched` 0.5, 0.0, 0.5, 0.7, 0.0, 0.2; by every other measure 0.
  let table: HeadImpactTable

  init() throws {
    let hi = [0.5, 0.0, 0.5, 0.7, 0.0, 0.2] + [Double](repeating: 0, count: 30)
    table = try HeadImpactTable(
      layers: 3, heads: 2, samples: 9, hi: hi, stderr: hi, chance: hi, nosink: hi, sinkShare: Array(hi[..<6]))
  }

  private func choose(
    _ strategy: Selection.Strategy, _ count: Int, measure: RankedMeasure = .matched, seed: UInt64 = 0
  ) throws -> [String] {
    try Selection.heads(of: table, strategy: strategy, measure: measure, count: count, seed: seed).map(\.description)
  }

  @Test("top and bottom take the ends of the ranking, ties by the lower index")
  func ends() throws {
    #expect(try choose(.top, 3) == ["1.1", "0.0", "1.0"])
    #expect(try choose(.bottom, 3) == ["0.1", "2.0", "2.1"])
    #expect(try choose(.top, 2, measure: RankedMeasure(.soft)) == ["0.0", "0.1"])
  }

  @Test("a random choice is its seed's alone, of heads none twice, and reaches every head")
  func random() throws {
    #expect(try choose(.random, 3, seed: 4) == choose(.random, 3, seed: 4))
    let draws = try (0..<300).map { try choose(.random, 2, seed: UInt64($0)) }
    #expect(draws.allSatisfy { $0.count == 2 && $0[0] < $0[1] })
    #expect(Set(draws).count == 15)
  }

  @Test("a number that the model hasn't is refused", arguments: [0, 7])
  func counts(_ count: Int) {
    #expect(throws: HeadImpactError.self) { try choose(.bottom, count) }
  }

  @Test("a head is written and read as layer and head")
  func texts() {
    #expect(Selection.Head("14.3") == Selection.Head(layer: 14, head: 3))
    #expect(Selection.Head(layer: 2, head: 11).description == "2.11")
    for text in ["14", "1.2.3", "a.1", "1.", ".1", "-1.2", "1.-2", "", " 1.2"] {
      #expect(Selection.Head(text) == nil, "\(text)")
    }
  }
}

@Suite("Interval of a ratio")
struct RatioIntervalTests {
  @Test("it is the bootstrap's own, with the same draws")
  func likeBootstrap() throws {
    // HI of one head is the ratio of its sums to the numbers of samples.
    let random = SplitMix64(seed: 9)
    let sums = (0..<23).map { Double(random.below(1000, counter: UInt64($0))) / 100 }
    let samples = (0..<23).map { 1 + random.below(4, counter: UInt64(100 + $0)) }
    var bootstrap = try Bootstrap(images: 23, layers: 1, heads: 1, resamples: 200, seed: 5)
    for (sum, count) in zip(sums, samples) {
      try bootstrap.add(ImageSums(sums: [sum] + [Double](repeating: 0, count: 5), samples: count))
    }
    let intervals = try bootstrap.intervals(topLayers: 1)
    let interval = try RatioInterval(
      numerators: sums, denominators: samples.map(Double.init), resamples: 200, seed: 5)
    #expect(abs(interval.lower - intervals.interval[0]) < 1e-12)
    #expect(abs(interval.upper - intervals.interval[6]) < 1e-12)
    #expect(interval.lower < interval.upper)
  }

  @Test("proportional numerators and denominators give empty intervals")
  func certain() throws {
    let interval = try RatioInterval(numerators: [3, 6, 1.5], denominators: [2, 4, 1], resamples: 50)
    #expect(interval.lower == 1.5 && interval.upper == 1.5)
  }

  @Test("nothing, weights of zero and numbers of resamples out of range are refused")
  func refused() {
    for (a, b, resamples) in [([], [], 10), ([1], [0], 10), ([1], [1, 2], 10), ([1], [1], 0)]
      as [([Double], [Double], Int)]
    {
      #expect(throws: HeadImpactError.self) { try RatioInterval(numerators: a, denominators: b, resamples: resamples) }
    }
  }
}
