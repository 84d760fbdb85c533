import HeadImpact
import TestSupport
import Testing

@testable import Comparison

@Suite("Comparison of runs")
struct RunComparisonTests {
  private let samples = [(1, 1), (2, 1), (3, 2), (4, 3)]
  /// Three images, of 2, 1 and 1 samples.
  private let first: [[[Float]]] = [
    [[0.5, 0.25, 0.125, 0], [1, 0.25, 0.125, 0]], [[0.75, 0.5, 0.125, 0.25]], [[0.75, 0.5, 0.25, 0.25]],
  ]

  private func comparison(
    _ images: [[[[Float]]]], _ change: (inout RunComparison.Options) -> Void = { _ in }
  ) throws -> RunComparison {
    var options = RunComparison.Options()
    options.topHeads = 2
    options.resamples = 50
    change(&options)
    let runs = images.indices.map { SmallRuns.run("\($0)", samples: samples) }
    return try RunComparison(
      runs, SharedSamples(runs), scored: images.map { try SmallRuns.scored($0, resamples: options.resamples) }, options)
  }

  @Test("a run agrees with itself completely, in every resample")
  func itself() throws {
    let pair = try comparison([first, first]).pairs[0]
    let heads = try #require(pair.heads)
    #expect(heads.spearman == Estimate(1, replicates: [1]) && heads.pearson == Estimate(1, replicates: [1]))
    #expect(heads.topOverlap.shared == 2 && heads.topOverlap.share.lower == 1)
    #expect(pair.isPaired && pair.differences.allSatisfy { $0.difference == Estimate(0, replicates: [0]) })
    #expect(pair.differences.allSatisfy { $0.pValue == 1 } && pair.differentHeads.isEmpty)
  }

  @Test("values are means over samples, not over images")
  func values() throws {
    let run = try comparison([first, first]).runs[0]
    #expect(run.values == [[0.75, 0.375], [0.15625, 0.125]])
    #expect(run.samples == 4 && run.images == 3 && run.layerOrder == [0, 1])
    #expect(run.topHeads == [Selection.Head(layer: 0, head: 0), Selection.Head(layer: 0, head: 1)])
  }

  @Test("a constant added to every image is a difference without any doubt")
  func constant() throws {
    let more = first.map { $0.map { $0.enumerated().map { $1 + ($0 == 3 ? 0.5 : 0) } } }
    let pair = try comparison([first, more]).pairs[0]
    #expect(pair.differences[3].difference == Estimate(0.5, replicates: [0.5]))
    // Three images have eight ways of signs, of which two are as far from 0.
    #expect(pair.differences[3].pValue == 0.25 && pair.differences[3].pHolm == 1)
    #expect(pair.heads?.meanDifference.value == 0.125)
    // Orders 0 1 2 3 and 0 3 1 2: 1 - 6 (0 + 1 + 1 + 4) / (4 (16 - 1)).
    #expect(pair.heads?.topOverlap.shared == 1 && pair.heads?.sharedTop == [Selection.Head(layer: 0, head: 0)])
    #expect(abs((pair.heads?.spearman.value ?? 0) - 0.4) < 1e-15)
  }

  @Test("intervals hold the percentiles of the resamples of the images, worked out anew")
  func interval() throws {
    let second: [[[Float]]] = [
      [[0.5, 0.75, 0, 0.125], [0.5, 0.5, 0.5, 0]], [[0, 0.5, 0.25, 0.25]], [[0.75, 0, 0.5, 0.25]],
    ]
    let (images, resamples) = (3, 50)
    let random = SplitMix64(seed: 0)
    let replicates = (0..<resamples).map { resample -> Double in
      var (difference, count) = (0.0, 0.0)
      for draw in 0..<images {
        let image = random.below(images, counter: UInt64(resample * images + draw))
        for (a, b) in zip(first[image], second[image]) {
          difference += Double(b[1]) - Double(a[1])
          count += 1
        }
      }
      return difference / count
    }.sorted()
    let found = try comparison([first, second]).pairs[0].differences[1].difference
    #expect(abs((found.lower ?? 9) - percentile(2.5, ofSorted: replicates)) < 1e-12)
    #expect(abs((found.upper ?? 9) - percentile(97.5, ofSorted: replicates)) < 1e-12)
  }

  @Test("one image gives no interval, instead of one without width")
  func oneImage() throws {
    let runs = ["a", "b"].map { SmallRuns.run($0, samples: [(1, 1)]) }
    var options = RunComparison.Options()
    options.topHeads = 1
    let scored = try [[[Float(0.5), 0.25, 0, 0]], [[0.25, 0.5, 0, 0]]].map { try SmallRuns.scored([$0]) }
    let heads = try #require(try RunComparison(runs, SharedSamples(runs), scored: scored, options).pairs[0].heads)
    #expect(heads.spearman.value != nil && heads.spearman.lower == nil && heads.topOverlap.share.upper == nil)
  }

  @Test("models of different shapes are compared by the relative depth of their layers")
  func depth() throws {
    let runs = [
      SmallRuns.run("two", samples: [(1, 1), (2, 2)]),
      SmallRuns.run("four", samples: [(1, 1), (2, 2)], layers: 4, heads: 1),
    ]
    var options = RunComparison.Options()
    options.topHeads = 3
    let two: [Float] = [0.5, 0.25, 0, 0.125]
    let four: [Float] = [0, 1, 0.5, 0.25]
    let comparison = try RunComparison(
      runs, SharedSamples(runs),
      scored: [
        SmallRuns.scored([[two], [two]]), SmallRuns.scored([[four], [four]], layers: 4, heads: 1),
      ], options)
    let pair = comparison.pairs[0]
    #expect(pair.heads == nil && pair.differences.isEmpty && comparison.recurring.isEmpty)
    #expect(!pair.layers.isLayerByLayer && pair.layers.layers.map(\.depth) == [0.25, 0.75])
    // Depth 0.25 of four layers is in the middle between the layers 0 and 1.
    #expect(pair.layers.layers.map(\.second) == [0.5, 0.375])
    #expect(pair.layers.layers.map(\.first) == [0.375, 0.0625])
  }

  @Test("several runs: every two are compared, and heads are counted that are among the best of many")
  func several() throws {
    let other = first.map { $0.map { [$0[3], $0[0], $0[2], $0[1]] } }
    let comparison = try comparison([first, other, first])
    #expect(comparison.pairs.map { [$0.first, $0.second] } == [[0, 1], [0, 2], [1, 2]])
    #expect(comparison.pairs.map { $0.differences.isEmpty } == [false, false, true])
    let head = try #require(comparison.recurring.first)
    #expect([head.layer, head.head, head.runs] == [0, 1, 3] && head.ranks == [2, 1, 2])
    #expect(comparison.recurring.map(\.runs) == [3, 2, 1])
  }

  @Test("attributes are set side by side, and those that only tell of a run are left out")
  func attributes() {
    let table = AttributeTable([
      SmallRuns.run("a", samples: [], attributes: [("prompt", "x"), ("created", "1"), ("precision", "f32")]),
      SmallRuns.run("b", samples: [], attributes: [("prompt", "y"), ("created", "2"), ("precision", "f32")]),
      SmallRuns.run("c", samples: [], attributes: [("prompt", "y"), ("adapter_name", "z"), ("precision", "f32")]),
    ])
    #expect(table.rows.map(\.name) == ["adapter_name", "precision", "prompt"])
    #expect(table.differing.map(\.name) == ["adapter_name", "prompt"])
    #expect(table.rows[0].values == [nil, nil, "z"])
  }

  @Test("more best heads than a model has are refused")
  func tooMany() {
    #expect(
      failure { try comparison([first, first]) { $0.topHeads = 5 } }
        == "the 5 best heads can't be compared: a model has 4 heads")
  }
}
