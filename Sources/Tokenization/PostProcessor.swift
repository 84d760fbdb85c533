import JSON

/// The fourth stage: `post_processor` of tokenizer.json, as far as it moves offsets.
///
/// Templates, which add special tokens, do nothing: texts are encoded without them, and the family adds its own.
struct PostProcessor: Sendable {
  /// One entry for each trimming: whether the first token keeps one leading blank, which was added to it.
  private let trims: [Bool]
  /// The special tokens that it would add around a text.
  let surrounding: [String]

  init(_ node: JSONNode?) throws {
    guard let node else {
      (trims, surrounding) = ([], [])
      return
    }
    switch try node.type() {
    case "ByteLevel":
      (trims, surrounding) = (try Self.trims(node), [])
    case "RobertaProcessing":
      (trims, surrounding) = (try Self.trims(node), ["cls", "sep"])
    case "BertProcessing": (trims, surrounding) = ([], ["cls", "sep"])
    case "TemplateProcessing":
      trims = []
      surrounding =
        try node.optional("single")?.elements().compactMap { piece in
          try piece.optional("SpecialToken")?.required("id").string().text
        } ?? []
    case "Sequence":
      let parts = try node.required("processors").elements().map { try PostProcessor($0) }
      (trims, surrounding) = (parts.flatMap(\.trims), parts.flatMap(\.surrounding))
    case let type:
      throw node.unsupported(
        "post-processor", type,
        supported: ["ByteLevel", "TemplateProcessing", "BertProcessing", "RobertaProcessing", "Sequence", "null"])
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
