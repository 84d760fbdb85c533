import HeadImpact

/// From which attention on a pixel belongs to the object.
public enum ThresholdRule: Sendable, Equatable {
  /// Above the mean of all pixels.
  case mean
  /// At or above Otsu's threshold of all pixels, over 256 bins.
  case otsu
  /// Above this quantile of all pixels (numpy's default, linear between two); in (0, 1).
  case quantile(Double)
  /// At or above this share of the highest pixel; in (0, 1].
  case peak(Double)

  /// The pixels that belong to the object; none where all pixels are equal: such a map names no place.
  func selection(of map: PixelMap) -> [Bool] {
    let values = map.coveredValues
    guard let least = values.min(), let greatest = values.max(), greatest > least else {
      return [Bool](repeating: false, count: map.values.count)
    }
    let (threshold, includesEqual): (Double, Bool) =
      switch self {
      case .mean: (values.reduce(0, +) / Double(values.count), false)
      case .otsu: (otsuThreshold(values), true)
      case .quantile(let share): (percentile(100 * share, ofSorted: values.sorted()), false)
      case .peak(let share): (share * greatest, true)
      }
    return zip(map.values, map.isCovered).map { value, isCovered in
      isCovered && (value > threshold || (includesEqual && value == threshold))
    }
  }
}

/// As people write it: `mean`, `otsu`, `quantile:0.9`, `peak:0.5`.
extension ThresholdRule: LosslessStringConvertible {
  public init?(_ text: String) {
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    switch (parts[0], parts.count) {
    case ("mean", 1): self = .mean
    case ("otsu", 1): self = .otsu
    case ("quantile", 2):
      guard let share = Double(parts[1]), share > 0, share < 1 else { return nil }
      self = .quantile(share)
    case ("peak", 2):
      guard let share = Double(parts[1]), share > 0, share <= 1 else { return nil }
      self = .peak(share)
    default: return nil
    }
  }

  public var description: String {
    switch self {
    case .mean: "mean"
    case .otsu: "otsu"
    case .quantile(let share): "quantile:\(share)"
    case .peak(let share): "peak:\(share)"
    }
  }

  /// What `init(_:)` takes, for messages.
  public static let forms = "mean, otsu, quantile:Q (0 < Q < 1) or peak:S (0 < S <= 1)"
}
