import Foundation

// `'…' % values`, `'…'.format(values)` and `strftime`.
extension Renderer {
  /// One conversion of a format, such as `%-5.2f`.
  private struct Conversion {
    var flags = Set<Unicode.Scalar>()
    var width = 0
    var precision: Int?
    var kind: Unicode.Scalar = "s"
  }

  /// Python's `text % values`.
  func formatted(_ text: String, printf values: Value) throws -> String {
    var rest = Array(text.unicodeScalars)[...]
    var arguments: [Value] = [values]
    var isMapping = false
    switch values {
    case .tuple(let items): arguments = items.values
    case .list, .dictionary, .range, .undefined: isMapping = true
    default: break
    }
    var used = 0
    var result = ""
    while let scalar = rest.popFirst() {
      guard scalar == "%" else {
        result.unicodeScalars.append(scalar)
        continue
      }
      try step()
      var named: Value?
      if rest.first == "(" { named = try element(.string(try name(&rest)), of: values) ?? .undefined(nil) }
      let conversion = try conversion(&rest)
      if conversion.kind == "%" {
        result += "%"
        continue
      }
      if named == nil {
        guard used < arguments.count else { throw Failure("there are fewer values than the format has places") }
        used += 1
      }
      result += try converted(named ?? arguments[used - 1], conversion)
      guard result.utf8.count <= limits.outputBytes else {
        throw Failure("a string of more than \(limits.outputBytes) bytes would be made")
      }
    }
    guard used == arguments.count || isMapping else {
      throw Failure("there are more values than the format has places")
    }
    return result
  }

  /// `(name)`, which needs a dictionary.
  private func name(_ rest: inout ArraySlice<Unicode.Scalar>) throws -> String {
    rest.removeFirst()
    guard let end = rest.firstIndex(of: ")"), !rest[..<end].contains("(") else {
      throw Failure("a name in a format has no end")
    }
    var name = String.UnicodeScalarView()
    name.append(contentsOf: rest[..<end])
    rest = rest[(end + 1)...]
    return String(name)
  }

  private func conversion(_ rest: inout ArraySlice<Unicode.Scalar>) throws -> Conversion {
    var result = Conversion()
    while let flag = rest.first, "#0- +".unicodeScalars.contains(flag) {
      result.flags.insert(flag)
      rest.removeFirst()
    }
    func number() throws -> Int {
      guard rest.first != "*" else { throw Failure("'*' in a format is not supported here") }
      var number = 0
      while let digit = rest.first, digit.isDigit {
        number = number * 10 + Int(digit.value) - 48
        guard number <= limits.outputBytes else { throw Failure("a width in a format is too large") }
        rest.removeFirst()
      }
      return number
    }
    result.width = try number()
    if rest.first == "." {
      rest.removeFirst()
      result.precision = try number()
    }
    while let size = rest.first, "hlL".unicodeScalars.contains(size) { rest.removeFirst() }
    guard let kind = rest.popFirst() else { throw Failure("a format is incomplete") }
    result.kind = kind
    return result
  }

  private func converted(_ value: Value, _ conversion: Conversion) throws -> String {
    switch conversion.kind {
    case "s", "r":
      var text = conversion.kind == "s" ? try printed(value) : try represented(value)
      if let precision = conversion.precision {
        text = String(String.UnicodeScalarView(text.unicodeScalars.prefix(precision)))
      }
      return try padded(text, sign: "", conversion, zeros: false)
    case "d", "i", "u", "x", "X", "o": return try convertedInteger(value, conversion)
    case "f", "F", "e", "E", "g", "G":
      guard let number = Self.double(value) else {
        if case .undefined(let hint) = value { throw undefined(hint) }
        throw Failure("'%\(conversion.kind)' needs a number, not a \(value.typeName)")
      }
      guard number.isFinite else { throw Failure("'%\(conversion.kind)' of \(number) is not supported here") }
      guard !conversion.flags.contains("#"), conversion.precision ?? 6 <= 300 else {
        throw Failure("this '%\(conversion.kind)' in a format is not supported here")
      }
      let digits = String(format: "%.\(conversion.precision ?? 6)\(conversion.kind)", number.magnitude)
      return try padded(digits, sign: number.sign == .minus ? "-" : "", conversion, zeros: true)
    default: throw Failure("'%\(conversion.kind)' in a format is not supported here")
    }
  }

  private func convertedInteger(_ value: Value, _ conversion: Conversion) throws -> String {
    let radix = conversion.kind == "x" || conversion.kind == "X" ? 16 : conversion.kind == "o" ? 8 : 10
    var number = value.index
    if case .float(let double) = value, radix == 10 {
      number = Int(exactly: double.rounded(.towardZero))
      if number == nil, double.isFinite { throw Failure("an integer grows beyond 64 bits") }
    }
    guard let number else {
      if case .undefined(let hint) = value { throw undefined(hint) }
      throw Failure("'%\(conversion.kind)' needs an integer, not a \(value.typeName)")
    }
    guard !conversion.flags.contains("#") else { throw Failure("'#' in a format is not supported here") }
    let precision = conversion.precision ?? 0
    try make(precision)
    let digits = String(number.magnitude, radix: radix, uppercase: conversion.kind == "X")
      .leftPadded(to: precision, with: "0")
    return try padded(digits, sign: number < 0 ? "-" : "", conversion, zeros: true)
  }

  private func padded(_ text: String, sign: String, _ conversion: Conversion, zeros: Bool) throws -> String {
    var sign = sign
    if zeros, sign.isEmpty { sign = conversion.flags.contains("+") ? "+" : conversion.flags.contains(" ") ? " " : "" }
    let missing = conversion.width - text.unicodeScalars.count - sign.unicodeScalars.count
    guard missing > 0 else { return sign + text }
    try make(missing)
    if conversion.flags.contains("-") { return sign + text + String(repeating: " ", count: missing) }
    if zeros, conversion.flags.contains("0") { return sign + String(repeating: "0", count: missing) + text }
    return String(repeating: " ", count: missing) + sign + text
  }

  // MARK: str.format

  /// `text.format(…)`: fields with a place or a name, attributes and elements of it, `!s` and `!r`.
  func formatted(_ text: String, fields arguments: CallArguments) throws -> String {
    var rest = Array(text.unicodeScalars)[...]
    var result = ""
    var automatic: Int? = 0
    while let scalar = rest.popFirst() {
      guard scalar == "{" || scalar == "}" else {
        result.unicodeScalars.append(scalar)
        continue
      }
      if rest.first == scalar {
        rest.removeFirst()
        result.unicodeScalars.append(scalar)
        continue
      }
      guard scalar == "{", let end = rest.firstIndex(of: "}") else {
        throw Failure("a single '\(scalar)' in a string that is formatted")
      }
      var field = String.UnicodeScalarView()
      field.append(contentsOf: rest[..<end])
      rest = rest[(end + 1)...]
      try step()
      result += try fieldText(String(field), arguments, &automatic)
      guard result.utf8.count <= limits.outputBytes else {
        throw Failure("a string of more than \(limits.outputBytes) bytes would be made")
      }
    }
    return result
  }

  private func fieldText(_ field: String, _ arguments: CallArguments, _ automatic: inout Int?) throws -> String {
    var field = field
    var isRepresented = false
    guard !field.contains(":"), !field.contains("{") else {
      throw Failure("the field '{\(field)}' with a format of its own is not supported here")
    }
    if let mark = field.lastIndex(of: "!") {
      let conversion = field[field.index(after: mark)...]
      guard conversion == "s" || conversion == "r" else { throw Failure("'!\(conversion)' in a field is not known") }
      isRepresented = conversion == "r"
      field = String(field[..<mark])
    }
    let name = field.prefix { $0 != "." && $0 != "[" }
    var value = try fieldValue(String(name), arguments, &automatic)
    var path = field.dropFirst(name.count)
    while let mark = path.popFirst() {
      if mark == "." {
        let attribute = path.prefix { $0 != "." && $0 != "[" }
        guard !attribute.isEmpty else { throw Failure("an attribute in '{\(field)}' is empty") }
        path = path.dropFirst(attribute.count)
        value = try self.attribute(String(attribute), of: value) ?? .undefined(nil)
      } else {
        let index = path.prefix { $0 != "]" }
        path = path.dropFirst(index.count)
        guard mark == "[", path.popFirst() == "]", !index.isEmpty else {
          throw Failure("an element in '{\(field)}' is incomplete")
        }
        let number = index.unicodeScalars.allSatisfy(\.isDigit) ? Int(index) : nil
        value = try element(number.map { .integer($0) } ?? .string(String(index)), of: value) ?? .undefined(nil)
      }
    }
    return isRepresented ? try represented(value) : try printed(value)
  }

  private func fieldValue(_ name: String, _ arguments: CallArguments, _ automatic: inout Int?) throws -> Value {
    var place: Int?
    if name.isEmpty {
      guard let next = automatic else { throw Failure("numbered and unnumbered fields are mixed") }
      (place, automatic) = (next, next + 1)
    } else if name.unicodeScalars.allSatisfy(\.isDigit) {
      guard automatic == 0 || automatic == nil else { throw Failure("numbered and unnumbered fields are mixed") }
      (place, automatic) = (Int(name), nil)
    } else if let value = arguments.named.first(where: { sameScalars($0.name, name) }) {
      return value.value
    }
    guard let place, arguments.positional.indices.contains(place) else {
      throw Failure("there is no value for the field '{\(name)}'")
    }
    return arguments.positional[place]
  }
}

extension TemplateDate {
  private static let days = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
  private static let months = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
  ]

  private var isValid: Bool {
    (1...9999).contains(year) && (1...12).contains(month) && (1...31).contains(day) && (0...23).contains(hour)
      && (0...59).contains(minute) && (0...61).contains(second)
  }

  private func daysBefore(month: Int) -> Int {
    let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    let lengths = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    return lengths.prefix(month - 1).reduce(0, +)
  }

  private var dayOfYear: Int { daysBefore(month: month) + day }

  /// From Sunday, 0.
  private var weekday: Int {
    let years = year - 1
    return (years * 365 + years / 4 - years / 100 + years / 400 + dayOfYear) % 7
  }

  /// As `strftime` in the C locale, with glibc's `-` for no padding.
  func formatted(_ format: String) throws -> String {
    guard isValid else { throw Failure("the given date is not valid") }
    var result = ""
    var rest = format.unicodeScalars[...]
    while let scalar = rest.popFirst() {
      guard scalar == "%" else {
        result.unicodeScalars.append(scalar)
        continue
      }
      let isPlain = rest.first == "-"
      if isPlain { rest.removeFirst() }
      guard let code = rest.popFirst(), let text = text(code, isPlain) else {
        throw Failure("the format \(quoted(format)) of strftime_now is not supported here")
      }
      result += text
    }
    return result
  }

  private func text(_ code: Unicode.Scalar, _ isPlain: Bool) -> String? {
    func number(_ value: Int, _ width: Int, _ pad: Character = "0") -> String {
      isPlain ? String(value) : String(value).leftPadded(to: width, with: pad)
    }
    let hour12 = hour % 12 == 0 ? 12 : hour % 12
    switch code {
    case "Y": return isPlain ? nil : String(year)
    case "y": return number(year % 100, 2)
    case "m": return number(month, 2)
    case "d": return number(day, 2)
    case "e": return number(day, 2, " ")
    case "j": return number(dayOfYear, 3)
    case "H": return number(hour, 2)
    case "I": return number(hour12, 2)
    case "M": return number(minute, 2)
    case "S": return number(second, 2)
    case _ where isPlain: return nil
    case "B": return Self.months[month - 1]
    case "b", "h": return String(Self.months[month - 1].prefix(3))
    case "A": return Self.days[weekday]
    case "a": return String(Self.days[weekday].prefix(3))
    case "p": return hour < 12 ? "AM" : "PM"
    case "F": return "\(year)-\(number(month, 2))-\(number(day, 2))"
    case "T": return "\(number(hour, 2)):\(number(minute, 2)):\(number(second, 2))"
    case "w": return String(weekday)
    case "%": return "%"
    default: return nil
    }
  }
}
