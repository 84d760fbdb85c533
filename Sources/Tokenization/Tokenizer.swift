import Foundation
import JSON

/// A published tokenizer: byte pair encoding, of bytes as Qwen2's or of characters as Gemma's and Llama 2's.
///
/// Agrees with transformers 5.23's AutoTokenizer of the same folder, or with the tokenizers library (0.23) on the same
/// tokenizer.json, in ids and offsets when no special tokens are added (`add_special_tokens=False`). Truncation and
/// padding in the file are ignored.
///
/// May be used from several threads at once.
public struct Tokenizer: Sendable {
  private let file: String
  private let normalizer: Normalizer
  private let preTokenizer: PreTokenizer
  private let model: BytePairModel
  private let addedTokens: AddedTokens
  private let postProcessor: PostProcessor
  private let decoder: TokenDecoder

  /// The tokens that transformers puts before every text and `encode` doesn't: a beginning of text.
  public let leadingTokens: [String]
  /// Those that it puts behind every text.
  public let trailingTokens: [String]
  /// What the user should know of the files.
  public let remarks: [String]

  /// Reads a tokenizer.
  ///
  /// - Parameter url: the checkpoint's folder, with tokenizer.json or vocab.json and merges.txt, and
  ///   tokenizer_config.json; or a tokenizer.json alone.
  /// - Throws: `TokenizationError` naming file and JSON key, where something is missing, broken or not supported.
  public init(contentsOf url: URL) throws {
    var isFolder: ObjCBool = false
    let exists = FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder)
    let parts = exists && isFolder.boolValue ? try TokenizerFolder(url) : try TokenizerFolder(file: url)
    file = parts.file
    normalizer = parts.normalizer
    preTokenizer = parts.preTokenizer
    model = parts.model
    addedTokens = try AddedTokens(parts.addedTokens, normalizer: parts.normalizer)
    postProcessor = parts.postProcessor
    decoder = parts.decoder
    leadingTokens = parts.postProcessor.leading.map(\.text)
    trailingTokens = parts.postProcessor.trailing.map(\.text)
    remarks = parts.remarks
    try postProcessor.check { id(of: $0) }
  }

  /// A text's tokens. Added tokens in it, special ones too, are found; none is added around it.
  ///
  /// - Throws: `TokenizationError` if the pre-tokenizer's pattern takes too many steps on this text, or the text has
  ///   2³¹ bytes or more.
  public func encode(_ text: String) throws -> Encoding {
    guard text.utf8.count < Int(Int32.max) else {
      throw TokenizationError(file: file, problem: "a text of \(text.utf8.count) bytes is too long to encode")
    }
    var ids: [Int32] = []
    var offsets: [Range<Int>] = []
    func append(_ id: Int32, _ range: Range<Int>, in text: AlignedText, token: [UInt8]?) {
      var offset = text.original(range)
      if postProcessor.changesOffsets {
        let bytes = token ?? model.token(of: id)?.bytes ?? []
        offset = postProcessor.trim(offset, token: bytes, isFirst: ids.isEmpty)
      }
      ids.append(id)
      offsets.append(offset)
    }
    func append(_ segment: AddedTokens.Segment) -> Bool {
      guard let id = segment.token else { return false }
      append(id, 0..<segment.text.count, in: segment.text, token: segment.text.bytes)
      return true
    }
    for outer in addedTokens.segments(of: AlignedText(text), normalized: false) where !append(outer) {
      for segment in addedTokens.segments(of: try normalizer.normalize(outer.text), normalized: true)
      where !append(segment) {
        var pieces = PreTokenizedText(segment.text)
        try preTokenizer.apply(to: &pieces)
        for piece in pieces.pieces {
          var start = piece.lowerBound
          for symbol in model.tokenize(ByteString(pieces.text.bytes[piece])) {
            let end = start + Int(symbol.length)
            append(symbol.id, start..<end, in: pieces.text, token: nil)
            start = end
          }
        }
      }
    }
    return Encoding(ids: ids, offsets: offsets)
  }

  /// The text of tokens. Ids without a token are skipped; bytes that aren't UTF-8 become U+FFFD.
  public func decode(_ ids: [Int], skipSpecialTokens: Bool) -> String {
    decoder.decode(
      ids.compactMap { id in
        guard let id = Int32(exactly: id) else { return nil }
        if let added = addedTokens.token(of: id) {
          return skipSpecialTokens && added.isSpecial ? nil : added.text
        }
        return model.token(of: id)
      })
  }

  /// The id of a token as written in the file: bytes as byte-level characters, `Ġ` for a blank; nil if there is none.
  public func id(of token: String) -> Int? {
    let token = ByteString(token)
    return (addedTokens.id(of: token) ?? model.id(of: token)).map(Int.init)
  }

  /// The token of an id, as written in the file; nil if there is none.
  public func token(of id: Int) -> String? {
    guard let id = Int32(exactly: id) else { return nil }
    return (addedTokens.token(of: id)?.text ?? model.token(of: id))?.text
  }

  /// How many tokens there are: the model's and the added ones. Ids may go beyond, where they leave gaps.
  public var vocabularySize: Int { model.count + addedTokens.count(outside: model) }
}
