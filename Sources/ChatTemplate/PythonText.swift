/// Whether Python's `str.isspace` holds.
func isPythonSpace(_ scalar: Unicode.Scalar) -> Bool {
  switch scalar.value {
  case 0x09...0x0D, 0x1C...0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
  default: false
  }
}

/// Python's methods of strings, scalar by scalar.
enum PythonText {
  typealias Scalars = String.UnicodeScalarView

  // MARK: Case

  static func upper(_ text: String) -> String {
    mapped(text) { $0.properties.uppercaseMapping }
  }

  static func lower(_ text: String) -> String {
    guard text.unicodeScalars.contains("\u{3A3}") else { return mapped(text) { $0.properties.lowercaseMapping } }
    let scalars = Array(text.unicodeScalars)
    return String(scalars.indices.lazy.map { lower(scalars, at: $0) }.joined())
  }

  private static func mapped(_ text: String, _ map: (Unicode.Scalar) -> String) -> String {
    var result = ""
    result.reserveCapacity(text.utf8.count)
    for scalar in text.unicodeScalars { result += map(scalar) }
    return result
  }

  /// A sigma at a word's end has a form of its own.
  private static func lower(_ scalars: [Unicode.Scalar], at index: Int) -> String {
    guard scalars[index] == "\u{3A3}" else { return scalars[index].properties.lowercaseMapping }
    let before = scalars[..<index].last { !$0.properties.isCaseIgnorable }
    let after = scalars[(index + 1)...].first { !$0.properties.isCaseIgnorable }
    let isFinal = before?.properties.isCased ?? false && !(after?.properties.isCased ?? false)
    return isFinal ? "\u{3C2}" : "\u{3C3}"
  }

  static func capitalized(_ text: String) -> String {
    let scalars = Array(text.unicodeScalars)
    guard let first = scalars.first else { return "" }
    return first.properties.titlecaseMapping
      + String(scalars.indices.dropFirst().lazy.map { lower(scalars, at: $0) }.joined())
  }

  /// `str.title()`: a letter behind one that has no case is large.
  static func titled(_ text: String) -> String {
    let scalars = Array(text.unicodeScalars)
    var result = ""
    var isInWord = false
    for index in scalars.indices {
      result += isInWord ? lower(scalars, at: index) : scalars[index].properties.titlecaseMapping
      isInWord = scalars[index].properties.isCased
    }
    return result
  }

  /// jinja2's filter `title`: words begin behind blanks and opening brackets.
  static func titledWords(_ text: String) -> String {
    var result = ""
    var word = Scalars()
    func end() {
      guard let first = word.first else { return }
      result += first.properties.uppercaseMapping + lower(String(word.dropFirst()))
      word = Scalars()
    }
    for scalar in text.unicodeScalars {
      if isPythonSpace(scalar) || "-({[<".unicodeScalars.contains(scalar) {
        end()
        result.unicodeScalars.append(scalar)
      } else {
        word.append(scalar)
      }
    }
    end()
    return result
  }

  static func swappedCase(_ text: String) -> String {
    let scalars = Array(text.unicodeScalars)
    var result = ""
    for index in scalars.indices {
      let properties = scalars[index].properties
      if properties.isUppercase {
        result += lower(scalars, at: index)
      } else if properties.isLowercase {
        result += properties.uppercaseMapping
      } else {
        result.unicodeScalars.append(scalars[index])
      }
    }
    return result
  }

  private static func isTitlecase(_ scalar: Unicode.Scalar) -> Bool {
    scalar.properties.generalCategory == .titlecaseLetter
  }

  static func isLower(_ text: String) -> Bool {
    var isCased = false
    for scalar in text.unicodeScalars {
      if scalar.properties.isUppercase || isTitlecase(scalar) { return false }
      if scalar.properties.isLowercase { isCased = true }
    }
    return isCased
  }

  static func isUpper(_ text: String) -> Bool {
    var isCased = false
    for scalar in text.unicodeScalars {
      if scalar.properties.isLowercase || isTitlecase(scalar) { return false }
      if scalar.properties.isUppercase { isCased = true }
    }
    return isCased
  }

  // MARK: Kinds of characters

  static func all(_ text: String, _ holds: (Unicode.Scalar) -> Bool) -> Bool {
    !text.isEmpty && text.unicodeScalars.allSatisfy(holds)
  }

  static func isAlphabetic(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
    default: false
    }
  }

  static func isDecimal(_ scalar: Unicode.Scalar) -> Bool { scalar.properties.numericType == .decimal }

  static func isDigit(_ scalar: Unicode.Scalar) -> Bool {
    scalar.properties.numericType == .decimal || scalar.properties.numericType == .digit
  }

  static func isNumeric(_ scalar: Unicode.Scalar) -> Bool { scalar.properties.numericType != nil }

  static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.isASCII { return (0x20..<0x7F).contains(scalar.value) }
    switch scalar.properties.generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator,
      .spaceSeparator:
      return false
    default: return true
    }
  }

  // MARK: Stripping and splitting

  enum Side { case left, right, both }

  /// Without whitespace, or without these characters, at its ends.
  static func stripped(_ text: String, _ characters: String? = nil, _ side: Side = .both) -> String {
    let set = characters.map { Set($0.unicodeScalars) }
    func goes(_ scalar: Unicode.Scalar) -> Bool { set?.contains(scalar) ?? isPythonSpace(scalar) }
    var rest = text.unicodeScalars[...]
    if side != .right { while let first = rest.first, goes(first) { rest.removeFirst() } }
    if side != .left { while let last = rest.last, goes(last) { rest.removeLast() } }
    return String(rest)
  }

  /// `split()`: at runs of whitespace.
  static func words(_ text: String, limit: Int?) -> [String] {
    var result: [String] = []
    var rest = text.unicodeScalars[...]
    while true {
      rest = rest.drop(while: isPythonSpace)
      if rest.isEmpty { return result }
      // The rest keeps the blanks at its end.
      if let limit, result.count == limit { return result + [String(rest)] }
      let end = rest.firstIndex(where: isPythonSpace) ?? rest.endIndex
      result.append(String(rest[..<end]))
      rest = rest[end...]
    }
  }

  /// `rsplit()`: the same from the end.
  static func wordsFromEnd(_ text: String, limit: Int?) -> [String] {
    var result: [String] = []
    var rest = text.unicodeScalars[...]
    while true {
      while let last = rest.last, isPythonSpace(last) { rest.removeLast() }
      if rest.isEmpty { return result.reversed() }
      if let limit, result.count == limit { return [String(rest)] + result.reversed() }
      let start = rest.lastIndex(where: isPythonSpace).map { rest.index(after: $0) } ?? rest.startIndex
      result.append(String(rest[start...]))
      rest = rest[..<start]
    }
  }

  /// `splitlines()`
  static func lines(_ text: String, keepEnds: Bool = false) -> [String] {
    var result: [String] = []
    var line = Scalars()
    var scalars = text.unicodeScalars[...]
    while let scalar = scalars.popFirst() {
      switch scalar.value {
      case 0x0A...0x0D, 0x1C...0x1E, 0x85, 0x2028, 0x2029:
        if keepEnds { line.append(scalar) }
        if scalar == "\r", scalars.first == "\n" {
          scalars.removeFirst()
          if keepEnds { line.append("\n") }
        }
        result.append(String(line))
        line = Scalars()
      default: line.append(scalar)
      }
    }
    if !line.isEmpty { result.append(String(line)) }
    return result
  }
}

/// Where a part first is in a text, in bytes; nil if it is not. (In UTF-8 a whole character is never found within
/// another.)
func find(_ part: String, in text: String, from start: Int = 0) -> Int? {
  var (text, part) = (text, part)
  return text.withUTF8 { text in part.withUTF8 { part in find(part, in: text, from: start) } }
}

/// The last place, as `find`.
func findLast(_ part: String, in text: String) -> Int? {
  let text = Array(text.utf8.reversed())
  let part = Array(part.utf8.reversed())
  return text.withUnsafeBufferPointer { text in
    part.withUnsafeBufferPointer { part in find(part, in: text, from: 0).map { text.count - part.count - $0 } }
  }
}

private func find(_ part: UnsafeBufferPointer<UInt8>, in text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
  guard let first = part.first else { return start <= text.count ? start : nil }
  guard part.count <= 16 else { return findLong(part, in: text, from: start) }
  var place = start
  while place + part.count <= text.count {
    if text[place] == first {
      var matched = 1
      while matched < part.count, text[place + matched] == part[matched] { matched += 1 }
      if matched == part.count { return place }
    }
    place += 1
  }
  return nil
}

/// Knuth, Morris and Pratt: linear in the text's length, whatever the part.
private func findLong(
  _ part: UnsafeBufferPointer<UInt8>, in text: UnsafeBufferPointer<UInt8>, from start: Int
) -> Int? {
  guard start + part.count <= text.count else { return nil }
  // How much of the part's start is also the end of its first n bytes.
  var borders = [0]
  var matched = 0
  for place in 1..<part.count {
    while matched > 0, part[place] != part[matched] { matched = borders[matched - 1] }
    if part[place] == part[matched] { matched += 1 }
    borders.append(matched)
  }
  matched = 0
  for place in start..<text.count {
    while matched > 0, text[place] != part[matched] { matched = borders[matched - 1] }
    if text[place] == part[matched] { matched += 1 }
    if matched == part.count { return place - part.count + 1 }
  }
  return nil
}

extension String {
  /// Bytes of a range that begins and ends at whole characters.
  func bytes(_ range: Range<Int>) -> String {
    let start = utf8.index(utf8.startIndex, offsetBy: range.lowerBound)
    let end = utf8.index(start, offsetBy: range.count)
    return String(self[start..<end])
  }
}
