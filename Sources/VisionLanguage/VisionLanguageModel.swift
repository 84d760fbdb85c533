import HeadImpact
import ImageInput
import Kernels
import Safetensors
import Transformer

/// What a family makes of an image, known from its size alone.
public struct VisualLayout: Sendable, Equatable {
  /// The rectangle of the original image behind each visual token, in order.
  public let cells: [Cell]
  /// The grid of each view (the image, a tile, a thumbnail), in the order of the tokens.
  public let views: [ViewGrid]
  /// Rows that the vision tower computes.
  public let patches: Int

  /// The grid that the positions of the visual tokens are counted in.
  public let grid: VisualGrid

  /// V.
  public var visualTokens: Int { cells.count }
}

/// An image as the decoder sees it.
///
/// - Shape: values [V, C], row-major.
public struct VisualFeatures: Sendable {
  public let values: [Float]
  /// What the positions are counted in.
  public let grid: VisualGrid
}

/// The grid that the positions of visual tokens are counted in.
public struct VisualGrid: Sendable, Equatable {
  public let rows: Int
  public let columns: Int

  public init(rows: Int, columns: Int) {
    self.rows = rows
    self.columns = columns
  }
}

/// A family of vision-language models, loaded: everything that differs between families, around the one decoder.
public protocol VisionLanguageModel: AnyObject {
  /// `model_type` of its config.json.
  static var modelType: String { get }
  /// The language model's place among the published modules: its layers are `model.<this>.layers.<i>`.
  static var languageModelModule: String { get }
  var context: ComputeContext { get }
  /// The published files that the model was read from.
  var checkpoint: SafetensorsCheckpoint { get }
  var tokenEmbedding: TokenEmbedding { get }
  var decoder: DecoderStack { get }
  var outputHead: OutputHead { get }
  /// H, heads of each decoder layer.
  var numAttentionHeads: Int { get }
  /// Sizes that the cost of a run depends on.
  var dimensions: ModelDimensions { get }

  /// What the model will make of an image of this size, in pixels.
  ///
  /// - Throws: `ImageError` or `ConfigurationError` where the family can't take such an image.
  func visualLayout(width: Int, height: Int) throws -> VisualLayout

  /// The tokens of a chat about an image of `visualTokens` visual tokens, answered with the description.
  func sequence(prompt: String, description: String, visualTokens: Int) throws -> TokenSequence

  /// The tokens of a chat about an image, up to where the answer begins.
  func question(prompt: String, visualTokens: Int) throws -> TokenSequence

  /// What a chat looks like to the model.
  var chat: ChatPrompt { get }

  /// How the model's makers want it to answer.
  var generation: GenerationDefaults { get }

  /// What the user should know of the folder.
  var remarks: ModelRemarks { get }

  /// The text of an answer's tokens, without control tokens.
  func text(of ids: [Int32]) -> String

  /// Runs the vision tower and the connector.
  ///
  /// - Parameter taps: `hiddenState` is shown each layer of the vision tower.
  func encode(_ image: RGBImage, taps: Taps) throws -> VisualFeatures

  /// The residual stream's first values: token embeddings, with the visual features in the image's place.
  ///
  /// - Shape: output [rows.count, C].
  func embed(
    _ sequence: TokenSequence, rows: Range<Int>, visual: VisualFeatures, into output: UnsafeMutablePointer<Float>)

  /// The rotary angles of a sequence's positions.
  func angles(_ sequence: TokenSequence, grid: VisualGrid) -> RotaryAngles
}

extension VisionLanguageModel {
  /// Lets every pass apply an adapter; nil for the model as it is.
  public func apply(_ adapter: LowRankAdapter?) {
    decoder.adapter = adapter
    tokenEmbedding.update = adapter?.parts.embedding ?? TokenEmbedding.Update()
    outputHead.update = adapter?.parts.head ?? OutputHead.Update()
  }

  /// The tokens that end an answer.
  public var stopTokens: Set<Int32> { generation.stopTokens }
}

/// Sizes of a model that memory and time follow from.
public struct ModelDimensions: Sendable, Equatable {
  public let layers: Int
  public let heads: Int
  public let hiddenSize: Int
  public let intermediateSize: Int
  public let keyValueWidth: Int
  /// Multiplications of the decoder's linear layers for one row.
  public let decoderMultiplications: Int
  /// Multiplications of the vision tower's linear layers for one patch.
  public let visionMultiplications: Int
  public let visionLayers: Int
  public let visionWidth: Int
  public let visionIntermediateSize: Int
}

extension ModelDimensions {
  /// Multiplications of one forward pass: linear layers and attention.
  ///
  /// - Parameters:
  ///   - patches: rows of the vision tower.
  ///   - rows: rows of the decoder.
  public func multiplications(patches: Int, rows: Int) -> Double {
    let vision = Double(patches) * (Double(visionMultiplications) + 2 * Double(visionLayers * visionWidth * patches))
    let decoder = Double(rows) * (Double(decoderMultiplications) + Double(layers * hiddenSize * rows))
    return vision + decoder
  }
}
