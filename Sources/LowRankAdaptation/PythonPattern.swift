import Tokenization

/// Regular expressions of Python's `re`, which PEFT matches module names with, in PCRE2's language.
///
/// Both read most patterns alike. What Python reads otherwise is written for PCRE2 as Python means it; what only one of them
/// knows is refused, backreferences too: Python counts and checks them in its own way. Module names are ASCII without line
/// breaks, so that differences in Unicode and in line ends don't matter.
enum PythonPattern {
  /// `re.fullmatch(pattern, …)`.
  static func whole(_ pattern: String) throws -> RegularExpression {
    try RegularExpression(pcre2: translate(pattern), place: .whole)
  }

  /// `re.match(pattern, …)`.
  static func start(_ pattern: String) throws -> RegularExpression {
    try RegularExpression(pcre2: translate(pattern), place: .start)
  }

  /// - Throws: `RegularExpression.Invalid` naming the construct.
  static func translate(_ pattern: String) throws -> String {
    var scanner = Scanner(input: Array(pattern.unicodeScalars))
    try scanner.run()
    return String(scanner.output)
  }

  private struct Scanner {
    let input: [Unicode.Scalar]
    var place = 0
    var output = String.UnicodeScalarView()

    private var next: Unicode.Scalar? { peek(0) }
    private func peek(_ offset: Int) -> Unicode.Scalar? {
      place + offset < input.count ? input[place + offset] : nil
    }

    private mutating func copy(_ count: Int = 1) {
      output.append(contentsOf: input[place..<place + count])
      place += count
    }

    private mutating func write(_ text: String, skipping count: Int) {
      output.append(contentsOf: text.unicodeScalars)
      place += count
    }

    private func refused(_ what: String) -> RegularExpression.Invalid {
      RegularExpression.Invalid(problem: "\(what) at character \(place) isn't supported")
    }

    mutating func run() throws {
      while let scalar = next {
        switch scalar {
        case "\\": try escape(inClass: false)
        case "[": try characterClass()
        case "(": try group()
        case "{": brace()
        default: copy()
        }
      }
    }

    private mutating func escape(inClass: Bool) throws {
      guard let letter = peek(1) else { throw refused("a backslash at the end") }
      switch letter {
      case "v": write("\\x0B", skipping: 2)  // PCRE2's is a class
      case "Z" where !inClass: write("\\z", skipping: 2)  // Python's is the very end
      case "A" where !inClass, "B" where !inClass: copy(2)
      case "b", "d", "D", "s", "S", "w", "W", "a", "f", "n", "r", "t": copy(2)
      case "x":
        guard let high = peek(2), let low = peek(3), high.isHexadecimal, low.isHexadecimal else {
          throw refused("\\x without two hexadecimal digits")
        }
        copy(4)
      case "0"..."9": throw refused("the backreference or octal number \\\(letter)")
      case "a"..."z", "A"..."Z": throw refused("\\\(letter)")
      default: copy(2)
      }
    }

    private mutating func characterClass() throws {
      copy()
      if next == "^" { copy() }
      if next == "]" { write("\\]", skipping: 1) }
      while let scalar = next {
        switch scalar {
        case "]": return copy()
        case "\\": try escape(inClass: true)
        case "[": write("\\[", skipping: 1)  // PCRE2 has named classes, as [:alpha:]
        default: copy()
        }
      }
      throw refused("a character class without an end")
    }

    private mutating func group() throws {
      guard peek(1) != "*" else { throw refused("(*") }
      guard peek(1) == "?" else { return copy() }
      switch peek(2) {
      case ":", "=", "!", ">": copy(3)
      case "<" where peek(3) == "=" || peek(3) == "!": copy(4)
      case "P" where peek(3) == "<": copy(4)
      case "#":
        guard let end = input[place...].firstIndex(of: ")") else { throw refused("a comment without an end") }
        place = end + 1
      default: try flags()
      }
    }

    /// `(?i:`, `(?-s:`, and `(?i)` where the pattern begins.
    private mutating func flags() throws {
      let letters = input[(place + 2)...].prefix { ["i", "s", "-"].contains($0) }
      guard !letters.isEmpty, letters.endIndex < input.count else { throw refused("this kind of group") }
      switch input[letters.endIndex] {
      case ":": copy(letters.count + 3)
      case ")" where place == 0 && !letters.contains("-"): copy(letters.count + 3)
      default: throw refused("this kind of group")
      }
    }

    /// Python's quantifiers may begin with a comma; any other brace stands for itself.
    private mutating func brace() {
      let input = input
      let digits = { (from: Int) in input[from...].prefix { ("0"..."9").contains($0) } }
      let least = digits(place + 1)
      let hasMost = least.endIndex < input.count && input[least.endIndex] == ","
      let most = digits(least.endIndex + (hasMost ? 1 : 0))
      let end = hasMost ? most.endIndex : least.endIndex
      guard end < input.count, input[end] == "}", hasMost || !least.isEmpty else { return write("\\{", skipping: 1) }
      if least.isEmpty { write("{0", skipping: 1) }
      copy(end + 1 - place)
    }
  }
}

extension Unicode.Scalar {
  fileprivate var isHexadecimal: Bool {
    ("0"..."9").contains(self) || ("a"..."f").contains(self) || ("A"..."F").contains(self)
  }
}
