import Foundation
import Kernels
import Safetensors
import Tokenization
import Transformer

/// What a model folder says of texts: tokenizer, chat template, how answers end.
struct TextParts {
  /// `model_type` of config.json.
  let modelType: String
  var prompts: PromptTokenizer
  let generation: GenerationDefaults

  /// - Parameters:
  ///   - input: the chat template that takes the place of the folder's own, and the system's turn.
  ///   - placeholder: what a chat template shows the image as.
  ///   - imageText: the text of an image token; nil for the placeholder.
  ///   - imageToken: the key of config.json that holds the image token's id, and the id.
  ///   - vocabularySize: rows of the embeddings.
  ///   - classDefaults: special tokens by tokenizer class; see `SpecialTokenNames`.
  ///   - processorTemplate: what the family's processor writes without asking a chat template.
  ///   - family: as errors call it.
  ///   - answersFollowQuestions: whether the chat template says only how a question is asked: an answer stands behind it,
  ///     after a blank, and ends with the tokenizer's `eos_token`.
  /// - Throws: an error that names the file and what is wrong in it.
  init(
    folder: URL, input: InputOptions, config: ConfigurationFile, placeholder: String, imageText: String? = nil,
    imageToken: (key: String, id: Int), vocabularySize: Int, classDefaults: [String: [String: String]],
    processorTemplate: ProcessorTemplate? = nil, family: String, answersFollowQuestions: Bool = false
  ) throws {
    modelType = try config.string("model_type") ?? ""
    let tokenizer = try Tokenizer(contentsOf: folder)
    let imageText = imageText ?? placeholder
    guard tokenizer.id(of: imageText) == imageToken.id else {
      throw config.wrong(
        imageToken.key,
        "is \(imageToken.id), but the tokenizer's \(imageText) is "
          + (tokenizer.id(of: imageText).map(String.init) ?? "missing"))
    }
    let specialTokens = try SpecialTokenNames.read(from: folder, classDefaults: classDefaults)
    let end = specialTokens.first { $0.name == "eos_token" }?.text
    guard !answersFollowQuestions || end != nil else {
      throw ConfigurationError(
        path: folder.appendingPathComponent("tokenizer_config.json").path, key: "eos_token",
        reason: "is missing; \(family) ends an answer with it")
    }
    let chat = try ChatPrompt(
      processorTemplate.map { try .written(by: $0, in: folder, override: input.chatTemplate) }
        ?? .find(in: folder, override: input.chatTemplate),
      specialTokens: specialTokens, placeholder: placeholder, system: input.system,
      endOfAnswer: answersFollowQuestions ? end : nil,
      cutsAnswer: processorTemplate != nil)
    prompts = try PromptTokenizer(
      tokenizer, chat: chat, imageText: imageText, imageToken: imageToken.id, vocabularySize: vocabularySize,
      beginning: processorTemplate == nil
        ? Self.beginning(tokenizer, specialTokens, folder: folder, family: family) : nil)
    generation = try GenerationDefaults(
      folder: folder, config: config, tokenizer: tokenizer, specialTokens: specialTokens)
  }

  /// The token that the tokenizer's files put before every text (`post_processor`, or `add_bos_token`).
  private static func beginning(
    _ tokenizer: Tokenizer, _ specialTokens: [(name: String, text: String)], folder: URL, family: String
  ) throws -> BeginningOfText? {
    guard let first = tokenizer.leadingTokens.first ?? tokenizer.trailingTokens.first else { return nil }
    guard tokenizer.leadingTokens.count == 1, tokenizer.trailingTokens.isEmpty, let id = tokenizer.id(of: first) else {
      let around = (tokenizer.leadingTokens + ["…"] + tokenizer.trailingTokens).joined(separator: " ")
      throw ConfigurationError(
        path: folder.path, key: "",
        reason:
          "the tokenizer's files make \(around) of every text (post_processor, add_bos_token or add_eos_token); for \(family) "
          + "one known token before the text is all that is supported")
    }
    return BeginningOfText(id: Int32(id), text: specialTokens.first { $0.name == "bos_token" }?.text)
  }
}

/// What all loaded models have, whatever their family.
public struct ModelParts {
  let modelType: String
  let backend: any Backend
  let checkpoint: SafetensorsCheckpoint
  let tokenEmbedding: TokenEmbedding
  let decoder: DecoderStack
  let outputHead: OutputHead
  let numAttentionHeads: Int
  let prompts: PromptTokenizer
  let generation: GenerationDefaults
  let remarks: ModelRemarks
  let dimensions: ModelDimensions

  /// - Parameters:
  ///   - remarks: on the image processor's and the weights' files.
  /// - Throws: `TokenizationError`.
  init(
    _ texts: TextParts, _ checkpoint: SafetensorsCheckpoint, _ configuration: DecoderConfiguration,
    _ weights: DecoderWeights, vision: ModelDimensions.Vision, remarks: [String], backend: any Backend
  ) throws {
    modelType = texts.modelType
    self.backend = backend
    self.checkpoint = checkpoint
    tokenEmbedding = TokenEmbedding(weights.embeddings, factor: configuration.embeddingFactor, backend: backend)
    decoder = DecoderStack(layers: weights.layers, hiddenSize: configuration.hiddenSize, backend: backend)
    outputHead = OutputHead(
      norm: weights.finalNorm, weight: weights.outputHead, softcap: configuration.logitSoftcap, backend: backend)
    numAttentionHeads = configuration.numAttentionHeads
    prompts = texts.prompts
    generation = texts.generation
    let tokenizer = texts.prompts.tokenizer
    self.remarks = try ModelRemarks(
      prompts.chat, generation, tokenizer,
      files: configuration.remarks + tokenizer.remarks + remarks + weights.remarks)
    dimensions = ModelDimensions(configuration, vision: vision, templateTokens: prompts.templateTokens)
  }
}
