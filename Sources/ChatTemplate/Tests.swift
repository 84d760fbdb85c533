/// The tests behind `is`: all of jinja2's.
enum Test: String {
  case odd, even, divisibleby, defined, undefined, filter, test, none, boolean, `false`, `true`, integer, float, lower
  case upper, string, mapping, number, sequence, iterable, callable, sameas, escaped, `in`, eq, equalto, ne, gt
  case greaterthan, ge, lt, lessthan, le
  // In select('==', …).
  case equal = "==", unequal = "!=", greater = ">", greaterOrEqual = ">=", less = "<", lessOrEqual = "<="

  /// Names of the argument that the test takes, if it takes one.
  fileprivate var parameters: [String] {
    switch self {
    case .divisibleby: ["num"]
    case .sameas: ["other"]
    case .in: ["seq"]
    default: comparison == nil ? [] : ["other"]
    }
  }

  fileprivate var comparison: Comparison? {
    switch self {
    case .eq, .equalto, .equal: .equal
    case .ne, .unequal: .unequal
    case .gt, .greaterthan, .greater: .greater
    case .ge, .greaterOrEqual: .greaterOrEqual
    case .lt, .lessthan, .less: .less
    case .le, .lessOrEqual: .lessOrEqual
    default: nil
    }
  }
}

extension Renderer {
  func test(_ test: Test, _ value: Value, _ arguments: CallArguments) throws -> Bool {
    let what = "the test '\(test.rawValue)'"
    if test.comparison != nil, !arguments.named.isEmpty { throw Failure("\(what) takes no named arguments") }
    let parameters = try Parameters(arguments, test.parameters, what)
    if let comparison = test.comparison { return try compare(comparison, value, try parameters.required(0)) }
    switch test {
    case .defined: return !value.isUndefined
    case .undefined: return value.isUndefined
    case .divisibleby: return try isMultiple(value, of: try parameters.required(0))
    case .odd: return try equal(try combined(.modulo, value, .integer(2)), .integer(1))
    case .even: return try isMultiple(value, of: .integer(2))
    case .in: return try contains(try parameters.required(0), value)
    case .sameas: return try isSame(value, try parameters.required(0))
    case .filter, .test:
      guard let name = value.text else { throw Failure("\(what) needs a name") }
      if test == .filter {
        guard !Filter.unsupported.contains(name) else { throw Failure("the filter '\(name)' is not supported here") }
        return Filter(rawValue: name) != nil
      }
      return Test(rawValue: name) != nil
    case .lower, .upper:
      let text = try printed(value)
      try step(text.utf8.count / 16)
      return test == .lower ? PythonText.isLower(text) : PythonText.isUpper(text)
    default: return try kind(test, value)
    }
  }

  private func kind(_ test: Test, _ value: Value) throws -> Bool {
    switch (test, value) {
    case (.none, .none), (.boolean, .boolean), (.integer, .integer), (.float, .float), (.mapping, .dictionary),
      (.string, .string), (.string, .markup), (.escaped, .markup):
      return true
    case (.true, .boolean(let flag)): return flag
    case (.false, .boolean(let flag)): return !flag
    case (.number, .integer), (.number, .float), (.number, .boolean): return true
    case (.sequence, .undefined), (.sequence, .list), (.sequence, .tuple), (.sequence, .dictionary),
      (.sequence, .string), (.sequence, .markup), (.sequence, .range):
      return true
    case (.iterable, .undefined), (.iterable, .list), (.iterable, .tuple), (.iterable, .dictionary),
      (.iterable, .string), (.iterable, .markup), (.iterable, .range):
      return true
    case (.iterable, .object(let object)):
      return object is Generator || object is MappingView || object is LoopState
    case (.callable, .undefined): return true
    case (.callable, .object(let object)):
      return object is MacroObject || object is BoundMethod || object is Function || object is LoopState
    default: return false
    }
  }

  private func isMultiple(_ value: Value, of divisor: Value) throws -> Bool {
    try equal(try combined(.modulo, value, divisor), .integer(0))
  }

  /// Python's `is`, for what has one identity; numbers and strings may share one or not, so they are compared.
  private func isSame(_ left: Value, _ right: Value) throws -> Bool {
    switch (left, right) {
    case (.none, .none): return true
    case (.boolean(let a), .boolean(let b)): return a == b
    case (.object(let a), .object(let b)): return a === b
    case (.none, _), (_, .none), (.boolean, _), (_, .boolean), (.object, _), (_, .object): return false
    default: throw Failure("'is sameas' of a \(left.typeName) and a \(right.typeName) is not supported here")
    }
  }
}
