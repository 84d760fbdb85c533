import Foundation

// Filters that return their elements one at a time, and those of numbers.
extension Renderer {
  func applyIterating(_ filter: Filter, _ value: Value, _ arguments: CallArguments) throws -> Value {
    switch filter {
    case .map: return try lazily(value) { [unowned self] in try mapper(arguments) }
    case .select, .reject, .selectattr, .rejectattr:
      return try lazily(value) { [unowned self] in try selector(filter, arguments) }
    case .unique: return try unique(value, parameters(filter, arguments, ["case_sensitive", "attribute"]))
    case .items:
      _ = try parameters(filter, arguments, [])
      if value.isUndefined { return .object(try Generator("generator", over: value, ArrayIterator([]))) }
      guard case .dictionary(let mapping) = value else { throw Failure("'items' needs a dictionary") }
      let view = try MappingView(mapping, .items)
      return .object(try Generator("generator", over: value, try iterator(over: .object(view))))
    default:
      _ = try parameters(filter, arguments, [])
      return try reversed(value)
    }
  }

  /// A generator that iterates over a value when it is iterated itself; a value that is false has no elements.
  private func lazily(
    _ source: Value, _ prepare: @escaping () throws -> (Value) throws -> Value?
  ) throws -> Value {
    var iterator: (any ValueIterator)?
    var transform: ((Value) throws -> Value?)?
    let lazy = ClosureIterator { [unowned self] in
      if transform == nil {
        guard try isTrue(source) else { return nil }
        transform = try prepare()
        iterator = try self.iterator(over: source)
      }
      guard let iterator, let transform else { return nil }
      while let element = try iterator.next() {
        try step()
        if let result = try transform(element) { return result }
      }
      return nil
    }
    return .object(try Generator("generator", over: source, lazy))
  }

  private func mapper(_ arguments: CallArguments) throws -> (Value) throws -> Value? {
    var arguments = arguments
    if arguments.positional.isEmpty, let attribute = arguments.takeNamed("attribute") {
      var standard = arguments.takeNamed("default")
      if case .none? = standard { standard = nil }
      if let surplus = arguments.named.first { throw Failure("'map' has no argument '\(surplus.name)'") }
      let path = try attributePath(attribute) ?? []
      return { [unowned self, standard] in try follow(path, $0, default: standard) }
    }
    guard let name = arguments.positional.first else { throw Failure("'map' needs a filter") }
    arguments.positional.removeFirst()
    guard let text = name.text, let filter = Filter(rawValue: text) else {
      throw Failure("the filter \(try represented(name)) is not supported here")
    }
    return { [unowned self, arguments] in try apply(filter, $0, arguments) }
  }

  private func selector(_ filter: Filter, _ arguments: CallArguments) throws -> (Value) throws -> Value? {
    var arguments = arguments
    var path: [Value] = []
    if filter == .selectattr || filter == .rejectattr {
      guard let attribute = arguments.positional.first else { throw Failure("'\(filter.rawValue)' needs an attribute") }
      path = try attributePath(attribute) ?? []
      arguments.positional.removeFirst()
    }
    let wanted = filter == .select || filter == .selectattr
    guard let name = arguments.positional.first else {
      return { [unowned self, path] in try isTrue(try follow(path, $0)) == wanted ? $0 : nil }
    }
    arguments.positional.removeFirst()
    guard let text = name.text, let test = Test(rawValue: text) else {
      throw Failure("the test \(try represented(name)) is not supported here")
    }
    return { [unowned self, path, arguments] in
      try self.test(test, try follow(path, $0), arguments) == wanted ? $0 : nil
    }
  }

  private func unique(_ value: Value, _ parameters: Parameters) throws -> Value {
    let caseSensitive = try isTrue(parameters[0] ?? .boolean(false))
    let path = try parameters[1].flatMap(attributePath) ?? []
    var seen: Set<Key> = []
    var iterator: (any ValueIterator)?
    let lazy = ClosureIterator { [unowned self] in
      let source = try iterator ?? self.iterator(over: value)
      iterator = source
      while let element = try source.next() {
        try step()
        try make(48)
        if seen.insert(try Key(key(try follow(path, element), caseSensitive))).inserted { return element }
      }
      return nil
    }
    return .object(try Generator("generator", over: value, lazy))
  }

  private func reversed(_ value: Value) throws -> Value {
    switch value {
    case .string(let text): return try string(String(String.UnicodeScalarView(text.unicodeScalars.reversed())))
    case .markup(let text): return try markup(String(String.UnicodeScalarView(text.unicodeScalars.reversed())))
    case .object(let object as Generator):
      return try list(try elements(of: .object(object)).reversed())
    case .object(let object) where !(object is MappingView):
      throw Failure("the filter 'reverse' can't be used on a \(value.typeName)")
    default:
      let elements = try elements(of: value)
      return .object(try Generator("reversed", over: value, ArrayIterator(elements.reversed())))
    }
  }

  // MARK: Numbers

  func applyNumeric(_ filter: Filter, _ value: Value, _ arguments: CallArguments) throws -> Value {
    switch filter {
    case .abs:
      _ = try parameters(filter, arguments, [])
      switch try number(value, "abs") {
      case .float(let number): return .float(Swift.abs(number))
      case let number: return try number.index ?? 0 < 0 ? negated(number) : number
      }
    case .int: return try integer(value, parameters(filter, arguments, ["default", "base"]))
    case .float:
      let standard = try parameters(filter, arguments, ["default"])[0] ?? .float(0)
      return try double(value).map { .float($0) } ?? standard
    case .round: return try rounded(value, parameters(filter, arguments, ["precision", "method"]))
    case .sum: return try sum(value, parameters(filter, arguments, ["attribute", "start"]))
    default: return try extreme(filter, value, parameters(filter, arguments, ["case_sensitive", "attribute"]))
    }
  }

  /// `float(value)`; nil if Python raises a ValueError or TypeError.
  private func double(_ value: Value) throws -> Double? {
    if case .undefined(let hint) = value { throw undefined(hint) }
    if let number = Self.double(value) { return number }
    guard let text = value.text else { return nil }
    return PythonNumber.float(text)
  }

  private func integer(_ value: Value, _ parameters: Parameters) throws -> Value {
    if case .undefined(let hint) = value { throw undefined(hint) }
    if let number = value.index { return .integer(number) }
    if case .float(let number) = value, number.isInfinite { throw Failure("an infinite number is not an integer") }
    if let text = value.text {
      let base = try parameters.integer(1, default: 10)
      switch try PythonNumber.integer(text, base: base) {
      case .some(let number): return .integer(number)
      case nil: break
      }
    }
    guard let number = try double(value), number.isFinite else { return parameters[0] ?? .integer(0) }
    guard let whole = Int(exactly: number.rounded(.towardZero)) else {
      throw Failure("an integer grows beyond 64 bits")
    }
    return .integer(whole)
  }

  private func rounded(_ value: Value, _ parameters: Parameters) throws -> Value {
    let method = try parameters.text(1, default: "common")
    guard ["common", "ceil", "floor"].contains(method) else { throw Failure("'round' knows common, ceil and floor") }
    let digits = try parameters.integer(0, default: 0)
    guard (-300...300).contains(digits) else { throw Failure("'round' to \(digits) digits is not supported") }
    let number = try number(value, "round")
    if method == "common" {
      if let whole = number.index {
        guard digits >= 0 else { throw Failure("'round' of an integer to \(digits) digits is not supported") }
        return .integer(whole)
      }
      guard case .float(let double) = number, digits >= 0, double.isFinite else {
        throw Failure("'round' of this number to \(digits) digits is not supported")
      }
      return .float(Double(String(format: "%.\(digits)f", double)) ?? double)
    }
    // func(value * 10**precision) / 10**precision
    let factor = try combined(.power, .integer(10), .integer(digits))
    guard let scaled = Self.double(try combined(.multiply, number, factor)) else { return .none }
    let whole = method == "ceil" ? scaled.rounded(.up) : scaled.rounded(.down)
    guard let result = Int(exactly: whole) else { throw Failure("an integer grows beyond 64 bits") }
    return try combined(.divide, .integer(result), factor)
  }

  private func sum(_ value: Value, _ parameters: Parameters) throws -> Value {
    let path = try parameters[0].flatMap(attributePath) ?? []
    var result = parameters[1] ?? .integer(0)
    if result.text != nil { throw Failure("'sum' can't add strings") }
    let iterator = try iterator(over: value)
    while let element = try iterator.next() {
      try step()
      result = try combined(.add, result, try follow(path, element))
    }
    return result
  }

  private func extreme(_ filter: Filter, _ value: Value, _ parameters: Parameters) throws -> Value {
    let caseSensitive = try isTrue(parameters[0] ?? .boolean(false))
    let path = try parameters[1].flatMap(attributePath) ?? []
    let iterator = try iterator(over: value)
    guard var best = try iterator.next() else { return .undefined(Hint("the sequence is empty")) }
    var bestKey = key(try follow(path, best), caseSensitive)
    while let element = try iterator.next() {
      let other = key(try follow(path, element), caseSensitive)
      let isBetter =
        filter == .min ? try ordered(other, bestKey, "<") == .less : try ordered(other, bestKey, ">") == .greater
      if isBetter { (best, bestKey) = (element, other) }
    }
    return best
  }
}

/// `int(str)` and `float(str)`.
enum PythonNumber {
  /// Nil if the text is not an integer of this base. Throws for one that is too large.
  static func integer(_ text: String, base: Int) throws -> Int? {
    guard base == 0 || (2...36).contains(base) else { return nil }
    var digits = withASCIIDigits(PythonText.stripped(text))
    var sign = ""
    if let first = digits.first, first == "-" || first == "+" {
      sign = first == "-" ? "-" : ""
      digits.removeFirst()
    }
    var radix = base
    let prefixes = ["0b": 2, "0o": 8, "0x": 16]
    if let prefixed = prefixes[String(digits.prefix(2)).lowercased()], base == prefixed || base == 0 {
      radix = prefixed
      digits.removeFirst(2)
      if digits.first == "_" { digits.removeFirst() }
    } else if base == 0 {
      // Without a prefix: decimal, and not with a leading zero.
      guard digits.first != "0" || digits.allSatisfy({ $0 == "0" || $0 == "_" }) else { return nil }
      radix = 10
    }
    guard hasSingleUnderscores(digits) else { return nil }
    digits.removeAll { $0 == "_" }
    guard !digits.isEmpty, digits.allSatisfy({ ($0.hexOrLetterValue ?? 99) < radix }) else { return nil }
    guard let number = Int(sign + digits, radix: radix) else { throw Failure("an integer grows beyond 64 bits") }
    return number
  }

  static func float(_ text: String) -> Double? {
    let stripped = withASCIIDigits(PythonText.stripped(text))
    guard hasSingleUnderscores(stripped) else { return nil }
    let number = stripped.filter { $0 != "_" }.lowercased()
    let unsigned = number.hasPrefix("-") || number.hasPrefix("+") ? String(number.dropFirst()) : number
    if ["inf", "infinity", "nan"].contains(unsigned) {
      let value = unsigned == "nan" ? Double.nan : Double.infinity
      return number.hasPrefix("-") ? -value : value
    }
    // Swift would also read hexadecimal numbers.
    guard unsigned.unicodeScalars.allSatisfy({ $0.isDigit || ".e+-".unicodeScalars.contains($0) }),
      unsigned.unicodeScalars.contains(where: \.isDigit)
    else { return nil }
    let padded = unsigned.hasPrefix(".") ? "0" + unsigned : unsigned
    let parts = padded.split(separator: "e", maxSplits: 1, omittingEmptySubsequences: false)
    let mantissa = parts[0].hasSuffix(".") ? parts[0] + "0" : parts[0]
    guard let value = Double(mantissa + (parts.count > 1 ? "e" + parts[1] : "")) else { return nil }
    return number.hasPrefix("-") ? -value : value
  }

  /// Python reads the decimal digits of all scripts.
  private static func withASCIIDigits(_ text: String) -> String {
    if text.utf8.allSatisfy({ $0 < 0x80 }) { return text }
    var result = ""
    for scalar in text.unicodeScalars {
      if PythonText.isDecimal(scalar), let value = scalar.properties.numericValue {
        result += String(Int(value))
      } else {
        result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// Underscores only one at a time between digits.
  private static func hasSingleUnderscores(_ text: String) -> Bool {
    guard text.contains("_") else { return true }
    let characters = Array(text)
    return characters.indices.allSatisfy { place in
      characters[place] != "_"
        || (place > 0 && place + 1 < characters.count && characters[place - 1].isLetterOrDigit
          && characters[place + 1].isLetterOrDigit)
    }
  }
}

extension Character {
  fileprivate var isLetterOrDigit: Bool { isASCII && (isLetter || isNumber) }

  /// 0 to 35 for 0…9, a…z, A…Z.
  fileprivate var hexOrLetterValue: Int? {
    guard let code = asciiValue else { return nil }
    switch code {
    case 48...57: return Int(code) - 48
    case 97...122: return Int(code) - 87
    case 65...90: return Int(code) - 55
    default: return nil
    }
  }
}
