/// The methods that can be called: of strings, lists, dictionaries and `loop`.
enum Method: String {
  // Strings
  case capitalize, center, endswith, find, format, isalnum, isalpha, isascii, isdecimal, isdigit, islower, isnumeric
  case isspace, isupper, join, ljust, lower, lstrip, partition, removeprefix, removesuffix, replace, rfind, rindex
  case rjust, rpartition, rsplit, rstrip, split, splitlines, startswith, strip, swapcase, title, upper, zfill, casefold
  // Strings and lists
  case count, index
  // Dictionaries
  case items, keys, values, get
  // Lists and dictionaries
  case copy
  // loop
  case cycle, changed

  static let dictionaryAttributes: Set<String> = [
    "clear", "copy", "fromkeys", "get", "items", "keys", "pop", "popitem", "setdefault", "update", "values",
  ]

  func exists(on value: Value) -> Bool {
    switch value {
    case .string, .markup: ![.items, .keys, .values, .get, .copy, .cycle, .changed].contains(self)
    case .list: [.count, .index, .copy].contains(self)
    case .tuple, .range: [.count, .index].contains(self)
    case .dictionary: [.items, .keys, .values, .get, .copy].contains(self)
    default: false
    }
  }

  /// Attributes of Python's objects that are not here: to take them for missing would be silently wrong.
  static func isUnsupported(_ name: String, on value: Value) -> Bool {
    switch value {
    case .string, .markup: stringAttributes.contains(name)
    case .dictionary: name == "fromkeys"
    case .integer, .boolean:
      [
        "as_integer_ratio", "bit_count", "bit_length", "conjugate", "denominator", "from_bytes", "imag", "is_integer",
        "numerator", "real", "to_bytes",
      ].contains(name)
    case .float:
      ["as_integer_ratio", "conjugate", "from_number", "fromhex", "hex", "imag", "is_integer", "real"].contains(name)
    case .range: ["start", "stop", "step"].contains(name)
    case .object(let object):
      switch object {
      case is MappingView: ["isdisjoint", "mapping"].contains(name)
      case is Generator: ["close", "send", "throw"].contains(name) || name.hasPrefix("gi_")
      default: object is BoundMethod || object is Function
      }
    default: false
    }
  }

  private static let stringAttributes: Set<String> = [
    "encode", "expandtabs", "format_map", "isidentifier", "isprintable", "istitle", "maketrans", "translate",
    // Markup's
    "escape", "striptags", "unescape",
  ]
}

extension Renderer {
  func call(_ method: Method, on receiver: Value, _ arguments: CallArguments) throws -> Value {
    switch receiver {
    case .string(let text): return try call(method, on: text, arguments)
    case .markup(let text):
      return try marked(try call(method, on: text, try escapedArguments(of: method, arguments)))
    case .range: return try call(method, on: receiver, try Items(try elements(of: receiver)), arguments)
    case .list(let items), .tuple(let items): return try call(method, on: receiver, items, arguments)
    case .dictionary(let mapping): return try call(method, on: mapping, arguments)
    case .object(let object as LoopState): return try call(method, on: object, arguments)
    default: throw Failure("'\(method.rawValue)' of a \(receiver.typeName) is not supported here")
    }
  }

  /// What a safe string's method returns is safe too.
  private func marked(_ value: Value) throws -> Value {
    switch value {
    case .string(let text): .markup(text)
    case .list(let items): .list(try Items(items.values.map(marked)))
    case .tuple(let items): .tuple(try Items(items.values.map(marked)))
    default: value
    }
  }

  /// What a safe string's method puts into it is escaped.
  private func escapedArguments(of method: Method, _ arguments: CallArguments) throws -> CallArguments {
    func escape(_ value: Value) throws -> Value {
      if case .string(let text) = value { return .markup(escaped(text)) }
      return value
    }
    var result = arguments
    switch method {
    case .replace where result.positional.count > 1: result.positional[1] = try escape(result.positional[1])
    case .join where result.positional.count == 1:
      result.positional[0] = try list(try elements(of: result.positional[0]).map(escape))
    case .center, .ljust, .rjust:
      if result.positional.count > 1 { result.positional[1] = try escape(result.positional[1]) }
    case .format: throw Failure("'format' of a safe string is not supported here")
    default: break
    }
    return result
  }

  private func call(_ method: Method, on loop: LoopState, _ arguments: CallArguments) throws -> Value {
    guard arguments.named.isEmpty else { throw Failure("loop.\(method.rawValue) takes no named arguments") }
    let values = arguments.positional
    if method == .cycle {
      guard !values.isEmpty else { throw Failure("loop.cycle needs values") }
      return values[loop.index % values.count]
    }
    let given = try tuple(values)
    if let last = loop.lastChanged, try equal(last, given) { return .boolean(false) }
    loop.lastChanged = given
    return .boolean(true)
  }

  private func call(_ method: Method, on mapping: Mapping, _ arguments: CallArguments) throws -> Value {
    guard arguments.named.isEmpty else { throw Failure("the method '\(method.rawValue)' takes no named arguments") }
    let values = arguments.positional
    guard method == .get ? (1...2).contains(values.count) : values.isEmpty else {
      throw Failure("the method '\(method.rawValue)' takes no \(values.count) arguments")
    }
    switch method {
    case .items: return .object(try MappingView(mapping, .items))
    case .keys: return .object(try MappingView(mapping, .keys))
    case .values: return .object(try MappingView(mapping, .values))
    case .get: return mapping[try Key(values[0])] ?? (values.count > 1 ? values[1] : .none)
    default: return .dictionary(mapping)
    }
  }

  private func call(
    _ method: Method, on list: Value, _ items: Items, _ arguments: CallArguments
  ) throws -> Value {
    guard arguments.named.isEmpty, arguments.positional.count == (method == .copy ? 0 : 1) else {
      throw Failure("these arguments of the method '\(method.rawValue)' are not supported here")
    }
    switch method {
    case .copy: return list
    case .count:
      return .integer(try items.values.reduce(0) { try equal($1, arguments.positional[0]) ? $0 + 1 : $0 })
    default:
      guard let place = try items.values.firstIndex(where: { try equal($0, arguments.positional[0]) }) else {
        throw Failure("the value is not in the list")
      }
      return .integer(place)
    }
  }

  // MARK: Strings

  private func call(_ method: Method, on text: String, _ arguments: CallArguments) throws -> Value {
    try step(text.utf8.count / 16)
    switch method {
    case .format: return try string(try formatted(text, fields: arguments))
    case .split, .rsplit, .splitlines, .partition, .rpartition: return try split(method, text, arguments)
    case .startswith, .endswith: return try affix(method, text, arguments)
    case .count, .find, .rfind, .index, .rindex: return try search(method, text, arguments)
    case .replace:
      let parameters = try Parameters(arguments, ["old", "new", "count"], "replace", positionalOnly: 3)
      return try string(
        try replaced(text, try parameters.text(0), try parameters.text(1), try parameters.integer(2, default: -1)))
    case .strip, .lstrip, .rstrip:
      let parameters = try Parameters(arguments, ["characters"], method.rawValue, positionalOnly: 1)
      var characters: String?
      if let value = parameters[0] { if case .none = value {} else { characters = try parameters.text(0) } }
      let side: PythonText.Side = method == .strip ? .both : method == .lstrip ? .left : .right
      return try string(PythonText.stripped(text, characters, side))
    case .join:
      let parameters = try Parameters(arguments, ["iterable"], "join", positionalOnly: 1)
      return try string(try joined(try elements(of: try parameters.required(0)), text))
    case .removeprefix, .removesuffix:
      let affix = try Parameters(arguments, ["affix"], method.rawValue, positionalOnly: 1).text(0)
      let count = (text.utf8.count, affix.utf8.count)
      if method == .removeprefix {
        return try string(starts(text, affix) ? text.bytes(count.1..<count.0) : text)
      }
      return try string(ends(text, affix) ? text.bytes(0..<(count.0 - count.1)) : text)
    case .center, .ljust, .rjust, .zfill: return try padded(method, text, arguments)
    default:
      guard arguments.positional.isEmpty, arguments.named.isEmpty else {
        throw Failure("the method '\(method.rawValue)' takes no arguments")
      }
      return try plain(method, text)
    }
  }

  /// Methods without arguments.
  private func plain(_ method: Method, _ text: String) throws -> Value {
    switch method {
    case .capitalize: return try string(PythonText.capitalized(text))
    case .lower: return try string(PythonText.lower(text))
    case .upper: return try string(PythonText.upper(text))
    case .title: return try string(PythonText.titled(text))
    case .swapcase: return try string(PythonText.swappedCase(text))
    case .isalnum: return .boolean(PythonText.all(text) { PythonText.isAlphabetic($0) || PythonText.isNumeric($0) })
    case .isalpha: return .boolean(PythonText.all(text, PythonText.isAlphabetic))
    case .isascii: return .boolean(text.utf8.allSatisfy { $0 < 0x80 })
    case .isdecimal: return .boolean(PythonText.all(text, PythonText.isDecimal))
    case .isdigit: return .boolean(PythonText.all(text, PythonText.isDigit))
    case .isnumeric: return .boolean(PythonText.all(text, PythonText.isNumeric))
    case .isspace: return .boolean(PythonText.all(text, isPythonSpace))
    case .islower: return .boolean(PythonText.isLower(text))
    case .isupper: return .boolean(PythonText.isUpper(text))
    case .casefold where text.utf8.allSatisfy({ $0 < 0x80 }): return try string(PythonText.lower(text))
    default: throw Failure("'\(method.rawValue)' of this string is not supported here")
    }
  }

  private func split(_ method: Method, _ text: String, _ arguments: CallArguments) throws -> Value {
    if method == .splitlines {
      let parameters = try Parameters(arguments, ["keepends"], "splitlines")
      let keepEnds = try parameters.integer(0, default: 0) != 0
      return try list(try strings(PythonText.lines(text, keepEnds: keepEnds)))
    }
    if method == .partition || method == .rpartition {
      let separator = try Parameters(arguments, ["sep"], method.rawValue, positionalOnly: 1).text(0)
      guard !separator.isEmpty else { throw Failure("the separator is empty") }
      let place = method == .partition ? find(separator, in: text) : findLast(separator, in: text)
      let count = (text.utf8.count, separator.utf8.count)
      guard let place else { return try tuple(try strings(method == .partition ? [text, "", ""] : ["", "", text])) }
      return try tuple(
        try strings([text.bytes(0..<place), separator, text.bytes((place + count.1)..<count.0)]))
    }
    let parameters = try Parameters(arguments, ["sep", "maxsplit"], method.rawValue)
    let most = try parameters.integer(1, default: -1)
    let limit = most < 0 ? nil : most
    if let value = parameters[0] {
      if case .none = value {
      } else {
        let separator = try parameters.text(0)
        guard !separator.isEmpty else { throw Failure("the separator is empty") }
        return try list(try strings(try parts(text, separator, limit, fromEnd: method == .rsplit)))
      }
    }
    return try list(
      try strings(
        method == .split ? PythonText.words(text, limit: limit) : PythonText.wordsFromEnd(text, limit: limit)))
  }

  private func strings(_ texts: [String]) throws -> [Value] {
    try make(texts.count * 24)
    return try texts.map(string)
  }

  private func parts(_ text: String, _ separator: String, _ limit: Int?, fromEnd: Bool) throws -> [String] {
    let width = separator.utf8.count
    var places: [Int] = []
    var from = 0
    while let place = find(separator, in: text, from: from), fromEnd || places.count < limit ?? .max {
      try make(24)
      places.append(place)
      from = place + width
    }
    if fromEnd { places = try placesFromEnd(text, separator, limit, candidates: places) }
    var result: [String] = []
    var start = text.utf8.startIndex
    var offset = 0
    for place in places + [text.utf8.count] {
      let end = text.utf8.index(start, offsetBy: place - offset)
      result.append(String(text[start..<end]))
      offset = min(place + width, text.utf8.count)
      start = text.utf8.index(end, offsetBy: offset - place)
    }
    return result
  }

  /// Where the separator is, sought from the end: another choice where it can overlap itself.
  private func placesFromEnd(
    _ text: String, _ separator: String, _ limit: Int?, candidates: [Int]
  ) throws -> [Int] {
    let reversed = String(String.UnicodeScalarView(text.unicodeScalars.reversed()))
    let reversedSeparator = String(String.UnicodeScalarView(separator.unicodeScalars.reversed()))
    var result: [Int] = []
    var from = 0
    while let place = find(reversedSeparator, in: reversed, from: from), result.count < limit ?? .max {
      try make(24)
      result.append(text.utf8.count - place - separator.utf8.count)
      from = place + separator.utf8.count
    }
    return result.reversed()
  }

  func starts(_ text: String, _ prefix: String) -> Bool { text.utf8.starts(with: prefix.utf8) }

  func ends(_ text: String, _ suffix: String) -> Bool {
    text.utf8.count >= suffix.utf8.count && text.utf8.suffix(suffix.utf8.count).elementsEqual(suffix.utf8)
  }

  private func affix(_ method: Method, _ text: String, _ arguments: CallArguments) throws -> Value {
    let parameters = try Parameters(arguments, ["affix", "start", "end"], method.rawValue, positionalOnly: 3)
    let affixes: [Value]
    if case .tuple(let items)? = parameters[0] {
      affixes = items.values
    } else {
      affixes = [try parameters.required(0)]
    }
    let (part, _) = try section(text, parameters, 1)
    for affix in affixes {
      guard let affix = affix.text else {
        throw Failure("\(method.rawValue) needs a string or a tuple of strings, not a \(affix.typeName)")
      }
      if let part, method == .startswith ? starts(part, affix) : ends(part, affix) { return .boolean(true) }
    }
    return .boolean(false)
  }

  /// The text from `start` to `end`, and how many characters are before it; nil if `start` lies behind the text.
  private func section(_ text: String, _ parameters: Parameters, _ first: Int) throws -> (String?, Int) {
    var bounds: [Int?] = [nil, nil]
    for offset in 0..<2 {
      if let value = parameters[first + offset] {
        if case .none = value { continue }
        bounds[offset] = try parameters.integer(first + offset, default: 0)
      }
    }
    if bounds[0] == nil, bounds[1] == nil { return (text, 0) }
    let scalars = Array(text.unicodeScalars)
    func place(_ bound: Int) -> Int { bound < 0 ? max(0, max(bound, -scalars.count) + scalars.count) : bound }
    let start = place(bounds[0] ?? 0)
    let end = min(place(bounds[1] ?? scalars.count), scalars.count)
    guard start <= end else { return (nil, start) }
    var result = String.UnicodeScalarView()
    result.append(contentsOf: scalars[start..<end])
    return (String(result), start)
  }

  private func search(_ method: Method, _ text: String, _ arguments: CallArguments) throws -> Value {
    let parameters = try Parameters(arguments, ["sub", "start", "end"], method.rawValue, positionalOnly: 3)
    let part = try parameters.text(0)
    let (section, before) = try section(text, parameters, 1)
    guard let section else { return try missing(method, part) }
    if method == .count {
      if part.isEmpty { return .integer(section.unicodeScalars.count + 1) }
      var (count, from) = (0, 0)
      while let place = find(part, in: section, from: from) { (count, from) = (count + 1, place + part.utf8.count) }
      return .integer(count)
    }
    let isLast = method == .rfind || method == .rindex
    guard let place = isLast ? findLast(part, in: section) : find(part, in: section) else {
      return try missing(method, part)
    }
    return .integer(before + section.bytes(0..<place).unicodeScalars.count)
  }

  private func missing(_ method: Method, _ part: String) throws -> Value {
    switch method {
    case .count: return .integer(0)
    case .find, .rfind: return .integer(-1)
    default: throw Failure("the string has no \(quoted(part))")
    }
  }

  private func padded(_ method: Method, _ text: String, _ arguments: CallArguments) throws -> Value {
    let parameters = try Parameters(
      arguments, method == .zfill ? ["width"] : ["width", "fill"], method.rawValue, positionalOnly: 2)
    guard let width = try parameters.required(0).index else { throw Failure("\(method.rawValue) needs a width") }
    let fill = try method == .zfill ? "0" : parameters.text(1, default: " ")
    guard fill.unicodeScalars.count == 1, let pad = fill.unicodeScalars.first else {
      throw Failure("\(method.rawValue) fills with one character")
    }
    let missing = width.subtractingReportingOverflow(text.unicodeScalars.count)
    guard !missing.overflow, missing.partialValue > 0 else { return try string(text) }
    let count = missing.partialValue
    try make(min(count, .max / 8) * 4)
    func padding(_ count: Int) -> String {
      var result = String.UnicodeScalarView()
      result.append(contentsOf: repeatElement(pad, count: count))
      return String(result)
    }
    switch method {
    case .ljust: return try string(text + padding(count))
    case .rjust: return try string(padding(count) + text)
    case .zfill:
      let sign = text.unicodeScalars.first
      guard sign == "-" || sign == "+" else { return try string(padding(count) + text) }
      return try string(text.bytes(0..<1) + padding(count) + text.bytes(1..<text.utf8.count))
    default:
      // As CPython: of an odd number one more goes left where the width is odd.
      let left = count / 2 + (count & width & 1)
      return try string(padding(left) + text + padding(count - left))
    }
  }

  /// `str.replace`: at most `count` times, always where it is negative.
  func replaced(_ text: String, _ old: String, _ new: String, _ count: Int) throws -> String {
    var rest = count < 0 ? Int.max : count
    var result = ""
    if old.isEmpty {
      for scalar in text.unicodeScalars where rest > 0 {
        result += new
        rest -= 1
        result.unicodeScalars.append(scalar)
        try check(result)
      }
      if rest > 0 { return result + new }
      return result + String(text.unicodeScalars.dropFirst(count))
    }
    var start = text.utf8.startIndex
    var (from, offset) = (0, 0)
    while rest > 0, let place = find(old, in: text, from: from) {
      let end = text.utf8.index(start, offsetBy: place - offset)
      result += text[start..<end]
      result += new
      try check(result)
      offset = place + old.utf8.count
      start = text.utf8.index(end, offsetBy: old.utf8.count)
      from = offset
      rest -= 1
    }
    return rest == Int.max ? text : result + text[start...]
  }

  private func check(_ text: String) throws {
    try step()
    guard text.utf8.count <= limits.outputBytes else {
      throw Failure("a string of more than \(limits.outputBytes) bytes would be made")
    }
  }

  /// `separator.join(strings)`
  func joined(_ values: [Value], _ separator: String) throws -> String {
    var result = ""
    for (place, value) in values.enumerated() {
      guard let text = value.text else { throw Failure("'join' needs strings, not a \(value.typeName)") }
      if place > 0 { result += separator }
      result += text
      try check(result)
    }
    return result
  }
}
