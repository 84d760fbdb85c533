/// A noun phrase of a caption that names an object of a category.
struct NounPhrase: Sendable, Equatable {
  /// Which of several objects a phrase is about, by their sizes.
  struct Comparison: Sendable, Equatable {
    enum Size: Sendable { case smallest, largest }

    let size: Size
    /// "the smaller": there are two.
    let isOfTwo: Bool
    /// The phrase with its comparison: "the smaller giraffe".
    let text: String
  }

  /// A singular phrase with its article, true of every object that it may be about: "a black cat", "the man in a white
  /// shirt".
  let text: String
  let categories: Set<String>
  /// The head noun's singular, and its group among the category's words.
  let head: String
  let sense: Int?
  /// Whether the caption speaks of several such objects: `text` is then made of one of them.
  let isPlural: Bool
  /// nil if the caption doesn't compare sizes.
  let comparison: Comparison?

  /// The phrases of a caption that name an object of some category, in the caption's order.
  ///
  /// The phrase runs from its article over known adjectives to the category's word, which must end it: what follows is a
  /// preposition, a verb, a punctuation mark. A phrase with an unclear end is left out; of one with an unclear beginning
  /// only what is known remains. What the caption says is not there has no phrase.
  static func all(in caption: String, words table: CategoryWords = .coco) -> [NounPhrase] {
    let words = CaptionWords(caption)
    var phrases: [NounPhrase] = []
    var at = 0
    var lastNoun: Int?
    while at < words.lower.count {
      guard let (entry, end) = longestEntry(at: at, words, table) else {
        at += 1
        continue
      }
      if let phrase = phrase(entry, at..<end, after: lastNoun, words) {
        phrases.append(phrase)
        lastNoun = end - 1
      } else if !entry.categories.isEmpty, !words.isColour(at: end - 1), end < words.lower.count,
        words.lower[end].hasSuffix("ed")
      {
        lastNoun = end - 1  // "the dog spotted cats": perhaps a verb, in any case not what the cats are like
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

  /// - Parameter lastNoun: where the phrase before this one ended: two nouns don't share an article ("a man riding bikes").
  private static func phrase(
    _ entry: CategoryWords.Entry, _ range: Range<Int>, after lastNoun: Int?, _ words: CaptionWords
  ) -> NounPhrase? {
    // Two nouns in a row are one name, or a noun and a verb ("a man cooks").
    guard !entry.categories.isEmpty, lastNoun != range.lowerBound - 1, !isOtherName(entry, range, words) else {
      return nil
    }
    let before = Modifiers(before: range, of: entry, from: lastNoun.map { $0 + 1 } ?? 0, words)
    if before.isNegated || before.isUnknown && ModifierWords.vague.contains(entry.singular) { return nil }
    if before.determiner == nil {
      // "orange" and similar words are objects only after an article.
      if !entry.isPlural, needsDeterminer.contains(entry.singular) { return nil }
      // "he is up to bat", but "next to bat and ball"
      let lead = words.lower[max(0, range.lowerBound - 2)..<range.lowerBound]
      if lead.last == "to", !["next", "close"].contains(lead.first), infinitives.contains(entry.singular) {
        return nil
      }
      // "a woman in red skis down": a verb. "wearing skis" is none.
      if verbs.contains(words.lower[range.upperBound - 1]), !before.walked.isEmpty { return nil }
    }
    let isPlural =
      before.isOneOfSeveral || entry.isPlural && entry.singular != words.lower[range].joined(separator: " ")
    return NounPhrase(entry, range, before, isPlural: isPlural, words)
  }

  /// Whether what follows the words makes them a part of another name.
  private static func isOtherName(_ entry: CategoryWords.Entry, _ range: Range<Int>, _ words: CaptionWords) -> Bool {
    let end = range.upperBound
    guard end < words.lower.count else { return false }
    guard words.mayEnd(at: end) else { return true }
    let next = words.lower[end]
    // "an orange and white cat"
    if CaptionWords.colours.contains(words.lower[end - 1]), Modifiers.isJoint(next), words.isColour(at: end + 1) {
      return true
    }
    // "a bed of ice", "a bag of chips", "a man made lake"
    if next == "of", ["bag", "batter", "bed", "board", "pitcher"].contains(entry.singular) { return true }
    if next == "made", words.lower[end - 1] == "man" { return true }
    // "a tv stand", "a boat ride"; but "a cat and a dog sit", "sheep sit" and a person who sits.
    return CaptionWords.bareVerbs.contains(next) && !entry.isPlural && entry.categories != ["person"]
      && CategoryWords.plural(of: entry.singular) != entry.singular
      && !words.lower[max(0, range.lowerBound - 3)..<range.lowerBound].contains(where: Modifiers.isJoint)
  }

  private init(
    _ entry: CategoryWords.Entry, _ range: Range<Int>, _ before: Modifiers, isPlural: Bool, _ words: CaptionWords
  ) {
    let noun = entry.isPlural ? entry.singular : words.plain(range)
    let modifiers = isPlural ? before.ofEach(words) : words.plain(before.kept)
    var core = modifiers.isEmpty ? noun : modifiers + " " + noun
    // What is not counted gets a word that is.
    let counted = ["scissors": "pair of ", "skis": "pair of ", "broccoli": "piece of "][noun]
    core = (counted ?? "") + core
    // Of several people, each may wear something else.
    if entry.categories == ["person"], !isPlural { core += Self.clothing(from: range.upperBound, words) }
    // The article is the caption's if it stands before the same words.
    let isWhole = !before.isCut && !isPlural && counted == nil
    text = Article.of(core, inCaption: isWhole ? before.determiner : nil) + " " + core
    categories = entry.categories
    head = entry.singular
    sense = entry.sense
    self.isPlural = isPlural
    comparison =
      entry.isPlural && entry.singular != noun
      ? nil : before.size.map { Comparison(size: $0.size, isOfTwo: $0.isOfTwo, text: "the \($0.word) \(core)") }
  }

  /// Singulars that are games, materials or colours as often as things.
  private static let needsDeterminer: Set<String> = [
    "orange", "baseball", "basketball", "volleyball", "football", "softball", "glass", "cook", "male", "female",
    "meter",
    "remote", "pug", "pitcher", "ram", "cycle", "grizzly", "plant", "mandarin", "disc", "board", "adult",
  ]

  private static let infinitives: Set<String> = ["bat", "cook", "board", "bike", "ship", "book", "phone"]

  /// Nouns that are verbs as often.
  private static let verbs: Set<String> = [
    "skis", "cooks", "boards", "bats", "bikes", "ships", "ties", "trains", "rams", "ducks", "cups", "books", "phones",
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
        guard words.mayEnd(at: at + 1) else { return "" }
        let rest = words.original[(start + 1)...at].joined(separator: " ")
        let isCountable = word == "dress" || !word.hasSuffix("s") && word != "clothing" && word != "gear"
        return " \(words.lower[start]) "
          + (isCountable && !hasArticle ? Article.of(rest, inCaption: nil) + " " : "") + rest
      }
      let joinsColours =
        word == "and" && CaptionWords.colours.contains(words.lower[at - 1]) && at + 1 < limit
        && CaptionWords.colours.contains(words.lower[at + 1])
      let isBoundary = CaptionWords.isMark(word) || CaptionWords.boundaries.contains(word)
      if !joinsColours, isBoundary || CaptionWords.determiners.contains(word) || CaptionWords.isPossessive(word) {
        return ""
      }
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
