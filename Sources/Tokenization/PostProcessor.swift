import JSON

/// The fourth stage: `post_processor` of tokenizer.json: how it moves offsets, and what it puts around a text.
///
/// Texts are encoded without the tokens around them.
struct PostProcessor: Sendable {
  /// A special token that is put before or behind a text.
  struct Surrounding: Sendable {
    let text: String
    /// Its ids as the stage gives them; nil if it doesn't.
    var ids: [Int32]?
    /// Where it is named.
    let node: JSONNode
  }

  /// One entry for each trimming: whether the first token keeps one leading blank, which was added to it.
  private var trims: [Bool] = []
  private(set) var leading: [Surrounding] = []
  private(set) var trailing: [Surrounding] = []

  /// Only tokens around a text.
  init(leading: [Surrounding], trailing: [Surrounding]) { (self.leading, self.trailing) = (leading, trailing) }

  /// - Throws: `TokenizationError` for an unknown type, or a template without its text.
  init(_ node: JSONNode?) throws {
    guard let node else { return }
    switch try node.type() {
    case "ByteLevel": trims = try Self.trims(node)
    case "RobertaProcessing":
      trims = try Self.trims(node)
      fallthrough
    case "BertProcessing":
      leading = [try Self.token(node.required("cls"))]
      trailing = [try Self.token(node.required("sep"))]
    case "TemplateProcessing": try readTemplate(node)
    case "Sequence":
      for part in try node.required("processors").elements().map({ try PostProcessor($0) }) {
        trims += part.trims
        // Each puts its tokens around what the one before it has made.
        leading = part.leading + leading
        trailing += part.trailing
      }
    case let type:
      throw node.unsupported(
        "post-processor", type,
        supported: ["ByteLevel", "TemplateProcessing", "BertProcessing", "RobertaProcessing", "Sequence", "null"])
    }
  }

  /// A token and its id.
  private static func token(_ node: JSONNode) throws -> Surrounding {
    let parts = try node.elements()
    guard parts.count == 2 else { throw node.fault("a token and its id were expected") }
    return Surrounding(text: try parts[0].string().text, ids: [try parts[1].tokenID()], node: node)
  }

  private mutating func readTemplate(_ node: JSONNode) throws {
    let known = try node.optional("special_tokens")
    var texts = 0
    for piece in try node.optional("single")?.elements() ?? [] {
      guard let special = try piece.optional("SpecialToken") else {
        texts += 1
        continue
      }
      let name = try special.required("id")
      var token = Surrounding(text: try name.string().text, node: name)
      if let entry = try known?.optional(token.text) {
        token.ids = try entry.required("ids").elements().map { try $0.tokenID() }
      }
      if texts == 0 { leading.append(token) } else { trailing.append(token) }
    }
    guard texts == 1 || (texts == 0 && leading.isEmpty) else {
      throw node.child(.null, "single").fault("shows the text \(texts) times, and once was expected")
    }
  }

  /// - Parameter id: the tokenizer's id of a token.
  /// - Throws: `TokenizationError` if a token around the text has other ids here.
  func check(id: (String) -> Int?) throws {
    for token in leading + trailing {
      guard let ids = token.ids, let expected = id(token.text), ids != [Int32(expected)] else { continue }
      throw token.node.fault("the token \(token.text) has the ids \(ids) here, and \(expected) in the vocabulary")
    }
  }

  private static func trims(_ node: JSONNode) throws -> [Bool] {
    let addPrefixSpace = try node.bool("add_prefix_space", default: true)
    return try node.bool("trim_offsets", default: true) ? [addPrefixSpace] : []
  }

  var changesOffsets: Bool { !trims.isEmpty }

  /// Takes the white space at a token's edges out of its offsets.
  func trim(_ offsets: Range<Int>, token: [UInt8], isFirst: Bool) -> Range<Int> {
    var (start, end) = (offsets.lowerBound, offsets.upperBound)
    for addPrefixSpace in trims {
      var leading = 0
      var index = 0
      while index < token.count {
        let (scalar, length) = token.scalar(at: index)
        guard Self.isSpace(scalar) else { break }
        leading += 1
        index += length
      }
      var trailing = 0
      index = token.count
      while index > 0 {
        let (scalar, length) = token.scalar(before: index)
        guard Self.isSpace(scalar) else { break }
        trailing += 1
        index -= length
      }
      if leading == 1, addPrefixSpace, isFirst || start == 0 { leading = 0 }
      start = min(start + leading, end)
      if end >= trailing { end = max(end - trailing, start) }
    }
    return start..<end
  }

  private static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
    scalar == ByteLevelAlphabet.space || scalar.properties.isWhitespace
  }
}
