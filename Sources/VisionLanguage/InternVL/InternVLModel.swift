import Foundation
import ImageInput
import Kernels
import Safetensors
import Transformer

/// InternVL3 (Zhu et al. 2025, arXiv 2504.10479) and InternVL3.5 (arXiv 2508.18265): tiles and the whole image, an InternViT
/// tower, blocks of patches for visual tokens, a Qwen2, Qwen3 or Llama decoder.
public final class InternVLModel: VisionLanguageModel {
  public static let modelTypes = ["internvl"]
  public static let refusedModelTypes = [
    "internvl_chat":
      "that is the makers' own format, which needs their code; take the folder of the same model whose name ends in -hf or "
      + "-HF (OpenGVLab/InternVL3-1B-hf, OpenGVLab/InternVL3_5-1B-HF), whose model_type is internvl"
  ]
  public static let languageModelModule = "language_model"
  public static let visionModules: Set<String> = ["vision_tower", "multi_modal_projector"]

  public let parts: ModelParts
  let configuration: InternVLConfiguration
  let images: InternVLImageProcessor
  let tower: PatchTower
  private let shuffle: PixelShuffle
  private let projector: Projector

  public var processor: any ImageProcessor { images }

  public init(folder: URL, input: InputOptions, backend: any Backend) throws {
    let file = try ConfigurationFile(contentsOf: folder.appendingPathComponent("config.json"))
    let configuration = try InternVLConfiguration(file)
    self.configuration = configuration
    var texts = try TextParts(
      folder: folder, input: input, config: file,
      placeholder: Self.placeholder(folder, chatTemplate: input.chatTemplate),
      imageText: InternVLImageProcessor.imageToken,
      imageToken: ("image_token_id", configuration.imageTokenId), vocabularySize: configuration.text.vocabularySize,
      classDefaults: SpecialTokenNames.qwen2Defaults, family: InternVLConfiguration.family)
    texts.prompts.limit = configuration.limit
    try Self.checkTokens(folder, texts)
    let read = try ProcessorInFolder(folder) {
      try InternVLImageProcessor($0, for: configuration, resizing: input.resizing)
    }
    images = read.processor
    try ConfigurationFile.checkSequenceLength(
      folder, "image_seq_length", is: configuration.tokensASide * configuration.tokensASide)
    let checkpoint = try SafetensorsCheckpoint(folder: folder)
    let loader = WeightLoader(checkpoint, .llavaLike(checkpoint.tensors.keys))
    let decoder = DecoderWeights(loader, configuration.text, prefix: "model.language_model.")
    tower = .internViT(
      loader, configuration.vision, prefix: "model.vision_tower.", hasBias: configuration.hasTowerBias,
      backend: backend)
    shuffle = PixelShuffle(
      patchesASide: configuration.vision.patchesASide, factor: configuration.downsampling, backend: backend)
    projector = Self.projector(loader, configuration, backend: backend)
    let remarks = try read.remarks + loader.finish()
    let (visual, text) = (configuration.shuffledWidth, configuration.text.hiddenSize)
    parts = try ModelParts(
      texts, checkpoint, configuration.text, decoder,
      vision: ModelDimensions.Vision(
        configuration.vision,
        connectorMultiplications: (visual + text) * text / (configuration.downsampling * configuration.downsampling)),
      remarks: remarks, backend: backend)
  }

  private static func projector(
    _ loader: WeightLoader, _ configuration: InternVLConfiguration, backend: any Backend
  ) -> Projector {
    let prefix = "model.multi_modal_projector."
    let (visual, text) = (configuration.shuffledWidth, configuration.text.hiddenSize)
    return Projector(
      norm: loader.norm(.layer, prefix + "layer_norm", count: visual, eps: 1e-5),
      loader.linear(prefix + "linear_1", outputs: text, inputs: visual),
      loader.linear(prefix + "linear_2", outputs: text, inputs: text), backend: backend)
  }

  /// What the folder's chat template shows the image as: the first published ones have another text than the image token's.
  private static func placeholder(_ folder: URL, chatTemplate: URL?) throws -> String {
    let template = try ChatTemplateSource.find(in: folder, override: chatTemplate).text
    let (today, before) = (InternVLImageProcessor.imageToken, "<image>")
    return template.contains(today) || !template.contains(before) ? today : before
  }

  /// The tokenizer's names of the image token and of the markers round it are variables of transformers' processor: others than
  /// the published ones would be put into the text there.
  private static func checkTokens(_ folder: URL, _ texts: TextParts) throws {
    let (start, end) = InternVLImageProcessor.markers
    let known = [
      "start_image_token": start, "end_image_token": end, "context_image_token": InternVLImageProcessor.imageToken,
    ]
    for (name, text) in try SpecialTokenNames.read(from: folder, classDefaults: [:]) {
      guard let expected = known[name], text != expected else { continue }
      throw ConfigurationError(
        path: folder.appendingPathComponent("tokenizer_config.json").path, key: name,
        reason: "is \"\(text)\"; \(InternVLConfiguration.family) has \"\(expected)\"")
    }
    for marker in [start, end] where texts.prompts.tokenizer.id(of: marker) == nil {
      throw ConfigurationError(
        path: folder.appendingPathComponent("tokenizer.json").path, key: "added_tokens",
        reason: "has no \(marker), which \(InternVLConfiguration.family) puts round an image's tokens")
    }
  }

  public func encode(_ image: PreparedImage, taps: Taps) throws -> VisualFeatures {
    VisualFeatures(values: try projector.features(shuffle(tower.features(of: patches(of: image), taps: taps))))
  }

  public func angles(_ sequence: TokenSequence) -> [RotaryAngles] {
    [
      RotaryAngles.sequential(
        0..<sequence.ids.count, headDim: configuration.text.headDim, theta: configuration.ropeTheta)
    ]
  }
}
