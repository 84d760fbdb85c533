import Foundation
import Tokenization

/// A token that the tokenizer puts before every text.
///
/// As transformers 5.23's `apply_chat_template` with `tokenize`: a chat that begins with the text of the beginning of text
/// gets no other.
struct BeginningOfText: Sendable, Equatable {
  let id: Int32
  /// The tokenizer's `bos_token`, nil if it has none.
  let text: String?

  /// Whether it is put before the text.
  func comes(before text: String) -> Bool { self.text.map { !text.utf8.starts(with: $0.utf8) } ?? true }
}

/// How many tokens a model can take, and why no more.
struct TokenLimit: Sendable, Equatable {
  let tokens: Int
  /// Names file, key and value.
  let reason: String

  /// - Throws: `ChatFault`.
  func check(_ count: Int) throws {
    guard count > tokens else { return }
    throw ChatFault(
      description: "the chat has \(count) tokens, image and answer included; it may have \(tokens): \(reason)")
  }
}

/// Makes tokens of chats about an image, in the same way for all families.
struct PromptTokenizer: Sendable {
  let tokenizer: Tokenizer
  let chat: ChatPrompt
  /// The text of an image token.
  let imageText: String
  let imageToken: Int32
  let beginning: BeginningOfText?
  /// Rows of the model's embeddings.
  let vocabularySize: Int
  /// About how many tokens a chat has beside the image, the prompt and the answer.
  let templateTokens: Int
  /// What the model can take; nil for any number of tokens.
  var limit: TokenLimit?

  /// - Throws: `ConfigurationError` if that text is not one token wherever it stands; `TokenizationError`.
  init(
    _ tokenizer: Tokenizer, chat: ChatPrompt, imageText: String, imageToken: Int, vocabularySize: Int,
    beginning: BeginningOfText? = nil
  ) throws {
    guard try tokenizer.encode(imageText + imageText).ids == [Int32(imageToken), Int32(imageToken)] else {
      throw ConfigurationError(
        path: "tokenizer.json", key: "added_tokens", reason: "doesn't keep \(imageText) as one token")
    }
    self.tokenizer = tokenizer
    self.chat = chat
    self.imageText = imageText
    self.imageToken = Int32(imageToken)
    self.beginning = beginning
    self.vocabularySize = vocabularySize
    let first = beginning?.comes(before: chat.frame) ?? false ? 1 : 0
    templateTokens = try tokenizer.encode(chat.frame).ids.count + first
  }

  /// The tokens of a chat about an image, answered with the description.
  ///
  /// - Throws: `ChatFault` or `TokenizationError` where these texts can't be used, `ConfigurationError` where the
  ///   tokenizer and the model don't fit.
  func sequence(prompt: String, description: String, layout: VisualLayout) throws -> TokenSequence {
    try sequence(of: chat.conversation(prompt: prompt, answer: description), layout)
  }

  /// The tokens of a chat about an image, up to where the answer begins.
  ///
  /// - Parameter answerTokens: how many more the model may be given.
  /// - Throws: as `sequence`.
  func question(prompt: String, layout: VisualLayout, answerTokens: Int = 0) throws -> TokenSequence {
    try sequence(of: chat.question(prompt), layout, answerTokens: answerTokens)
  }

  /// The image's text is put in its place before anything is tokenised: the tokens of markers round it may join it.
  ///
  /// An image token is one token wherever it stands, so of a run of them the tokenizer is given the first: the others
  /// are as many of the same.
  private func sequence(
    of chat: RenderedChat, _ layout: VisualLayout, answerTokens: Int = 0
  ) throws -> TokenSequence {
    let (text, runs) = Self.shortening(layout.text, runsOf: imageText)
    let chat = chat.replacingImage(with: text)
    let tokens = try encode(chat)
    var ids: [Int32] = []
    ids.reserveCapacity(tokens.ids.count + layout.imageTokens)
    var (image, caption): ([Int], [Int]) = ([], [])
    var captionSpans: [Range<Int>] = []
    var answerStart: Int?
    var run = 0
    for (id, span) in zip(tokens.ids, tokens.offsets) {
      // A prompt may hold the same text.
      let isImage = id == imageToken && span.overlaps(chat.image)
      let count = isImage && run < runs.count ? runs[run] : 1
      if isImage {
        image += ids.count..<ids.count + count
        run += 1
      }
      if answerStart == nil, span.upperBound > chat.description.lowerBound { answerStart = ids.count }
      if span.lowerBound < chat.description.upperBound, span.upperBound > chat.description.lowerBound {
        caption.append(ids.count)
        let covered = span.clamped(to: chat.description)
        captionSpans.append(
          covered.lowerBound - chat.description.lowerBound..<covered.upperBound - chat.description.lowerBound)
      }
      ids += repeatElement(id, count: count)
    }
    guard run == runs.count, image.count == layout.imageTokens else {
      throw ConfigurationError(
        path: "tokenizer.json", key: "added_tokens",
        reason: "makes \(image.count) image tokens of an image that has \(layout.imageTokens)")
    }
    // A tokenizer may know more tokens than the checkpoint has rows of embeddings.
    if let id = tokens.ids.first(where: { !(0..<Int32(vocabularySize)).contains($0) }) {
      throw ConfigurationError(
        path: "tokenizer.json", key: "vocab",
        reason: "gives the token \(id), but config.json's vocab_size is \(vocabularySize)")
    }
    try limit?.check(ids.count + answerTokens)
    return TokenSequence(
      ids: ids, image: TokenRanges(positions: image),
      visual: TokenRanges(positions: zip(image, layout.cells).lazy.filter { $1 != nil }.map(\.0)),
      positions: layout.positions, caption: caption, captionSpans: captionSpans,
      answerStart: answerStart ?? ids.count)
  }

  /// A text with one `part` for each run of them, and how long the runs are.
  static func shortening(_ text: String, runsOf part: String) -> (text: String, runs: [Int]) {
    let (bytes, part) = (Array(text.utf8), Array(part.utf8))
    var short: [UInt8] = []
    var runs: [Int] = []
    var (at, endOfRun) = (0, -1)
    while at < bytes.count {
      guard bytes[at] == part[0], bytes[at...].starts(with: part) else {
        short.append(bytes[at])
        at += 1
        continue
      }
      if at == endOfRun {
        runs[runs.count - 1] += 1
      } else {
        short += part
        runs.append(1)
      }
      at += part.count
      endOfRun = at
    }
    return (String(decoding: short, as: UTF8.self), runs)
  }

  /// Tokens and their places in the whole text, of texts that may be tokenised apart. The beginning of text has no
  /// place in it.
  private func encode(_ chat: RenderedChat) throws -> (ids: [Int32], offsets: [Range<Int>]) {
    var ids: [Int32] = []
    var offsets: [Range<Int>] = []
    if let beginning, beginning.comes(before: chat.text) { (ids, offsets) = ([beginning.id], [0..<0]) }
    guard !chat.cuts.isEmpty else {
      let encoding = try tokenizer.encode(chat.text)
      return (ids + encoding.ids, offsets + encoding.offsets)
    }
    let scalars = Array(chat.text.unicodeScalars)
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
