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
  public let chat: ChatPrompt
  public let remarks: ModelRemarks
  public let dimensions: ModelDimensions
  let configuration: Qwen2VLConfiguration
  let tokenizer: Tokenizer
  private let weights: Qwen2VLWeights
  private let processor: PatchImageProcessor
  private let tower: Qwen2VLVisionTower

  public var numAttentionHeads: Int { configuration.numAttentionHeads }

  /// What a chat template shows the image as.
  static let imagePlaceholder = "<|image_pad|>"

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
    tokenizer = try Tokenizer(contentsOf: folder)
    guard tokenizer.id(of: Self.imagePlaceholder) == configuration.imageTokenId else {
      throw ConfigurationError(
        path: folder.appendingPathComponent("config.json").path, key: "image_token_id",
        reason: "is \(configuration.imageTokenId), but the tokenizer's \(Self.imagePlaceholder) is "
          + (tokenizer.id(of: Self.imagePlaceholder).map(String.init) ?? "missing"))
    }
    guard tokenizer.surroundingTokens.isEmpty else {
      throw ConfigurationError(
        path: folder.path, key: "",
        reason:
          "the tokenizer's files put \(tokenizer.surroundingTokens.joined(separator: ", ")) round every text (post_processor, "
          + "add_bos_token or add_eos_token); Qwen2-VL has nothing there, and it is not supported")
    }
    let images = try PatchImageProcessor.read(folder: folder)
    processor = images.processor
    guard
      processor.patchSize == configuration.patchSize, processor.mergeSize == configuration.spatialMergeSize,
      processor.temporalPatchSize == configuration.temporalPatchSize
    else {
      throw ConfigurationError(
        path: images.file.path, key: "patch_size",
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
    dimensions = Self.dimensions(of: configuration)
    let specialTokens = try SpecialTokenNames.read(from: folder, classDefaults: Self.tokenizerDefaults)
    chat = try ChatPrompt(
      ChatTemplateSource.find(in: folder, override: chatTemplate), specialTokens: specialTokens,
      placeholder: Self.imagePlaceholder)
    generation = try GenerationDefaults(
      folder: folder, config: ConfigurationFile(contentsOf: folder.appendingPathComponent("config.json")),
      tokenizer: tokenizer, specialTokens: specialTokens)
    remarks = try ModelRemarks(
      chat, generation, tokenizer,
      files: configuration.remarks + tokenizer.remarks + images.remarks + weights.remarks)
  }

  public func visualLayout(width: Int, height: Int) throws -> VisualLayout {
    let size = try processor.resizedSize(width: width, height: height)
    let side = configuration.patchSize * configuration.spatialMergeSize
    let (rows, columns) = (size.height / side, size.width / side)
    var cells: [Cell] = []
    cells.reserveCapacity(rows * columns)
    for row in 0..<rows {
      for column in 0..<columns {
        cells.append(
          Cell(
            x0: Double(column * width) / Double(columns), y0: Double(row * height) / Double(rows),
            x1: Double((column + 1) * width) / Double(columns), y1: Double((row + 1) * height) / Double(rows)))
      }
    }
    return VisualLayout(
      cells: cells, views: [ViewGrid(rows: rows, cols: columns)],
      patches: rows * columns * configuration.spatialMergeSize * configuration.spatialMergeSize,
      grid: VisualGrid(rows: rows, columns: columns))
  }

  public func sequence(prompt: String, description: String, visualTokens: Int) throws -> TokenSequence {
    try sequence(chat.conversation(prompt: prompt, answer: description), visualTokens: visualTokens)
  }

  public func question(prompt: String, visualTokens: Int) throws -> TokenSequence {
    try sequence(chat.question(prompt), visualTokens: visualTokens)
  }

  public func text(of ids: [Int32]) -> String { tokenizer.decode(ids.map(Int.init), skipSpecialTokens: true) }

  private func sequence(_ chat: RenderedChat, visualTokens: Int) throws -> TokenSequence {
    let imageToken = Int32(configuration.imageTokenId)
    let sequence = try TokenSequence(
      chat, by: tokenizer, imageToken: imageToken, visualTokens: visualTokens, placeholder: Self.imagePlaceholder)
    // A tokenizer may know more tokens than the checkpoint has rows of embeddings.
    if let id = sequence.ids.first(where: { !(0..<Int32(configuration.vocabularySize)).contains($0) }) {
      throw ConfigurationError(
        path: "tokenizer.json", key: "vocab",
        reason: "gives the token \(id), but config.json's vocab_size is \(configuration.vocabularySize)")
    }
    return sequence
  }

  public func encode(_ image: RGBImage, taps: Taps) throws -> VisualFeatures {
    let batch = try processor(image)
    let values = try tower.forward(
      pixelValues: batch.pixelValues, gridHeight: batch.gridTHW.h, gridWidth: batch.gridTHW.w, taps: taps)
    return VisualFeatures(
      values: values,
      grid: VisualGrid(
        rows: batch.gridTHW.h / configuration.spatialMergeSize,
        columns: batch.gridTHW.w / configuration.spatialMergeSize))
  }

  public func embed(
    _ sequence: TokenSequence, rows: Range<Int>, visual: VisualFeatures, into output: UnsafeMutablePointer<Float>
  ) {
    let hidden = configuration.hiddenSize
    visual.values.withUnsafeBufferPointer { features in
      guard let features = features.baseAddress else { return }
      for row in rows {
        let target = output + (row - rows.lowerBound) * hidden
        if sequence.visual.contains(row) {
          target.update(from: features + (row - sequence.visual.lowerBound) * hidden, count: hidden)
        } else {
          tokenEmbedding.copyRow(Int(sequence.ids[row]), into: target)
        }
      }
    }
  }

  public func angles(_ sequence: TokenSequence, grid: VisualGrid) -> RotaryAngles {
    Qwen2VLPositions.decoderAngles(
      Qwen2VLPositions.positions(
        tokens: sequence.ids.count, visual: sequence.visual, gridRows: grid.rows, gridColumns: grid.columns),
      sections: configuration.mropeSection, theta: configuration.ropeTheta)
  }

  private static func dimensions(of configuration: Qwen2VLConfiguration) -> ModelDimensions {
    let hidden = configuration.hiddenSize
    let keyValueWidth = configuration.numKeyValueHeads * configuration.headDim
    let decoderLayer = 2 * hidden * hidden + 2 * hidden * keyValueWidth + 3 * hidden * configuration.intermediateSize
    let embed = configuration.visionEmbedDim
    let unit = configuration.spatialMergeSize * configuration.spatialMergeSize
    let merger = embed * embed * unit + embed * hidden
    let visionLayer = 4 * embed * embed + 2 * embed * configuration.visionIntermediateSize
    return ModelDimensions(
      layers: configuration.numHiddenLayers, heads: configuration.numAttentionHeads, hiddenSize: hidden,
      intermediateSize: configuration.intermediateSize, keyValueWidth: keyValueWidth,
      decoderMultiplications: configuration.numHiddenLayers * decoderLayer,
      visionMultiplications: configuration.visionDepth * visionLayer + configuration.patchWidth * embed + merger,
      visionLayers: configuration.visionDepth, visionWidth: embed,
      visionIntermediateSize: configuration.visionIntermediateSize)
  }
}
