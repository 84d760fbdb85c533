import Dispatch
import Testing

@testable import HeadImpact

@Suite("Bootstrap")
struct BootstrapTests {
  @Test(
    "intervals and frequencies equal numpy's", arguments: try Golden.cases("bootstrap.json", as: Golden.Bootstrap.self))
  func golden(_ golden: Golden.Bootstrap) throws {
    var bootstrap = try Bootstrap(
      images: golden.images, layers: golden.layers, heads: golden.heads, resamples: golden.resamples, seed: golden.seed)
    let values = 6 * golden.layers * golden.heads
    for image in 0..<golden.images {
      try bootstrap.add(
        ImageSums(
          sums: Array(golden.sums.values[(image * values)..<((image + 1) * values)]), samples: golden.samples[image]))
    }
    let intervals = try bootstrap.intervals(topLayers: golden.top)
    #expect(greatestDifference(intervals.interval, golden.interval.values) < 1e-12)
    #expect(greatestDifference(intervals.layerInterval, golden.layer_interval.values) < 1e-12)
    #expect(intervals.layerTopFrequency == golden.layer_top_frequency.values)
  }

  @Test("samples of one image are summed in the order of their ids, however they come")
  func orderWithinImage() throws {
    func intervals(_ order: (([SampleImpact]) -> [SampleImpact])) throws -> BootstrapIntervals {
      var bootstrap = try Bootstrap(images: 5, layers: 2, heads: 3, resamples: 20, seed: 3)
      for image in 0..<5 {
        try bootstrap.add(samplesOfOneImage: order((0..<4).map { try randomSample(image * 4 + $0, image: image) }))
      }
      return try bootstrap.intervals(topLayers: 1)
    }
    let expected = try intervals { $0 }
    #expect(try intervals { $0.reversed() } == expected)
  }

  @Test("parts of the rows, on threads, give the bits of one bootstrap on one", arguments: [1, 2, 3, 7, 100])
  func parts(count: Int) throws {
    func part(_ rows: Range<Int>?, _ parallel: @escaping Bootstrap.ParallelLoop) throws -> BootstrapIntervals.Part {
      var bootstrap = try Bootstrap(
        images: 130, layers: 2, heads: 3, resamples: 75, rows: rows, seed: 9, parallel: parallel)
      for image in 0..<130 {
        let all = try ImageSums(samples: [randomSample(image, image: image)])
        let own = all.sums[bootstrap.rows.lowerBound * 3..<bootstrap.rows.upperBound * 3]
        try bootstrap.add(ImageSums(sums: Array(own), samples: all.samples))
      }
      return try bootstrap.part()
    }
    let serial = try part(nil) { tasks, body in for task in 0..<tasks { body(task) } }
    let parallel: Bootstrap.ParallelLoop = { tasks, body in
      withoutActuallyEscaping(body) { body in
        nonisolated(unsafe) let body = body
        DispatchQueue.concurrentPerform(iterations: tasks) { body(tasks - 1 - $0) }
      }
    }
    let parts = try (0..<count).map { try part(12 * $0 / count..<12 * ($0 + 1) / count, parallel) }
    let expected = try BootstrapIntervals(layers: 2, heads: 3, topLayers: 2, parts: [serial])
    #expect(try BootstrapIntervals(layers: 2, heads: 3, topLayers: 2, parts: parts.reversed()) == expected)
    #expect(throws: HeadImpactError.self) {
      try BootstrapIntervals(layers: 2, heads: 3, topLayers: 2, parts: parts + parts)
    }
    #expect(throws: HeadImpactError.self) { try BootstrapIntervals(layers: 2, heads: 3, topLayers: 2, parts: []) }
  }

  @Test("equal images give empty intervals")
  func alike() throws {
    var bootstrap = try Bootstrap(images: 6, layers: 1, heads: 2, resamples: 30)
    for id in 0..<6 { try bootstrap.add(samplesOfOneImage: [sample(id, layers: 1, heads: 2) { 0.25 }]) }
    let intervals = try bootstrap.intervals(topLayers: 5)
    #expect(intervals.interval.allSatisfy { $0 == 0.25 })
    #expect(intervals.layerTopFrequency.allSatisfy { $0 == 1 })
    #expect(intervals.topLayers == 1)
  }

  @Test("too many images, too few, or of another shape are refused")
  func refused() throws {
    var bootstrap = try Bootstrap(images: 1, layers: 2, heads: 3, resamples: 3)
    #expect(throws: HeadImpactError.self) { try bootstrap.intervals(topLayers: 1) }
    #expect(throws: HeadImpactError.self) { try bootstrap.add(ImageSums(sums: [1], samples: 1)) }
    #expect(throws: HeadImpactError.self) { try bootstrap.add(samplesOfOneImage: []) }
    #expect(throws: HeadImpactError.self) {
      try bootstrap.add(samplesOfOneImage: [randomSample(1, image: 1), randomSample(2, image: 2)])
    }
    try bootstrap.add(samplesOfOneImage: [randomSample(1)])
    #expect(throws: HeadImpactError.self) { try bootstrap.add(samplesOfOneImage: [randomSample(2)]) }
    #expect(throws: HeadImpactError.self) { try Bootstrap(images: 0, layers: 1, heads: 1) }
    #expect(throws: HeadImpactError.self) { try Bootstrap(images: 1, layers: 1, heads: 1, resamples: 0) }
  }

  @Test("SplitMix64 gives its published sequence")
  func splitMix64() {
    // The first three outputs for the seed 1234567, as in the Rosetta Code and other implementations' tests.
    let random = SplitMix64(seed: 1_234_567)
    #expect(
      [random[0], random[1], random[2]] == [
        6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
      ])
  }
}
