import COCO

/// The objects of one category in one image: whether a description of one of them could be about another.
struct SameCategory {
  /// What is known of an object of the category, crowds included.
  struct Member {
    let id: Int64
    let isCrowd: Bool
    /// nil if the file states none. - Units: pixels.
    let area: Double?
    let box: BoundingBox?
  }

  /// Those that outline something of their own, ascending by id.
  let distinct: [Member]
  /// Those that outline what one of `distinct` with a lower id does.
  let repeated: Set<Int64>

  /// Outlines that share this much of their union are taken for two of one object.
  static let sameObject = 0.8

  /// - Parameters:
  ///   - members: all annotations of the category in the image.
  ///   - overlap: the intersection of two outlines over their union; nil if one can't be drawn. Asked only where the
  ///     boxes allow for `sameObject`.
  init(_ members: [Member], overlap: (_ one: Int64, _ other: Int64) throws -> Double?) rethrows {
    var (distinct, repeated): ([Member], Set<Int64>) = ([], [])
    for member in members.sorted(by: { $0.id < $1.id }) {
      let isKnown =
        try !member.isCrowd
        && distinct.contains { other in
          guard !other.isCrowd, Self.mayBeSame(member.box, other.box) else { return false }
          return try overlap(member.id, other.id) ?? 0 >= Self.sameObject
        }
      if isKnown { repeated.insert(member.id) } else { distinct.append(member) }
    }
    (self.distinct, self.repeated) = (distinct, repeated)
  }

  /// Outlines can agree to 0.8 only where boxes agree about as well.
  private static func mayBeSame(_ one: BoundingBox?, _ other: BoundingBox?) -> Bool {
    guard let one, let other else { return true }
    let width = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    let height = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    guard width > 0, height > 0 else { return false }
    let both = width * height
    return both / (one.width * one.height + other.width * other.height - both) >= 0.5
  }

  /// Where an object stands among the others by its area.
  func rank(of id: Int64) -> SizeRank {
    let hasCrowd = distinct.contains(where: \.isCrowd)
    let others = distinct.filter { $0.id != id }
    guard !hasCrowd, let own = distinct.first(where: { $0.id == id })?.area, own > 0,
      !others.contains(where: { $0.area == nil })
    else { return SizeRank(count: distinct.count, isLargest: false, isSmallest: false) }
    return SizeRank(
      count: distinct.count, isLargest: others.allSatisfy { own >= SizeRank.clear * ($0.area ?? 0) },
      isSmallest: others.allSatisfy { ($0.area ?? 0) >= SizeRank.clear * own })
  }
}

/// Where an object stands among those of its category in the image.
struct SizeRank: Equatable {
  let count: Int
  /// Whether it is at least `clear` times as large as every other.
  let isLargest: Bool
  let isSmallest: Bool

  /// A near object looks larger than a far one: less than this says nothing of what the caption calls the larger.
  static let clear = 2.0

  /// Whether a comparison of sizes chooses this object.
  func confirms(_ comparison: NounPhrase.Comparison) -> Bool {
    guard count == 2 || count > 2 && !comparison.isOfTwo else { return false }
    return comparison.size == .largest ? isLargest : isSmallest
  }
}
