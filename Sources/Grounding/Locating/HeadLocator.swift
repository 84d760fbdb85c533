import COCO
import HeadImpact

/// How a place in the image is read off the attention of chosen heads.
public struct LocatingOptions: Sendable, Equatable {
  public enum Parts: String, CaseIterable, Sendable {
    /// The largest connected part of what is above the threshold.
    case largest
    /// All of it.
    case all
  }

  public var threshold = ThresholdRule.mean
  /// Of the Gaussian filter over each view's grid. - Units: cells.
  public var sigma = 0.0
  public var parts = Parts.largest

  /// Beyond it, an image is one cell.
  static let sigmas = 0.0...100.0

  public init() {}

  /// - Throws: `HeadImpactError` naming the option.
  public func validate() throws {
    guard Self.sigmas.contains(sigma) else {
      throw HeadImpactError("--sigma is \(sigma); it must be from 0 to 100 cells")
    }
  }
}

/// Where chosen heads look: a mask over the image and the box round it.
public struct LocatedObject: Sendable, Equatable {
  public let mask: BinaryMask
  /// The smallest rectangle round the mask's pixels; nil if there are none. - Units: pixels.
  public let box: BoundingBox?
  /// The share of the chosen heads' attention per pixel that lies in the mask.
  public let score: Double
}

/// Reads a place off attention scores: the mean of the chosen heads, smoothed, brought to pixels, cut off at a threshold,
/// and its largest part.
struct HeadLocator {
  /// Ascending; each counted over all layers.
  private let heads: [Int]
  private let options: LocatingOptions
  private let smoothing: GaussianSmoothing

  /// - Parameters:
  ///   - heads: at least one; their order changes nothing.
  ///   - headsPerLayer: of the model.
  init(_ heads: [Selection.Head], headsPerLayer: Int, _ options: LocatingOptions) {
    precondition(!heads.isEmpty)
    self.heads = heads.map { $0.layer * headsPerLayer + $0.head }.sorted()
    self.options = options
    smoothing = GaussianSmoothing(sigma: options.sigma)
  }

  /// The mean of the chosen heads' attention on each visual token.
  ///
  /// - Parameter scores: [L · H, V]
  /// - Throws: `UnusableSample` if a score is not finite.
  func meanScores(_ scores: Span<Float>, visualTokens: Int) throws -> [Double] {
    var means = [Double](repeating: 0, count: visualTokens)
    for head in heads {
      for token in 0..<visualTokens {
        let score = scores[head * visualTokens + token]
        guard score.isFinite else {
          throw UnusableSample.attentionNotFinite(head: head, visualToken: token, score: score)
        }
        means[token] += Double(score)
      }
    }
    return means.map { $0 / Double(heads.count) }
  }

  /// - Parameters:
  ///   - scores: of each visual token.
  ///   - grids: of the views, in the order of their tokens.
  ///   - cells: of the visual tokens.
  func locate(_ scores: [Double], grids: [ViewGrid], cells: [Cell], width: Int, height: Int) -> LocatedObject {
    var smoothed: [Double] = []
    for grid in grids {
      smoothed += smoothing(Array(scores[smoothed.count..<smoothed.count + grid.rows * grid.cols]), grid)
    }
    let map = PixelMap(scores: smoothed, cells: cells, width: width, height: height)
    var pixels = options.threshold.selection(of: map)
    if options.parts == .largest { pixels = ConnectedComponents.largest(of: pixels, width: width) }
    let mask = BinaryMask(height: height, width: width, pixels: pixels.map { $0 ? 1 : 0 })
    var (inside, all) = (0.0, 0.0)
    for (value, isSet) in zip(map.values, pixels) {
      all += value
      if isSet { inside += value }
    }
    return LocatedObject(mask: mask, box: mask.boundingBox, score: all > 0 ? inside / all : 0)
  }
}

extension BinaryMask {
  /// The smallest rectangle round the set pixels; nil if there are none.
  var boundingBox: BoundingBox? {
    let box = RunLengthEncoding(self).boundingBox
    guard box.width > 0 else { return nil }
    return BoundingBox(x: Double(box.x), y: Double(box.y), width: Double(box.width), height: Double(box.height))
  }
}
