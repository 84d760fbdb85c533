import Foundation
import Tokenization

/// Makes tokens of chats about an image, in the same way for all families.
struct PromptTokenizer: Sendable {
  let tokenizer: Tokenizer
  let chat: ChatPrompt
  /// The text of an image token. A chat template shows the whole image as one.
  let placeholder: String
  let imageToken: Int32
  /// Rows of the model's embeddings.
  let vocabularySize: Int
  /// About how many tokens a chat has beside the image, the prompt and the answer.
  let templateTokens: Int

  /// - Throws: `TokenizationError`.
  init(_ tokenizer: Tokenizer, chat: ChatPrompt, placeholder: String, imageToken: Int, vocabularySize: Int) throws {
    self.tokenizer = tokenizer
    self.chat = chat
    self.placeholder = placeholder
    self.imageToken = Int32(imageToken)
    self.vocabularySize = vocabularySize
    templateTokens = try tokenizer.encode(chat.frame).ids.count
  }

  /// The tokens of a chat about an image, answered with the description.
  ///
  /// - Throws: `ChatFault` or `TokenizationError` where these texts can't be used, `ConfigurationError` where the tokenizer
  ///   and the model don't fit.
  func sequence(prompt: String, description: String, layout: VisualLayout) throws -> TokenSequence {
    try sequence(of: chat.conversation(prompt: prompt, answer: description), layout)
  }

  /// The tokens of a chat about an image, up to where the answer begins.
  ///
  /// - Throws: as `sequence`.
  func question(prompt: String, layout: VisualLayout) throws -> TokenSequence {
    try sequence(of: chat.question(prompt), layout)
  }

  /// The image's text is put in its place before anything is tokenised: the tokens of markers round it may join it.
  private func sequence(of chat: RenderedChat, _ layout: VisualLayout) throws -> TokenSequence {
    let chat = chat.replacingImage(with: layout.text)
    let tokens = try encode(chat)
    // A prompt may hold the same text.
    let image = tokens.ids.indices.filter {
      tokens.ids[$0] == imageToken && tokens.offsets[$0].overlaps(chat.image)
    }
    guard image.count == layout.imageTokens else {
      throw ConfigurationError(
        path: "tokenizer.json", key: "added_tokens",
        reason: "doesn't keep \(placeholder) as one token: an image of \(layout.imageTokens) tokens has \(image.count)")
    }
    // A tokenizer may know more tokens than the checkpoint has rows of embeddings.
    if let id = tokens.ids.first(where: { !(0..<Int32(vocabularySize)).contains($0) }) {
      throw ConfigurationError(
        path: "tokenizer.json", key: "vocab",
        reason: "gives the token \(id), but config.json's vocab_size is \(vocabularySize)")
    }
    let description = chat.description
    let caption = tokens.offsets.indices.filter { index in
      let span = tokens.offsets[index]
      return span.lowerBound < description.upperBound && span.upperBound > description.lowerBound
    }
    return TokenSequence(
      ids: tokens.ids, image: TokenRanges(positions: image),
      visual: TokenRanges(positions: zip(image, layout.cells).lazy.filter { $1 != nil }.map(\.0)),
      positions: layout.positions, caption: caption,
      captionSpans: caption.map { index in
        let span = tokens.offsets[index].clamped(to: description)
        return span.lowerBound - description.lowerBound..<span.upperBound - description.lowerBound
      })
  }

  /// Tokens and their places in the whole text, of texts that may be tokenised apart.
  private func encode(_ chat: RenderedChat) throws -> (ids: [Int32], offsets: [Range<Int>]) {
    guard !chat.cuts.isEmpty else {
      let encoding = try tokenizer.encode(chat.text)
      return (encoding.ids, encoding.offsets)
    }
    let scalars = Array(chat.text.unicodeScalars)
    var ids: [Int32] = []
    var offsets: [Range<Int>] = []
    for (start, end) in zip([0] + chat.cuts, chat.cuts + [scalars.count]) {
      let encoding = try tokenizer.encode(scalars[start..<end].string)
      ids += encoding.ids
      offsets += encoding.offsets.map { start + $0.lowerBound..<start + $0.upperBound }
    }
    return (ids, offsets)
  }

  /// The text of an answer's tokens, without control tokens.
  func text(of ids: [Int32]) -> String { tokenizer.decode(ids.map(Int.init), skipSpecialTokens: true) }
}
