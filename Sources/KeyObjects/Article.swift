/// A phrase's article.
enum Article {
  /// The caption's own article, which tells how its writer says the word; otherwise "a" or "an".
  ///
  /// - Parameter caption: what the caption has before the same words; nil if other words follow there.
  static func of(_ phrase: String, inCaption caption: String?) -> String {
    switch caption {
    case "the": return "the"
    case "a", "an":
      // A slip ("a elephant") is mended where no one says the word otherwise.
      let word = firstWord(of: phrase)
      return isCertain(word) ? indefinite(before: phrase) : caption ?? "a"
    default: return indefinite(before: phrase)
    }
  }

  /// "a" or "an", by how the word begins to sound.
  static func indefinite(before phrase: String) -> String {
    let word = firstWord(of: phrase)
    if silentH.contains(where: word.hasPrefix) { return "an" }
    if vowelLetters.contains(where: word.hasPrefix) { return "an" }
    if soundsLikeConsonant.contains(where: word.hasPrefix) || word == "one" || word.hasPrefix("one-") { return "a" }
    if spelledOut.contains(word) { return "an" }
    if word.hasPrefix("8") || word.hasPrefix("11") || word.hasPrefix("18") { return "an" }
    return "aeiou".contains(word.first ?? " ") ? "an" : "a"
  }

  /// Whether the letters leave no doubt about the sound: not so for "u", "h", "eu", names of letters and numbers.
  private static func isCertain(_ word: String) -> Bool {
    guard let first = word.first, first.isLetter, first.isASCII, first != "x", word.count > 2,
      word.contains(where: "aeiou".contains), !spelledOut.contains(word)
    else { return false }
    // "unusual", "upholstered", "ugly".
    if first == "u" {
      return word.hasPrefix("un") && !word.hasPrefix("uni") || word.hasPrefix("up") || word.hasPrefix("ug")
    }
    return first != "h" && !word.hasPrefix("eu") && !word.hasPrefix("ew") && !word.hasPrefix("one")
  }

  private static func firstWord(of phrase: String) -> String { phrase.prefix { $0 != " " && $0 != "," }.lowercased() }

  private static let silentH = ["hour", "honest", "honor", "heir"]
  private static let vowelLetters = ["unid", "unim", "unin"]
  private static let soundsLikeConsonant = ["uni", "uri", "use", "usu", "uti", "eu", "ewe", "ute", "ukulele", "u-"]
  private static let spelledOut: Set<String> = ["suv"]
}
