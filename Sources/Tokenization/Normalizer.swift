import JSON

/// The first stage: `normalizer` of tokenizer.json.
struct Normalizer: Sendable {
  private enum Step: Sendable {
    case form(NormalizationForm)
    case replace(TextPattern, by: ByteString)
    case prepend(ByteString)

    var growth: Double { if case .replace(let pattern, let content) = self { pattern.growth(by: content) } else { 1 } }
  }

  /// Applied in order; none for `null`.
  private let steps: [Step]

  init(forms: [NormalizationForm] = []) { steps = forms.map(Step.form) }

  /// - Throws: `TokenizationError` for an unknown type, or a pattern that can't be used.
  init(_ node: JSONNode?) throws {
    steps = try node.map(Self.steps) ?? []
    if let node { try TextPattern.check(growth: steps.reduce(1) { $0 * $1.growth }, at: node) }
  }

  private static func steps(_ node: JSONNode) throws -> [Step] {
    switch try node.type() {
    case "Sequence": return try node.required("normalizers").elements().flatMap(steps)
    case "Replace":
      return [.replace(try TextPattern(node.required("pattern")), by: try node.required("content").string())]
    case "Prepend": return [.prepend(try node.required("prepend").string())]
    case let type:
      if let form = NormalizationForm(rawValue: type) { return [.form(form)] }
      throw node.unsupported(
        "normalizer", type,
        supported: NormalizationForm.allCases.map(\.rawValue) + ["Replace", "Prepend", "Sequence", "null"])
    }
  }

  /// - Throws: `TokenizationError` if matching a pattern was given up.
  func normalize(_ text: AlignedText) throws -> AlignedText {
    try steps.reduce(text) { text, step in
      switch step {
      case .form(let form): text.normalized(form)
      case .replace(let pattern, let content): try text.replacing(pattern, with: content)
      case .prepend(let content): text.prepending(content)
      }
    }
  }
}

extension AlignedText {
  /// The text with `content` where the pattern was; it comes from the last character that it takes the place of.
  func replacing(_ pattern: TextPattern, with content: ByteString) throws -> AlignedText {
    let matches = try pattern.matches(in: bytes)
    guard !matches.isEmpty else { return self }
    var result = AlignedText()
    result.reserveCapacity(count + matches.count * content.bytes.count)
    var end = 0
    for match in matches {
      result.append(self, end..<match.lowerBound)
      // What takes the place of nothing comes from the character before it, or from none.
      let start = spans.first.map { ScalarSpan(start: $0.start, end: $0.start) } ?? ScalarSpan(start: 0, end: 0)
      result.append(content, from: match.upperBound > 0 ? spans[match.upperBound - 1] : start)
      end = match.upperBound
    }
    result.append(self, end..<count)
    return result
  }

  /// The text with `content` before it, which comes from the text's first character; nothing is put before no text.
  func prepending(_ content: ByteString) -> AlignedText {
    guard let first = spans.first else { return self }
    var result = AlignedText()
    result.reserveCapacity(count + content.bytes.count)
    result.append(content, from: first)
    result.append(self, 0..<count)
    return result
  }
}
