/// Which program's rule decides whether an answer is correct.
public enum VQADialect: String, CaseIterable, Sendable, Encodable {
  /// VQA's own vqaEval.py.
  case official = "vqa-official"
  /// lmms-eval, which puts every candidate through the EvalAI answer processor first.
  case lmmsEval = "lmms-eval"
}

/// How answers are normalised before they are compared: vqaEval.py's processPunctuation and processDigitArticle with
/// all their habits (github.com/GT-Vision-Lab/VQA, commit a013f00), and the EvalAI answer processor of lmms-eval.
///
/// Answers are lists of scalars: to Swift's `String` an é of one scalar is an é of two, to Python it isn't.
struct VQANormalization: Sendable {
  typealias Answer = [Unicode.Scalar]

  let dialect: VQADialect
  /// Answers repeat: what became of those seen.
  private var known: [Answer: Answer] = [:]

  init(_ dialect: VQADialect) { self.dialect = dialect }

  /// Line ends and tabs to spaces, and none at either end: what always happens.
  static func trimmed(_ answer: some Sequence<Unicode.Scalar>) -> Answer {
    let spaced = answer.map { $0 == "\n" || $0 == "\t" ? " " : $0 }
    guard let first = spaced.firstIndex(where: { !isSpace($0) }), let last = spaced.lastIndex(where: { !isSpace($0) })
    else { return [] }
    return Array(spaced[first...last])
  }

  /// A candidate as the dialect takes it, whatever people answered.
  mutating func candidate(_ answer: String) -> Answer {
    switch dialect {
    case .official: Self.trimmed(answer.unicodeScalars)
    case .lmmsEval: normalized(Self.trimmed(Self.separated(Self.lowered(answer.unicodeScalars))))
    }
  }

  /// Commas and question marks away, and a space before 's.
  private static func separated(_ answer: Answer) -> Answer {
    let kept = answer.filter { $0 != "," && $0 != "?" }
    return kept.indices.flatMap { i -> Answer in
      kept[i] == "'" && i + 1 < kept.count && kept[i + 1] == "s" ? [" ", "'"] : [kept[i]]
    }
  }

  /// Normalises punctuation, full stops, capitals, number words, articles and contractions.
  mutating func normalized(_ answer: Answer) -> Answer {
    if let result = known[answer] { return result }
    let plain = Self.lowered(Self.withoutFullStops(withoutPunctuation(answer)))
    var words: [String] = []
    for scalars in plain.split(whereSeparator: Self.isSpace) {
      var word = String(String.UnicodeScalarView(scalars))
      word = Self.numbers[word] ?? word
      if !Self.articles.contains(word) { words.append(VQAContractions.table[word] ?? word) }
    }
    let result = Answer(words.joined(separator: " ").unicodeScalars)
    known[answer] = result
    return result
  }

  private static let punctuation = Set<Unicode.Scalar>(#";/[]"{}()=+\_-><@`,?!"#.unicodeScalars)

  /// Each mark of punctuation becomes a space; but one that stands beside a space somewhere in the answer goes away
  /// altogether, and all do where a comma stands between digits.
  private func withoutPunctuation(_ answer: Answer) -> Answer {
    var removed: Set<Unicode.Scalar> = []
    for i in answer.indices where Self.punctuation.contains(answer[i]) {
      let besideSpace = (i > 0 && answer[i - 1] == " ") || (i + 1 < answer.count && answer[i + 1] == " ")
      if besideSpace { removed.insert(answer[i]) }
    }
    let removesAll = hasCommaInNumber(answer)
    return answer.compactMap { scalar in
      guard Self.punctuation.contains(scalar) else { return scalar }
      return removesAll || removed.contains(scalar) ? nil : " "
    }
  }

  /// lmms-eval takes several commas in a row for one.
  private func hasCommaInNumber(_ answer: Answer) -> Bool {
    answer.indices.contains { i in
      guard answer[i] == ",", i > 0, Self.isDigit(answer[i - 1]) else { return false }
      let next = dialect == .official ? answer[(i + 1)...].first : answer[i...].first { $0 != "," }
      return next.map(Self.isDigit) ?? false
    }
  }

  /// Full stops go, unless a digit follows; but no more than 32: vqaEval.py hands `re.UNICODE`, which is 32, to
  /// `re.sub` as the number of replacements.
  private static func withoutFullStops(_ answer: Answer) -> Answer {
    var removals = 0
    return answer.indices.compactMap { i in
      guard answer[i] == ".", removals < 32, i + 1 == answer.count || !isDigit(answer[i + 1]) else { return answer[i] }
      removals += 1
      return nil
    }
  }

  private static let articles: Set = ["a", "an", "the"]
  private static let numbers = [
    "none": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7",
    "eight": "8", "nine": "9", "ten": "10",
  ]

  private static func lowered(_ answer: some Sequence<Unicode.Scalar>) -> Answer {
    answer.flatMap { $0.isASCII ? [ascii($0)] : Answer($0.properties.lowercaseMapping.unicodeScalars) }
  }

  private static func ascii(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
    ("A"..."Z").contains(scalar) ? Unicode.Scalar(UInt8(scalar.value) | 0x20) : scalar
  }

  /// As Python's `str.isspace`.
  private static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
    scalar.properties.isWhitespace || (0x1c...0x1f).contains(scalar.value)
  }

  /// As `\d` of Python's `re`.
  private static func isDigit(_ scalar: Unicode.Scalar) -> Bool {
    scalar.properties.generalCategory == .decimalNumber
  }
}
