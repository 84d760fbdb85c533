/// What stands between a noun and where its phrase begins.
struct Modifiers {
  /// The words that describe the object, without the article: the longest known row of them before the noun.
  private(set) var kept: Range<Int>
  /// All words back to the article, or to where the phrase begins without one.
  private(set) var walked: Range<Int>
  /// nil if there is none.
  private(set) var determiner: String?
  /// "two", "the other", "each": the caption speaks of more than one.
  private(set) var isOneOfSeveral = false
  /// "no dogs", "not a dog", "without a dog".
  private(set) var isNegated = false
  /// A comparison of sizes, and its word.
  private(set) var size: (size: NounPhrase.Comparison.Size, isOfTwo: Bool, word: String)?
  /// Whether the word right before the noun isn't known.
  private(set) var isUnknown = false

  /// Whether words of the phrase are left out.
  var isCut: Bool { kept != walked }

  /// More words than this before a noun are no longer its own.
  private static let most = 8

  /// - Parameters:
  ///   - noun: the words of the entry.
  ///   - first: where the phrase begins at the earliest.
  init(
    before noun: Range<Int>, of entry: CategoryWords.Entry, from first: Int, _ words: CaptionWords
  ) {
    let end = noun.lowerBound
    var start = end
    while start > first, end - start < Self.most {
      let word = words.lower[start - 1]
      if Self.begins(word) {
        determiner = word
        break
      }
      if Self.ends(word), !Self.joins(at: start - 1, of: end, words), !Self.isDegree(at: start - 1, of: end, words) {
        break
      }
      // A participle is an adjective only right behind an article or an adjective: "a flying bird", not "a man riding
      // horse".
      if Self.isGerund(word),
        start < 2 || !Self.begins(words.lower[start - 2]) && !Self.isDescribing(words.lower[start - 2])
      {
        break
      }
      start -= 1
    }
    walked = start..<end
    kept = walked
    isNegated = words.lower[max(0, start - 2)..<end].contains { Self.negations.contains($0) }
    isOneOfSeveral = determiner.map { Self.several.contains($0) } ?? false
    keepKnown(entry.categories, words)
    // Words right behind a noun, without an article, may be its verb ("the dog spotted a cat"); a singular's article
    // before a plural is another noun's ("in a kitchen bottles stand").
    let isBehindNoun = determiner == nil && first > 0 && start == first
    let isPlural = entry.isPlural && entry.singular != words.lower[noun].joined(separator: " ")
    let isOthers = isPlural && (determiner == "a" || determiner == "an")
    if isBehindNoun || isOthers { kept = end..<end }
  }

  /// Reduces `kept` to the words that are known to be about the noun.
  private mutating func keepKnown(_ categories: Set<String>, _ words: CaptionWords) {
    var start = walked.upperBound
    while start > walked.lowerBound {
      let at = start - 1
      if !Self.joins(at: at, of: walked.upperBound, words), !isKnown(at: at, categories, words) { break }
      start = at
    }
    isUnknown = start == walked.upperBound && walked.last.map { !Self.isColoured(words.lower[$0]) } ?? false
    // A row without its first part says less than the caption, or something else: "a (tricolour) and red bus".
    let cutsRow =
      start > walked.lowerBound
      && (Self.isJoint(words.lower[start]) || Self.joins(at: start - 1, of: walked.upperBound, words))
    if cutsRow || determiner == nil && startsInRow(start, words) { start = walked.upperBound }
    kept = start..<walked.upperBound
    for at in walked {
      let word = words.lower[at]
      if ModifierWords.comparing.contains(word) {
        isOneOfSeveral = true
        size = size ?? Self.sizes[word].map { ($0.size, $0.isOfTwo, word) }
      }
      if ModifierWords.collective.contains(word) { kept = walked.upperBound..<walked.upperBound }
    }
    // "a second and larger horse": the comparison is all that is said.
    if let last = kept.last(where: { ModifierWords.comparing.contains(words.lower[$0]) }) {
      kept = (last + 1)..<walked.upperBound
    }
  }

  /// Whether a row without an article may have begun earlier: "the sky is blue, green bus".
  private func startsInRow(_ start: Int, _ words: CaptionWords) -> Bool {
    guard (start..<walked.upperBound).contains(where: { Self.isJoint(words.lower[$0]) }) else { return false }
    let isOfColours = (start..<walked.upperBound).allSatisfy {
      !Self.isJoint(words.lower[$0])
        || words.lower[$0] != "," && words.isColour(at: $0 - 1) && words.isColour(at: $0 + 1)
    }
    return !isOfColours && start > 0
  }

  private func isKnown(at: Int, _ categories: Set<String>, _ words: CaptionWords) -> Bool {
    let word = words.lower[at]
    let before = at > walked.lowerBound ? words.lower[at - 1] : nil
    if ModifierWords.measured.contains(word), let before, ModifierWords.units.contains(before) { return false }
    if Self.isColoured(word) {
      return before.map { CaptionWords.colours.contains($0) || Self.tones.contains($0) || Self.isAdverb($0) } ?? false
    }
    if word.hasSuffix("ing"), determiner == nil, !ModifierWords.noParticiples.contains(word) { return false }
    if ModifierWords.adjectives.contains(word) || ModifierWords.comparing.contains(word)
      || ModifierWords.collective.contains(word) || ModifierWords.isAttribute(word, of: categories)
      || ModifierWords.isHyphenatedAdjective(word) || ModifierWords.hasAdjectiveEnding(word)
    {
      return true
    }
    // An adverb belongs to an adjective or participle behind it.
    if Self.isAdverb(word) || ModifierWords.degrees.contains(word) { return at + 1 < walked.upperBound }
    // "a parked car", not "the man parked cars".
    let follows =
      before.map(Self.isDescribing) ?? (determiner.map { !CaptionWords.isPossessive($0) } ?? (at == 0))
    guard follows, word.count > 4, !ModifierWords.noParticiples.contains(word) else { return false }
    if word.hasSuffix("ed") { return true }
    return Self.isGerund(word) && determiner != nil && ModifierWords.moves(categories)
  }

  /// In which colours it doesn't say.
  private static func isColoured(_ word: String) -> Bool { word == "colored" || word == "coloured" }

  private static let tones: Set<String> = ["light", "dark", "bright", "multi", "rainbow", "cream", "pastel", "neon"]

  private static func isGerund(_ word: String) -> Bool {
    word.count > 4 && word.hasSuffix("ing") && !ModifierWords.noParticiples.contains(word)
      && !ModifierWords.adjectives.contains(word)
  }

  private static func isDescribing(_ word: String) -> Bool {
    isAdverb(word) || ModifierWords.adjectives.contains(word)
  }

  private static func isAdverb(_ word: String) -> Bool {
    word.count > 4 && word.hasSuffix("ly") && !ModifierWords.noParticiples.contains(word)
      && !ModifierWords.adjectives.contains(word)
  }

  // MARK: - Where a phrase begins

  private static func begins(_ word: String) -> Bool {
    CaptionWords.determiners.contains(word) || CaptionWords.quantities.contains(word) || CaptionWords.isPossessive(word)
  }

  private static func ends(_ word: String) -> Bool {
    CaptionWords.isMark(word) || CaptionWords.boundaries.contains(word)
  }

  /// Determiners of one among several, and quantities.
  private static let several = CaptionWords.quantities.subtracting(["some"])
    .union(["another", "each", "every", "any", "either", "neither"])

  /// Whether the comma or conjunction joins two adjectives of the noun at `end`: "a tall, thin man", "black and white".
  private static func joins(at: Int, of end: Int, _ words: CaptionWords) -> Bool {
    guard isJoint(words.lower[at]), at > 0, at + 1 < end else { return false }
    func isJoinable(_ word: String) -> Bool {
      ModifierWords.adjectives.contains(word) || ModifierWords.comparing.contains(word)
        || ModifierWords.isHyphenatedAdjective(word)
        || word.count > 4 && word.hasSuffix("ed") && !ModifierWords.noParticiples.contains(word)
    }
    let next = words.lower[at + 1]
    let previous = words.lower[at - 1]
    if previous == ",", words.lower[at] != "," { return isJoinable(next) && joins(at: at - 1, of: end, words) }
    if isJoint(next), words.lower[at] == "," {
      return isJoinable(previous) && at + 2 < end && isJoinable(words.lower[at + 2])
    }
    return isJoinable(previous) && (isJoinable(next) || isAdverb(next) && at + 2 < end)
  }

  static func isJoint(_ word: String) -> Bool { word == "," || word == "and" || word == "&" }

  private static func isDegree(at: Int, of end: Int, _ words: CaptionWords) -> Bool {
    ModifierWords.degrees.contains(words.lower[at]) && at + 1 < end
  }

  private static let negations: Set<String> = ["no", "not", "without", "never", "nor", "neither"]

  private static let sizes: [String: (size: NounPhrase.Comparison.Size, isOfTwo: Bool)] = [
    "smaller": (.smallest, true), "smallest": (.smallest, false), "larger": (.largest, true),
    "largest": (.largest, false), "bigger": (.largest, true), "biggest": (.largest, false),
  ]

  // MARK: - Of several objects

  /// What is said of each of several: "black and white" may be of one black and one white.
  func ofEach(_ words: CaptionWords) -> String {
    kept.contains { Self.isJoint(words.lower[$0]) } ? "" : words.plain(kept)
  }
}
