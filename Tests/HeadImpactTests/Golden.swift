import Foundation

/// Golden values of tools/goldens/measures/make.py.
enum Golden {
  static func cases<T: Decodable & Sendable>(_ name: String, as _: T.Type = T.self) throws -> [T] {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Goldens")
    return try JSONDecoder().decode([T].self, from: Data(contentsOf: folder.appendingPathComponent(name)))
  }

  struct Measures: Decodable, Sendable, CustomStringConvertible {
    let name: String
    let views: [[Int]]
    let heads: Int
    let sink_factor: Double
    let scores: Packed<Float>
    let mask: Bits
    let sinks: Bits
    let hi: Packed<Double>
    let chance: Packed<Double>
    let nosink: Packed<Double>
    let sink_share: Packed<Double>

    var description: String { name }
  }

  struct Coverage: Decodable, Sendable, CustomStringConvertible {
    let height: Int
    let width: Int
    let rectangles: [[Int]]
    let threshold: Double
    let grid: [Int]
    let padded: Bool
    let coverage: Packed<Double>
    let mask: Bits

    var description: String { "\(rectangles) of \(height) x \(width), cells \(grid), over \(threshold)" }
  }

  struct Bootstrap: Decodable, Sendable, CustomStringConvertible {
    let images: Int
    let layers: Int
    let heads: Int
    let resamples: Int
    let seed: UInt64
    let top: Int
    let samples: [Int]
    let sums: Packed<Double>
    let interval: Packed<Double>
    let layer_interval: Packed<Double>
    let layer_top_frequency: Packed<Double>

    var description: String { "\(images) images, \(resamples) resamples" }
  }

  /// Base64 of little endian numbers.
  struct Packed<T: Sendable>: Decodable, Sendable {
    let values: [T]

    init(from decoder: any Decoder) throws {
      let data = try decoder.singleValueContainer().decode(Data.self)
      values = data.withUnsafeBytes { bytes in
        stride(from: 0, to: bytes.count, by: MemoryLayout<T>.size).map {
          bytes.loadUnaligned(fromByteOffset: $0, as: T.self)
        }
      }
    }
  }

  /// A string of 0 and 1.
  struct Bits: Decodable, Sendable {
    let values: [Bool]

    init(from decoder: any Decoder) throws {
      values = try decoder.singleValueContainer().decode(String.self).map { $0 == "1" }
    }
  }
}

/// The greatest difference between two arrays; infinite where their lengths differ or a value is NaN.
func greatestDifference(_ a: [Double], _ b: [Double]) -> Double {
  guard a.count == b.count else { return .infinity }
  return zip(a, b).map { abs($0 - $1) }.map { $0.isNaN ? .infinity : $0 }.max() ?? 0
}
