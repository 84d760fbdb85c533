import JSON

/// The alphabet of byte-level BPE: every byte as a visible character, so that a vocabulary can be written as text.
enum ByteLevelAlphabet {
  /// The character of each byte: itself where it is printable Latin-1, else the next free one from U+0100 on.
  static let characters: [Unicode.Scalar] = {
    var next: UInt32 = 0x100
    return (UInt32(0)...255).compactMap { byte in
      switch byte {
      case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return Unicode.Scalar(byte)
      default:
        defer { next += 1 }
        return Unicode.Scalar(next)
      }
    }
  }()

  /// The byte of each character; nil for one outside the alphabet.
  static func byte(_ scalar: Unicode.Scalar) -> UInt8? { bytes[scalar] }

  private static let bytes = Dictionary(
    uniqueKeysWithValues: characters.enumerated().map { ($1, UInt8(truncatingIfNeeded: $0)) })

  /// What a blank looks like.
  static let space = characters[0x20]
}

/// Turns each byte of the pieces into its character of the alphabet.
struct ByteLevelPreTokenizer: Sendable {
  private let addPrefixSpace: Bool
  /// GPT-2's, or none.
  private let expression: RegularExpression?
  private let file: String
  private let key: String

  init(_ node: JSONNode) throws {
    addPrefixSpace = try node.bool("add_prefix_space", default: true)
    file = node.file
    key = node.key
    // `trim_offsets` concerns the post-processor alone, but must be what it should be.
    _ = try node.bool("trim_offsets", default: true)
    guard try node.bool("use_regex", default: true) else {
      expression = nil
      return
    }
    do {
      expression = try RegularExpression(
        #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#)
    } catch let error as RegularExpression.Invalid {
      throw node.fault("GPT-2's regular expression doesn't compile: \(error.problem)")
    }
  }

  func apply(to text: inout PreTokenizedText) throws {
    if addPrefixSpace { addSpaces(to: &text) }
    if let expression {
      do {
        try text.split(by: expression, .isolated, inverted: false)
      } catch let error as RegularExpression.MatchFailure {
        throw TokenizationError(file: file, key: key, problem: error.problem)
      }
    }
    var result = AlignedText()
    result.reserveCapacity(text.text.count + text.text.count / 2)
    let (source, spans) = (text.text.bytes, text.text.spans)
    let characters = ByteLevelAlphabet.characters
    text.pieces = text.pieces.map { piece in
      let start = result.count
      for index in piece { result.append(characters[Int(source[index])], from: spans[index]) }
      return start..<result.count
    }
    text.text = result
  }

  /// The blank before a piece maps to the piece's first character.
  private func addSpaces(to text: inout PreTokenizedText) {
    var result = AlignedText()
    let source = text.text
    text.pieces = text.pieces.map { piece in
      let start = result.count
      if source.bytes[piece.lowerBound] != 0x20 { result.append(" ", from: source.spans[piece.lowerBound]) }
      result.append(source, piece)
      return start..<result.count
    }
    text.text = result
  }
}
