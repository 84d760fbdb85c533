import Foundation
import ImageInput
import Kernels
import Safetensors
import Transformer

/// An image as the decoder sees it.
public struct VisualFeatures {
  /// What stands in the place of the image tokens' embeddings. - Shape: [image tokens, C].
  public let values: Tensor
  /// What is added to the residual stream of the image's rows behind a layer (DeepStack). - Shape: each [image tokens,
  /// C].
  public let additions: [(afterLayer: Int, values: Tensor)]

  public init(values: Tensor, additions: [(afterLayer: Int, values: Tensor)] = []) {
    self.values = values
    self.additions = additions
  }
}

/// A family of vision-language models, loaded: everything that differs between families, around the one decoder.
public protocol VisionLanguageModel: AnyObject {
  /// `model_type` in config.json, one or more names.
  static var modelTypes: [String] { get }
  /// Relatives of the family that can't be run, by `model_type`: why not, and what can; none by default.
  static var refusedModelTypes: [String: String] { get }
  /// The language model's place among the published modules: its layers are `model.<this>.layers.<i>`.
  static var languageModelModule: String { get }
  /// Words of module names that only the vision tower and the connector have.
  static var visionModules: Set<String> { get }

  /// What the family's processor writes without asking a chat template; nil by default: the folder's own template decides.
  static var processorTemplate: ProcessorTemplate? { get }

  /// Loads a folder as published or saved by transformers: config.json, model.safetensors or its shards, the
  /// tokenizer's and the image processor's files, the chat template. Weights stay in their mapped file.
  ///
  /// - Throws: an error that names the file and what is wrong in it.
  init(folder: URL, input: InputOptions, backend: any Backend) throws

  /// What all families have.
  var parts: ModelParts { get }

  /// What is done to an image before the vision tower.
  var processor: any ImageProcessor { get }

  /// Runs the vision tower and the connector; before them the image processor, if it hasn't been run.
  ///
  /// - Parameter taps: `afterLayer` is shown each layer of the vision tower.
  func encode(_ image: PreparedImage, taps: Taps) throws -> VisualFeatures

  /// The rotary angles of a sequence's positions, a table for each kind of rotary embedding: `Attention.rotary` picks
  /// one.
  func angles(_ sequence: TokenSequence) -> [RotaryAngles]

  /// Blocks of positions that see one another both ways; none by default.
  func bidirectionalBlocks(_ sequence: TokenSequence) -> [Range<Int>]

  /// The layers behind which the image's features are added to the stream (`VisualFeatures.additions`), ascending; none by
  /// default.
  var streamAdditionLayers: [Int] { get }
}

extension VisionLanguageModel {
  public static var refusedModelTypes: [String: String] { [:] }
  public static var processorTemplate: ProcessorTemplate? { nil }
  public func bidirectionalBlocks(_ sequence: TokenSequence) -> [Range<Int>] { [] }
  public var streamAdditionLayers: [Int] { [] }

  /// `model_type` of its config.json.
  public var modelType: String { parts.modelType }
  public var backend: any Backend { parts.backend }
  /// The published files that the model was read from.
  public var checkpoint: SafetensorsCheckpoint { parts.checkpoint }
  public var tokenEmbedding: TokenEmbedding { parts.tokenEmbedding }
  public var decoder: DecoderStack { parts.decoder }
  public var outputHead: OutputHead { parts.outputHead }
  /// H, heads of each decoder layer.
  public var numAttentionHeads: Int { parts.numAttentionHeads }
  /// Sizes that the cost of a run depends on.
  public var dimensions: ModelDimensions { parts.dimensions }
  /// What a chat looks like to the model.
  public var chat: ChatPrompt { parts.prompts.chat }
  /// How the model's makers want it to answer.
  public var generation: GenerationDefaults { parts.generation }
  /// What the user should know of the folder.
  public var remarks: ModelRemarks { parts.remarks }
  /// The tokens that end an answer.
  public var stopTokens: Set<Int32> { generation.stopTokens }

  /// Lets every pass apply an adapter; nil for the unmodified model.
  public func apply(_ adapter: LowRankAdapter?) {
    decoder.adapter = adapter
    tokenEmbedding.update = adapter?.parts.embedding ?? TokenEmbedding.Update()
    outputHead.update = adapter?.parts.head ?? OutputHead.Update()
  }

  public func encode(_ image: some ImageForModel, taps: Taps) throws -> VisualFeatures {
    try encode(image.prepared, taps: taps)
  }

  /// What the vision tower takes of an image.
  ///
  /// - Throws: `ImageError` if it can't be processed.
  func patches(of image: PreparedImage) throws -> PatchBatch {
    try image.patches?.get() ?? processor(image.image)
  }

  /// What the model will make of an image of this size, in pixels.
  ///
  /// - Throws: `ImageError` if the family can't take such an image.
  public func visualLayout(width: Int, height: Int) throws -> VisualLayout {
    try processor.layout(width: width, height: height)
  }

  /// The tokens of a chat about an image of this layout, answered with the description.
  ///
  /// - Throws: where these texts can't be used, or the tokenizer and the model don't fit.
  public func sequence(prompt: String, description: String, layout: VisualLayout) throws -> TokenSequence {
    try parts.prompts.sequence(prompt: prompt, description: description, layout: layout)
  }

  /// The tokens of a chat about an image of this layout, up to where the answer begins.
  ///
  /// - Parameter answerTokens: how many more the model will be given.
  /// - Throws: as `sequence`.
  public func question(prompt: String, layout: VisualLayout, answerTokens: Int = 0) throws -> TokenSequence {
    try parts.prompts.question(prompt: prompt, layout: layout, answerTokens: answerTokens)
  }

  /// The text of an answer's tokens, without control tokens.
  public func text(of ids: [Int32]) -> String { parts.prompts.text(of: ids) }

  /// The residual stream's first values: token embeddings, with the visual features in the image tokens' place.
  ///
  /// - Shape: output [rows.count, C].
  public func embed(_ sequence: TokenSequence, rows: Range<Int>, visual: VisualFeatures, into output: Tensor) {
    precondition(output.rows == rows.count)
    func target(_ part: Range<Int>) -> Tensor {
      output.rows(part.lowerBound - rows.lowerBound..<part.upperBound - rows.lowerBound)
    }
    var next = rows.lowerBound
    func embedText(upTo end: Int) {
      guard next < end else { return }
      tokenEmbedding.embed(sequence.ids[next..<end], into: target(next..<end))
    }
    var features = 0
    for range in sequence.image.ranges {
      let part = range.clamped(to: rows)
      if !part.isEmpty {
        embedText(upTo: part.lowerBound)
        let first = features + part.lowerBound - range.lowerBound
        backend.copy(visual.values.rows(first..<first + part.count), to: target(part))
        next = part.upperBound
      }
      features += range.count
    }
    embedText(upTo: rows.upperBound)
  }
}
