import Foundation
import ImageInput
import Kernels
import Safetensors
import Transformer

/// Qwen2.5-VL (Bai et al. 2025, arXiv 2502.13923): Qwen2-VL's images, positions and decoder; in most layers of its vision tower
/// patches see their window only.
public final class Qwen25VLModel: VisionLanguageModel {
  public static let modelTypes = ["qwen2_5_vl"]
  public static let languageModelModule = "language_model"
  public static let visionModules: Set<String> = ["visual", "merger"]

  public let parts: ModelParts
  let configuration: Qwen25VLConfiguration
  private let images: Qwen2VLImageProcessor
  private let tower: Qwen2VLVisionTower

  public var processor: any ImageProcessor { images }

  public init(folder: URL, input: InputOptions, backend: any Backend) throws {
    let file = try ConfigurationFile(contentsOf: folder.appendingPathComponent("config.json"))
    configuration = try Qwen25VLConfiguration(file)
    let decoder = configuration.decoder
    let texts = try TextParts(
      folder: folder, input: input, config: file, placeholder: Qwen2VLImageProcessor.placeholder,
      imageToken: ("image_token_id", decoder.imageTokenId), vocabularySize: decoder.text.vocabularySize,
      classDefaults: SpecialTokenNames.qwen2Defaults, family: Qwen25VLConfiguration.family)
    let read = try ProcessorInFolder(folder) { try Qwen2VLImageProcessor($0, resizing: input.resizing) }
    images = read.processor
    try read.check(
      patchSize: configuration.tower.patchSize, mergeSize: configuration.tower.spatialMergeSize,
      temporalPatchSize: configuration.tower.temporalPatchSize)
    let checkpoint = try SafetensorsCheckpoint(folder: folder)
    let loader = WeightLoader(checkpoint, .qwenLike(checkpoint.tensors.keys))
    let weights = DecoderWeights(loader, decoder.text, prefix: "model.language_model.")
    tower = Qwen2VLVisionTower(loader, configuration.tower, backend: backend)
    let remarks = try read.remarks + loader.finish()
    parts = try ModelParts(
      texts, checkpoint, decoder.text, weights, vision: configuration.tower.cost, remarks: remarks, backend: backend)
  }

  public func encode(_ image: PreparedImage, taps: Taps) throws -> VisualFeatures {
    VisualFeatures(values: try tower.features(of: patches(of: image), taps: taps))
  }

  public func angles(_ sequence: TokenSequence) -> [RotaryAngles] {
    [
      RotaryAngles.multimodal(
        Qwen2VLPositions.positions(of: sequence), .contiguous(configuration.decoder.mropeSection),
        theta: configuration.decoder.ropeTheta)
    ]
  }
}
