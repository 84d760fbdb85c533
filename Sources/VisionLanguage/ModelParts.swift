import Foundation
import Kernels
import Safetensors
import Tokenization
import Transformer

/// What a model folder says of texts: tokenizer, chat template, how answers end.
struct TextParts {
  /// `model_type` of config.json.
  let modelType: String
  let prompts: PromptTokenizer
  let generation: GenerationDefaults

  /// - Parameters:
  ///   - chatTemplate: takes the place of the folder's own.
  ///   - placeholder: what a chat template shows the image as; the text of an image token too.
  ///   - imageToken: the key of config.json that holds the image token's id, and the id.
  ///   - vocabularySize: rows of the embeddings.
  ///   - classDefaults: special tokens by tokenizer class; see `SpecialTokenNames`.
  ///   - family: as errors call it.
  /// - Throws: an error that names the file and what is wrong in it.
  init(
    folder: URL, chatTemplate: URL?, config: ConfigurationFile, placeholder: String,
    imageToken: (key: String, id: Int), vocabularySize: Int, classDefaults: [String: [String: String]], family: String
  ) throws {
    modelType = try config.string("model_type") ?? ""
    let tokenizer = try Tokenizer(contentsOf: folder)
    guard tokenizer.id(of: placeholder) == imageToken.id else {
      throw config.wrong(
        imageToken.key,
        "is \(imageToken.id), but the tokenizer's \(placeholder) is "
          + (tokenizer.id(of: placeholder).map(String.init) ?? "missing"))
    }
    let specialTokens = try SpecialTokenNames.read(from: folder, classDefaults: classDefaults)
    let chat = try ChatPrompt(
      ChatTemplateSource.find(in: folder, override: chatTemplate), specialTokens: specialTokens,
      placeholder: placeholder)
    // transformers doesn't put a beginning of text before a chat that has one already.
    let surrounding = tokenizer.surroundingTokens
    guard surrounding.isEmpty || (surrounding.count == 1 && chat.frame.utf8.starts(with: surrounding[0].utf8)) else {
      throw ConfigurationError(
        path: folder.path, key: "",
        reason:
          "the tokenizer's files add \(surrounding.joined(separator: ", ")) around every text (post_processor, "
          + "add_bos_token or add_eos_token); \(family) has nothing there, and it is not supported")
    }
    prompts = try PromptTokenizer(
      tokenizer, chat: chat, placeholder: placeholder, imageToken: imageToken.id, vocabularySize: vocabularySize)
    generation = try GenerationDefaults(
      folder: folder, config: config, tokenizer: tokenizer, specialTokens: specialTokens)
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
