/// The stages of transformers' `GPT2Tokenizer`, which SmolLM's first folders name: bytes, cut into words by GPT-2's
/// pattern, and nothing before that.
///
/// transformers 5 makes these stages itself and takes the rest from tokenizer.json. Here the file is taken whole. It
/// may cut digits apart first, as SmolLM's does: none of its merges holds a digit, so the ids are the same.
enum GPT2Stages {
  private static let classes = ["GPT2Tokenizer", "GPT2TokenizerFast"]

  static func isClass(_ name: String) -> Bool { classes.contains(name) }

  /// - Throws: `TokenizationError` if a folder of this class has other stages in its tokenizer.json.
  static func check(_ tokenizer: JSONNode, config: JSONNode) throws {
    guard let node = try config.optional("tokenizer_class"), isClass(try node.string().text) else { return }
    let first = try tokenizer.optional("pre_tokenizer")
    let stages = try first?.optional("pretokenizers")?.elements() ?? first.map { [$0] } ?? []
    let known = try stages.allSatisfy { ["ByteLevel", "Digits"].contains(try $0.required("type").string().text) }
    guard known, try tokenizer.optional("normalizer") == nil else {
      throw node.fault(
        "is \"\(try node.string().text)\", which has no normalizer and the pre-tokenizer ByteLevel, but tokenizer.json has others; "
          + "with PreTrainedTokenizerFast it would be used as a whole")
    }
  }
}
