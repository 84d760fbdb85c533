import Foundation
import ImageInput
import Kernels
import Safetensors
import Transformer

/// Gemma 3 (Gemma Team 2025, arXiv 2503.19786): the image stretched to a square, a SigLIP tower, averages of patches for visual
/// tokens, and a decoder most of whose layers see a window. The image's tokens see one another both ways.
public final class Gemma3Model: VisionLanguageModel {
  public static let modelTypes = ["gemma3"]
  public static let refusedModelTypes = [
    "gemma3_text": "it is a language model that sees no images; of Gemma 3 those that do are (\"gemma3\": 4B, 12B, 27B)"
  ]
  public static let languageModelModule = "language_model"
  public static let visionModules: Set<String> = ["vision_tower", "multi_modal_projector"]

  public let parts: ModelParts
  let configuration: Gemma3Configuration
  let images: StretchedImageProcessor
  let tower: PatchTower
  private let projector: Gemma3Projector

  public var processor: any ImageProcessor { images }

  /// What a chat template shows the image as, what stands behind the image's tokens, and the text of such a token.
  static let (placeholder, endOfImage, imageText) = ("<start_of_image>", "<end_of_image>", "<image_soft_token>")

  public init(folder: URL, input: InputOptions, backend: any Backend) throws {
    let file = try ConfigurationFile(contentsOf: folder.appendingPathComponent("config.json"))
    let configuration = try Gemma3Configuration(file)
    self.configuration = configuration
    let texts = try TextParts(
      folder: folder, input: input, config: file, placeholder: Self.placeholder,
      imageText: Self.imageText, imageToken: configuration.imageToken,
      vocabularySize: configuration.text.vocabularySize, classDefaults: SpecialTokenNames.gemmaDefaults,
      family: Gemma3Configuration.family)
    try Self.checkMarkers(file, texts)
    let read = try ProcessorInFolder(folder) {
      try Self.processor($0, for: configuration, resizing: input.resizing)
    }
    images = read.processor
    try ConfigurationFile.checkSequenceLength(
      folder, "image_seq_length", is: configuration.tokensASide * configuration.tokensASide)
    let checkpoint = try SafetensorsCheckpoint(folder: folder)
    let loader = WeightLoader(checkpoint, .llavaLike(checkpoint.tensors.keys))
    let decoder = DecoderWeights(loader, configuration.text, prefix: "model.language_model.")
    tower = .siglip(loader, configuration.vision, prefix: "model.vision_tower.", hasFinalNorm: true, backend: backend)
    projector = Gemma3Projector(loader, configuration, backend: backend)
    let block = configuration.poolSize * configuration.poolSize
    parts = try ModelParts(
      texts, checkpoint, configuration.text, decoder,
      vision: ModelDimensions.Vision(
        configuration.vision,
        connectorMultiplications: configuration.vision.hiddenSize * configuration.text.hiddenSize / block),
      remarks: read.remarks + loader.finish(), backend: backend)
  }

  /// - Throws: `ConfigurationError` naming the key whose value is of the wrong type, impossible or unsupported.
  static func processor(
    _ file: ConfigurationFile, for configuration: Gemma3Configuration, resizing: Resizing
  ) throws -> StretchedImageProcessor {
    guard try !file.boolean("do_pan_and_scan", default: false) else {
      throw file.wrong(
        "do_pan_and_scan",
        "is true: crops of the image beside the whole are not supported; take it out or set it to false"
      )
    }
    let (vision, side) = (configuration.vision, configuration.tokensASide)
    let tokens = String(repeating: imageText, count: side * side)
    return try StretchedImageProcessor(
      file, defaults: .init(types: ["Gemma3ImageProcessor"], size: 224, filter: .bilinear),
      imageSize: vision.imageSize, patchSize: vision.patchSize, tokensASide: side,
      text: "\n\n\(placeholder)\(tokens)\(endOfImage)\n\n", resizing: resizing)
  }

  /// The markers round the image have ids in config.json too.
  private static func checkMarkers(_ file: ConfigurationFile, _ texts: TextParts) throws {
    for (key, text) in [("boi_token_index", placeholder), ("eoi_token_index", endOfImage)] {
      let id = texts.prompts.tokenizer.id(of: text)
      guard let id, try file.integer(key, in: 0...Int(Int32.max), default: id) == id else {
        throw file.wrong(
          key,
          "is \(file.value(of: key).map { "\($0)" } ?? "missing"), but the tokenizer's \(text) is "
            + (id.map(String.init) ?? "missing"))
      }
    }
  }

  public func encode(_ image: PreparedImage, taps: Taps) throws -> VisualFeatures {
    VisualFeatures(values: try projector.features(tower.features(of: patches(of: image), taps: taps)))
  }

  public func angles(_ sequence: TokenSequence) -> [RotaryAngles] {
    configuration.rotary.map {
      .sequential(
        0..<sequence.ids.count, headDim: configuration.text.headDim, theta: $0.theta, factor: $0.factor)
    }
  }

  public func bidirectionalBlocks(_ sequence: TokenSequence) -> [Range<Int>] { sequence.image.ranges }
}
