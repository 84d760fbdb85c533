import Foundation
import ImageInput
import Kernels
import Safetensors
import Transformer

/// PaliGemma (Beyer et al. 2024, arXiv 2407.07726) and PaliGemma 2 (Steiner et al. 2024, arXiv 2412.03555): the image stretched to
/// a square, a SigLIP tower, one linear layer, a Gemma or Gemma 2 decoder. Image and prompt see themselves both ways.
public final class PaliGemmaModel: VisionLanguageModel {
  public static let modelTypes = ["paligemma"]
  public static let languageModelModule = "language_model"
  public static let visionModules: Set<String> = ["vision_tower", "multi_modal_projector"]

  /// The models know no chat: the processor's text has the image, a prompt and an answer.
  public static let processorTemplate: ProcessorTemplate? = ProcessorTemplate(
    name: "PaliGemmaProcessor",
    text: #"""
      {%- for message in messages -%}
        {%- if message['role'] == 'user' -%}
          {%- for part in message['content'] if part['type'] == 'image' %}<image>{% endfor -%}
          {{- bos_token -}}
          {%- for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor -%}
          {{- '\n' -}}
        {%- elif message['role'] == 'assistant' -%}
          {%- for part in message['content'] %}{{ part['text'] }}{% endfor -%}
          {{- eos_token -}}
        {%- else -%}
          {{- raise_exception('PaliGemma has no ' ~ message['role'] ~ ' turn: only an image, a prompt and an answer') -}}
        {%- endif -%}
      {%- endfor -%}
      """#)

  public let parts: ModelParts
  let configuration: PaliGemmaConfiguration
  let images: StretchedImageProcessor
  let tower: PatchTower
  let projector: Projector

  public var processor: any ImageProcessor { images }

  private static let placeholder = "<image>"

  /// `SiglipImageProcessor`'s.
  private static let imageDefaults = StretchedImageProcessor.Defaults(
    types: ["SiglipImageProcessor"], size: 224, filter: .bicubic)

  public init(folder: URL, input: InputOptions, backend: any Backend) throws {
    let file = try ConfigurationFile(contentsOf: folder.appendingPathComponent("config.json"))
    let configuration = try PaliGemmaConfiguration(file)
    self.configuration = configuration
    let texts = try TextParts(
      folder: folder, input: input, config: file, placeholder: Self.placeholder,
      imageToken: ("image_token_index", configuration.imageTokenId), vocabularySize: configuration.text.vocabularySize,
      classDefaults: SpecialTokenNames.gemmaDefaults, processorTemplate: Self.processorTemplate,
      family: PaliGemmaConfiguration.family)
    let read = try ProcessorInFolder(folder) {
      try Self.processor($0, for: configuration.vision, resizing: input.resizing)
    }
    images = read.processor
    let checkpoint = try SafetensorsCheckpoint(folder: folder)
    let loader = WeightLoader(checkpoint, .llavaLike(checkpoint.tensors.keys))
    let decoder = DecoderWeights(loader, configuration.text, prefix: "model.language_model.")
    tower = .siglip(
      loader, configuration.vision, prefix: "model.vision_tower.", hasFinalNorm: true, backend: backend)
    projector = Projector(
      loader.linear(
        "model.multi_modal_projector.linear", outputs: configuration.text.hiddenSize,
        inputs: configuration.vision.hiddenSize), backend: backend)
    let remarks = try read.remarks + loader.finish()
    parts = try ModelParts(
      texts, checkpoint, configuration.text, decoder,
      vision: ModelDimensions.Vision(
        configuration.vision, connectorMultiplications: configuration.vision.hiddenSize * configuration.text.hiddenSize),
      remarks: remarks, backend: backend)
  }

  /// - Throws: `ConfigurationError` naming the key.
  static func processor(
    _ file: ConfigurationFile, for tower: PatchTowerConfiguration, resizing: Resizing
  ) throws -> StretchedImageProcessor {
    let side = tower.patchesASide
    // What transformers' processor writes into the text.
    let given = try file.integer("image_seq_length", in: 1...1_000_000, default: side * side)
    guard given == side * side else {
      throw file.wrong(
        "image_seq_length", "is \(given); the model has \(side * side) visual tokens (config.json's vision_config)")
    }
    return try StretchedImageProcessor(
      file, defaults: imageDefaults, imageSize: tower.imageSize, patchSize: tower.patchSize, tokensASide: side,
      text: String(repeating: placeholder, count: side * side), resizing: resizing)
  }

  public func encode(_ image: PreparedImage, taps: Taps) throws -> VisualFeatures {
    VisualFeatures(values: try projector.features(tower.features(of: patches(of: image), taps: taps)))
  }

  /// Positions count from 1.
  public func angles(_ sequence: TokenSequence) -> [RotaryAngles] {
    [
      RotaryAngles.sequential(
        1..<sequence.ids.count + 1, headDim: configuration.text.headDim, theta: configuration.ropeTheta)
    ]
  }

  /// All that comes before the answer.
  public func bidirectionalBlocks(_ sequence: TokenSequence) -> [Range<Int>] { [0..<sequence.answerStart] }
}
