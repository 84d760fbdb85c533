import JSON

/// Added tokens, in order, numbered as in the tokenizers library: one of the vocabulary keeps
/// its id, others get ids after the vocabulary's end, whatever id the file gives.
struct AddedTokenList {
  /// `isWrittenNormalized`: whether the token has ever been one that is looked for in normalised text.
  private(set) var tokens: [(id: Int32, token: AddedToken, isWrittenNormalized: Bool)] = []
  private var places: [ByteString: Int] = [:]
  private var highest: Int32 = -1
  private let model: BytePairModel

  init(_ model: BytePairModel) { self.model = model }

  func contains(_ content: ByteString) -> Bool { places[content] != nil }

  func token(_ content: ByteString) -> AddedToken? { places[content].map { tokens[$0].token } }

  /// Takes a token in; one that is known takes the new one's properties, and stays special where it was.
  ///
  /// - Parameters:
  ///   - id: according to the file.
  ///   - node: its place in the file, for errors.
  /// - Throws: `TokenizationError` if the file's id isn't the library's, or the id is another token's.
  mutating func add(_ token: AddedToken, id: Int32?, at node: JSONNode) throws {
    if let place = places[token.content] {
      try check(tokens[place].id, against: id, token, node)
      let wasSpecial = tokens[place].token.isSpecial
      tokens[place].token = token
      tokens[place].token.isSpecial = token.isSpecial || wasSpecial
      if token.isNormalized { tokens[place].isWrittenNormalized = true }
      return
    }
    let known = model.id(of: token.content)
    let count = Int32(clamping: model.count)
    let assigned = known ?? (highest >= count ? highest + 1 : count)
    try check(assigned, against: id, token, node)
    if known == nil, let other = model.token(of: assigned) {
      throw node.fault(
        "the token \(token.content.quoted) would get the id \(assigned), which is that of \(other.quoted) in the vocabulary: its ids "
          + "have gaps")
    }
    places[token.content] = tokens.count
    tokens.append((assigned, token, token.isNormalized))
    highest = max(highest, assigned)
    guard highest < .max else { throw node.fault("there are too many tokens") }
  }

  private func check(_ assigned: Int32, against id: Int32?, _ token: AddedToken, _ node: JSONNode) throws {
    guard let id, id != assigned else { return }
    throw node.fault(
      "the token \(token.content.quoted) has the id \(id) here, but the tokenizers library gives it \(assigned): it numbers added "
        + "tokens on from the end of the vocabulary, in their order")
  }
}
