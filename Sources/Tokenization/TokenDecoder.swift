import JSON

/// From tokens to text: `decoder` of tokenizer.json.
///
/// Each stage makes texts of the texts before it, and what they are in the end is joined.
enum TokenDecoder: Sendable {
  /// Characters of the alphabet back to bytes, all tokens' together, so that a character may be spread over several.
  case byteLevel
  /// The same in each text.
  case replace(ByteString, by: ByteString)
  /// Tokens such as `<0xE2>` back to bytes; a run of them that is not UTF-8 becomes one U+FFFD for each.
  case byteFallback
  /// All in one.
  case fuse
  /// Up to so many of a character from the beginning and from the end of each text.
  case strip(Unicode.Scalar, left: Int, right: Int)
  case metaspace(Metaspace)
  case sequence([TokenDecoder])
  /// The tokens with blanks between them.
  case none

  /// - Throws: `TokenizationError` for an unknown type, or what a type needs and isn't there.
  init(_ node: JSONNode?) throws {
    self = try node.map { try Self.stage($0) } ?? .none
    if let node { try TextPattern.check(growth: growth, at: node) }
  }

  private var growth: Double {
    switch self {
    case .replace(let pattern, let content): TextPattern.growth(of: pattern.bytes, by: content)
    case .sequence(let stages): stages.reduce(1) { $0 * $1.growth }
    default: 1
    }
  }

  private static func stage(_ node: JSONNode) throws -> TokenDecoder {
    switch try node.type() {
    case "ByteLevel": return .byteLevel
    case "Replace":
      return .replace(
        try TextPattern.literal(node.required("pattern")), by: try node.required("content").string())
    case "ByteFallback": return .byteFallback
    case "Fuse": return .fuse
    case "Strip":
      let content = try node.required("content")
      let scalars = try content.string().text.unicodeScalars
      guard scalars.count == 1, let scalar = scalars.first else { throw content.fault("one character was expected") }
      return .strip(scalar, left: try count(node.required("start")), right: try count(node.required("stop")))
    case "Metaspace": return .metaspace(try Metaspace(node))
    case "Sequence": return .sequence(try node.required("decoders").elements().map(stage))
    case let type:
      throw node.unsupported(
        "decoder", type,
        supported: ["ByteLevel", "Replace", "ByteFallback", "Fuse", "Strip", "Metaspace", "Sequence", "null"])
    }
  }

  private static func count(_ node: JSONNode) throws -> Int {
    guard case .integer(let count) = node.value, count >= 0 else {
      throw node.fault("a whole number, 0 or more, was expected")
    }
    return count
  }

  func decode(_ tokens: [ByteString]) -> String {
    if case .none = self { return tokens.map(\.text).joined(separator: " ") }
    return String(decoding: texts(of: tokens).flatMap(\.bytes), as: UTF8.self)
  }

  private func texts(of tokens: [ByteString]) -> [ByteString] {
    switch self {
    case .none: tokens
    case .byteLevel:
      [ByteString(String(decoding: tokens.flatMap { Self.bytes(of: $0) ?? $0.bytes }, as: UTF8.self))]
    case .replace(let pattern, let content):
      tokens.map { ByteString(TextPattern.replacing(pattern.bytes, in: $0.bytes, with: content.bytes)) }
    case .byteFallback: Self.joiningBytes(tokens)
    case .fuse: [ByteString(tokens.flatMap(\.bytes))]
    case .strip(let scalar, let left, let right): tokens.map { Self.strip($0, scalar, left: left, right: right) }
    case .metaspace(let stage): stage.decode(tokens)
    case .sequence(let stages): stages.reduce(tokens) { $1.texts(of: $0) }
    }
  }

  /// Nil if a character isn't of the alphabet, as in an added token: it represents itself.
  private static func bytes(of token: ByteString) -> [UInt8]? {
    var bytes: [UInt8] = []
    var index = 0
    while index < token.bytes.count {
      let (scalar, length) = token.bytes.scalar(at: index)
      guard let byte = ByteLevelAlphabet.byte(scalar) else { return nil }
      bytes.append(byte)
      index += length
    }
    return bytes
  }

  private static func joiningBytes(_ tokens: [ByteString]) -> [ByteString] {
    var texts: [ByteString] = []
    var bytes: [UInt8] = []
    func take() {
      guard !bytes.isEmpty else { return }
      if String(validating: bytes, as: UTF8.self) != nil {
        texts.append(ByteString(bytes))
      } else {
        texts.append(ByteString(String(repeating: "\u{FFFD}", count: bytes.count)))
      }
      bytes = []
    }
    for token in tokens {
      if let byte = Self.byte(of: token) {
        bytes.append(byte)
      } else {
        take()
        texts.append(token)
      }
    }
    take()
    return texts
  }

  /// The byte of a token such as `<0x0A>`.
  private static func byte(of token: ByteString) -> UInt8? {
    let bytes = token.bytes
    guard bytes.count == 6, bytes.starts(with: Array("<0x".utf8)), bytes[5] == UInt8(ascii: ">") else { return nil }
    return UInt8(String(decoding: bytes[3..<5], as: UTF8.self), radix: 16)
  }

  private static func strip(_ text: ByteString, _ scalar: Unicode.Scalar, left: Int, right: Int) -> ByteString {
    let scalars = Array(text.text.unicodeScalars)
    let start = scalars.prefix(left).prefix { $0 == scalar }.count
    let end = scalars.count - scalars.suffix(right).reversed().prefix { $0 == scalar }.count
    var view = String.UnicodeScalarView()
    view.append(contentsOf: scalars[start..<max(start, end)])
    return ByteString(String(view))
  }
}
