import Dispatch
import Testing

@testable import HeadImpact

/// Tasks at the same time, the last first.
private func threads(_ tasks: Int, _ body: (Int) -> Void) {
  withoutActuallyEscaping(body) { body in
    nonisolated(unsafe) let body = body
    DispatchQueue.concurrentPerform(iterations: tasks) { body(tasks - 1 - $0) }
  }
}

@Suite("Heads beyond chance")
struct BeyondChanceTests {
  @Test(
    "sign-flip p-values equal numpy's, of all flips and of random ones",
    arguments: try Golden.Statistics.read().sign_flip)
  func signFlip(_ golden: Golden.SignFlip) throws {
    var test = try SignFlipTest(
      images: golden.differences.count, values: golden.p.count, tests: golden.tests, seed: golden.seed)
    for image in golden.differences { try test.add(image) }
    #expect(greatestDifference(try test.pValues(), golden.p) < 1e-15)
  }

  @Test("p-values depend neither on which values are tested together nor on threads", arguments: [13, 150])
  func parts(images: Int) throws {
    let random = SplitMix64(seed: 3)
    func difference(_ image: Int) -> [Double] {
      (0..<20).map { value in Double(random[UInt64(image * 20 + value)] >> 11) * 0x1p-52 - 1 }
    }
    func p(_ values: Range<Int>, _ parallel: @escaping Bootstrap.ParallelLoop) throws -> [Double] {
      var test = try SignFlipTest(images: images, values: values.count, tests: 20, seed: 1, parallel: parallel)
      for image in 0..<images { try test.add(Array(difference(image)[values])) }
      return try test.pValues()
    }
    let whole = try p(0..<20) { tasks, body in for task in 0..<tasks { body(task) } }
    #expect(try p(0..<7, threads) + p(7..<8, threads) + p(8..<20, threads) == whole)
  }

  @Test("a head at chance in every image has p = 1; random flips never give less than 1 / 10,001")
  func ends() throws {
    var test = try SignFlipTest(images: 40, values: 2, tests: 2)
    for _ in 0..<40 { try test.add([0, 0.5]) }
    #expect(try test.pValues() == [1, 1 / 10_001])
  }

  @Test("sums that are equal but for rounding count as equal")
  func ties() throws {
    // In floating point 0.1 + 0.2 - 0.3 isn't 0: without any rounding, every flip is as far from 0 as this one.
    var test = try SignFlipTest(images: 3, values: 1, tests: 1)
    for value in [0.1, 0.2, -0.3] { try test.add([value]) }
    #expect(try test.pValues() == [1])
  }

  @Test("too many images, too few, or impossible differences are refused")
  func refused() throws {
    #expect(throws: HeadImpactError.self) { try SignFlipTest(images: 0, values: 1, tests: 1) }
    var test = try SignFlipTest(images: 1, values: 1, tests: 1)
    #expect(throws: HeadImpactError.self) { try test.pValues() }
    #expect(throws: HeadImpactError.self) { try test.add([1.5]) }
    #expect(throws: HeadImpactError.self) { try test.add([.nan]) }
    #expect(throws: HeadImpactError.self) { try test.add([0, 0]) }
    try test.add([0.5])
    #expect(throws: HeadImpactError.self) { try test.add([0.5]) }
  }

  @Test("p-values are corrected as numpy does", arguments: try Golden.Statistics.read().corrections)
  func corrections(_ golden: Golden.Corrections) {
    #expect(greatestDifference(MultipleTesting.holm(golden.p), golden.holm) < 1e-15)
    #expect(greatestDifference(MultipleTesting.benjaminiHochberg(golden.p), golden.benjamini_hochberg) < 1e-15)
  }

  @Test("heads are corrected over those of their measure, and marked where they are above chance")
  func marks() throws {
    let matched = [0.001, 0.02, 0.001, 0.6]
    let p = matched + [Double](repeating: 1, count: 20)
    let chance = try BeyondChance(
      layers: 2, heads: 2, images: 40, p: p, difference: [0.3, 0.4, -0.1, 0.3] + [Double](repeating: 0, count: 20))
    #expect(chance.holm[0..<4].elementsEqual([0.004, 0.04, 0.004, 0.6]))
    #expect(chance.holm[4...].allSatisfy { $0 == 1 })
    let rest = [Double](repeating: 0.5, count: 20)
    let table = try HeadImpactTable(
      layers: 2, heads: 2, samples: 9, hi: [0.5, 0.6, 0.1, 0.5] + rest, stderr: rest + [0, 0, 0, 0],
      chance: [0.2, 0.2, 0.2, 0.2] + rest, nosink: rest + [0, 0, 0, 0], sinkShare: [0, 0, 0, 0])
    // Head 1.0 is as far from chance, but below it.
    #expect(try chance.headsAbove(.matched, in: table).map { [$0.layer, $0.head] } == [[0, 1], [0, 0]])
    #expect(throws: HeadImpactError.self) {
      try BeyondChance(layers: 1, heads: 1, images: 9, p: [0, 1, 1, 1, 1, 1], difference: [0, 0, 0, 0, 0, 0])
    }
    #expect(throws: HeadImpactError.self) { try BeyondChance(layers: 1, heads: 1, images: 9, p: [1], difference: [1]) }
  }
}

@Suite("Marks of many heads")
struct ManyHeadsTests {
  /// Heads marked of so many, two in three of which have the smallest p-value that there is.
  private func marked(of heads: Int, images: Int) throws -> (count: Int, correction: BeyondChance.Correction) {
    let least = SignFlipTest.smallestP(images: images, tests: heads)
    let p = (0..<6 * heads).map { $0 % 3 < 2 ? least : 0.5 }
    let (ones, zeros) = ([Double](repeating: 1, count: 6 * heads), [Double](repeating: 0, count: 6 * heads))
    let chance = try BeyondChance(layers: 1, heads: heads, images: images, p: p, difference: ones)
    let table = try HeadImpactTable(
      layers: 1, heads: heads, samples: 50, hi: ones, stderr: zeros, chance: zeros, nosink: ones,
      sinkShare: [Double](repeating: 0, count: heads))
    return (try chance.headsAbove(.matched, in: table).count, chance.correction)
  }

  @Test("there are flips enough for Holm's correction, up to 10,000 heads", arguments: [500, 501, 1200, 10_000])
  func enoughFlips(heads: Int) throws {
    let (count, correction) = try marked(of: heads, images: 50)
    #expect(correction == .holm && count == (2 * heads + 2) / 3)
  }

  @Test("more heads than the most flips can tell by Holm are marked by Benjamini and Hochberg")
  func tooMany() throws {
    let (count, correction) = try marked(of: 10_001, images: 50)
    #expect(correction == .benjaminiHochberg && count == 6668)
  }

  @Test("where all flips are looked at, Holm's correction marks; of too few images, nothing")
  func exact() throws {
    #expect(try marked(of: 600, images: 20) == (400, .holm))
    #expect(try marked(of: 600, images: 15) == (400, .holm))
    #expect(try marked(of: 600, images: 14) == (0, .holm))
  }

  @Test("up to 500 heads there are 10,000 flips; of more, as many as Holm's correction needs")
  func flips() throws {
    #expect(
      [1, 500, 501, 1000, 10_000, 10_001].map(SignFlipTest.flips) == [10_000, 10_000, 10_020, 20_000, 200_000, 200_000])
    // No flip of these 40 images is as far from 0 as they are.
    var test = try SignFlipTest(images: 40, values: 1, tests: 1000)
    for _ in 0..<40 { try test.add([0.5]) }
    #expect(try test.pValues() == [1 / 20_001])
  }

  @Test("a head is marked only where the means over images and over samples are on the same side of chance")
  func bothMeans() throws {
    let chance = try BeyondChance(
      layers: 1, heads: 4, images: 40, p: [Double](repeating: 1e-4, count: 24),
      difference: [0.1, -0.1, 0.1, -0.1] + [Double](repeating: 0, count: 20))
    let zeros = [Double](repeating: 0, count: 24)
    let table = try HeadImpactTable(
      layers: 1, heads: 4, samples: 50, hi: [0.3, 0.3, 0.1, 0.1] + zeros[4...], stderr: zeros,
      chance: [Double](repeating: 0.2, count: 24), nosink: zeros, sinkShare: [0, 0, 0, 0])
    #expect((0..<5).map { chance.finding($0, in: table) } == [.above, .neither, .neither, .below, .neither])
  }

  @Test("the mean that is tested is that over images")
  func means() throws {
    var test = try SignFlipTest(images: 2, values: 9, tests: 9)
    try test.add([0.5] + [Double](repeating: 0.25, count: 8))
    try test.add([-1] + [Double](repeating: 0.5, count: 8))
    #expect(try test.means() == [-0.25] + [Double](repeating: 0.375, count: 8))
  }
}

@Suite("Corrected for chance")
struct CorrectedTests {
  /// One measure's values, of one head; the others are 0 where chance is 0.
  private func sample(_ id: Int, hi: Double, chance: Double) throws -> SampleImpact {
    let rest = [Double](repeating: 0, count: 5)
    return try SampleImpact(
      annotationID: id, imageID: id / 2, categoryID: 1,
      tokens: SampleImpact.TokenCounts(sequence: 9, visual: 8, caption: 1, mask: 2), layers: 1, heads: 1,
      hi: [hi] + rest, chance: [chance] + rest, nosink: [hi] + rest, sinkShare: [0])
  }

  @Test("the mean is over samples whose chance is below 1")
  func mean() throws {
    let golden = try Golden.Statistics.read().corrected
    var sums = HeadImpactAccumulator(layers: 1, heads: 1)
    for (id, (hi, chance)) in zip(golden.hi, golden.chance).enumerated() {
      try sums.add(sample(id, hi: hi, chance: chance))
    }
    let corrected = try #require(try sums.table().corrected)
    #expect(abs(corrected.hi[0] - golden.corrected) < 1e-15)
    #expect(abs(corrected.stderr[0] - golden.stderr) < 1e-15)
    #expect(corrected.samples == [golden.samples] + [Int](repeating: golden.hi.count, count: 5))
    #expect(corrected.hi[1...].allSatisfy { $0 == 0 })
  }

  @Test("a head whose every sample has chance 1 has no corrected value")
  func none() throws {
    var sums = HeadImpactAccumulator(layers: 1, heads: 1)
    for id in 0..<3 { try sums.add(sample(id, hi: 1, chance: 1 - 0x1p-50)) }
    let table = try sums.table()
    let corrected = try #require(table.corrected)
    #expect(corrected.hi[0].isNaN && corrected.stderr[0].isNaN && corrected.samples[0] == 0)
    #expect(throws: HeadImpactError.self) {
      try Selection(from: table, strategy: .top, measure: RankedMeasure(.matched, isCorrected: true), layers: 1)
    }
  }

  @Test("a value far below chance, as of an object that fills all but a corner, is summed")
  func farBelow() throws {
    var sums = HeadImpactAccumulator(layers: 1, heads: 1)
    let chance = 1 - 1.0 / 16_384
    for id in 0..<4 { try sums.add(sample(id, hi: id % 2 == 0 ? 0 : 1, chance: chance)) }
    let corrected = try #require(try sums.table().corrected)
    #expect(abs(corrected.hi[0] + 8191) < 1e-6)
    #expect(abs(corrected.stderr[0] / (16_384 / 12.0.squareRoot()) - 1) < 1e-12)
  }

  @Test("a chance that is no mean of such values is refused")
  func impossible() {
    var sums = HeadImpactAccumulator(layers: 1, heads: 1)
    #expect { try sums.add(sample(7, hi: 0, chance: 1 - 1e-8)) } throws: { "\($0)".contains("sample 7: hi[0]") }
  }

  @Test("the bootstrap's intervals equal numpy's, some samples being left out")
  func bootstrap() throws {
    let golden = try Golden.Statistics.read().corrected_bootstrap
    var bootstrap = try Bootstrap(
      images: golden.samples.count, layers: 1, heads: 2, resamples: golden.resamples, rows: 0..<1, seed: golden.seed)
    for (image, samples) in golden.samples.enumerated() {
      let leftOut = golden.left_out[image]
      try bootstrap.add(
        ImageSums(
          sums: golden.sums[image], samples: samples, leftOut: leftOut.contains { $0 > 0 } ? leftOut : []))
    }
    #expect(greatestDifference(try bootstrap.part().interval, golden.interval.flatMap { $0 }) < 1e-12)
  }

  @Test("resamples without a value are left out of the interval")
  func emptyResamples() throws {
    var bootstrap = try Bootstrap(images: 2, layers: 1, heads: 2, resamples: 40, rows: 0..<1)
    try bootstrap.add(ImageSums(sums: [0.5, 0], samples: 1, leftOut: [0, 1]))
    try bootstrap.add(ImageSums(sums: [0, 0], samples: 1, leftOut: [1, 1]))
    let interval = try bootstrap.part().interval
    #expect(interval[0] == 0.5 && interval[2] == 0.5 && interval[1].isNaN && interval[3].isNaN)
  }

  @Test("another's draws give the same bits")
  func sharedDraws() throws {
    func fill(_ bootstrap: inout Bootstrap) throws -> BootstrapIntervals {
      for id in 0..<9 { try bootstrap.add(samplesOfOneImage: [randomSample(id)]) }
      return try bootstrap.intervals(topLayers: 1)
    }
    var first = try Bootstrap(images: 9, layers: 2, heads: 3, resamples: 30, seed: 8)
    var second = try Bootstrap(images: 9, layers: 2, heads: 3, resamples: 30, seed: 8, drawsOf: first)
    #expect(try fill(&first) == fill(&second))
  }

  @Test("an image's part: sums of HI, of corrected HI, and the mean difference from chance")
  func image() throws {
    let image = try ImageImpact(samples: [
      sample(3, hi: 1, chance: 1), sample(2, hi: 0.6, chance: 0.2),
    ])
    #expect(image.hi.sums[0] == 1.6 && image.hi.samples == 2 && image.hi.leftOut.isEmpty)
    #expect(abs(image.corrected.sums[0] - 0.5) < 1e-15 && image.corrected.leftOut == [1, 0, 0, 0, 0, 0])
    #expect(abs(image.difference[0] - 0.2) < 1e-15)
  }

  @Test("a table of before there were corrected values says so when they are asked for")
  func versionOne() throws {
    let values = [Double](repeating: 0.5, count: 6)
    let table = try HeadImpactTable(
      layers: 1, heads: 1, samples: 2, hi: values, stderr: values, chance: values, nosink: values, sinkShare: [0])
    #expect(try Ranking(table, by: RankedMeasure(.soft)).heads[0].score == 0.5)
    #expect { try Ranking(table, by: RankedMeasure(.soft, isCorrected: true)) } throws: {
      "\($0)".contains("version 1")
    }
  }
}

@Suite("Reliability")
struct ReliabilityTests {
  @Test("Spearman's correlation equals numpy's", arguments: try Golden.Statistics.read().spearman)
  func spearman(_ golden: Golden.Spearman) throws {
    let value = try #require(RankCorrelation.spearman(golden.a, golden.b))
    #expect(abs(value - golden.value) < 1e-14)
  }

  @Test("where all values are equal there is no correlation")
  func constant() {
    #expect(RankCorrelation.spearman([1, 1, 1], [1, 2, 3]) == nil)
    #expect(RankCorrelation.spearman([], []) == nil)
  }

  private func images(_ golden: Golden.Reliability) -> [ImageScores] {
    golden.values.map { samples in
      var image = ImageScores(heads: samples[0].count)
      for sample in samples { image.add(sample, chance: [Float]?.none) }
      return image
    }
  }

  @Test("halves agree as numpy says, at every size of halves")
  func golden() throws {
    let golden = try Golden.Statistics.read().reliability
    let found = try Reliability(
      images: images(golden), top: golden.top, halvings: golden.halvings, points: 5, seed: golden.seed)
    #expect(found.points.map(\.images) == [1, 2, 3, 4, 5])
    for point in golden.points {
      let ours = found.points[point.images - 1]
      for (i, estimate) in [ours.rankCorrelation, ours.overlap, ours.chosen, ours.random].enumerated() {
        let expected = [point.mean[i], point.bounds[0][i], point.bounds[1][i]]
        #expect(greatestDifference([estimate.mean, estimate.lower, estimate.upper], expected) < 1e-6)
      }
    }
  }

  @Test("threads give the same bits")
  func parallel() throws {
    let golden = try Golden.Statistics.read().reliability
    let images = images(golden)
    #expect(
      try Reliability(images: images, top: 2, seed: 9, parallel: threads)
        == Reliability(images: images, top: 2, seed: 9))
  }

  @Test("one best head in every image is chosen in both halves")
  func certain() throws {
    var image = ImageScores(heads: 3)
    image.add([0.9, 0.1, 0.2], chance: [0.5, 0.1, 0.1] as [Float]?)
    let whole = try Reliability(images: [image, image, image, image], top: 1).whole
    #expect(whole.images == 2 && whole.overlap.mean == 1 && whole.rankCorrelation.mean == 1)
    #expect(abs(whole.chosen.mean - 0.8) < 1e-6 && whole.chosen.lower == whole.chosen.upper)
    #expect(whole.random.mean < whole.chosen.mean)
  }

  @Test("too few images or heads are refused")
  func refused() {
    let image = ImageScores(heads: 3)
    #expect(throws: HeadImpactError.self) { try Reliability(images: [image], top: 1) }
    #expect(throws: HeadImpactError.self) { try Reliability(images: [image, image], top: 4) }
    #expect(throws: HeadImpactError.self) { try Reliability(images: [image, ImageScores(heads: 2)], top: 1) }
  }
}

@Suite("Size quarters")
struct SizeQuartersTests {
  @Test("samples go to four parts of one number, the smallest masks first, ties in their order")
  func quarters() {
    let shares = [0.5, 0.1, 0.2, 0.2, 0.9, 0.2, 0.3, 0.05]
    var quarters = SizeQuarters(shares: shares, heads: 1)
    // Each sample's value is its number in eighths; chance is half of it, and 1 for the last.
    for sample in shares.indices {
      let value = Float(sample) / 8
      quarters.add(sample: sample, [sample == 4 ? 1 : value], chance: [sample == 4 ? 1 : value / 2])
    }
    let found = quarters.quarters
    #expect(found.map(\.shares) == [0.05...0.1, 0.2...0.2, 0.2...0.3, 0.5...0.9])
    #expect(found.map(\.samples) == [2, 2, 2, 2])
    let means: [Double] = [0.5, 0.3125, 0.6875, 0.5]
    #expect(found.map { $0.hi[0] } == means)
    #expect(abs(found[0].stderr[0] - 3.0 / 8) < 1e-15)
    #expect(found[1].chance == [1.25 / 8])
    // 2/8: (1/8) / (7/8); 3/8: (1.5/8) / (6.5/8)
    let corrected: Double = (1.0 / 7 + 1.5 / 6.5) / 2
    #expect(abs(found[1].corrected[0] - corrected) < 1e-15)
    // Of the last quarter, sample 4 has no corrected value, and sample 0 is at chance.
    #expect(found[3].corrected == [0] && found[3].correctedStderr[0].isNaN)
  }
}
