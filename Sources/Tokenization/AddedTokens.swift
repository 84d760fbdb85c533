import JSON

/// A token that is found in the text as a whole, before any other stage.
struct AddedToken: Sendable {
  let content: ByteString
  /// Only where no letter, digit or mark touches it.
  let singleWord: Bool
  /// Takes the white space on its left, or on its right, in.
  let stripsLeft: Bool
  let stripsRight: Bool
  /// Looked for in the normalised text, not in the original.
  let isNormalized: Bool
  /// Left out of decoded text on request.
  var isSpecial: Bool

  init(_ node: JSONNode) throws {
    let content = try node.required("content")
    self.content = try content.string()
    guard !self.content.bytes.isEmpty else { throw content.fault("an added token can't be empty") }
    isSpecial = try node.bool("special", default: false)
    singleWord = try node.bool("single_word", default: false)
    stripsLeft = try node.bool("lstrip", default: false)
    stripsRight = try node.bool("rstrip", default: false)
    isNormalized = try node.bool("normalized", default: !isSpecial)
  }

  /// One with the library's defaults.
  init(_ content: ByteString, isSpecial: Bool) {
    self.content = content
    self.isSpecial = isSpecial
    (singleWord, stripsLeft, stripsRight, isNormalized) = (false, false, false, !isSpecial)
  }
}

/// A tokenizer's added tokens.
struct AddedTokens: Sendable {
  /// A stretch of text: an added token, or what the other stages are for.
  struct Segment {
    let text: AlignedText
    let token: Int32?
  }

  private let tokens: [AddedToken]
  private let ids: [Int32]
  /// As each is written in decoded text: one looked for in normalised text, normalised.
  private let written: [ByteString]
  private let byID: [Int32: Int]
  private let byContent: [ByteString: Int32]
  private var verbatim = TokenTrie()
  private var normalized = TokenTrie()

  /// - Throws: `TokenizationError` if normalising a token was given up.
  init(_ list: AddedTokenList, normalizer: Normalizer) throws {
    tokens = list.tokens.map(\.token)
    ids = list.tokens.map(\.id)
    written = try list.tokens.map { _, token, isWrittenNormalized in
      isWrittenNormalized
        ? ByteString(try normalizer.normalize(AlignedText(token.content.text)).bytes) : token.content
    }
    byID = Dictionary(ids.enumerated().map { ($1, $0) }) { first, _ in first }
    byContent = Dictionary(zip(tokens.map(\.content), ids)) { first, _ in first }
    // Special ones first: of two that normalise to the same, the library finds those.
    let order = tokens.indices.filter { tokens[$0].isSpecial } + tokens.indices.filter { !tokens[$0].isSpecial }
    for index in order {
      if tokens[index].isNormalized {
        normalized.insert(written[index].bytes, index)
      } else {
        verbatim.insert(tokens[index].content.bytes, index)
      }
    }
  }

  func id(of token: ByteString) -> Int32? { byContent[token] }

  func token(of id: Int32) -> (text: ByteString, isSpecial: Bool)? {
    // The library looks for what is written among the special tokens' own texts.
    byID[id].map { (written[$0], tokens[$0].isSpecial && written[$0] == tokens[$0].content) }
  }

  /// How many aren't in the model's vocabulary too.
  func count(outside model: BytePairModel) -> Int { tokens.count { model.id(of: $0.content) == nil } }

  /// Cuts the text at the tokens looked for in original or in normalised text.
  func segments(of text: AlignedText, normalized isNormalized: Bool) -> [Segment] {
    let found = (isNormalized ? normalized : verbatim).occurrences(in: text.bytes)
    guard !found.isEmpty else { return text.isEmpty ? [] : [Segment(text: text, token: nil)] }
    var segments: [Segment] = []
    var end = 0
    for (range, index) in found {
      let token = tokens[index]
      if token.singleWord, Self.touchesWord(text.bytes, range) { continue }
      var (start, stop) = (range.lowerBound, range.upperBound)
      if token.stripsLeft { start = max(Self.skipSpaceLeft(text.bytes, from: start), end) }
      if token.stripsRight { stop = Self.skipSpaceRight(text.bytes, from: stop) }
      // One that another's white space has swallowed.
      guard start < stop else { continue }
      if end < start { segments.append(Segment(text: text[end..<start], token: nil)) }
      segments.append(Segment(text: text[start..<stop], token: ids[index]))
      end = stop
    }
    if end < text.count { segments.append(Segment(text: text[end..<text.count], token: nil)) }
    return segments
  }

  private static func touchesWord(_ bytes: [UInt8], _ range: Range<Int>) -> Bool {
    (range.lowerBound > 0 && isWord(bytes.scalar(before: range.lowerBound).scalar))
      || (range.upperBound < bytes.count && isWord(bytes.scalar(at: range.upperBound).scalar))
  }

  /// `\w` of Rust's regex crate.
  private static func isWord(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.properties.isAlphabetic || scalar.properties.isJoinControl { return true }
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation: return true
    default: return false
    }
  }

  private static func skipSpaceLeft(_ bytes: [UInt8], from index: Int) -> Int {
    var index = index
    while index > 0 {
      let (scalar, length) = bytes.scalar(before: index)
      guard scalar.properties.isWhitespace else { break }
      index -= length
    }
    return index
  }

  private static func skipSpaceRight(_ bytes: [UInt8], from index: Int) -> Int {
    var index = index
    while index < bytes.count {
      let (scalar, length) = bytes.scalar(at: index)
      guard scalar.properties.isWhitespace else { break }
      index += length
    }
    return index
  }
}
