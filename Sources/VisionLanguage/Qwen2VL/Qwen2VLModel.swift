import Foundation
import HeadImpact
import ImageInput
import Kernels
import Safetensors
import TensorCore
import Tokenization
import Transformer

/// Qwen2-VL (Wang et al. 2024, arXiv 2409.12191): any resolution, one view, visual tokens of 2 × 2 patches.
public final class Qwen2VLModel: VisionLanguageModel {
  public static let modelType = "qwen2_vl"
  public static let languageModelModule = "language_model"

  public let context: ComputeContext
  public let checkpoint: SafetensorsCheckpoint
  public let tokenEmbedding: TokenEmbedding
  public let decoder: Decoder
  public let outputHead: OutputHead
  public let stopTokens: Set<Int32>
  public let dimensions: ModelDimensions
  let configuration: Qwen2VLConfiguration
  let tokenizer: Tokenizer
  private let weights: Qwen2VLWeights
  private let processor: PatchImageProcessor
  private let tower: Qwen2VLVisionTower

  public var numAttentionHeads: Int { configuration.numAttentionHeads }

  /// Loads a folder as published: config.json, model.safetensors or its shards, tokenizer.json,
  /// preprocessor_config.json. Weights stay in their mapped file.
  ///
  /// - Throws: an error that names the file and what is wrong in it.
  public init(folder: URL, context: ComputeContext) throws {
    self.context = context
    let configuration = try Qwen2VLConfiguration(contentsOf: folder.appendingPathComponent("config.json"))
    self.configuration = configuration
    tokenizer = try Tokenizer(contentsOf: folder)
    guard tokenizer.id(of: Qwen2VLChat.imagePlaceholder) == configuration.imageTokenId else {
      throw ConfigurationError(
        path: folder.appendingPathComponent("config.json").path, key: "image_token_id",
        reason: "is \(configuration.imageTokenId), but the tokenizer's \(Qwen2VLChat.imagePlaceholder) is "
          + (tokenizer.id(of: Qwen2VLChat.imagePlaceholder).map(String.init) ?? "missing"))
    }
    processor = try PatchImageProcessor(contentsOf: folder.appendingPathComponent("preprocessor_config.json"))
    guard
      processor.patchSize == configuration.patchSize, processor.mergeSize == configuration.spatialMergeSize,
      processor.temporalPatchSize == configuration.temporalPatchSize
    else {
      throw ConfigurationError(
        path: folder.appendingPathComponent("preprocessor_config.json").path, key: "patch_size",
        reason: "(or merge_size or temporal_patch_size) differs from config.json's vision_config")
    }
    checkpoint = try SafetensorsCheckpoint(folder: folder)
    weights = try Qwen2VLWeights(checkpoint, configuration)
    tokenEmbedding = TokenEmbedding(weights.embeddings)
    tower = Qwen2VLVisionTower(configuration: configuration, weights: weights, context: context)
    decoder = Decoder(
      layers: weights.decoderLayers, hiddenSize: configuration.hiddenSize, normEps: Float(configuration.rmsNormEps),
      context: context)
    outputHead = OutputHead(
      norm: weights.finalNorm, weight: weights.outputHead, eps: Float(configuration.rmsNormEps), context: context)
    let tokenizer = tokenizer
    stopTokens = Set(Qwen2VLChat.stopTokens.compactMap { tokenizer.id(of: $0).map(Int32.init) })
    dimensions = Self.dimensions(of: configuration)
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
    try sequence(Qwen2VLChat.render(prompt: prompt, answer: description), visualTokens: visualTokens)
  }

  public func question(prompt: String, visualTokens: Int) throws -> TokenSequence {
    let text = Qwen2VLChat.question(prompt)
    let end = text.unicodeScalars.count
    return try sequence(RenderedChat(text: text, description: end..<end), visualTokens: visualTokens)
  }

  public func text(of ids: [Int32]) -> String { tokenizer.decode(ids.map(Int.init), skipSpecialTokens: true) }

  private func sequence(_ chat: RenderedChat, visualTokens: Int) throws -> TokenSequence {
    let encoding = try tokenizer.encode(chat.text)
    let imageToken = Int32(configuration.imageTokenId)
    // The template puts the image first, so the first placeholder is the image's even where a prompt names one.
    guard let image = encoding.ids.firstIndex(of: imageToken) else {
      throw ConfigurationError(
        path: "tokenizer.json", key: "added_tokens", reason: "doesn't keep \(Qwen2VLChat.imagePlaceholder) as one token"
      )
    }
    // A tokenizer may know more tokens than the checkpoint has rows of embeddings.
    if let id = encoding.ids.first(where: { !(0..<Int32(configuration.vocabularySize)).contains($0) }) {
      throw ConfigurationError(
        path: "tokenizer.json", key: "vocab",
        reason: "gives the token \(id), but config.json's vocab_size is \(configuration.vocabularySize)")
    }
    let expansion = visualTokens - 1
    let description = chat.description
    let caption = encoding.offsets.indices.filter { index in
      let span = encoding.offsets[index]
      return span.lowerBound < description.upperBound && span.upperBound > description.lowerBound
    }
    let ids =
      encoding.ids[..<image] + [Int32](repeating: imageToken, count: visualTokens) + encoding.ids[(image + 1)...]
    return TokenSequence(
      ids: Array(ids), visual: image..<image + visualTokens, caption: caption.map { $0 > image ? $0 + expansion : $0 },
      captionSpans: caption.map { index in
        let span = encoding.offsets[index].clamped(to: description)
        return span.lowerBound - description.lowerBound..<span.upperBound - description.lowerBound
      })
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
