import Foundation
import HeadImpact
import ImageInput
import Kernels
import Safetensors
import Tokenization
import Transformer

/// Qwen2-VL (Wang et al. 2024, arXiv 2409.12191): any resolution, one view, visual tokens of 2 × 2 patches.
public final class Qwen2VLModel: VisionLanguageModel {
  public static let modelType = "qwen2_vl"
  public static let languageModelModule = "language_model"

  public let context: ComputeContext
  public let checkpoint: SafetensorsCheckpoint
  public let tokenEmbedding: TokenEmbedding
  public let decoder: DecoderStack
  public let outputHead: OutputHead
  public let generation: GenerationDefaults
  public let remarks: ModelRemarks
  public let dimensions: ModelDimensions
  let configuration: Qwen2VLConfiguration
  public let prompts: PromptTokenizer
  private let weights: Qwen2VLWeights
  private let images: Qwen2VLImageProcessor
  private let tower: Qwen2VLVisionTower

  public var numAttentionHeads: Int { configuration.numAttentionHeads }
  public var processor: any ImageProcessor { images }

  /// What the tokenizer classes of transformers take where tokenizer_config.json names no special tokens.
  private static let tokenizerDefaults: [String: [String: String]] = {
    let tokens = ["unk_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"]
    return ["": tokens, "Qwen2Tokenizer": tokens, "Qwen2TokenizerFast": tokens]
  }()

  /// Loads a folder as published or saved by transformers: config.json, model.safetensors or its shards, the tokenizer's and the
  /// image processor's files, the chat template. Weights stay in their mapped file.
  ///
  /// - Parameter chatTemplate: takes the place of the folder's own.
  /// - Throws: an error that names the file and what is wrong in it.
  public init(folder: URL, chatTemplate: URL? = nil, context: ComputeContext) throws {
    self.context = context
    let configuration = try Qwen2VLConfiguration(contentsOf: folder.appendingPathComponent("config.json"))
    self.configuration = configuration
    let tokenizer = try Tokenizer(contentsOf: folder)
    guard tokenizer.id(of: Qwen2VLImageProcessor.placeholder) == configuration.imageTokenId else {
      throw ConfigurationError(
        path: folder.appendingPathComponent("config.json").path, key: "image_token_id",
        reason: "is \(configuration.imageTokenId), but the tokenizer's \(Qwen2VLImageProcessor.placeholder) is "
          + (tokenizer.id(of: Qwen2VLImageProcessor.placeholder).map(String.init) ?? "missing"))
    }
    guard tokenizer.surroundingTokens.isEmpty else {
      throw ConfigurationError(
        path: folder.path, key: "",
        reason:
          "the tokenizer's files put \(tokenizer.surroundingTokens.joined(separator: ", ")) round every text (post_processor, "
          + "add_bos_token or add_eos_token); Qwen2-VL has nothing there, and it is not supported")
    }
    let read = try ProcessorInFolder(folder) { try Qwen2VLImageProcessor($0) }
    images = read.processor
    guard
      images.patchSize == configuration.patchSize, images.mergeSize == configuration.spatialMergeSize,
      images.temporalPatchSize == configuration.temporalPatchSize
    else {
      throw ConfigurationError(
        path: read.path, key: "patch_size",
        reason: "(or merge_size or temporal_patch_size) differs from config.json's vision_config")
    }
    checkpoint = try SafetensorsCheckpoint(folder: folder)
    weights = try Qwen2VLWeights(checkpoint, configuration)
    tokenEmbedding = TokenEmbedding(weights.embeddings)
    tower = Qwen2VLVisionTower(configuration: configuration, weights: weights, context: context)
    decoder = DecoderStack(
      layers: weights.decoderLayers, hiddenSize: configuration.hiddenSize, normEps: Float(configuration.rmsNormEps),
      context: context)
    outputHead = OutputHead(
      norm: weights.finalNorm, weight: weights.outputHead, eps: Float(configuration.rmsNormEps), context: context)
    let specialTokens = try SpecialTokenNames.read(from: folder, classDefaults: Self.tokenizerDefaults)
    let chat = try ChatPrompt(
      ChatTemplateSource.find(in: folder, override: chatTemplate), specialTokens: specialTokens,
      placeholder: Qwen2VLImageProcessor.placeholder)
    prompts = try PromptTokenizer(
      tokenizer, chat: chat, placeholder: Qwen2VLImageProcessor.placeholder, imageToken: configuration.imageTokenId,
      vocabularySize: configuration.vocabularySize)
    dimensions = Self.dimensions(of: configuration, templateTokens: prompts.templateTokens)
    generation = try GenerationDefaults(
      folder: folder, config: ConfigurationFile(contentsOf: folder.appendingPathComponent("config.json")),
      tokenizer: tokenizer, specialTokens: specialTokens)
    remarks = try ModelRemarks(
      chat, generation, tokenizer,
      files: configuration.remarks + tokenizer.remarks + read.remarks + weights.remarks)
  }

  public func encode(_ image: RGBImage, taps: Taps) throws -> VisualFeatures {
    let batch = try images(image)
    return VisualFeatures(
      values: try tower.forward(
        pixelValues: batch.pixelValues, gridHeight: batch.grids[0].rows, gridWidth: batch.grids[0].columns, taps: taps))
  }

  public func embed(
    _ sequence: TokenSequence, rows: Range<Int>, visual: VisualFeatures, into output: UnsafeMutablePointer<Float>
  ) {
    let hidden = configuration.hiddenSize
    visual.values.withUnsafeBufferPointer { features in
      guard let features = features.baseAddress else { return }
      for row in rows {
        let target = output + (row - rows.lowerBound) * hidden
        if let token = sequence.image.index(of: row) {
          target.update(from: features + token * hidden, count: hidden)
        } else {
          tokenEmbedding.copyRow(Int(sequence.ids[row]), into: target)
        }
      }
    }
  }

  public func angles(_ sequence: TokenSequence) -> RotaryAngles {
    Qwen2VLPositions.decoderAngles(
      Qwen2VLPositions.positions(of: sequence), sections: configuration.mropeSection, theta: configuration.ropeTheta)
  }

  private static func dimensions(
    of configuration: Qwen2VLConfiguration, templateTokens: Int
  ) -> ModelDimensions {
    let hidden = configuration.hiddenSize
    let keyValueWidth = configuration.numKeyValueHeads * configuration.headDim
    let decoderLayer = 2 * hidden * hidden + 2 * hidden * keyValueWidth + 3 * hidden * configuration.intermediateSize
    let embed = configuration.visionEmbedDim
    let unit = configuration.spatialMergeSize * configuration.spatialMergeSize
    let merger = embed * embed * unit + embed * hidden
    let visionLayer = 4 * embed * embed + 2 * embed * configuration.visionIntermediateSize
    return ModelDimensions(
      layers: configuration.numHiddenLayers, heads: configuration.numAttentionHeads, hiddenSize: hidden,
      intermediateSize: configuration.intermediateSize, keyValueWidth: keyValueWidth, templateTokens: templateTokens,
      decoderMultiplications: configuration.numHiddenLayers * decoderLayer,
      visionMultiplications: configuration.visionDepth * visionLayer + configuration.patchWidth * embed + merger,
      patchWidth: configuration.patchWidth, visionLayers: configuration.visionDepth, visionWidth: embed,
      visionIntermediateSize: configuration.visionIntermediateSize)
  }
}
