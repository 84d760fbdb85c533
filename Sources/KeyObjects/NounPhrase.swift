/// A noun phrase of a caption that names an object of a category.
struct NounPhrase: Sendable, Equatable {
  /// A singular phrase with its article: "a black cat", "the man in a white shirt".
  let text: String
  let categories: Set<String>
  /// The head noun's singular, and its group among the category's words.
  let head: String
  let sense: Int?
  /// Whether the caption speaks of several such objects: `text` is then made of one of them.
  let isPlural: Bool

  /// The phrases of a caption that name an object of some category, in the caption's order.
  ///
  /// The phrase runs from its article over adjectives and nouns to the category's word, which must end it: what follows
  /// is a preposition, a verb, a punctuation mark. A phrase with an unclear end is left out.
  static func all(in caption: String, words table: CategoryWords = .coco) -> [NounPhrase] {
    let words = CaptionWords(caption)
    var phrases: [NounPhrase] = []
    var at = 0
    var lastNoun = -1
    while at < words.lower.count {
      guard let (entry, end) = longestEntry(at: at, words, table) else {
        at += 1
        continue
      }
      if let phrase = phrase(entry, at..<end, after: lastNoun, words, table) {
        phrases.append(phrase)
        lastNoun = end - 1
      }
      at = end
    }
    return phrases
  }

  private static func longestEntry(
    at start: Int, _ words: CaptionWords, _ table: CategoryWords
  ) -> (CategoryWords.Entry, end: Int)? {
    for length in stride(from: min(table.longest, words.lower.count - start), through: 1, by: -1) {
      let end = start + length
      if let entry = table[words.lower[start..<end].joined(separator: " ")] { return (entry, end) }
    }
    return nil
  }

  /// - Parameter lastNoun: where the phrase before this one ended: two nouns don't share an article ("a man cooks").
  private static func phrase(
    _ entry: CategoryWords.Entry, _ range: Range<Int>, after lastNoun: Int, _ words: CaptionWords,
    _ table: CategoryWords
  ) -> NounPhrase? {
    guard !entry.categories.isEmpty else { return nil }
    if range.upperBound < words.lower.count, !CaptionWords.mayFollow(words.lower[range.upperBound]) { return nil }
    guard let before = Modifiers(before: range.lowerBound, words), !before.range.contains(lastNoun) else { return nil }
    // "carrots broccoli": a list without its commas.
    if words.lower[before.range].contains(where: { table[$0]?.isPlural == true }) { return nil }
    // "orange" and similar words are objects only after an article.
    let isBare = before.determiner == nil
    if isBare && !entry.isPlural && needsDeterminer.contains(entry.singular) { return nil }
    let isPlural = before.isQuantity || entry.isPlural && entry.singular != words.lower[range].joined(separator: " ")
    let modifiers = before.range.map { words.original[$0] }
    let noun = entry.isPlural ? entry.singular : words.original[range].joined(separator: " ")
    var core = (modifiers + [noun]).joined(separator: " ")
    if noun == "scissors" || noun == "skis", !core.hasPrefix("pair of ") { core = "pair of " + core }
    if entry.singular == "broccoli" { core = "piece of " + core }
    if entry.categories == ["person"] { core += clothing(from: range.upperBound, words) }
    let article = before.determiner == "the" && !isPlural ? "the" : Article.indefinite(before: core)
    return NounPhrase(
      text: article + " " + core, categories: entry.categories, head: entry.singular, sense: entry.sense,
      isPlural: isPlural)
  }

  /// Singulars that are games, materials or colours as often as things.
  private static let needsDeterminer: Set<String> = [
    "orange", "baseball", "basketball", "volleyball", "football", "softball", "glass", "cook", "male", "female",
    "meter",
    "remote", "pug", "pitcher", "ram", "cycle", "grizzly", "plant", "mandarin", "disc", "board", "adult",
  ]

  /// " in a white shirt", if the caption continues with what a person wears; otherwise empty.
  private static func clothing(from start: Int, _ words: CaptionWords) -> String {
    guard start + 1 < words.lower.count, ["in", "wearing"].contains(words.lower[start]) else { return "" }
    let hasArticle = CaptionWords.articles.contains(words.lower[start + 1])
    var at = start + (hasArticle ? 2 : 1)
    let limit = min(words.lower.count, at + 4)
    while at < limit {
      let word = words.lower[at]
      if garments.contains(word) {
        guard at + 1 == words.lower.count || CaptionWords.mayFollow(words.lower[at + 1]) else { return "" }
        let rest = words.original[(start + 1)...at].joined(separator: " ")
        let isCountable = word == "dress" || !word.hasSuffix("s") && word != "clothing" && word != "gear"
        return " \(words.lower[start]) " + (isCountable && !hasArticle ? Article.indefinite(before: rest) + " " : "")
          + rest
      }
      let joinsColours =
        word == "and" && CaptionWords.colours.contains(words.lower[at - 1]) && at + 1 < limit
        && CaptionWords.colours.contains(words.lower[at + 1])
      if !joinsColours, CaptionWords.isMark(word) || CaptionWords.boundaries.contains(word) { return "" }
      at += 1
    }
    return ""
  }

  private static let garments: Set<String> = [
    "shirt", "t-shirt", "hat", "suit", "jacket", "coat", "dress", "shorts", "pants", "uniform", "jeans", "helmet",
    "cap",
    "sweater",
    "hoodie", "vest", "skirt", "apron", "robe", "costume", "wetsuit", "bikini", "swimsuit", "scarf", "gear", "outfit",
    "sunglasses", "glasses", "clothes", "clothing", "trunks", "kimono", "tuxedo", "gown", "raincoat", "blouse", "top",
  ]
}

/// What stands between a noun and where its phrase begins.
private struct Modifiers {
  /// The words between the article and the noun, without the article.
  let range: Range<Int>
  /// nil if there is none.
  let determiner: String?
  let isQuantity: Bool

  /// More words than this before a noun are no longer its own.
  private static let most = 3

  /// - Returns: nil if the beginning of the phrase is unclear.
  init?(before noun: Int, _ words: CaptionWords) {
    var start = noun
    while start > 0 {
      let word = words.lower[start - 1]
      if CaptionWords.determiners.contains(word) || CaptionWords.quantities.contains(word)
        || CaptionWords.isPossessive(word)
      {
        let first = words.lower[start..<noun].first
        // "a couple of", "the other": what is left is not an adjective of the noun.
        if let first, CaptionWords.quantities.contains(first) { return nil }
        (range, determiner) = (start..<noun, word)
        isQuantity = CaptionWords.quantities.contains(word) && word != "some"
        return
      }
      let joinsColours =
        word == "and" && start >= 2 && CaptionWords.colours.contains(words.lower[start - 2])
        && start < noun && CaptionWords.colours.contains(words.lower[start])
      if !joinsColours, CaptionWords.isMark(word) || CaptionWords.boundaries.contains(word) { break }
      // A participle is an adjective only right behind the article: "a flying bird", not "a man riding horse".
      if !joinsColours, word.count > 4, word.hasSuffix("ing"), start >= 2,
        !CaptionWords.determiners.contains(words.lower[start - 2]),
        !CaptionWords.quantities.contains(words.lower[start - 2])
      {
        break
      }
      start -= 1
      if noun - start > Self.most { return nil }
    }
    // "to load passengers": a verb, not what passengers are like.
    if start > 0, start < noun, words.lower[start - 1] == "to" { start += 1 }
    // These words need not be adjectives of the noun: it is only known that a phrase begins here.
    (range, determiner, isQuantity) = (start..<noun, nil, false)
  }
}
