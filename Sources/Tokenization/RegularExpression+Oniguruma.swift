extension RegularExpression {
  /// A pattern of tokenizer.json.
  ///
  /// - Parameter pattern: in Oniguruma's language, whose ^ and $ are always those of lines.
  convenience init(_ pattern: String) throws {
    let translated: String
    do {
      translated = try OnigurumaPattern.translate(pattern)
    } catch let error as OnigurumaPattern.Unsupported {
      throw Invalid(problem: error.problem)
    }
    try self.init(pcre2: translated, linesHaveEnds: true)
  }
}
