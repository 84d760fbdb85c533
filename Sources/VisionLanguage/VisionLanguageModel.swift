import HeadImpact
import ImageInput
import Kernels
import Safetensors
import Transformer

/// An image as the decoder sees it.
///
/// - Shape: values [image tokens, C], row-major.
public struct VisualFeatures: Sendable {
  public let values: [Float]
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

  /// What is done to an image before the vision tower.
  var processor: any ImageProcessor { get }

  /// What makes chats into tokens.
  var prompts: PromptTokenizer { get }

  /// How the model's makers want it to answer.
  var generation: GenerationDefaults { get }

  /// What the user should know of the folder.
  var remarks: ModelRemarks { get }

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
  func angles(_ sequence: TokenSequence) -> RotaryAngles
}

extension VisionLanguageModel {
  /// Lets every pass apply an adapter; nil for the model as it is.
  public func apply(_ adapter: LowRankAdapter?) {
    decoder.adapter = adapter
    tokenEmbedding.update = adapter?.parts.embedding ?? TokenEmbedding.Update()
    outputHead.update = adapter?.parts.head ?? OutputHead.Update()
  }

  /// What the model will make of an image of this size, in pixels.
  ///
  /// - Throws: `ImageError` or `ConfigurationError` where the family can't take such an image.
  public func visualLayout(width: Int, height: Int) throws -> VisualLayout {
    try processor.layout(width: width, height: height)
  }

  /// The tokens of a chat about an image of this layout, answered with the description.
  ///
  /// - Throws: where these texts can't be used, or the tokenizer and the model don't fit.
  public func sequence(prompt: String, description: String, layout: VisualLayout) throws -> TokenSequence {
    try prompts.sequence(prompt: prompt, description: description, layout: layout)
  }

  /// The tokens of a chat about an image of this layout, up to where the answer begins.
  ///
  /// - Throws: as `sequence`.
  public func question(prompt: String, layout: VisualLayout) throws -> TokenSequence {
    try prompts.question(prompt: prompt, layout: layout)
  }

  /// The text of an answer's tokens, without control tokens.
  public func text(of ids: [Int32]) -> String { prompts.text(of: ids) }

  /// What a chat looks like to the model.
  public var chat: ChatPrompt { prompts.chat }

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
  /// About how many tokens a chat has beside the image, the prompt and the answer.
  public let templateTokens: Int
  /// Multiplications of the decoder's linear layers for one row.
  public let decoderMultiplications: Int
  /// Multiplications of the vision tower's linear layers for one patch.
  public let visionMultiplications: Int
  /// Numbers of one flattened patch.
  public let patchWidth: Int
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
