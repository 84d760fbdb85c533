import JSON

/// A text cut into pieces, in each of which the model looks for tokens.
struct PreTokenizedText {
  var text: AlignedText
  /// Byte ranges in order, none empty. What no piece covers is dropped.
  var pieces: [Range<Int>]

  init(_ text: AlignedText) {
    self.text = text
    pieces = text.isEmpty ? [] : [0..<text.count]
  }
}

/// The second stage: `pre_tokenizer` of tokenizer.json.
indirect enum PreTokenizer: Sendable {
  case split(SplitPreTokenizer)
  case byteLevel(ByteLevelPreTokenizer)
  case digits(individually: Bool)
  case metaspace(Metaspace)
  case sequence([PreTokenizer])

  /// - Throws: `TokenizationError` for an unknown type or a pattern that doesn't compile.
  init(_ node: JSONNode?) throws {
    guard let node else {
      self = .sequence([])
      return
    }
    switch try node.type() {
    case "Split": self = .split(try SplitPreTokenizer(node))
    case "ByteLevel": self = .byteLevel(try ByteLevelPreTokenizer(node))
    case "Digits": self = .digits(individually: try node.bool("individual_digits", default: false))
    case "Metaspace": self = .metaspace(try Metaspace(node))
    case "Sequence": self = .sequence(try node.required("pretokenizers").elements().map { try PreTokenizer($0) })
    case let type:
      throw node.unsupported(
        "pre-tokenizer", type, supported: ["Split", "ByteLevel", "Digits", "Metaspace", "Sequence", "null"])
    }
  }

  /// - Throws: `TokenizationError` if matching was given up.
  func apply(to text: inout PreTokenizedText) throws {
    switch self {
    case .split(let stage): try stage.apply(to: &text)
    case .byteLevel(let stage): try stage.apply(to: &text)
    case .digits(let individually): Self.splitDigits(&text, individually: individually)
    case .metaspace(let stage): stage.apply(to: &text)
    case .sequence(let stages): for stage in stages { try stage.apply(to: &text) }
    }
  }

  private static func splitDigits(_ text: inout PreTokenizedText, individually: Bool) {
    let behavior: SplitBehavior = individually ? .isolated : .contiguous
    let bytes = text.text.bytes
    text.pieces = text.pieces.flatMap { piece in
      var matches: [Range<Int>] = []
      var index = piece.lowerBound
      while index < piece.upperBound {
        let (scalar, length) = bytes.scalar(at: index)
        switch scalar.properties.generalCategory {
        case .decimalNumber, .letterNumber, .otherNumber: matches.append(index..<(index + length))
        default: break
        }
        index += length
      }
      return behavior.pieces(of: piece, matches: matches, inverted: false)
    }
  }
}
