import JSON

/// Blanks as a visible character, `▁` as SentencePiece writes them, and one put before the text: of the pre-tokenizer and
/// the decoder of that name.
struct Metaspace: Sendable {
  /// Before which pieces one is put.
  enum Scheme: String, CaseIterable {
    case first
    case always
    case never
  }

  let replacement: ByteString
  private let scheme: Scheme
  private let splits: Bool

  /// - Throws: `TokenizationError` naming the key that isn't as it should be.
  init(_ node: JSONNode) throws {
    let character = try node.required("replacement")
    replacement = try character.string()
    guard replacement.text.unicodeScalars.count == 1 else { throw character.fault("one character was expected") }
    let name = try node.optional("prepend_scheme")
    guard let scheme = Scheme(rawValue: try name?.string().text ?? Scheme.always.rawValue) else {
      let known = Scheme.allCases.map(\.rawValue).joined(separator: ", ")
      throw (name ?? node).fault("is not one of \(known)")
    }
    // The older key says never by false.
    if try !node.bool("add_prefix_space", default: true) {
      guard name == nil || scheme == .never else {
        throw node.child(.null, "add_prefix_space").fault("is false, but prepend_scheme is \(scheme.rawValue)")
      }
      self.scheme = .never
    } else {
      self.scheme = scheme
    }
    splits = try node.bool("split", default: true)
  }

  func apply(to text: inout PreTokenizedText) {
    var result = AlignedText()
    let source = text.text
    text.pieces = text.pieces.flatMap { piece in
      let start = result.count
      let span = source.spans[piece.lowerBound]
      let begins = source.bytes[piece.lowerBound] == 0x20 || source.bytes[piece].starts(with: replacement.bytes)
      if !begins, scheme == .always || (scheme == .first && span.start == 0) {
        result.append(replacement, from: span)
      }
      for index in piece {
        if source.bytes[index] == 0x20 {
          result.append(replacement, from: source.spans[index])
        } else {
          result.append(source, index..<(index + 1))
        }
      }
      let whole = start..<result.count
      guard splits else { return [whole] }
      let matches = TextPattern.occurrences(of: replacement.bytes, in: Array(result.bytes[whole]))
      return SplitBehavior.mergedWithNext.pieces(
        of: whole, matches: matches.map { ($0.lowerBound + start)..<($0.upperBound + start) }, inverted: false)
    }
    text.text = result
  }

  /// The tokens with blanks again; what was put before the text isn't in it.
  func decode(_ tokens: [ByteString]) -> [ByteString] {
    tokens.enumerated().map { index, token in
      let content: [UInt8] = index == 0 && scheme != .never ? [] : [0x20]
      return ByteString(TextPattern.replacing(replacement.bytes, in: token.bytes, with: content))
    }
  }
}
