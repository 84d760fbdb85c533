import HeadImpact
import TestSupport

@testable import Comparison

/// Runs of two layers of two heads.
enum SmallRuns {
  static func run(
    _ name: String, samples: [(Int, Int)], dataset: String? = "d", layers: Int = 2, heads: Int = 2,
    attributes: [(name: String, value: String)] = []
  ) -> ComparedRun {
    ComparedRun(
      name: name, layers: layers, heads: heads, dataset: dataset,
      samples: samples.map { ComparedRun.Sample(id: $0.0, imageID: $0.1) }, attributes: attributes)
  }

  /// - Parameter images: each with its samples' values, [layer, head].
  static func scored(
    _ images: [[[Float]]], layers: Int = 2, heads: Int = 2, resamples: Int = 200, seed: UInt64 = 0
  ) throws -> ScoredHeads {
    try ScoredHeads(
      name: "run", layers: layers, heads: heads,
      images: images.map { samples in
        var scores = ImageScores(heads: layers * heads)
        for sample in samples { scores.add(sample, chance: [Float]?.none) }
        return scores
      }, resamples: resamples, seed: seed)
  }
}
