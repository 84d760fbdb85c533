import HeadImpact

/// How well expressions were grounded, with 95% intervals: bootstrap over images.
///
/// As referring expression comprehension: the share of expressions whose box has an IoU of at least 0.5 with the object's. As
/// segmentation: the mean IoU of the masks, and the cumulative IoU: all pixels in both by all pixels in either.
public struct GroundingScores: Sendable, Equatable, Encodable {
  public struct Score: Sendable, Equatable, Encodable {
    public let value: Double
    /// nil if there is one image only.
    public let lower: Double?
    public let upper: Double?
  }

  /// The thresholds of `accuracy`.
  public static let thresholds = [0.25, 0.5, 0.75]

  public let expressions: Int
  public let images: Int
  /// Expressions for which nothing was found: the heads' attention was the same everywhere. They count as wrong.
  public let notFound: Int
  public let boxAccuracy25: Score
  public let boxAccuracy50: Score
  public let boxAccuracy75: Score
  public let meanBoxIoU: Score
  /// Expressions of objects with an outline; the next two are over them.
  public let masks: Int
  /// nil if no object has an outline.
  public let meanMaskIoU: Score?
  public let cumulativeMaskIoU: Score?
  /// What the whole image as the box gives, for comparison: no method is good that isn't better.
  public let wholeImageAccuracy50: Double
  public let wholeImageMeanIoU: Double
  public let resamples: Int
  public let seed: UInt64

  /// A line of a table.
  public typealias Row = (name: String, score: Score, wholeImage: Double?)

  /// The scores for people, in the order of a table; those of masks where there are any.
  public var rows: [Row] {
    var rows: [Row] = [
      ("box accuracy at IoU 0.25", boxAccuracy25, nil),
      ("box accuracy at IoU 0.5", boxAccuracy50, wholeImageAccuracy50),
      ("box accuracy at IoU 0.75", boxAccuracy75, nil), ("mean IoU of boxes", meanBoxIoU, wholeImageMeanIoU),
    ]
    if let meanMaskIoU { rows.append(("mean IoU of masks", meanMaskIoU, nil)) }
    if let cumulativeMaskIoU { rows.append(("cumulative IoU of masks", cumulativeMaskIoU, nil)) }
    return rows
  }

  private enum CodingKeys: String, CodingKey {
    case expressions, images, notFound, masks, resamples, seed
    case boxAccuracy25 = "box_accuracy_25"
    case boxAccuracy50 = "box_accuracy_50"
    case boxAccuracy75 = "box_accuracy_75"
    case meanBoxIoU = "mean_box_iou"
    case meanMaskIoU = "mean_mask_iou"
    case cumulativeMaskIoU = "cumulative_mask_iou"
    case wholeImageAccuracy50 = "whole_image_accuracy_50"
    case wholeImageMeanIoU = "whole_image_mean_iou"
  }

  /// - Parameter found: in the order in which the same bits are wanted for; at least one.
  /// - Throws: `HeadImpactError` if the number of resamples is out of range.
  init(_ found: [GroundedExpression], resamples: Int = 1000, seed: UInt64 = 0) throws {
    precondition(!found.isEmpty)
    let groups = Self.byImage(found)
    func score(
      _ groups: [[GroundedExpression]], _ numerator: (GroundedExpression) -> Double,
      _ denominator: (GroundedExpression) -> Double = { _ in 1 }
    ) throws -> Score {
      let numerators = groups.map { $0.reduce(0) { $0 + numerator($1) } }
      let denominators = groups.map { $0.reduce(0) { $0 + denominator($1) } }
      let value = numerators.reduce(0, +) / denominators.reduce(0, +)
      guard groups.count > 1 else { return Score(value: value, lower: nil, upper: nil) }
      let interval = try RatioInterval(
        numerators: numerators, denominators: denominators, resamples: resamples, seed: seed)
      return Score(value: value, lower: interval.lower, upper: interval.upper)
    }
    func accuracy(_ threshold: Double) throws -> Score { try score(groups) { $0.boxIoU >= threshold ? 1 : 0 } }
    expressions = found.count
    images = groups.count
    notFound = found.count(where: \.isEmpty)
    boxAccuracy25 = try accuracy(Self.thresholds[0])
    boxAccuracy50 = try accuracy(Self.thresholds[1])
    boxAccuracy75 = try accuracy(Self.thresholds[2])
    meanBoxIoU = try score(groups, \.boxIoU)
    let outlined = groups.map { $0.filter { $0.maskIoU != nil } }.filter { !$0.isEmpty }
    masks = outlined.reduce(0) { $0 + $1.count }
    meanMaskIoU = try outlined.isEmpty ? nil : score(outlined) { $0.maskIoU ?? 0 }
    cumulativeMaskIoU =
      try outlined.isEmpty ? nil : score(outlined, { Double($0.intersection ?? 0) }, { Double($0.union ?? 0) })
    wholeImageAccuracy50 =
      Double(found.count { $0.wholeImageIoU >= Self.thresholds[1] }) / Double(found.count)
    wholeImageMeanIoU = found.reduce(0) { $0 + $1.wholeImageIoU } / Double(found.count)
    self.resamples = resamples
    self.seed = seed
  }

  /// By picture, in the order in which they first occur.
  private static func byImage(_ found: [GroundedExpression]) -> [[GroundedExpression]] {
    var places: [String: Int] = [:]
    var groups: [[GroundedExpression]] = []
    for entry in found {
      let place = places[entry.fileName] ?? groups.count
      if place == groups.count {
        places[entry.fileName] = place
        groups.append([])
      }
      groups[place].append(entry)
    }
    return groups
  }
}
