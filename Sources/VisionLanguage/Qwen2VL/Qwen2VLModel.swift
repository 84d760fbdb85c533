import Foundation
import ImageInput
import Kernels
import Safetensors
import Transformer

/// Qwen2-VL (Wang et al. 2024, arXiv 2409.12191): any resolution, one view, visual tokens of 2 × 2 patches.
public final class Qwen2VLModel: VisionLanguageModel {
  public static let modelTypes = ["qwen2_vl"]
  public static let languageModelModule = "language_model"
  public static let visionModules: Set<String> = ["visual", "merger"]

  public let parts: ModelParts
  let configuration: Qwen2VLConfiguration
  private let images: Qwen2VLImageProcessor
  private let tower: Qwen2VLVisionTower

  public var processor: any ImageProcessor { images }

  public init(folder: URL, input: InputOptions, backend: any Backend) throws {
    let file = try ConfigurationFile(contentsOf: folder.appendingPathComponent("config.json"))
    configuration = try Qwen2VLConfiguration(file)
    let texts = try TextParts(
      folder: folder, input: input, config: file, placeholder: Qwen2VLImageProcessor.placeholder,
      imageToken: ("image_token_id", configuration.imageTokenId), vocabularySize: configuration.text.vocabularySize,
      classDefaults: SpecialTokenNames.qwen2Defaults, family: Qwen2VLConfiguration.family)
    let read = try ProcessorInFolder(folder) { try Qwen2VLImageProcessor($0, resizing: input.resizing) }
    images = read.processor
    try read.check(
      patchSize: configuration.patchSize, mergeSize: configuration.spatialMergeSize,
      temporalPatchSize: configuration.temporalPatchSize)
    let checkpoint = try SafetensorsCheckpoint(folder: folder)
    let loader = WeightLoader(checkpoint, .qwenLike(checkpoint.tensors.keys))
    let decoder = DecoderWeights(loader, configuration.text, prefix: "model.language_model.")
    tower = Qwen2VLVisionTower(loader, configuration.tower, backend: backend)
    let remarks = try read.remarks + loader.finish()
    parts = try ModelParts(
      texts, checkpoint, configuration.text, decoder, vision: configuration.tower.cost, remarks: remarks,
      backend: backend)
  }

  public func encode(_ image: PreparedImage, taps: Taps) throws -> VisualFeatures {
    VisualFeatures(values: try tower.features(of: patches(of: image), taps: taps))
  }

  public func angles(_ sequence: TokenSequence) -> [RotaryAngles] {
    [
      RotaryAngles.multimodal(
        Qwen2VLPositions.positions(of: sequence), .contiguous(configuration.mropeSection),
        theta: configuration.ropeTheta)
    ]
  }
}
