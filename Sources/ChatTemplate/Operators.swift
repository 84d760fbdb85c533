import Foundation

// Python's operators on values.
extension Renderer {
  func isTrue(_ value: Value) throws -> Bool {
    switch value {
    case .undefined, .none: false
    case .boolean(let flag): flag
    case .integer(let number): number != 0
    case .float(let number): number != 0
    case .string(let text), .markup(let text): !text.isEmpty
    case .list(let items), .tuple(let items): !items.values.isEmpty
    case .dictionary(let mapping): mapping.count > 0
    case .range(let range): range.count > 0
    case .object(let object):
      switch object {
      case let view as MappingView: view.mapping.count > 0
      case let loop as LoopState: try loop.length() > 0
      default: true
      }
    }
  }

  func undefined(_ hint: Hint?) -> Failure { Failure(hint?.text ?? "a value is undefined") }

  // MARK: Equality and order

  func equal(_ left: Value, _ right: Value) throws -> Bool {
    try step()
    switch (left, right) {
    case (.undefined, .undefined), (.none, .none): return true
    case (.integer(let a), .integer(let b)): return a == b
    case (.float(let a), .float(let b)): return a == b
    case (.integer, .float), (.float, .integer), (.boolean, _), (_, .boolean):
      return try order(left, right) == .same
    case (.list(let a), .list(let b)), (.tuple(let a), .tuple(let b)):
      guard a !== b else { return true }
      guard a.values.count == b.values.count else { return false }
      return try nested {
        for (x, y) in zip(a.values, b.values) where !(try equal(x, y)) { return false }
        return true
      }
    case (.dictionary(let a), .dictionary(let b)):
      guard a !== b else { return true }
      guard a.count == b.count else { return false }
      return try nested {
        for (key, value) in zip(a.keys, a.values) {
          guard let other = b[key], try equal(value, other) else { return false }
        }
        return true
      }
    case (.range(let a), .range(let b)):
      return a.count == b.count && (a.count == 0 || a.start == b.start) && (a.count <= 1 || a.step == b.step)
    case (.object(let a), .object(let b)):
      if a is MappingView, b is MappingView, a !== b { throw Failure("views of dictionaries can't be compared here") }
      if a is BoundMethod, b is BoundMethod { throw Failure("methods can't be compared here") }
      if let a = a as? Function, let b = b as? Function { return a.name == b.name }
      return a === b
    default:
      guard let a = left.text, let b = right.text else { return false }
      return sameScalars(a, b)
    }
  }

  enum Order { case less, same, greater, none }

  /// The order of two numbers (booleans are numbers); nil if one is none.
  private func order(_ left: Value, _ right: Value) throws -> Order? {
    switch (left, right) {
    case (.float(let a), .float(let b)): return Self.order(a, b)
    case (.float(let a), _): return right.index.map { Self.order(a, $0) }
    case (_, .float(let b)):
      guard let a = left.index else { return nil }
      switch Self.order(b, a) {
      case .less: return .greater
      case .greater: return .less
      case let order: return order
      }
    default:
      guard let a = left.index, let b = right.index else { return nil }
      return a < b ? .less : a > b ? .greater : .same
    }
  }

  private static func order(_ a: Double, _ b: Double) -> Order {
    a < b ? .less : a > b ? .greater : a == b ? .same : .none
  }

  /// Exact, as in Python: the integer is not rounded.
  private static func order(_ a: Double, _ b: Int) -> Order {
    if a.isNaN { return .none }
    let down = a.rounded(.down)
    guard let whole = Int(exactly: down) else { return a > 0 ? .greater : .less }
    if whole != b { return whole < b ? .less : .greater }
    return a > down ? .greater : .same
  }

  /// Which of two values comes first. Throws where Python can't order them.
  func ordered(_ left: Value, _ right: Value, _ symbol: String) throws -> Order {
    try step()
    if case .undefined(let hint) = left { throw undefined(hint) }
    if case .undefined(let hint) = right { throw undefined(hint) }
    if let order = try order(left, right) { return order }
    if let a = left.text, let b = right.text {
      if sameScalars(a, b) { return .same }
      return a.utf8.lexicographicallyPrecedes(b.utf8) ? .less : .greater
    }
    switch (left, right) {
    case (.list(let a), .list(let b)), (.tuple(let a), .tuple(let b)):
      return try nested {
        for (x, y) in zip(a.values, b.values) where !(try equal(x, y)) { return try ordered(x, y, symbol) }
        let (first, second) = (a.values.count, b.values.count)
        return first < second ? .less : first > second ? .greater : .same
      }
    default: throw Failure("'\(symbol)' can't compare a \(left.typeName) with a \(right.typeName)")
    }
  }

  func compare(_ operation: Comparison, _ left: Value, _ right: Value) throws -> Bool {
    switch operation {
    case .equal: return try equal(left, right)
    case .unequal: return !(try equal(left, right))
    case .isIn: return try contains(right, left)
    case .isNotIn: return !(try contains(right, left))
    case .less: return try ordered(left, right, "<") == .less
    case .greater: return try ordered(left, right, ">") == .greater
    case .lessOrEqual:
      let order = try ordered(left, right, "<=")
      return order == .less || order == .same
    case .greaterOrEqual:
      let order = try ordered(left, right, ">=")
      return order == .greater || order == .same
    }
  }

  /// `value in container`.
  func contains(_ container: Value, _ value: Value) throws -> Bool {
    switch container {
    case .string(let text), .markup(let text):
      guard let part = value.text else { throw Failure("'in' a string needs a string, not a \(value.typeName)") }
      try step(text.utf8.count / 16)
      return find(part, in: text) != nil
    case .dictionary(let mapping): return mapping[try Key(value)] != nil
    case .object(let object):
      if let view = object as? MappingView, view.part == .keys { return view.mapping[try Key(value)] != nil }
    default: break
    }
    let iterator = try iterator(over: container)
    while let element = try iterator.next() {
      if try equal(element, value) { return true }
    }
    return false
  }

  // MARK: Arithmetic

  /// A number (a boolean becomes an integer), for unary operators.
  func number(_ value: Value, _ symbol: String) throws -> Value {
    switch value {
    case .undefined(let hint): throw undefined(hint)
    case .float: return value
    default:
      guard let number = value.index else { throw Failure("'\(symbol)' needs a number, not a \(value.typeName)") }
      return .integer(number)
    }
  }

  func negated(_ value: Value) throws -> Value {
    switch try number(value, "-") {
    case .float(let number): return .float(-number)
    case .integer(let number): return .integer(try checked(0, number, Int.subtractingReportingOverflow))
    default: return .none
    }
  }

  private func checked(
    _ left: Int, _ right: Int, _ operation: (Int) -> (Int) -> (partialValue: Int, overflow: Bool)
  ) throws -> Int {
    let (result, overflows) = operation(left)(right)
    guard !overflows else { throw Failure("an integer grows beyond 64 bits") }
    return result
  }

  func combined(_ operation: Arithmetic, _ left: Value, _ right: Value) throws -> Value {
    if case .undefined(let hint) = left { throw undefined(hint) }
    if operation == .modulo, let text = left.text {
      if case .markup = left { throw Failure("'%' on a safe string is not supported") }
      return try string(try formatted(text, printf: right))
    }
    if case .undefined(let hint) = right { throw undefined(hint) }
    if let a = left.index, let b = right.index { return try integers(operation, a, b) }
    if let a = Self.double(left), let b = Self.double(right) { return .float(try floats(operation, a, b)) }
    switch operation {
    case .add: if let sum = try joined(left, right) { return sum }
    case .multiply:
      if let count = right.index, let result = try repeated(left, count) { return result }
      if let count = left.index, let result = try repeated(right, count) { return result }
    default: break
    }
    throw Failure("'\(operation.rawValue)' can't be done with a \(left.typeName) and a \(right.typeName)")
  }

  static func double(_ value: Value) -> Double? {
    if case .float(let number) = value { return number }
    return value.index.map(Double.init)
  }

  private func integers(_ operation: Arithmetic, _ a: Int, _ b: Int) throws -> Value {
    switch operation {
    case .add: return .integer(try checked(a, b, Int.addingReportingOverflow))
    case .subtract: return .integer(try checked(a, b, Int.subtractingReportingOverflow))
    case .multiply: return .integer(try checked(a, b, Int.multipliedReportingOverflow))
    case .divide:
      guard b != 0 else { throw Failure("division by zero") }
      guard max(a.magnitude, b.magnitude) <= 1 << 53 else {
        throw Failure("'/' with an integer beyond 2^53 is not supported")
      }
      return .float(Double(a) / Double(b))
    case .floor, .modulo:
      guard b != 0 else { throw Failure("division by zero") }
      guard !(a == .min && b == -1) else {
        if operation == .modulo { return .integer(0) }
        throw Failure("an integer grows beyond 64 bits")
      }
      let (quotient, remainder) = a.quotientAndRemainder(dividingBy: b)
      let isBelow = remainder != 0 && (remainder < 0) != (b < 0)
      return .integer(operation == .floor ? (isBelow ? quotient - 1 : quotient) : (isBelow ? remainder + b : remainder))
    case .power:
      if b < 0 {
        guard a != 0 else { throw Failure("0 can't be raised to a negative power") }
        return .float(pow(Double(a), Double(b)))
      }
      return .integer(try power(a, b))
    }
  }

  private func power(_ base: Int, _ exponent: Int) throws -> Int {
    if exponent == 0 || base == 1 { return 1 }
    if base == 0 { return 0 }
    if base == -1 { return exponent % 2 == 0 ? 1 : -1 }
    guard exponent < 64 else { throw Failure("an integer grows beyond 64 bits") }
    var result = 1
    for _ in 0..<exponent { result = try checked(result, base, Int.multipliedReportingOverflow) }
    return result
  }

  private func floats(_ operation: Arithmetic, _ a: Double, _ b: Double) throws -> Double {
    switch operation {
    case .add: return a + b
    case .subtract: return a - b
    case .multiply: return a * b
    case .divide:
      guard b != 0 else { throw Failure("division by zero") }
      return a / b
    case .floor, .modulo:
      guard b != 0 else { throw Failure("division by zero") }
      let (quotient, remainder) = Self.floorDivision(a, b)
      return operation == .floor ? quotient : remainder
    case .power:
      guard !(a == 0 && b < 0) else { throw Failure("0 can't be raised to a negative power") }
      let result = pow(a, b)
      guard !(result.isNaN && !a.isNaN && !b.isNaN) else {
        throw Failure("a negative number can't be raised to a fractional power")
      }
      guard !(result.isInfinite && a.isFinite && b.isFinite) else { throw Failure("a number grows too large") }
      return result
    }
  }

  /// As CPython's `float_divmod`.
  private static func floorDivision(_ a: Double, _ b: Double) -> (quotient: Double, remainder: Double) {
    var remainder = fmod(a, b)
    var quotient = (a - remainder) / b
    if remainder != 0 {
      if (b < 0) != (remainder < 0) {
        remainder += b
        quotient -= 1
      }
    } else {
      remainder = b < 0 ? -0.0 : 0.0
    }
    var floored: Double
    if quotient != 0 {
      floored = quotient.rounded(.down)
      if quotient - floored > 0.5 { floored += 1 }
    } else {
      floored = (a < 0) != (b < 0) ? -0.0 : 0.0
    }
    return (floored, remainder)
  }

  // MARK: Strings and lists

  /// The sum of two strings or two lists; nil if it has none.
  private func joined(_ left: Value, _ right: Value) throws -> Value? {
    switch (left, right) {
    case (.string(let a), .string(let b)):
      try make(a.utf8.count + b.utf8.count)
      return .string(a + b)
    case (.markup(let a), .markup(let b)):
      try make(a.utf8.count + b.utf8.count)
      return .markup(a + b)
    case (.markup(let a), .string(let b)): return try markup(a + escaped(b))
    case (.string(let a), .markup(let b)): return try markup(escaped(a) + b)
    case (.list(let a), .list(let b)):
      try make((a.values.count + b.values.count) * 24)
      return .list(try Items(a.values + b.values))
    case (.tuple(let a), .tuple(let b)):
      try make((a.values.count + b.values.count) * 24)
      return .tuple(try Items(a.values + b.values))
    default: return nil
    }
  }

  func markup(_ text: String) throws -> Value {
    try make(text.utf8.count)
    return .markup(text)
  }

  private func repeated(_ value: Value, _ count: Int) throws -> Value? {
    let count = max(count, 0)
    func bytes(_ size: Int) throws {
      let (bytes, overflows) = size.multipliedReportingOverflow(by: count)
      try make(overflows ? .max : bytes)
    }
    switch value {
    case .string(let text), .markup(let text):
      try bytes(text.utf8.count)
      let result = text.isEmpty ? "" : String(repeating: text, count: count)
      if case .markup = value { return .markup(result) }
      return .string(result)
    case .list(let items), .tuple(let items):
      try bytes(items.values.count * 24)
      let values = items.values.isEmpty ? [] : Array(repeatElement(items.values, count: count).joined())
      if case .list = value { return .list(try Items(values)) }
      return .tuple(try Items(values))
    default: return nil
    }
  }

  /// `a ~ b ~ …`: plain text, whatever is safe.
  func concatenation(_ values: [Value]) throws -> Value {
    var result = ""
    for value in values {
      result += try printed(value)
      guard result.utf8.count <= limits.outputBytes else {
        throw Failure("a string of more than \(limits.outputBytes) bytes would be made")
      }
    }
    return try string(result)
  }
}

/// As `markupsafe.escape`.
func escaped(_ text: String) -> String {
  var result = ""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "&": result += "&amp;"
    case "<": result += "&lt;"
    case ">": result += "&gt;"
    case "'": result += "&#39;"
    case "\"": result += "&#34;"
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result
}
