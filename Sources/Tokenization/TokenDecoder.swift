import JSON

/// From tokens to text: `decoder` of tokenizer.json.
enum TokenDecoder: Sendable {
  /// Characters of the alphabet back to bytes, all tokens' together, so that a character may be spread over several.
  case byteLevel
  /// The tokens with blanks between them.
  case none

  init(_ node: JSONNode?) throws {
    guard let node else {
      self = .none
      return
    }
    switch try node.type() {
    case "ByteLevel": self = .byteLevel
    case "Sequence":
      let stages = try node.required("decoders").elements()
      guard stages.count == 1, let stage = stages.first else {
        throw node.fault("a sequence of one decoder, ByteLevel, was expected")
      }
      self = try TokenDecoder(stage)
    case let type: throw node.unsupported("decoder", type, supported: ["ByteLevel", "null"])
    }
  }

  func decode(_ tokens: [ByteString]) -> String {
    switch self {
    case .none: return tokens.map(\.text).joined(separator: " ")
    case .byteLevel:
      var bytes: [UInt8] = []
      for token in tokens { bytes.append(contentsOf: Self.bytes(of: token) ?? token.bytes) }
      return String(decoding: bytes, as: UTF8.self)
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
}
