/// How well a head's attention agrees with the object's mask. Six answers; raw values are the names in files.
public enum Measure: String, CaseIterable, Sendable, Codable {
  /// IoU of the mask with the k highest-scoring visual tokens, k being the mask's size.
  case matched
  /// IoU of the mask with the visual tokens scoring above the mean.
  case mean
  /// IoU of the mask with the visual tokens at or above Otsu's threshold.
  case otsu
  /// Sum of the lesser over sum of the greater of (score / highest score) and mask.
  case soft
  /// The share of the attention on the visual tokens that lies in the mask.
  case mass
  /// 1 where the highest-scoring visual token lies in the mask, else 0.
  case pointing

  /// HI: this measure of one head against one mask.
  ///
  /// - Parameters:
  ///   - head: the head's attention on the visual tokens of the sample.
  ///   - shared: what that attention and the mask have in common.
  ///   - maskCount: k, the number of visual tokens in the mask.
  @inline(__always)
  func headImpact(_ head: HeadAttention, sharing shared: MaskOverlap, maskCount: Int) -> Double {
    switch self {
    case .matched: Self.intersectionOverUnion(shared.tokens[.matched], head.counts[.matched], maskCount)
    case .mean: Self.intersectionOverUnion(shared.tokens[.aboveMean], head.counts[.aboveMean], maskCount)
    case .otsu: Self.intersectionOverUnion(shared.tokens[.otsu], head.counts[.otsu], maskCount)
    // The mask is 0 or 1 and attention relative to its peak at most 1, so the lesser is the attention inside the mask.
    case .soft: shared.relative / (Double(maskCount) + head.relativeSum - shared.relative)
    case .mass: head.sum > 0 ? shared.relative * head.peak / head.sum : 0
    case .pointing: Double(shared.tokens[.highest])
    }
  }

  @inline(__always)
  private static func intersectionOverUnion(_ intersection: Int, _ selected: Int, _ mask: Int) -> Double {
    Double(intersection) / Double(selected + mask - intersection)
  }
}

extension Measure {
  /// This measure's index in every table whose first axis is the measure.
  public var index: Int {
    switch self {
    case .matched: 0
    case .mean: 1
    case .otsu: 2
    case .soft: 3
    case .mass: 4
    case .pointing: 5
    }
  }
}
