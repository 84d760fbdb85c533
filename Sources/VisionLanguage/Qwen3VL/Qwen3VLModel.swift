import Foundation
import ImageInput
import Kernels
import Safetensors
import Transformer

/// Qwen3-VL (Qwen team 2025, arXiv 2511.21631), dense: any resolution, one view, visual tokens of 2 × 2 patches, whose earlier
/// layers are added to the decoder's stream (DeepStack, Meng et al. 2024, arXiv 2406.04334).
public final class Qwen3VLModel: VisionLanguageModel {
  public static let modelTypes = ["qwen3_vl"]
  public static let refusedModelTypes = [
    "qwen3_vl_moe":
      "mixtures of experts are not supported; of Qwen3-VL the dense models are (\"qwen3_vl\": 2B, 4B, 8B, 32B)"
  ]
  public static let languageModelModule = "language_model"
  public static let visionModules: Set<String> = ["visual", "merger", "deepstack_merger_list"]

  public let parts: ModelParts
  let configuration: Qwen3VLConfiguration
  private let images: Qwen2VLImageProcessor
  private let tower: Qwen3VLVisionTower

  public var processor: any ImageProcessor { images }
  public var streamAdditionLayers: [Int] { Array(configuration.vision.deepstackVisualIndexes.indices) }

  public init(folder: URL, input: InputOptions, backend: any Backend) throws {
    let file = try ConfigurationFile(contentsOf: folder.appendingPathComponent("config.json"))
    let configuration = try Qwen3VLConfiguration(file)
    self.configuration = configuration
    let vision = configuration.vision
    let texts = try TextParts(
      folder: folder, input: input, config: file, placeholder: Qwen2VLImageProcessor.placeholder,
      imageToken: ("image_token_id", configuration.imageTokenId), vocabularySize: configuration.text.vocabularySize,
      classDefaults: SpecialTokenNames.qwen2Defaults, family: Qwen3VLConfiguration.family)
    let read = try ProcessorInFolder(folder) { try Qwen2VLImageProcessor($0, resizing: input.resizing) }
    images = read.processor
    try read.check(
      patchSize: vision.patchSize, mergeSize: vision.spatialMergeSize, temporalPatchSize: vision.temporalPatchSize)
    let checkpoint = try SafetensorsCheckpoint(folder: folder)
    let loader = WeightLoader(checkpoint, .qwenLike(checkpoint.tensors.keys))
    let decoder = DecoderWeights(loader, configuration.text, prefix: "model.language_model.")
    tower = Qwen3VLVisionTower(loader, vision, outputs: configuration.text.hiddenSize, backend: backend)
    let remarks = try read.remarks + loader.finish()
    parts = try ModelParts(
      texts, checkpoint, configuration.text, decoder, vision: Self.cost(of: configuration), remarks: remarks,
      backend: backend)
  }

  public func encode(_ image: PreparedImage, taps: Taps) throws -> VisualFeatures {
    try tower.features(of: patches(of: image), taps: taps)
  }

  public func angles(_ sequence: TokenSequence) -> [RotaryAngles] {
    [
      RotaryAngles.multimodal(
        Qwen2VLPositions.positions(of: sequence), .interleaved(configuration.mropeSection),
        theta: configuration.ropeTheta)
    ]
  }

  private static func cost(of configuration: Qwen3VLConfiguration) -> ModelDimensions.Vision {
    let vision = configuration.vision
    let merger = vision.hiddenSize * (vision.mergedWidth + configuration.text.hiddenSize)
    return ModelDimensions.Vision(
      layers: vision.depth, width: vision.hiddenSize, intermediateSize: vision.intermediateSize,
      patchWidth: vision.patchWidth,
      connectorMultiplications: (1 + vision.deepstackVisualIndexes.count) * merger)
  }
}
