import CSimdJSON

// What is wrong with a text that isn't JSON.
extension JSONReader {
  static let endsEarly = "the text ends in the middle of a JSON value"
  static let goesOn = "something follows the end of the JSON value"
  static let valueExpected = "a JSON value was expected"
  static let keyExpected = "a key in double quotes was expected"
  static let commaOrBrace = "a comma or a closing brace was expected"
  static let commaOrBracket = "a comma or a closing bracket was expected"
  static let endlessString = "the string that begins here does not end"

  static func colonExpected(_ key: String) -> String { "a colon was expected after the key \(key)" }
  static func tooDeep(_ most: Int) -> String { "nested deeper than \(most) levels" }

  /// An error about a place of the text where it stops being JSON.
  func syntaxFault(_ problem: String, at byte: Int, path: String? = nil) -> JSONError {
    var (line, start) = (1, 0)
    for position in 0..<min(byte, count) where text[position] == UInt8(ascii: "\n") {
      line += 1
      start = position + 1
    }
    return JSONError(
      path: path ?? self.path, syntaxPlace: .init(byte: byte, line: line, column: byte - start + 1), problem: problem)
  }

  /// What simdjson, or the door to it, says of a run.
  ///
  /// - Parameter offset: counted from the start of the run.
  func fault(_ code: Int, at offset: Int, _ range: Range<Int>, _ run: Run, isClosed: Bool) -> JSONError {
    var path = path
    if code == json_out_of_memory || code == json_too_long {
      return JSONError(
        path: path,
        problem: code == json_too_long ? "a string or number of 4 GB or more" : "there is not enough memory to read it")
    }
    let place = faultPath(code, run)
    path += path.isEmpty && place.path.first == "." ? String(place.path.dropFirst()) : place.path
    let byte = range.lowerBound + offset
    if code == json_too_deep { return JSONError(path: path, problem: Self.tooDeep(rules.maximumDepth)) }
    if case .whole = run, code == json_comma_expected, place.isBehindWhole {
      return syntaxFault(Self.goesOn, at: byte, path: "")
    }
    let isAtEnd = offset >= range.count && !isClosed
    let problem: String
    switch code {
    case json_key_expected where !isAtEnd: problem = Self.keyExpected
    case json_colon_expected where !isAtEnd: problem = Self.colonExpected(place.key)
    case json_comma_expected where !isAtEnd: problem = place.isInObject ? Self.commaOrBrace : Self.commaOrBracket
    case json_value_expected where !isAtEnd: problem = Self.valueExpected
    case json_bad_number: problem = "\(word(at: byte)) is not a number"
    case json_bad_escape: problem = "the string has an invalid escape, or half of a surrogate pair"
    case json_bad_utf8: problem = "the text is not UTF-8"
    case json_control_character: problem = "a control character stands unescaped in a string"
    case json_endless_string: problem = Self.endlessString
    default: problem = Self.endsEarly
    }
    return syntaxFault(problem, at: byte, path: path)
  }

  /// What stands at a place where a number should be, as far as it is shown.
  private func word(at start: Int) -> String {
    var end = start
    while end < count, end - start < 40, !" \n\r\t,]}".utf8.contains(text[end]) { end += 1 }
    return text(in: start..<end)
  }

  /// Where in the run the fault is, as the tokens before it show.
  private func faultPath(_ code: Int, _ run: Run) -> (path: String, key: String, isInObject: Bool, isBehindWhole: Bool)
  {
    var (path, key) = ("", "")
    var container = 0
    var first = 0
    if case .array(let from) = run { first = from }
    guard tokens.count > 0 else { return (path, key, false, false) }
    while true {
      let isObject = Int(tokens[container].kind) == json_object
      var (token, index) = (container + 1, container == 0 ? first : 0)
      var isKey = isObject
      // Over the members before the one that could not be read.
      while token < tokens.count, tokens[token].next != 0 {
        if isObject, isKey {
          let start = runStart + Int(tokens[token].offset)
          key = text(in: start..<start + Int(tokens[token].length))
        } else {
          index += 1
        }
        if isObject { isKey.toggle() }
        token = Int(tokens[token].next)
      }
      let isOpen = token < tokens.count
      let isVirtual = container == 0 && { if case .array = run { false } else { true } }()
      // An array's element, or the value of a key, that is begun or should be.
      if isObject {
        if !isKey { path += "." + key.dropFirst().dropLast() }
      } else if !isVirtual, isOpen || code != json_comma_expected {
        path += "[\(index)]"
      }
      guard isOpen else { return (path, key, isObject, container == 0 && index > 0) }
      container = token
    }
  }
}
