import Foundation
import ImageInput
import Kernels
import Safetensors
import Transformer

/// LLaVA-1.5 (Liu et al. 2023, arXiv 2310.03744), LLaVA-NeXT (Liu et al. 2024) and LLaVA-OneVision (Li et al. 2024, arXiv
/// 2408.03326): a CLIP or SigLIP tower, two linear layers, and a Llama, Mistral or Qwen2 decoder; the latter two show the whole
/// image and one raster of tiles, with a newline vector behind each of its rows.
public final class LlavaModel: VisionLanguageModel {
  public static let modelTypes = LlavaConfiguration.Family.allCases.map(\.rawValue)
  public static let languageModelModule = "language_model"
  public static let visionModules: Set<String> = ["vision_tower", "multi_modal_projector"]

  public let parts: ModelParts
  let configuration: LlavaConfiguration
  let images: LlavaImageProcessor
  let tower: PatchTower
  let projector: Projector
  /// What stands behind each row of the raster; nil for LLaVA-1.5. - Shape: [1, C].
  private let newline: Tensor?

  public var processor: any ImageProcessor { images }

  /// What the tokenizer classes of transformers take where tokenizer_config.json names no special tokens.
  private static let tokenizerDefaults: [String: [String: String]] = {
    let qwen = ["unk_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"]
    let llama = ["bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"]
    return [
      "Qwen2Tokenizer": qwen, "Qwen2TokenizerFast": qwen, "LlamaTokenizer": llama, "LlamaTokenizerFast": llama,
    ]
  }()

  public init(folder: URL, input: InputOptions, backend: any Backend) throws {
    let file = try ConfigurationFile(contentsOf: folder.appendingPathComponent("config.json"))
    let configuration = try LlavaConfiguration(file)
    self.configuration = configuration
    let family = configuration.family
    let texts = try TextParts(
      folder: folder, input: input, config: file, placeholder: LlavaImageProcessor.placeholder,
      imageToken: (configuration.imageTokenKey, configuration.imageTokenId),
      vocabularySize: configuration.text.vocabularySize,
      classDefaults: Self.tokenizerDefaults, family: family.rawValue, answersFollowQuestions: family != .llavaOnevision)
    let read = try ProcessorInFolder(folder) {
      try LlavaImageProcessor($0, for: configuration, resizing: input.resizing)
    }
    images = read.processor
    try Self.checkProcessor(folder, configuration)
    let checkpoint = try SafetensorsCheckpoint(folder: folder)
    let loader = WeightLoader(checkpoint, .llavaLike(checkpoint.tensors.keys))
    let decoder = DecoderWeights(loader, configuration.text, prefix: "model.language_model.")
    tower = Self.tower(loader, configuration, backend: backend)
    let (width, bias) = (configuration.text.hiddenSize, configuration.hasProjectorBias)
    projector = Projector(
      loader.linear(
        "model.multi_modal_projector.linear_1", outputs: width, inputs: configuration.vision.hiddenSize, hasBias: bias),
      loader.linear("model.multi_modal_projector.linear_2", outputs: width, inputs: width, hasBias: bias),
      backend: backend)
    newline = family == .llava ? nil : loader.row("model.image_newline", count: width)
    let remarks = try read.remarks + loader.finish()
    parts = try ModelParts(
      texts, checkpoint, configuration.text, decoder,
      vision: ModelDimensions.Vision(
        configuration.vision, layers: configuration.visionLayers,
        connectorMultiplications: (configuration.vision.hiddenSize + width) * width), remarks: remarks,
      backend: backend)
  }

  private static func tower(
    _ loader: WeightLoader, _ configuration: LlavaConfiguration, backend: any Backend
  ) -> PatchTower {
    let (prefix, layers) = ("model.vision_tower.", configuration.visionLayers)
    // Published files hold the whole tower.
    loader.leaveOut(
      ["post_layernorm.", "head."].map { prefix + $0 }
        + (layers..<configuration.vision.numHiddenLayers).map { "\(prefix)encoder.layers.\($0)." })
    return configuration.vision.hasClassToken
      ? .clip(loader, configuration.vision, prefix: prefix, layers: layers, backend: backend)
      : .siglip(
        loader, configuration.vision, prefix: prefix, hasFinalNorm: false, layers: layers, backend: backend)
  }

  /// What transformers' processor takes the number of image tokens from: with values that don't fit the model, it fails.
  private static func checkProcessor(_ folder: URL, _ configuration: LlavaConfiguration) throws {
    let url = folder.appendingPathComponent("processor_config.json")
    guard FileManager.default.fileExists(atPath: url.path) else { return }
    let file = try ConfigurationFile(contentsOf: url)
    let vision = configuration.vision
    let numbers = [
      ("patch_size", vision.patchSize), ("num_image_tokens", vision.patchesASide * vision.patchesASide),
    ]
    for (key, value) in numbers {
      let given = try file.integer(key, in: 1...1_000_000_000, default: value)
      guard given == value else { throw file.wrong(key, "is \(given); config.json's vision_config says \(value)") }
    }
    var words = [("vision_feature_select_strategy", vision.hasClassToken ? "default" : "full")]
    if let most = configuration.mostTiles { words.append(("vision_aspect_ratio", "anyres_max_\(most)")) }
    for (key, value) in words {
      guard let given = try file.string(key), given != value else { continue }
      throw file.wrong(key, "is \"\(given)\"; config.json says \"\(value)\"")
    }
  }

  public func encode(_ image: PreparedImage, taps: Taps) throws -> VisualFeatures {
    let patches = try projector.features(tower.features(of: patches(of: image), taps: taps))
    guard let newline, let raster = try images.raster(width: image.image.width, height: image.image.height) else {
      return VisualFeatures(values: patches)
    }
    return VisualFeatures(values: arrange(patches, raster, newline: newline))
  }

  /// The image's tokens: the whole image's patches, then the raster's rows with a newline behind each.
  ///
  /// - Shape: patches [views · patches of a view, C]; the result [image tokens, C].
  private func arrange(_ patches: Tensor, _ raster: LlavaRaster, newline: Tensor) -> Tensor {
    let base = configuration.vision.patchesASide * configuration.vision.patchesASide
    let across = raster.columns.tokens
    let features = backend.tensor(rows: base + raster.rows.tokens * (across + 1), columns: patches.columns)
    backend.copy(patches.rows(0..<base), to: features.rows(0..<base))
    for (row, (indices, weights)) in raster.mixtures(first: base).enumerated() {
      let start = base + row * (across + 1)
      let tokens = features.rows(start..<start + across)
      if across == 0 {
        // Of an image of an extreme shape only the newlines are left.
      } else if raster.isSampled {
        backend.mixRows(patches, indices: indices, weights: weights, taps: raster.taps, into: tokens)
      } else {
        backend.gather(patches, indices, into: tokens)
      }
      backend.copy(newline, to: features.rows(start + across..<start + across + 1))
    }
    return features
  }

  public func angles(_ sequence: TokenSequence) -> [RotaryAngles] {
    [
      RotaryAngles.sequential(
        0..<sequence.ids.count, headDim: configuration.text.headDim, theta: configuration.ropeTheta)
    ]
  }
}
