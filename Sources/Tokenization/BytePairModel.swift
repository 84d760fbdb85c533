import JSON

/// The third stage: `model` of tokenizer.json, byte pair encoding.
struct BytePairModel: Sendable {
  private let vocabulary: [ByteString: Int32]
  private let tokens: [Int32: ByteString]
  private let merges: PairTable
  /// Tokens of one character of one or two bytes, by its number; -1 if there is none.
  private let shortCharacters: [Int32]
  private let unknown: Int32?
  private let fusesUnknown: Bool
  /// The tokens `<0x00>` … `<0xFF>` with byte_fallback.
  private let byteTokens: [Int32?]?
  private let ignoresMerges: Bool
  private let cache = WordCache()

  /// What the model does with characters that aren't in the vocabulary.
  struct Options {
    /// The unknown token, and where it is named.
    var unknown: (token: ByteString, node: JSONNode)?
    var fusesUnknown = false
    var fallsBackToBytes = false
    /// A piece that is a token is taken whole.
    var ignoresMerges = false
  }

  /// - Parameter options: of a class of transformers that takes nothing but vocabulary and merges from the file; nil
  ///   takes the file's.
  /// - Throws: `TokenizationError` for another model, an option that isn't supported, ids that are negative, huge or
  ///   given twice, or merges of what isn't in the vocabulary.
  init(_ node: JSONNode, options: Options? = nil) throws {
    // Old files have no type; then merges identify a BPE model.
    if let type = try node.optional("type")?.string().text, type != "BPE" {
      throw node.unsupported("model", type, supported: ["BPE"])
    }
    let options = try options ?? Self.options(node)
    (vocabulary, tokens) = try Self.readVocabulary(try node.required("vocab"))
    merges = try Self.readMerges(try node.required("merges"), vocabulary)
    (fusesUnknown, ignoresMerges) = (options.fusesUnknown, options.ignoresMerges)
    unknown = options.unknown.flatMap { [vocabulary] in vocabulary[$0.token] }
    if let (token, place) = options.unknown, unknown == nil {
      throw place.fault("\(token.quoted) is not in the vocabulary")
    }
    let vocabulary = self.vocabulary
    byteTokens =
      options.fallsBackToBytes
      ? (0..<256).map { byte in
        let digits = String(byte, radix: 16, uppercase: true)
        return vocabulary[ByteString("<0x\(digits.count == 1 ? "0" : "")\(digits)>")]
      } : nil
    var shortCharacters = [Int32](repeating: -1, count: 0x800)
    for (token, id) in vocabulary where 1...2 ~= token.bytes.count {
      let (scalar, length) = token.bytes.scalar(at: 0)
      if length == token.bytes.count, scalar.value < 0x800 { shortCharacters[Int(scalar.value)] = id }
    }
    self.shortCharacters = shortCharacters
  }

  private static func options(_ node: JSONNode) throws -> Options {
    for option in ["continuing_subword_prefix", "end_of_word_suffix"] {
      if let affix = try node.optional(option), try !affix.string().bytes.isEmpty {
        throw affix.fault("not supported; null or \"\" was expected")
      }
    }
    if let dropout = try node.optional("dropout") {
      switch dropout.value {
      case .integer(0), .number(0): break
      default: throw dropout.fault("dropout is random and not supported; null or 0 was expected")
      }
    }
    return Options(
      unknown: try node.optional("unk_token").map { (try $0.string(), $0) },
      fusesUnknown: try node.bool("fuse_unk", default: false),
      fallsBackToBytes: try node.bool("byte_fallback", default: false),
      ignoresMerges: try node.bool("ignore_merges", default: false))
  }

  private static func readVocabulary(
    _ node: JSONNode
  ) throws -> (ids: [ByteString: Int32], tokens: [Int32: ByteString]) {
    let members = try node.members()
    guard !members.isEmpty else { throw node.fault("the vocabulary is empty") }
    var ids: [ByteString: Int32] = [:]
    var tokens: [Int32: ByteString] = [:]
    ids.reserveCapacity(members.count)
    tokens.reserveCapacity(members.count)
    for member in members {
      guard case .integer(let number) = member.value, let id = Int32(exactly: number), id >= 0 else {
        // Builds the place and the message.
        _ = try JSONNode(value: member.value, key: "\(node.key)[\(member.key.quoted)]", file: node.file).tokenID()
        continue
      }
      if ids.updateValue(id, forKey: member.key) != nil {
        throw node.fault("the token \(member.key.quoted) occurs twice")
      }
      if let other = tokens.updateValue(member.key, forKey: id) {
        throw node.fault("the tokens \(other.quoted) and \(member.key.quoted) have the same id \(id)")
      }
    }
    return (ids, tokens)
  }

  private static func readMerges(_ node: JSONNode, _ vocabulary: [ByteString: Int32]) throws -> PairTable {
    let values = try node.values()
    guard values.count < Int32.max else { throw node.fault("too many merges") }
    var table = PairTable(capacity: values.count)
    for (index, value) in values.enumerated() {
      func fault(_ problem: String) -> TokenizationError {
        TokenizationError(file: node.file, key: "\(node.key)[\(index)]", problem: problem)
      }
      let parts: (left: ByteString, right: ByteString)
      switch value {
      case .array(let pair):
        guard pair.count == 2, case .string(let left) = pair[0], case .string(let right) = pair[1] else {
          throw fault("a pair of strings was expected")
        }
        parts = (left, right)
      case .string(let text):
        let halves = text.bytes.split(separator: 0x20, omittingEmptySubsequences: false)
        if text.bytes.starts(with: Array("#version".utf8)) { continue }
        guard halves.count == 2 else {
          throw fault("\(text.quoted) is not two tokens with one blank between them")
        }
        parts = (ByteString(halves[0]), ByteString(halves[1]))
      default: throw fault("a string \"a b\" or a pair [\"a\", \"b\"] was expected")
      }
      func id(of token: ByteString) throws -> Int32 {
        guard let id = vocabulary[token] else { throw fault("the token \(token.quoted) is not in the vocabulary") }
        return id
      }
      let merge = PairTable.Merge(rank: Int32(index), id: try id(of: parts.left + parts.right))
      table.insert(try id(of: parts.left), try id(of: parts.right), merge)
    }
    return table
  }

  var count: Int { vocabulary.count }

  func id(of token: ByteString) -> Int32? { vocabulary[token] }

  func token(of id: Int32) -> ByteString? { tokens[id] }

  /// The tokens of a piece, and how many of its bytes each covers.
  func tokenize(_ piece: ByteString) -> [WordSymbol] {
    if ignoresMerges, let id = vocabulary[piece] {
      return [WordSymbol(id: id, length: Int32(piece.bytes.count))]
    }
    return cache.symbols(of: piece) { merges.mergeAll(symbols(of: piece)) }
  }

  /// The piece's characters as tokens. A character without one becomes its bytes' tokens, or the unknown token, or
  /// where there is neither, nothing at all: so does the tokenizers library.
  private func symbols(of piece: ByteString) -> [WordSymbol] {
    var symbols: [WordSymbol] = []
    symbols.reserveCapacity(piece.bytes.count)
    var pendingUnknown: WordSymbol?
    var index = 0
    while index < piece.bytes.count {
      let (scalar, length) = piece.bytes.scalar(at: index)
      let character = piece.bytes[index..<(index + length)]
      index += length
      if let id = self.id(of: scalar, character) {
        if let unknown = pendingUnknown { symbols.append(unknown) }
        pendingUnknown = nil
        symbols.append(WordSymbol(id: id, length: Int32(length)))
      } else if let bytes = fallback(character) {
        symbols.append(contentsOf: bytes)
      } else if let unknown {
        if fusesUnknown, let pending = pendingUnknown {
          pendingUnknown = WordSymbol(id: unknown, length: pending.length + Int32(length))
        } else {
          if let pending = pendingUnknown { symbols.append(pending) }
          pendingUnknown = WordSymbol(id: unknown, length: Int32(length))
        }
      }
    }
    if let unknown = pendingUnknown { symbols.append(unknown) }
    return symbols
  }

  private func id(of scalar: Unicode.Scalar, _ character: ArraySlice<UInt8>) -> Int32? {
    if scalar.value < 0x800 {
      let id = shortCharacters[Int(scalar.value)]
      return id < 0 ? nil : id
    }
    return vocabulary[ByteString(character)]
  }

  private func fallback(_ character: ArraySlice<UInt8>) -> [WordSymbol]? {
    guard let byteTokens else { return nil }
    var symbols: [WordSymbol] = []
    for byte in character {
      guard let id = byteTokens[Int(byte)] else { return nil }
      symbols.append(WordSymbol(id: id, length: 1))
    }
    return symbols
  }
}
