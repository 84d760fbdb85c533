// How Python prints values.
extension Renderer {
  /// `str(value)`
  func printed(_ value: Value) throws -> String {
    switch value {
    case .string(let text), .markup(let text): return text
    case .undefined: return ""
    default: return try represented(value)
    }
  }

  /// `repr(value)`
  func represented(_ value: Value) throws -> String {
    var result = ""
    try write(value, to: &result)
    return result
  }

  private func write(_ value: Value, to result: inout String) throws {
    try step()
    guard result.utf8.count <= limits.outputBytes else {
      throw Failure("a printed value grows longer than \(limits.outputBytes) bytes")
    }
    switch value {
    case .undefined: result += "Undefined"
    case .none: result += "None"
    case .boolean(let flag): result += flag ? "True" : "False"
    case .integer(let number): result += String(number)
    case .float(let number): result += pythonFloat(number)
    case .string(let text): writeQuoted(text, to: &result)
    case .markup(let text):
      result += "Markup("
      writeQuoted(text, to: &result)
      result += ")"
    case .list(let items):
      result += "["
      try write(items.values, to: &result)
      result += "]"
    case .tuple(let items):
      result += "("
      try write(items.values, to: &result)
      result += items.values.count == 1 ? ",)" : ")"
    case .dictionary(let mapping): try write(mapping, to: &result)
    case .range(let range):
      result += "range(\(range.start), \(range.end)\(range.step == 1 ? "" : ", \(range.step)"))"
    case .object(let object): try write(object, to: &result)
    }
  }

  private func write(_ values: [Value], to result: inout String) throws {
    try nested {
      var isFirst = true
      for value in values {
        if !isFirst { result += ", " }
        isFirst = false
        try write(value, to: &result)
      }
    }
  }

  private func write(_ mapping: Mapping, to result: inout String) throws {
    result += "{"
    try nested {
      for (place, key) in mapping.keys.enumerated() {
        if place > 0 { result += ", " }
        try write(key.value, to: &result)
        result += ": "
        try write(mapping.values[place], to: &result)
      }
    }
    result += "}"
  }

  private func write(_ object: Object, to result: inout String) throws {
    switch object {
    case let namespace as Namespace:
      result += "<Namespace "
      try nested { try write(try dictionary(namespace.attributes), to: &result) }
      result += ">"
    case let macro as MacroObject:
      result += "<Macro "
      if let name = macro.macro.name { writeQuoted(name, to: &result) } else { result += "anonymous" }
      result += ">"
    case let loop as LoopState: result += "<LoopContext \(loop.index + 1)/\(try loop.length())>"
    case let view as MappingView:
      result += "\(view.typeName)(["
      try write(try elements(of: .object(view)), to: &result)
      result += "])"
    default: throw Failure("a \(object.typeName) can't be printed: Python would print its address")
    }
  }
}

/// `repr(float)`: the shortest digits that give the number back.
func pythonFloat(_ number: Double) -> String {
  guard number.isFinite else { return number.isNaN ? "nan" : number < 0 ? "-inf" : "inf" }
  if number == 0 { return number.sign == .minus ? "-0.0" : "0.0" }
  // Swift prints the same digits, with the exponent at other sizes.
  var digits = ""
  var exponent = 0
  var point: Int?
  let text = number.magnitude.description
  let mantissa = text.prefix { $0 != "e" }
  for character in mantissa {
    if character == "." { point = digits.count } else { digits.append(character) }
  }
  if mantissa.count < text.count { exponent = Int(text.dropFirst(mantissa.count + 1)) ?? 0 }
  var place = (point ?? digits.count) + exponent
  let leading = digits.prefix { $0 == "0" }.count
  digits.removeFirst(leading)
  place -= leading
  while digits.last == "0" { digits.removeLast() }
  let sign = number < 0 ? "-" : ""
  if place > -4, place <= 16 {
    if place <= 0 { return sign + "0." + String(repeating: "0", count: -place) + digits }
    if digits.count <= place { return sign + digits + String(repeating: "0", count: place - digits.count) + ".0" }
    return sign + digits.prefix(place) + "." + digits.dropFirst(place)
  }
  let power = place - 1
  let fraction = digits.count > 1 ? "." + digits.dropFirst() : ""
  return sign + digits.prefix(1) + fraction + "e" + (power < 0 ? "-" : "+")
    + String(power.magnitude).leftPadded(to: 2, with: "0")
}

/// `repr(str)`
private func writeQuoted(_ text: String, to result: inout String) {
  let quote: Unicode.Scalar =
    text.utf8.contains(UInt8(ascii: "'")) && !text.utf8.contains(UInt8(ascii: "\"")) ? "\"" : "'"
  result.unicodeScalars.append(quote)
  for scalar in text.unicodeScalars {
    switch scalar {
    case quote, "\\":
      result += "\\"
      result.unicodeScalars.append(scalar)
    case "\n": result += "\\n"
    case "\r": result += "\\r"
    case "\t": result += "\\t"
    default:
      if PythonText.isPrintable(scalar) {
        result.unicodeScalars.append(scalar)
      } else {
        let digits = String(scalar.value, radix: 16)
        switch scalar.value {
        case ..<0x100: result += "\\x" + digits.leftPadded(to: 2, with: "0")
        case ..<0x10000: result += "\\u" + digits.leftPadded(to: 4, with: "0")
        default: result += "\\U" + digits.leftPadded(to: 8, with: "0")
        }
      }
    }
  }
  result.unicodeScalars.append(quote)
}

/// A string, quoted for an error.
func quoted(_ text: String) -> String {
  var result = ""
  writeQuoted(text, to: &result)
  return result
}
