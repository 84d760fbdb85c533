import Foundation
import ImageInput
import Kernels
import Safetensors
import Transformer

/// SmolVLM (Marafioti et al. 2025, arXiv 2504.05299) and Idefics3 (Laurençon et al. 2024, arXiv 2408.12637): tiles and the whole
/// image, a SigLIP tower, blocks of patches for visual tokens, a Llama decoder.
public final class SmolVLMModel: VisionLanguageModel {
  public static let modelTypes = ["smolvlm", "idefics3"]
  public static let languageModelModule = "text_model"
  public static let visionModules: Set<String> = ["vision_model", "connector"]

  public let parts: ModelParts
  let configuration: SmolVLMConfiguration
  let images: SmolVLMImageProcessor
  let tower: PatchTower
  private let shuffle: PixelShuffle
  private let projector: Projector

  public var processor: any ImageProcessor { images }

  /// What the tokenizer classes of transformers take where tokenizer_config.json names no special tokens.
  private static let tokenizerDefaults: [String: [String: String]] = {
    let tokens = ["bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"]
    return ["GPT2Tokenizer": tokens, "GPT2TokenizerFast": tokens]
  }()

  public init(folder: URL, input: InputOptions, backend: any Backend) throws {
    let file = try ConfigurationFile(contentsOf: folder.appendingPathComponent("config.json"))
    let configuration = try SmolVLMConfiguration(file)
    self.configuration = configuration
    let texts = try TextParts(
      folder: folder, input: input, config: file, placeholder: SmolVLMImageProcessor.placeholder,
      imageToken: ("image_token_id", configuration.imageTokenId), vocabularySize: configuration.text.vocabularySize,
      classDefaults: Self.tokenizerDefaults, family: SmolVLMConfiguration.family)
    let read = try ProcessorInFolder(folder) {
      try SmolVLMImageProcessor($0, for: configuration, resizing: input.resizing)
    }
    images = read.processor
    try ConfigurationFile.checkSequenceLength(
      folder, "image_seq_len", is: configuration.tokensASide * configuration.tokensASide)
    let checkpoint = try SafetensorsCheckpoint(folder: folder)
    let loader = WeightLoader(checkpoint, TensorNames(checkpoint.tensors.keys, renamings: []))
    let decoder = DecoderWeights(loader, configuration.text, prefix: "model.text_model.")
    tower = .siglip(
      loader, configuration.vision, prefix: "model.vision_model.", hasFinalNorm: true, backend: backend)
    shuffle = PixelShuffle(
      patchesASide: configuration.vision.patchesASide, factor: configuration.scaleFactor, backend: backend)
    projector = Projector(
      loader.linear(
        "model.connector.modality_projection.proj", outputs: configuration.text.hiddenSize,
        inputs: configuration.shuffledWidth, hasBias: false), backend: backend)
    let remarks = try read.remarks + loader.finish()
    parts = try ModelParts(
      texts, checkpoint, configuration.text, decoder,
      vision: ModelDimensions.Vision(
        configuration.vision, connectorMultiplications: configuration.vision.hiddenSize * configuration.text.hiddenSize),
      remarks: remarks,
      backend: backend)
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
