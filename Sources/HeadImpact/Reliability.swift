/// How far the order of the heads is that of the data and not of the sample drawn: the images are halved at random many
/// times, and the halves compared.
///
/// Halving r, of n images, is the order that Fisher and Yates draw with numbers r * n + i of a `SplitMix64`, its images
/// going by turns to the one half and the other. The same from fewer images shows what more of them would bring; as the
/// halves share no image, nothing agrees by construction.
public struct Reliability: Sendable, Equatable {
  /// A mean over the halvings, and the 2.5th and 97.5th percentile; NaN where no halving has a value.
  public struct Estimate: Sendable, Equatable {
    public let mean: Double
    public let lower: Double
    public let upper: Double
  }

  /// What halves of so many images say.
  public struct Point: Sendable, Equatable {
    /// In each of the halves.
    public let images: Int
    /// Spearman's correlation of the heads' means in the two halves.
    public let rankCorrelation: Estimate
    /// The share of the `top` best heads of one half that are among those of the other.
    public let overlap: Estimate
    /// The mean in the other half of the `top` heads that are best in one.
    public let chosen: Estimate
    /// The mean in the other half of as many heads drawn at random.
    public let random: Estimate
  }

  public static let defaultHalvings = 200

  public let halvings: Int
  /// k: how many heads are chosen.
  public let top: Int
  /// Ascending by images; the last is of all of them (but one, if their number is odd).
  public let points: [Point]

  /// The split-half reliability: of all images.
  public var whole: Point { points[points.count - 1] }

  /// - Parameters:
  ///   - images: of all images, ascending by id: the order that the same bits are wanted for.
  ///   - top: k, 1...heads.
  ///   - points: how many sizes of halves to look at, spread evenly.
  /// - Throws: `HeadImpactError` if there are fewer than two images or heads, or a number is out of range.
  /// - Complexity: O(halvings * (images * heads + points * heads * log(heads)))
  public init(
    images: [ImageScores], top: Int, halvings: Int = defaultHalvings, points: Int = 12, seed: UInt64 = 0,
    parallel: Bootstrap.ParallelLoop = { tasks, body in for task in 0..<tasks { body(task) } }
  ) throws {
    let heads = images.first?.sums.count ?? 0
    guard images.count >= 2, heads >= 2, images.allSatisfy({ $0.sums.count == heads }) else {
      throw HeadImpactError(
        "the reliability of \(heads) heads in \(images.count) images; there must be at least two of each, and the same heads "
          + "in every image")
    }
    guard (1...heads).contains(top), halvings > 0, points > 0 else {
      throw HeadImpactError(
        "the reliability of \(top) of \(heads) heads in \(halvings) halvings at \(points) sizes; each must be at least 1"
      )
    }
    let half = images.count / 2
    let sizes = Set((1...points).map { max(1, half * $0 / points) }).sorted()
    let halving = Halving(images: images, sizes: sizes, top: top, seed: seed)
    var results = [[Halves]](repeating: [], count: halvings)
    results.withUnsafeMutableBufferPointer { results in
      parallel(halvings) { results[$0] = halving.run($0) }
    }
    self.halvings = halvings
    self.top = top
    self.points = sizes.indices.map { size in
      func estimate(_ value: KeyPath<Halves, Double?>) -> Estimate {
        Estimate(results.compactMap { $0[size][keyPath: value] })
      }
      return Point(
        images: sizes[size], rankCorrelation: estimate(\.rankCorrelation), overlap: estimate(\.overlap),
        chosen: estimate(\.chosen), random: estimate(\.random))
    }
  }
}
