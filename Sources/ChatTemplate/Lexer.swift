/// One piece of a template's source.
struct Token {
  enum Kind: Equatable {
    case data, name, string, integer, float, symbol
    case variableBegin, variableEnd, blockBegin, blockEnd, end
  }

  var kind: Kind
  /// The text between tags, a name, a symbol, a string's value, a number's digits.
  var text: String
  var line: Int

  func isName(_ name: String) -> Bool { kind == .name && text == name }
  func isSymbol(_ symbol: String) -> Bool { kind == .symbol && text == symbol }

  /// For messages.
  var description: String {
    switch kind {
    case .end: "the end of the template"
    case .data: "text"
    case .variableBegin: "'{{'"
    case .variableEnd: "'}}'"
    case .blockBegin: "'{%'"
    case .blockEnd: "'%}'"
    case .string: "a string"
    case .name, .integer, .float, .symbol: "'\(text)'"
    }
  }
}

/// A fault at a line: of the source, or of rendering.
struct TemplateFault: Error {
  var line: Int
  var problem: String
}

/// Cuts a template into tokens, as jinja2's lexer does with `trim_blocks` and `lstrip_blocks`.
struct Lexer {
  /// Published templates have some 20 kB.
  static let sourceLimit = 1 << 20

  private let source: [Unicode.Scalar]
  private var position = 0
  private var line = 1
  private var countedTo = 0
  /// Whether the last piece ended with a line break: only then may blanks before a tag be taken away.
  private var lineStarting = true
  private var tokens: [Token] = []

  private init(_ source: [Unicode.Scalar]) { self.source = source }

  static func tokens(of source: String) throws -> [Token] {
    guard source.utf8.count <= sourceLimit else {
      throw TemplateFault(line: 1, problem: "the template is longer than \(sourceLimit) bytes")
    }
    var lexer = Lexer(normalized(source))
    while try lexer.readRoot() {}
    lexer.add(.end, "")
    return lexer.tokens
  }

  /// Every line break as "\n"; one at the very end is dropped.
  private static func normalized(_ source: String) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(source.utf8.count)
    var afterReturn = false
    for scalar in source.unicodeScalars {
      if scalar == "\r" {
        result.append("\n")
      } else if !(scalar == "\n" && afterReturn) {
        result.append(scalar)
      }
      afterReturn = scalar == "\r"
    }
    if result.last == "\n" { result.removeLast() }
    return result
  }

  // MARK: Text between tags

  /// Reads text up to the next tag, and the tag. False at the end.
  private mutating func readRoot() throws -> Bool {
    guard position < source.count else { return false }
    let start = position
    guard let tag = nextTag() else {
      addData(source[start...])
      position = source.count
      return false
    }
    let raw = source[tag + 1] == "%" ? rawBegin(at: tag) : nil
    var after = tag + 2
    let sign = signAt(&after)
    addText(from: start, to: tag, sign: sign, isVariable: source[tag + 1] == "{")
    position = raw ?? after
    lineStarting = source[position - 1] == "\n"
    switch source[tag + 1] {
    case "#": try skipComment()
    case "%" where raw != nil: try readRaw()
    case "%":
      add(.blockBegin, "{%")
      try readTag(closing: "%")
    default:
      add(.variableBegin, "{{")
      try readTag(closing: "}")
    }
    return true
  }

  private func nextTag() -> Int? {
    var index = position
    while index + 1 < source.count {
      if source[index] == "{", source[index + 1] == "{" || source[index + 1] == "%" || source[index + 1] == "#" {
        return index
      }
      index += 1
    }
    return nil
  }

  /// '-' or '+' directly behind a tag's start, skipped.
  private func signAt(_ index: inout Int) -> Unicode.Scalar? {
    guard index < source.count, source[index] == "-" || source[index] == "+" else { return nil }
    index += 1
    return source[index - 1]
  }

  /// The text before a tag: '-' takes all whitespace away from its end; else blanks from the line's start to a block or
  /// comment go, unless there is a '+'.
  private mutating func addText(from start: Int, to end: Int, sign: Unicode.Scalar?, isVariable: Bool) {
    var end = end
    if sign == "-" {
      while end > start, isPythonSpace(source[end - 1]) { end -= 1 }
    } else if sign != "+", !isVariable {
      var blank = end
      while blank > start, source[blank - 1] != "\n", isPythonSpace(source[blank - 1]) { blank -= 1 }
      let atLineStart = blank > start ? source[blank - 1] == "\n" : lineStarting
      if atLineStart { end = blank }
    }
    if end > start { addData(source[start..<end]) }
  }

  private mutating func addData(_ scalars: ArraySlice<Unicode.Scalar>) {
    guard !scalars.isEmpty else { return }
    tokens.append(Token(kind: .data, text: text(scalars), line: line(at: scalars.startIndex)))
  }

  private func text(_ scalars: ArraySlice<Unicode.Scalar>) -> String {
    var result = String.UnicodeScalarView()
    result.append(contentsOf: scalars)
    return String(result)
  }

  private mutating func skipComment() throws {
    guard position < source.count else { return }
    var index = position
    while index < source.count {
      if closes(at: index, "#", allowsPlus: true), let end = endOfTag(at: index, "#", trims: true) {
        position = end
        lineStarting = source[end - 1] == "\n"
        return
      }
      index += 1
    }
    throw TemplateFault(line: line(at: position), problem: "the comment has no end ('#}')")
  }

  /// Where the text of a raw block begins, if `{%` at `index` starts one.
  private func rawBegin(at index: Int) -> Int? {
    var index = index + 2
    _ = signAt(&index)
    skipSpaces(&index)
    guard skipWord("raw", &index) else { return nil }
    skipSpaces(&index)
    guard closes(at: index, "%", allowsPlus: false) else { return nil }
    return endOfTag(at: index, "%", trims: false)
  }

  private mutating func readRaw() throws {
    guard position < source.count else { return }
    let start = position
    var index = position
    while index + 1 < source.count {
      if source[index] == "{", source[index + 1] == "%" {
        var after = index + 2
        let sign = signAt(&after)
        skipSpaces(&after)
        if skipWord("endraw", &after) {
          skipSpaces(&after)
          if closes(at: after, "%", allowsPlus: true), let end = endOfTag(at: after, "%", trims: true) {
            addText(from: start, to: index, sign: sign, isVariable: false)
            position = end
            lineStarting = source[end - 1] == "\n"
            return
          }
        }
      }
      index += 1
    }
    throw TemplateFault(line: line(at: position), problem: "the raw block has no end ('{% endraw %}')")
  }

  private func skipSpaces(_ index: inout Int) {
    while index < source.count, isPythonSpace(source[index]) { index += 1 }
  }

  private func skipWord(_ word: String, _ index: inout Int) -> Bool {
    var at = index
    for scalar in word.unicodeScalars {
      guard at < source.count, source[at] == scalar else { return false }
      at += 1
    }
    index = at
    return true
  }

  // MARK: Ends of tags

  private func closes(at index: Int, _ mark: Unicode.Scalar, allowsPlus: Bool) -> Bool {
    func pair(_ at: Int) -> Bool { at + 1 < source.count && source[at] == mark && source[at + 1] == "}" }
    guard index < source.count else { return false }
    if pair(index) { return true }
    return (source[index] == "-" || (allowsPlus && source[index] == "+")) && pair(index + 1)
  }

  /// Behind the closing mark: '-' also takes all whitespace, no sign one line break where blocks are trimmed.
  private func endOfTag(at index: Int, _ mark: Unicode.Scalar, trims: Bool) -> Int? {
    switch source[index] {
    case "-":
      var end = index + 3
      skipSpaces(&end)
      return end
    case "+": return index + 3
    default:
      let end = index + 2
      return trims && end < source.count && source[end] == "\n" ? end + 1 : end
    }
  }

  // MARK: Inside tags

  private mutating func readTag(closing mark: Unicode.Scalar) throws {
    var open: [Unicode.Scalar] = []
    while position < source.count {
      let isBlock = mark == "%"
      if open.isEmpty, closes(at: position, mark, allowsPlus: isBlock),
        let end = endOfTag(at: position, mark, trims: isBlock)
      {
        add(isBlock ? .blockEnd : .variableEnd, isBlock ? "%}" : "}}")
        position = end
        lineStarting = source[end - 1] == "\n"
        return
      }
      let scalar = source[position]
      if isPythonSpace(scalar) {
        skipSpaces(&position)
      } else if scalar.isDigit {
        readNumber()
      } else if scalar.isNameStart {
        readName()
      } else if scalar == "'" || scalar == "\"" {
        try readString()
      } else {
        try readSymbol(&open)
      }
    }
  }

  private mutating func add(_ kind: Token.Kind, _ text: String) {
    tokens.append(Token(kind: kind, text: text, line: line(at: position)))
  }

  private mutating func line(at index: Int) -> Int {
    while countedTo < index {
      if source[countedTo] == "\n" { line += 1 }
      countedTo += 1
    }
    return line
  }

  private mutating func readName() {
    let start = position
    var end = position
    while end < source.count, source[end].isNameStart || source[end].isDigit { end += 1 }
    add(.name, text(source[start..<end]))
    position = end
  }

  private mutating func readNumber() {
    let start = position
    if let end = floatEnd(from: start), !(start > 0 && source[start - 1] == ".") {
      add(.float, text(source[start..<end].filter { $0 != "_" }[...]))
      position = end
      return
    }
    let end = integerEnd(from: start)
    add(.integer, text(source[start..<end].filter { $0 != "_" }[...]))
    position = end
  }

  /// Behind a run of digits with single underscores between them; nil if there is no digit.
  private func digitsEnd(from start: Int, _ accepts: (Unicode.Scalar) -> Bool = { $0.isDigit }) -> Int? {
    guard start < source.count, accepts(source[start]) else { return nil }
    var end = start + 1
    while end < source.count {
      if accepts(source[end]) {
        end += 1
      } else if source[end] == "_", end + 1 < source.count, accepts(source[end + 1]) {
        end += 2
      } else {
        break
      }
    }
    return end
  }

  private func floatEnd(from start: Int) -> Int? {
    guard var end = digitsEnd(from: start) else { return nil }
    var isFloat = false
    if end < source.count, source[end] == ".", let fraction = digitsEnd(from: end + 1) {
      (end, isFloat) = (fraction, true)
    }
    if end < source.count, source[end] == "e" || source[end] == "E" {
      var exponent = end + 1
      if exponent < source.count, source[exponent] == "+" || source[exponent] == "-" { exponent += 1 }
      if let last = digitsEnd(from: exponent) { (end, isFloat) = (last, true) }
    }
    return isFloat ? end : nil
  }

  private func integerEnd(from start: Int) -> Int {
    guard source[start] == "0" else { return digitsEnd(from: start) ?? start + 1 }
    if start + 1 < source.count {
      var first = start + 2
      if first < source.count, source[first] == "_" { first += 1 }
      let end: Int? =
        switch source[start + 1] {
        case "b", "B": digitsEnd(from: first) { $0 == "0" || $0 == "1" }
        case "o", "O": digitsEnd(from: first) { ("0"..."7").contains($0) }
        case "x", "X": digitsEnd(from: first) { $0.hexDigit != nil }
        default: nil
        }
      if let end { return end }
    }
    return digitsEnd(from: start) { $0 == "0" } ?? start + 1
  }

  private static let symbols = [
    "**", "//", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".",
    ":", "|", ",", ";",
  ]

  private mutating func readSymbol(_ open: inout [Unicode.Scalar]) throws {
    var after = position
    guard let symbol = Self.symbols.first(where: { skipWord($0, &after) }) else {
      throw TemplateFault(
        line: line(at: position), problem: "unexpected character \(quoted(String(Character(source[position]))))")
    }
    switch symbol {
    case "(": open.append(")")
    case "[": open.append("]")
    case "{": open.append("}")
    case ")", "]", "}":
      let expected = open.popLast()
      guard expected == source[position] else {
        let rather = expected.map { ", expected '\($0)'" } ?? ""
        throw TemplateFault(line: line(at: position), problem: "unexpected '\(symbol)'\(rather)")
      }
    default: break
    }
    add(.symbol, symbol)
    position = after
  }

  private mutating func readString() throws {
    let quote = source[position]
    var end = position + 1
    while end < source.count, source[end] != quote { end += source[end] == "\\" ? 2 : 1 }
    guard end < source.count else {
      throw TemplateFault(line: line(at: position), problem: "the string has no closing \(quote)")
    }
    let value: String
    do {
      value = try StringLiteral.value(of: source[(position + 1)..<end])
    } catch let fault as StringLiteral.Fault {
      throw TemplateFault(line: line(at: position), problem: fault.problem)
    }
    add(.string, value)
    position = end + 1
  }
}

extension Unicode.Scalar {
  var isDigit: Bool { ("0"..."9").contains(self) }
  /// Names are ASCII here. (Python would also take other letters, and normalise them.)
  var isNameStart: Bool { ("a"..."z").contains(self) || ("A"..."Z").contains(self) || self == "_" }

  var hexDigit: Int? {
    switch self {
    case "0"..."9": Int(value) - 48
    case "a"..."f": Int(value) - 87
    case "A"..."F": Int(value) - 55
    default: nil
    }
  }
}
