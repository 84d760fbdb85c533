import JSON

/// The first stage: `normalizer` of tokenizer.json.
struct Normalizer: Sendable {
  /// Applied in order; none for `null`.
  let forms: [NormalizationForm]

  init(forms: [NormalizationForm] = []) { self.forms = forms }

  /// - Throws: `TokenizationError` for an unknown type.
  init(_ node: JSONNode?) throws {
    guard let node else {
      forms = []
      return
    }
    let type = try node.type()
    if type == "Sequence" {
      forms = try node.required("normalizers").elements().flatMap { try Normalizer($0).forms }
    } else if let form = NormalizationForm(rawValue: type) {
      forms = [form]
    } else {
      throw node.unsupported(
        "normalizer", type, supported: NormalizationForm.allCases.map(\.rawValue) + ["Sequence", "null"])
    }
  }

  func normalize(_ text: AlignedText) -> AlignedText {
    forms.reduce(text) { $0.normalized($1) }
  }
}
