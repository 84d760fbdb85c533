/// The filters behind `|`.
enum Filter: String {
  case abs, capitalize, count, d, `default`, dictsort, e, escape, first, float, forceescape, format, indent, int, items
  case join, last, length, list, lower, map, max, min, reject, rejectattr, replace, reverse, round, safe, select
  case selectattr, sort, string, sum, title, tojson, trim, unique, upper

  /// jinja2's filters that are not here.
  static let unsupported: Set<String> = [
    "attr", "batch", "center", "filesizeformat", "groupby", "pprint", "random", "slice", "striptags", "truncate",
    "urlencode", "urlize", "wordcount", "wordwrap", "xmlattr",
  ]
}

extension Renderer {
  func apply(_ filter: Filter, _ value: Value, _ arguments: CallArguments) throws -> Value {
    switch filter {
    case .map, .select, .reject, .selectattr, .rejectattr, .items, .unique, .reverse:
      return try applyIterating(filter, value, arguments)
    case .abs, .int, .float, .round, .sum, .min, .max: return try applyNumeric(filter, value, arguments)
    case .first, .last, .length, .count, .list, .sort, .dictsort: return try applySequence(filter, value, arguments)
    default: return try applyText(filter, value, arguments)
    }
  }

  func parameters(_ filter: Filter, _ arguments: CallArguments, _ names: [String]) throws -> Parameters {
    try Parameters(arguments, names, "the filter '\(filter.rawValue)'")
  }

  // MARK: Text

  private func applyText(_ filter: Filter, _ value: Value, _ arguments: CallArguments) throws -> Value {
    switch filter {
    case .default, .d:
      let parameters = try parameters(filter, arguments, ["default_value", "boolean"])
      let isMissing = try value.isUndefined || (isTrue(parameters[1] ?? .boolean(false)) && !isTrue(value))
      return isMissing ? parameters[0] ?? .string("") : value
    case .trim:
      let parameters = try parameters(filter, arguments, ["chars"])
      var characters: String?
      if let given = parameters[0] { if case .none = given {} else { characters = try parameters.text(0) } }
      return try soft(value) { PythonText.stripped($0, characters) }
    case .replace:
      let parameters = try parameters(filter, arguments, ["old", "new", "count"])
      var count = -1
      if let given = parameters[2] { if case .none = given {} else { count = try parameters.integer(2, default: -1) } }
      let (old, new) = (try printed(try parameters.required(0)), try printed(try parameters.required(1)))
      return try string(try replaced(try printed(value), old, new, count))
    case .join:
      let parameters = try parameters(filter, arguments, ["d", "attribute"])
      let separator = try parameters[0].map(printed) ?? ""
      let path = try parameters[1].flatMap(attributePath)
      let texts = try elements(of: value).map { element in
        Value.string(try printed(try path.map { try follow($0, element) } ?? element))
      }
      return try string(try joined(texts, separator))
    case .tojson: return try string(try json(value, parameters(filter, arguments, JSONWriter.parameters)))
    case .format:
      guard arguments.positional.isEmpty || arguments.named.isEmpty else {
        throw Failure("the filter 'format' takes arguments with names or without, not both")
      }
      guard case .string(let text) = value else {
        if case .markup = value { throw Failure("'format' of a safe string is not supported here") }
        return try string(try formatted(try printed(value), printf: try formatArguments(arguments)))
      }
      return try string(try formatted(text, printf: try formatArguments(arguments)))
    case .indent: return try indented(value, parameters(filter, arguments, ["width", "first", "blank"]))
    default:
      _ = try parameters(filter, arguments, [])
      return try applyPlainText(filter, value)
    }
  }

  private func applyPlainText(_ filter: Filter, _ value: Value) throws -> Value {
    switch filter {
    case .upper: return try soft(value, PythonText.upper)
    case .lower: return try soft(value, PythonText.lower)
    case .capitalize: return try soft(value, PythonText.capitalized)
    case .title: return try soft(value, PythonText.titledWords)
    case .string: return try soft(value) { $0 }
    case .safe: return try markup(try printed(value))
    case .escape, .e:
      if case .markup = value { return value }
      return try markup(escaped(try printed(value)))
    case .forceescape: return try markup(escaped(try printed(value)))
    default: throw Failure("the filter '\(filter.rawValue)' is not supported here")
    }
  }

  /// What a function makes of the printed value; a safe string stays safe.
  private func soft(_ value: Value, _ body: (String) -> String) throws -> Value {
    let text = try printed(value)
    try step(text.utf8.count / 16)
    if case .markup = value { return try markup(body(text)) }
    return try string(body(text))
  }

  private func formatArguments(_ arguments: CallArguments) throws -> Value {
    if arguments.named.isEmpty { return try tuple(arguments.positional) }
    var builder = Mapping.Builder()
    for (name, value) in arguments.named { builder[.string(name)] = value }
    return try dictionary(builder)
  }

  private func indented(_ value: Value, _ parameters: Parameters) throws -> Value {
    if case .undefined(let hint) = value { throw undefined(hint) }
    guard let text = value.text else { throw Failure("'indent' needs a string, not a \(value.typeName)") }
    let indention: String
    if let given = parameters[0]?.text {
      indention = given
    } else {
      let width = max(0, try parameters.integer(0, default: 4))
      try make(width)
      indention = String(repeating: " ", count: width)
    }
    let (first, blank) = (try isTrue(parameters[1] ?? .boolean(false)), try isTrue(parameters[2] ?? .boolean(false)))
    var result = first ? indention : ""
    for (place, line) in PythonText.lines(text + "\n").enumerated() {
      if place > 0 { result += blank || !line.isEmpty ? "\n" + indention : "\n" }
      result += line
      guard result.utf8.count <= limits.outputBytes else {
        throw Failure("a string of more than \(limits.outputBytes) bytes would be made")
      }
    }
    if case .markup = value { return try markup(result) }
    return try string(result)
  }

  // MARK: Sequences

  private func applySequence(_ filter: Filter, _ value: Value, _ arguments: CallArguments) throws -> Value {
    switch filter {
    case .sort: return try sorted(value, parameters(filter, arguments, ["reverse", "case_sensitive", "attribute"]))
    case .dictsort:
      return try sortedPairs(value, parameters(filter, arguments, ["case_sensitive", "by", "reverse"]))
    default: _ = try parameters(filter, arguments, [])
    }
    switch filter {
    case .length, .count:
      guard let count = try knownCount(of: value) else { throw Failure("a \(value.typeName) has no length") }
      return .integer(count)
    case .list: return try list(try elements(of: value))
    case .first: return try iterator(over: value).next() ?? .undefined(Hint("there is no first item"))
    default:
      if case .object(let object) = value, !(object is MappingView) {
        throw Failure("the filter 'last' can't be used on a \(value.typeName)")
      }
      if case .undefined = value { return .undefined(Hint("there is no last item")) }
      return try elements(of: value).last ?? .undefined(Hint("there is no last item"))
    }
  }

  private func sorted(_ value: Value, _ parameters: Parameters) throws -> Value {
    let reversed = try isTrue(parameters[0] ?? .boolean(false))
    let caseSensitive = try isTrue(parameters[1] ?? .boolean(false))
    var paths: [[Value]] = [[]]
    if let text = parameters[2]?.text {
      paths = PythonSplit.parts(text, at: ",").map { attributePath(text: $0) }
    } else if let attribute = parameters[2], let path = try attributePath(attribute) {
      paths = [path]
    }
    let keyed = try elements(of: value).map { element in
      let keys = try paths.map { key(try follow($0, element), caseSensitive) }
      return (key: Value.list(try Items(keys)), element: element)
    }
    return try list(try stablySorted(keyed, reversed: reversed))
  }

  /// By `<` alone, as Python sorts; what is the same keeps its order, in reverse too.
  private func stablySorted(_ keyed: [(key: Value, element: Value)], reversed: Bool) throws -> [Value] {
    try make(keyed.count * 72)
    return try keyed.enumerated().sorted { left, right in
      let (a, b) = reversed ? (right.element.key, left.element.key) : (left.element.key, right.element.key)
      if try ordered(a, b, "<") == .less { return true }
      if try ordered(b, a, "<") == .less { return false }
      return left.offset < right.offset
    }.map(\.element.element)
  }

  private func sortedPairs(_ value: Value, _ parameters: Parameters) throws -> Value {
    if case .undefined(let hint) = value { throw undefined(hint) }
    guard case .dictionary(let mapping) = value else { throw Failure("'dictsort' needs a dictionary") }
    let caseSensitive = try isTrue(parameters[0] ?? .boolean(false))
    let by = parameters[1]?.text ?? (parameters[1] == nil ? "key" : "")
    guard by == "key" || by == "value" else { throw Failure("'dictsort' sorts by 'key' or 'value'") }
    let reversed = try isTrue(parameters[2] ?? .boolean(false))
    let keyed = try zip(mapping.keys, mapping.values).map { pair in
      (
        key: key(by == "key" ? pair.0.value : pair.1, caseSensitive),
        element: Value.tuple(try Items([pair.0.value, pair.1]))
      )
    }
    return try list(try stablySorted(keyed, reversed: reversed))
  }

  /// What is compared: strings in small letters, unless case counts.
  func key(_ value: Value, _ caseSensitive: Bool) -> Value {
    guard !caseSensitive, let text = value.text else { return value }
    return .string(PythonText.lower(text))
  }

  // MARK: Attributes of elements

  /// The steps of `attribute='a.b.0'`; nil if the attribute is None.
  func attributePath(_ attribute: Value) throws -> [Value]? {
    if case .none = attribute { return nil }
    return attribute.text.map { attributePath(text: $0) } ?? [attribute]
  }

  private func attributePath(text: String) -> [Value] {
    PythonSplit.parts(text, at: ".").map { part in
      PythonText.all(part) { $0.isDigit } ? Int(part).map { .integer($0) } ?? .string(part) : .string(part)
    }
  }

  func follow(_ path: [Value], _ value: Value, default standard: Value? = nil) throws -> Value {
    var result = value
    for part in path {
      result = try element(part, of: result) ?? .undefined(Hint("there is no '\(try printed(part))'"))
      if result.isUndefined, let standard { result = standard }
    }
    return result
  }
}

/// `str.split(separator)` for one ASCII character.
enum PythonSplit {
  static func parts(_ text: String, at separator: Character) -> [String] {
    guard let byte = separator.asciiValue else { return [text] }
    return text.utf8.split(separator: byte, omittingEmptySubsequences: false).map { String(Substring($0)) }
  }
}
