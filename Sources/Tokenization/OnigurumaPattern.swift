/// Rewrites a pattern of tokenizer.json, which is written for Oniguruma, into PCRE2's language.
///
/// Both read the common language in the same way. What differs: `\s` (PCRE2 adds U+180E), `\w`, `\h`, `\u`, `(?m)`, `\p{Han}`,
/// and the version of Unicode: the tokenizers library carries Oniguruma's 16.0, a system's PCRE2 may be older, so
/// classes are filled up to 16.0. Where Oniguruma gives a meaning PCRE2 can't be made to share, the pattern is refused.
/// One difference stays: under `(?i)` Oniguruma also folds one character to several ("ss" matches "ß"), PCRE2 doesn't.
struct OnigurumaPattern {
  /// Why a pattern can't be translated.
  struct Unsupported: Error { let problem: String }

  private let source: [Unicode.Scalar]
  private var index = 0
  private var output = String.UnicodeScalarView()
  private var insideClass = false

  static func translate(_ pattern: String) throws -> String {
    var translation = OnigurumaPattern(source: Array(pattern.unicodeScalars))
    try translation.run()
    return String(translation.output)
  }

  private init(source: [Unicode.Scalar]) { self.source = source }

  private func scalar(_ ahead: Int) -> Unicode.Scalar? {
    index + ahead < source.count ? source[index + ahead] : nil
  }

  private mutating func emit(_ text: String) { output.append(contentsOf: text.unicodeScalars) }

  private mutating func copy(_ count: Int) {
    for _ in 0..<count where index < source.count {
      output.append(source[index])
      index += 1
    }
  }

  private mutating func run() throws {
    while let current = scalar(0) {
      switch current {
      case "\\": try escape()
      case "[" where !insideClass:
        insideClass = true
        copy(1)
        if scalar(0) == "^" { copy(1) }
        if scalar(0) == "]" { copy(1) }
      case "[" where scalar(1) == ":": posixClass()
      case "[": throw Unsupported(problem: "a character class inside another is not supported")
      case "&" where insideClass && scalar(1) == "&":
        throw Unsupported(problem: "the intersection of character classes (&&) is not supported")
      case "]" where insideClass:
        insideClass = false
        copy(1)
      case "(" where !insideClass && scalar(1) == "?": group()
      case "{" where !insideClass: try interval()
      default: copy(1)
      }
    }
  }

  private mutating func posixClass() {
    copy(2)
    while let current = scalar(0), current != "]" {
      _ = current
      copy(1)
    }
    copy(1)
  }

  /// `(?im-x` … : Oniguruma's `m` (the dot matches line ends) is PCRE2's `s`.
  private mutating func group() {
    var length = 2
    while let letter = scalar(length), "imx-".unicodeScalars.contains(letter) { length += 1 }
    guard scalar(length) == ":" || scalar(length) == ")" else { return copy(2) }
    for letter in source[index..<(index + length)] { output.append(letter == "m" ? "s" : letter) }
    index += length
  }

  /// `{n,m}`: `{,m}` begins at 0, and a plus after it means again-and-again, not possessive.
  private mutating func interval() throws {
    var length = 1
    while let digit = scalar(length), "0123456789,".unicodeScalars.contains(digit) { length += 1 }
    guard length > 1, scalar(length) == "}" else { return copy(1) }
    guard scalar(length + 1) != "+" else {
      throw Unsupported(problem: "a plus after {n,m} is not supported")
    }
    copy(1)
    if scalar(0) == "," { emit("0") }
    copy(length)
  }

  private mutating func escape() throws {
    guard let letter = scalar(1) else { return copy(1) }
    switch letter {
    case "s", "S": replace("\\\(letter == "s" ? "p" : "P"){White_Space}")
    case "d": replace(members: CharacterClass.digits)
    case "D": try replace(outside: CharacterClass.digits, letter)
    case "w": replace(members: CharacterClass.word)
    case "W": try replace(outside: CharacterClass.word, letter)
    case "h": replace(members: "0-9a-fA-F")
    case "H": try replace(outside: "0-9a-fA-F", letter)
    case "u":
      let digits = source[index...].dropFirst(2).prefix(4)
      guard digits.count == 4, digits.allSatisfy(\.properties.isASCIIHexDigit) else {
        throw Unsupported(problem: "\\u must be followed by four hexadecimal digits")
      }
      emit("\\x{\(String(String.UnicodeScalarView(digits)))}")
      index += 6
    case "p", "P":
      if scalar(2) == "{" { try property(negated: letter == "P") } else { copy(2) }
    default: copy(2)
    }
  }

  private mutating func replace(_ text: String) {
    emit(text)
    index += 2
  }

  private mutating func replace(members: String) { replace(insideClass ? members : "[\(members)]") }

  private mutating func replace(outside members: String, _ letter: Unicode.Scalar) throws {
    guard !insideClass else {
      throw Unsupported(problem: "\\\(letter) inside a character class is not supported")
    }
    replace("[^\(members)]")
  }

  /// `\p{Name}`, `\p{^Name}`, `\P{Name}`.
  private mutating func property(negated: Bool) throws {
    guard let end = source[index...].firstIndex(of: "}") else {
      throw Unsupported(problem: "\\p{ has no closing brace")
    }
    var name = String(String.UnicodeScalarView(source[(index + 3)..<end]))
    var negated = negated
    if name.hasPrefix("^") {
      negated.toggle()
      name.removeFirst()
    }
    let members = CharacterClass.members(ofProperty: name)
    index = end + 1
    switch (negated, insideClass) {
    case (false, true): emit(members)
    case (false, false): emit("[\(members)]")
    case (true, false): emit("[^\(members)]")
    case (true, true): emit("\\P{\(CharacterClass.propertyName(name))}")
    }
  }
}
