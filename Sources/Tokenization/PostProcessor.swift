/// The fourth stage: `post_processor` of tokenizer.json, as far as it moves offsets.
///
/// What adds special tokens (templates) is accepted and does nothing: texts are encoded as they are.
struct PostProcessor: Sendable {
  /// One entry for each trimming: whether the first token keeps one leading blank, which was added to it.
  private let trims: [Bool]

  init(_ node: JSONNode?) throws {
    guard let node else {
      trims = []
      return
    }
    switch try node.type() {
    case "ByteLevel", "RobertaProcessing":
      let addPrefixSpace = try node.bool("add_prefix_space", default: true)
      trims = try node.bool("trim_offsets", default: true) ? [addPrefixSpace] : []
    case "TemplateProcessing", "BertProcessing": trims = []
    case "Sequence": trims = try node.required("processors").elements().flatMap { try PostProcessor($0).trims }
    case let type:
      throw node.unsupported(
        "post-processor", type,
        supported: ["ByteLevel", "TemplateProcessing", "BertProcessing", "RobertaProcessing", "Sequence", "null"])
    }
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
