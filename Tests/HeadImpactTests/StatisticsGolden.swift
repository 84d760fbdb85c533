import Foundation

extension Golden {
  /// Golden values of tools/goldens/statistics/make.py.
  struct Statistics: Decodable, Sendable {
    let corrected: Corrected
    let corrected_bootstrap: CorrectedBootstrap
    let sign_flip: [SignFlip]
    let corrections: [Corrections]
    let spearman: [Spearman]
    let reliability: Reliability

    static func read() throws -> Statistics {
      let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Goldens")
      let data = try Data(contentsOf: folder.appendingPathComponent("statistics.json"))
      return try JSONDecoder().decode(Statistics.self, from: data)
    }
  }

  struct Corrected: Decodable, Sendable {
    let hi: [Double]
    let chance: [Double]
    let corrected: Double
    let stderr: Double
    let samples: Int
  }

  struct CorrectedBootstrap: Decodable, Sendable {
    let samples: [Int]
    let sums: [[Double]]
    let left_out: [[Int32]]
    let resamples: Int
    let seed: UInt64
    let interval: [[Double]]
  }

  struct SignFlip: Decodable, Sendable, CustomStringConvertible {
    let differences: [[Double]]
    let seed: UInt64
    let tests: Int
    let p: [Double]

    var description: String { "\(differences.count) images" }
  }

  struct Corrections: Decodable, Sendable {
    let p: [Double]
    let holm: [Double]
    let benjamini_hochberg: [Double]
  }

  struct Spearman: Decodable, Sendable {
    let a: [Double]
    let b: [Double]
    let value: Double
  }

  struct Reliability: Decodable, Sendable {
    struct Point: Decodable, Sendable {
      let images: Int
      /// Rank correlation, overlap, chosen, random; so too in `bounds`, [bound][value].
      let mean: [Double]
      let bounds: [[Double]]
    }

    /// - Shape: [image][sample][head]
    let values: [[[Float]]]
    let top: Int
    let halvings: Int
    let seed: UInt64
    let points: [Point]
  }
}
