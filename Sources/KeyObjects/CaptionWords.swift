/// A caption cut into words and marks, and the closed classes of words that bound a noun phrase.
struct CaptionWords: Sendable {
  /// As written, but that a sentence's capital and captions all in capitals are brought down; and all in lower case.
  let original: [String]
  let lower: [String]

  init(_ caption: String) {
    var words: [String] = []
    var word = ""
    func finish() {
      if !word.isEmpty { words.append(word) }
      word = ""
    }
    for character in caption {
      if character.isLetter || character.isNumber || (Self.joiners.contains(character) && !word.isEmpty) {
        word.append(character == "\u{2019}" ? "'" : character)
      } else {
        finish()
        if !character.isWhitespace { words.append(String(character)) }
      }
    }
    finish()
    // A joiner at a word's end joins nothing: "- ", "dogs'".
    words = words.flatMap { word -> [String] in
      guard let last = word.last, Self.joiners.contains(last), word.count > 1 else { return [word] }
      let bare = String(word.reversed().drop { Self.joiners.contains($0) }.reversed())
      return last == "'" && bare.hasSuffix("s") ? [word] : [bare, String(last)]
    }
    lower = words.map { $0.lowercased() }
    let isShouted = !words.contains { $0.contains(where: \.isLowercase) }
    original = zip(words, lower).enumerated().map { index, word in
      let isSentenceCase = index == 0 && !word.0.dropFirst().contains(where: \.isUppercase)
      return isShouted || isSentenceCase ? word.1 : word.0
    }
  }

  private static let joiners: Set<Character> = ["'", "\u{2019}", "-"]

  static func isMark(_ word: String) -> Bool { !word.contains { $0.isLetter || $0.isNumber } }

  /// "man's", "dogs'".
  static func isPossessive(_ word: String) -> Bool { word.hasSuffix("'s") || word.hasSuffix("s'") }

  static let articles: Set<String> = ["a", "an", "the"]

  /// Words that may replace an article before a singular.
  static let determiners: Set<String> = [
    "a", "an", "the", "one", "another", "this", "that", "his", "her", "its", "their", "my", "your", "our", "each",
    "every",
    "single", "some", "any",
  ]

  /// What goes before a plural.
  static let quantities: Set<String> = [
    "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "dozen", "several",
    "some",
    "many", "few", "multiple", "various", "numerous", "these", "those", "both", "all", "different", "assorted",
    "couple",
    "more", "most", "other", "2", "3", "4", "5", "6", "7", "8", "9", "10",
  ]

  static let colours: Set<String> = [
    "black", "white", "red", "green", "blue", "yellow", "brown", "gray", "grey", "orange", "pink", "purple", "silver",
    "gold", "golden", "tan", "beige", "teal", "maroon",
  ]

  /// Prepositions, conjunctions, pronouns, auxiliary and frequent verbs: a noun phrase neither holds nor crosses them.
  static let boundaries: Set<String> = Set(
    """
    of in on at with by for from to into onto over under near next behind beside besides between among above below across \
    along around against inside outside through up down off out toward towards during while as like without within upon \
    atop past amid beneath underneath alongside throughout via per about after before until \
    and or but nor so if because than then when where how why what \
    who which whom whose he she it they there here we i you him them us me himself herself itself themselves someone something \
    is are was were be being been am has have had having do does did can could will would should may might must isn't aren't \
    sits sit sat stands stand stood lies lie lays lay laid rides ride rode holds hold held eats eat ate looks look looked walks \
    walk runs run ran plays play jumps jump flies fly flew hangs hang hung rests rest watches watch waits wait swings swing hits hit \
    throws throw threw catches catch caught poses pose smiles smile drives drive drove travels travel moves move passes pass takes \
    take took gets get got makes make made goes go shows show shown features contains contain includes include wears wear carries carry \
    stares stare leans lean sleeps sleep drinks drink uses use tries try prepares prepare reads read talks talk cuts cut \
    puts put pulls pull pushes push rolls roll slides slide skis skies surfs surf glides glide crosses cross approaches \
    approach enjoys enjoy displays display appears appear seems seem attempts attempt leaps leap reaches reach kicks kick \
    floats float follows follow grazes graze peers peer performs perform serves serve speaks speak swims swim turns turn \
    works work does opens open brushes brush cooks feeds feed keeps keep leads lead lets let pets pet \
    photo photograph picture image view wit meal
    not also just still already very too together only away back
    """.split { $0.isWhitespace }.map(String.init))

  /// Verbs and nouns that make another name of the singular before them: "tv stand", "boat ride", "cat picture".
  static let bareVerbs: Set<String> = Set(
    """
    sit stand ride hold eat look walk run play jump fly hang rest watch wait swing throw catch pose drive travel move pass \
    take make go show contain include wear carry stare lean sleep drink use try prepare talk pull push roll slide ski surf \
    glide cross approach enjoy display appear seem attempt leap reach kick float follow graze peer perform serve speak swim \
    turn work do open brush cook feed keep lead pet photo photograph picture image view meal
    """.split { $0.isWhitespace }.map(String.init))

  /// Adjectives and adverbs that may follow a noun phrase.
  static let trailers: Set<String> = [
    "full", "ready", "alone", "asleep", "high", "low", "close", "outdoors", "indoors", "now", "mid", "half",
    "partially",
    "first", "right", "left", "upside", "late", "early", "airborne", "similar", "available", "visible", "nearby",
    "downtown", "home", "side",
  ]

  /// Whether a noun phrase may end before the word at `at`: anything else may be the rest of a compound noun.
  func mayEnd(at: Int) -> Bool {
    guard at < lower.count else { return true }
    let word = lower[at]
    if Self.isBoundary(word) { return true }
    guard !Self.compounds.contains(word), word.count > 4 else { return false }
    // "a bird feeding station", "a kite flying contest".
    if word.hasSuffix("ing"), at + 1 < lower.count, Self.activities.contains(lower[at + 1]) { return false }
    // "a fruit topped pizza", "an orange checkered chair": the participle and the noun before it describe another.
    if word.hasSuffix("ed"), at + 1 < lower.count {
      let next = lower[at + 1]
      guard Self.isBoundary(next) || Self.isPossessive(next) || ["ing", "ly"].contains(where: next.hasSuffix) else {
        return false
      }
    }
    return ["ing", "ed", "ly"].contains(where: word.hasSuffix)
  }

  private static func isBoundary(_ word: String) -> Bool {
    isMark(word) || boundaries.contains(word) || determiners.contains(word) || quantities.contains(word)
      || trailers.contains(word)
  }

  func isColour(at: Int) -> Bool { lower.indices.contains(at) && Self.colours.contains(lower[at]) }

  /// The words as they stand within a sentence, commas right behind them.
  func plain(_ range: Range<Int>) -> String {
    range.reduce(into: "") { text, at in
      if !text.isEmpty, lower[at] != "," { text += " " }
      text += isTitle(at) ? lower[at] : original[at]
    }
  }

  /// Whether a word has a title's capital: a proper name's is kept.
  private func isTitle(_ at: Int) -> Bool {
    guard let first = original[at].first, first.isUppercase, original[at].count > 1 else { return false }
    return !original[at].dropFirst().contains(where: \.isUppercase) && !Self.isProper(lower[at])
  }

  private static let proper: Set<String> = [
    "german", "greek", "dutch", "thai", "wii", "nintendo", "xbox", "sony", "dell", "samsung", "nokia", "olympic",
    "christmas",
  ]

  private static func isProper(_ word: String) -> Bool {
    ["ish", "ese", "ican", "ian"].contains(where: word.hasSuffix) || proper.contains(word)
  }

  /// What an activity is followed by if it names something else.
  private static let activities: Set<String> = [
    "event", "competition", "contest", "race", "station", "lesson", "lessons", "school", "class", "festival", "show",
    "area", "park", "tournament", "game", "club", "equipment", "gear", "track", "course", "platform",
  ]

  /// Participles that make a compound of the noun before them: "train crossing".
  private static let compounds: Set<String> = [
    "crossing", "racing", "surfing", "boarding", "shaped", "themed", "sized", "building", "landing", "clothing",
    "railing", "painting", "drawing", "covering", "setting", "colored", "coloured", "printed", "styled", "inspired",
    "dressing", "frosting", "topping",
  ]
}
