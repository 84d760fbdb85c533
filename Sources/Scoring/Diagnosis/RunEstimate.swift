import COCO
import Foundation
import IO
import Kernels
import VisionLanguage

/// What a scoring run will take, worked out from sizes alone: no image is opened and no weight is read.
public struct RunEstimate: Sendable, Equatable, Codable {
  /// Samples and images of the dataset.
  public let samples: Int
  public let images: Int
  /// Images whose size the model can't take.
  public let unusableImages: Int
  /// Arithmetic of the whole run, in 10¹² operations (a multiplication and an addition are two).
  public let teraOperations: Double
  /// The largest image's visual tokens.
  public let largestVisualTokens: Int
  /// What the model makes of the dataset's most frequent image sizes, the most frequent first.
  public let commonSizes: [ImageTokens]
  /// Time at the given rate, in seconds, if the ranks share one node's cores.
  public let seconds: Double
  /// Weights, mapped once for all ranks of a node, in bytes.
  public let sharedBytes: Int
  /// Memory of each rank's own, in bytes, for the largest image.
  public let privateBytesPerRank: Int

  /// What a model makes of images of one size.
  public struct ImageTokens: Sendable, Equatable, Codable {
    /// - Units: pixels.
    public let width: Int
    public let height: Int
    /// How many images of the dataset have this size; 0 if it is an example.
    public let images: Int
    public let visualTokens: Int
    /// Tiles and whole images.
    public let views: Int

    init(_ size: ImageSize, images: Int, _ layout: VisualLayout) {
      (width, height, self.images) = (size.width, size.height, images)
      (visualTokens, views) = (layout.visualTokens, layout.views.count)
    }
  }

  /// What the model makes of COCO's most frequent shapes.
  public static func examples(_ model: any VisionLanguageModel) -> [ImageTokens] {
    [ImageSize(width: 640, height: 480), ImageSize(width: 427, height: 640)].compactMap { size in
      // A size that the family can't take is no example.
      (try? model.visualLayout(width: size.width, height: size.height)).map { ImageTokens(size, images: 0, $0) }
    }
  }

  /// - Parameters:
  ///   - rate: matrix products of the whole node, in operations a second.
  public init(
    model: any VisionLanguageModel, weightBytes: Int, dataset: KeyObjectDataset, limit: Int?, prompt: String,
    rate: Double
  ) {
    let plan = ScoringPlan(
      dataset, limit: limit, prompt: prompt, dimensions: model.dimensions, layout: model.visualLayout)
    samples = plan.samples
    images = plan.units.count
    teraOperations = 2 * plan.costs.reduce(0, +) / 1e3
    seconds = teraOperations * 1e12 / rate
    let sizes = plan.units.compactMap(\.image.size)
    var layouts: [ImageSize: VisualLayout] = [:]
    // A size that the family can't take is what `unusableImages` counts.
    for size in Set(sizes) { layouts[size] = try? model.visualLayout(width: size.width, height: size.height) }
    unusableImages = sizes.count { layouts[$0] == nil }
    largestVisualTokens = layouts.values.map(\.visualTokens).max() ?? 0
    let counts = Dictionary(grouping: sizes, by: \.self).mapValues(\.count)
    commonSizes = counts.sorted { ($0.value, $0.key.width, $0.key.height) > ($1.value, $1.key.width, $1.key.height) }
      .prefix(3).compactMap { size, count in layouts[size].map { ImageTokens(size, images: count, $0) } }
    let patches = layouts.values.map(\.patches).max() ?? 0
    let imageTokens = layouts.values.map(\.imageTokens).max() ?? 0
    sharedBytes = weightBytes
    privateBytesPerRank = Self.privateBytes(
      model.dimensions, patches: patches, patchesInView: layouts.values.map(\.load.patchesInView).max() ?? 0,
      rows: imageTokens + 512, visualTokens: largestVisualTokens)
  }

  /// The scratch of a forward pass: what `EncoderStack`, `DecoderStack` and the score reader reserve, and a hundred megabytes
  /// for the libraries, the tokenizer and the dataset.
  private static func privateBytes(
    _ dimensions: ModelDimensions, patches: Int, patchesInView: Int, rows: Int, visualTokens: Int
  ) -> Int {
    // Windows take a second residual stream, in their order.
    let streams = dimensions.vision.windowedLayers > 0 ? 3 : 2
    // Queries, keys and values of whole views.
    let attended = min(patches, max(patchesInView, 2048))
    let vision =
      (streams * patches + 5 * attended) * dimensions.vision.width + patches * dimensions.vision.patchWidth
      + min(patches, 2048) * dimensions.vision.intermediateSize
    let cache = 2 * dimensions.layers * rows * dimensions.keyValueWidth
    // An adapter may keep gate and up apart.
    let decoder = rows * 4 * dimensions.hiddenSize + 2 * min(rows, 2048) * dimensions.intermediateSize
    let scores = 4 * dimensions.layers * dimensions.heads * visualTokens
    // Of matrix products, rounded to bf16.
    let operand = max(
      patches * dimensions.vision.patchWidth, min(patches, 2048) * dimensions.vision.intermediateSize,
      min(rows, 2048) * dimensions.intermediateSize)
    return 4 * (vision + cache + decoder + scores + operand) + 100 << 20
  }
}

/// Measures what the estimate of time rests on.
public enum MatrixProductRate {
  /// Rows of the products: about those of a photograph and its prompt.
  private static let rows = 448

  /// Operations a second of this process's matrix products, over about a second.
  ///
  /// - Parameter model: whose decoder layers the products have the shape of; nil for those of a model of 2 billion
  ///   parameters.
  public static func measure(_ backend: any Backend, model: ModelDimensions? = nil) throws -> Double {
    let (columns, depth) = (model?.intermediateSize ?? 4096, model?.hiddenSize ?? 1536)
    let weights = BlankWeights(rows: columns, columns: depth)
    let layer = Linear(weight: weights.matrix)
    let x = backend.tensor([Float](repeating: 0.5, count: rows * depth), rows: rows)
    let y = backend.tensor(rows: rows, columns: columns)
    return try backend.withOperand(x) { operand in
      try backend.apply(layer, to: operand, into: y, accumulate: false)
      let start = MonotonicClock.now
      var products = 0
      while products < 3 || MonotonicClock.now - start < 1 {
        try backend.apply(layer, to: operand, into: y, accumulate: false)
        products += 1
      }
      return Double(2 * rows * columns * depth * products) / (MonotonicClock.now - start)
    }
  }
}
