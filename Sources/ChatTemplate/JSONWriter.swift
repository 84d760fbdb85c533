/// transformers' filter `tojson`: Python's `json.dumps` without escapes for HTML.
struct JSONWriter {
  static let parameters = ["ensure_ascii", "indent", "separators", "sort_keys"]

  private let renderer: Renderer
  private let ensureASCII: Bool
  private let indent: String?
  private let itemSeparator: String
  private let keySeparator: String
  private let sortKeys: Bool
  private(set) var result = ""

  init(_ renderer: Renderer, _ parameters: Parameters) throws {
    self.renderer = renderer
    ensureASCII = try parameters[0].map(renderer.isTrue) ?? false
    sortKeys = try parameters[3].map(renderer.isTrue) ?? false
    switch parameters[1] {
    case nil, .none?: indent = nil
    case .string(let text)?, .markup(let text)?: indent = text
    default:
      let width = max(0, try parameters.integer(1, default: 0))
      try renderer.make(width)
      indent = String(repeating: " ", count: width)
    }
    switch parameters[2] {
    case nil, .none?: (itemSeparator, keySeparator) = (indent == nil ? ", " : ",", ": ")
    case let pair?:
      let separators = try renderer.elements(of: pair)
      guard separators.count == 2, let item = separators[0].text, let key = separators[1].text else {
        throw Failure("the separators of 'tojson' must be two strings")
      }
      (itemSeparator, keySeparator) = (item, key)
    }
  }

  mutating func write(_ value: Value, level: Int = 0) throws {
    try renderer.step()
    try check()
    switch value {
    case .none: result += "null"
    case .boolean(let flag): result += flag ? "true" : "false"
    case .integer(let number): result += String(number)
    case .float(let number): result += Self.text(number)
    case .string(let text), .markup(let text): write(text)
    case .list(let items), .tuple(let items):
      guard !items.values.isEmpty else {
        result += "[]"
        return
      }
      result += "["
      for (place, value) in items.values.enumerated() {
        try separate(place, level + 1)
        try write(value, level: level + 1)
      }
      try breakLine(level)
      result += "]"
    case .dictionary(let mapping): try write(mapping, level: level)
    default: throw Failure("'tojson' can't write a \(value.typeName)")
    }
  }

  private func check() throws {
    guard result.utf8.count <= renderer.limits.outputBytes else {
      throw Failure("a string of more than \(renderer.limits.outputBytes) bytes would be made")
    }
  }

  private mutating func write(_ mapping: Mapping, level: Int) throws {
    guard mapping.count > 0 else {
      result += "{}"
      return
    }
    var places = Array(0..<mapping.count)
    if sortKeys {
      places = try places.sorted { left, right in
        try renderer.ordered(mapping.keys[left].value, mapping.keys[right].value, "<") == .less
      }
    }
    result += "{"
    for (number, place) in places.enumerated() {
      try separate(number, level + 1)
      switch mapping.keys[place].value {
      case .string(let text): write(text)
      case .none: write("null")
      case .boolean(let flag): write(flag ? "true" : "false")
      case .integer(let number): write(String(number))
      case .float(let number): write(Self.text(number))
      case let key: throw Failure("'tojson' can't write a \(key.typeName) as a key")
      }
      result += keySeparator
      try write(mapping.values[place], level: level + 1)
    }
    try breakLine(level)
    result += "}"
  }

  private mutating func separate(_ place: Int, _ level: Int) throws {
    if place > 0 { result += itemSeparator }
    try breakLine(level)
  }

  private mutating func breakLine(_ level: Int) throws {
    guard let indent else { return }
    let bytes = indent.utf8.count * level
    guard result.utf8.count + bytes <= renderer.limits.outputBytes else {
      throw Failure("a string of more than \(renderer.limits.outputBytes) bytes would be made")
    }
    try renderer.step(1 + bytes / 16)
    result += "\n" + String(repeating: indent, count: level)
  }

  private static func text(_ number: Double) -> String {
    number.isNaN ? "NaN" : number.isInfinite ? (number < 0 ? "-Infinity" : "Infinity") : pythonFloat(number)
  }

  private mutating func write(_ text: String) {
    result += "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      case "\u{8}": result += "\\b"
      case "\u{c}": result += "\\f"
      default:
        if scalar.value < 0x20 || (ensureASCII && scalar.value > 0x7E) {
          for unit in String(scalar).utf16 {
            result += "\\u" + String(unit, radix: 16).leftPadded(to: 4, with: "0")
          }
        } else {
          result.unicodeScalars.append(scalar)
        }
      }
    }
    result += "\""
  }
}

extension Renderer {
  func json(_ value: Value, _ parameters: Parameters) throws -> String {
    var writer = try JSONWriter(self, parameters)
    try writer.write(value)
    return writer.result
  }
}
