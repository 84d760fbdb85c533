import Foundation

/// A published tokenizer (`tokenizer.json` of the Hugging Face tokenizers library): byte-level BPE, as Qwen2's.
///
/// Agrees with that library, version 0.23, in ids and offsets when no special tokens are added
/// (`add_special_tokens=False`). Truncation and padding in the file are ignored.
///
/// May be used from several threads at once.
public struct Tokenizer: Sendable {
  private let file: String
  private let normalizer: Normalizer
  private let preTokenizer: PreTokenizer
  private let model: BytePairModel
  private let addedTokens: AddedTokens
  private let postProcessor: PostProcessor
  private let decoder: Decoder

  /// Reads a tokenizer.
  ///
  /// - Parameter url: `tokenizer.json`, or the checkpoint's folder that holds it.
  /// - Throws: `TokenizationError` naming file and JSON key, where something is missing, broken or not supported.
  public init(contentsOf url: URL) throws {
    var isFolder: ObjCBool = false
    let exists = FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder)
    let url = exists && isFolder.boolValue ? url.appendingPathComponent("tokenizer.json") : url
    let root = try JSONNode.read(url)
    file = root.file
    normalizer = try Normalizer(try root.optional("normalizer"))
    preTokenizer = try PreTokenizer(try root.optional("pre_tokenizer"))
    model = try BytePairModel(try root.required("model"))
    addedTokens = try AddedTokens(
      try Self.readAddedTokens(root, beside: url), model: model, normalizer: normalizer)
    postProcessor = try PostProcessor(try root.optional("post_processor"))
    decoder = try Decoder(try root.optional("decoder"))
  }

  /// Those of tokenizer.json; where it has none, those of the tokenizer_config.json beside it.
  private static func readAddedTokens(_ root: JSONNode, beside url: URL) throws -> [(JSONNode, AddedToken)] {
    if let list = try root.optional("added_tokens")?.elements(), !list.isEmpty {
      return try list.map { ($0, try AddedToken($0)) }
    }
    let sibling = url.deletingLastPathComponent().appendingPathComponent("tokenizer_config.json")
    guard FileManager.default.fileExists(atPath: sibling.path) else { return [] }
    guard let map = try JSONNode.read(sibling).optional("added_tokens_decoder") else { return [] }
    return try map.members().map { member in
      let node = map.child(member.value, member.key.text)
      guard let id = Int32(member.key.text), id >= 0 else { throw node.fault("the key is not a token id") }
      return (node, try AddedToken(node, id: id))
    }.sorted { $0.1.id < $1.1.id }
  }

  /// A text's tokens. Added tokens in it, special ones too, are found; none is put round it.
  ///
  /// - Throws: `TokenizationError` where the pre-tokenizer's pattern takes too many steps on this text, or the text has
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
      for segment in addedTokens.segments(of: normalizer.normalize(outer.text), normalized: true)
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

  /// The text of tokens. Ids that stand for no token are passed over; bytes that aren't UTF-8 become U+FFFD.
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

  /// The id of a token as it stands in the file: bytes as byte-level characters, `Ġ` for a blank; nil where there is none.
  public func id(of token: String) -> Int? {
    let token = ByteString(token)
    return (addedTokens.id(of: token) ?? model.id(of: token)).map(Int.init)
  }

  /// The token of an id, as it stands in the file; nil where there is none.
  public func token(of id: Int) -> String? {
    guard let id = Int32(exactly: id) else { return nil }
    return (addedTokens.token(of: id)?.text ?? model.token(of: id))?.text
  }

  /// How many tokens there are: the model's and the added ones. Ids may go beyond, where they leave gaps.
  public var vocabularySize: Int { model.count + addedTokens.count(outside: model) }
}
