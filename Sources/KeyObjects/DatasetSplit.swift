import Foundation
import HeadImpact

/// Divides images among training, validation and test by a hash of their ids: whatever is divided, and in whatever
/// order, an image falls to the same part, and no two parts share one.
public struct DatasetSplit: Sendable, Equatable {
  public enum Part: String, Sendable, CaseIterable {
    case train
    case validation
    case test
  }

  /// Shares of the images, in the order of `Part.allCases`.
  public let shares: [Double]

  /// - Parameter text: "0.8,0.1,0.1".
  /// - Throws: `KeyObjectError` if these aren't three shares that make 1.
  public init(_ text: String) throws {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false).map { Double($0) }
    let shares = parts.compactMap { $0 }
    guard parts.count == 3, shares.count == 3, shares.allSatisfy({ $0 >= 0 && $0 <= 1 }),
      abs(shares.reduce(0, +) - 1) < 1e-9
    else {
      throw KeyObjectError(
        "--split \(text): three shares that add up to 1 are expected, e.g. 0.8,0.1,0.1 (train, validation, test)")
    }
    self.shares = shares
  }

  func part(of imageID: Int64, seed: UInt64) -> Part {
    // 53 bits: as many as a Double counts exactly.
    let place = Double(SplitMix64(seed: seed)[UInt64(bitPattern: imageID)] >> 11) / 0x1p53
    return place < shares[0] ? .train : place < shares[0] + shares[1] ? .validation : .test
  }

  /// Where a part goes: "sets/keyobjects.json" -> "sets/keyobjects-train.json".
  static func url(of part: Part, _ output: URL) -> URL {
    let name = output.deletingPathExtension().lastPathComponent + "-\(part.rawValue)"
    let folder = output.deletingLastPathComponent()
    return folder.appendingPathComponent(name + (output.pathExtension.isEmpty ? "" : "." + output.pathExtension))
  }
}
