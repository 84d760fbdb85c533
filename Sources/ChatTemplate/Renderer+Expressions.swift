extension Renderer {
  func evaluate(_ expression: Expression, _ frame: Frame) throws -> Value {
    // The commonest ones first, without another level.
    switch expression.kind {
    case .constant(let value): return value
    case .variable(let variable):
      line = expression.line
      return value(of: variable, frame)
    default:
      try step()
      return try nested { try evaluateParts(expression, frame) }
    }
  }

  private func evaluateParts(_ expression: Expression, _ frame: Frame) throws -> Value {
    switch expression.kind {
    case .constant(let value): return value
    case .variable(let variable): return value(of: variable, frame)
    case .both(let left, let right):
      let value = try evaluate(left, frame)
      return try isTrue(value) ? try evaluate(right, frame) : value
    case .either(let left, let right):
      let value = try evaluate(left, frame)
      return try isTrue(value) ? value : try evaluate(right, frame)
    case .not(let operand): return .boolean(!(try isTrue(try evaluate(operand, frame))))
    case .conditional(let condition, let then, let otherwise):
      if try isTrue(try evaluate(condition, frame)) { return try evaluate(then, frame) }
      guard let otherwise else { return .undefined(Self.noElse) }
      return try evaluate(otherwise, frame)
    case .attribute(let operand, let name, let hint):
      let value = try evaluate(operand, frame)
      line = expression.line
      return try attribute(name, of: value) ?? .undefined(hint)
    case .element(let operand, let index):
      let value = try evaluate(operand, frame)
      let index = try evaluate(index, frame)
      line = expression.line
      return try element(index, of: value) ?? .undefined(Self.noElement)
    case .comparison(let first, let rest): return try comparison(first, rest, frame, expression.line)
    case .call: return try evaluateCall(expression, frame, caller: nil)
    case .filter: return try evaluateFilter(expression, frame, block: nil)
    case .test(let operand, let test, let arguments):
      let value = try evaluate(operand, frame)
      let evaluated = try evaluate(arguments, frame)
      line = expression.line
      return .boolean(try self.test(test, value, evaluated))
    case .negative, .positive, .arithmetic, .concatenation: return try arithmetic(expression, frame)
    case .list, .tuple, .dictionary, .slice: return try collection(expression, frame)
    }
  }

  private static let noElse = Hint("the 'if' has no 'else', and its condition is false")
  private static let noElement = Hint("there is no such element")

  private func arithmetic(_ expression: Expression, _ frame: Frame) throws -> Value {
    switch expression.kind {
    case .arithmetic(let operation, let left, let right):
      let left = try evaluate(left, frame)
      let right = try evaluate(right, frame)
      line = expression.line
      return try combined(operation, left, right)
    case .negative(let operand):
      let value = try evaluate(operand, frame)
      line = expression.line
      return try negated(value)
    case .positive(let operand):
      let value = try evaluate(operand, frame)
      line = expression.line
      return try number(value, "+")
    case .concatenation(let parts):
      let values = try parts.map { try evaluate($0, frame) }
      line = expression.line
      return try concatenation(values)
    default: return .none
    }
  }

  private func collection(_ expression: Expression, _ frame: Frame) throws -> Value {
    switch expression.kind {
    case .list(let items): return try list(try items.map { try evaluate($0, frame) })
    case .tuple(let items): return try tuple(try items.map { try evaluate($0, frame) })
    case .dictionary(let pairs):
      var builder = Mapping.Builder()
      for (key, value) in pairs {
        let evaluatedKey = try evaluate(key, frame)
        let evaluatedValue = try evaluate(value, frame)
        line = expression.line
        builder[try Key(evaluatedKey)] = evaluatedValue
      }
      return try dictionary(builder)
    case .slice(let operand, let start, let end, let step):
      let value = try evaluate(operand, frame)
      let bounds = try [start, end, step].map { try $0.map { try evaluate($0, frame) } ?? .none }
      line = expression.line
      return try slice(value, bounds[0], bounds[1], bounds[2])
    default: return .none
    }
  }

  private func comparison(
    _ first: Expression, _ rest: [(operation: Comparison, operand: Expression)], _ frame: Frame, _ line: Int
  ) throws -> Value {
    var left = try evaluate(first, frame)
    for (operation, operand) in rest {
      let right = try evaluate(operand, frame)
      self.line = line
      guard try compare(operation, left, right) else { return .boolean(false) }
      left = right
    }
    return .boolean(true)
  }

  // MARK: Calls

  func evaluate(_ arguments: Arguments, _ frame: Frame) throws -> CallArguments {
    var result = CallArguments()
    if arguments.isEmpty { return result }
    for argument in arguments.positional { result.positional.append(try evaluate(argument, frame)) }
    for (name, value) in arguments.named { result.named.append((name, try evaluate(value, frame))) }
    if let unpacked = arguments.unpackedList {
      result.positional.append(contentsOf: try elements(of: try evaluate(unpacked, frame)))
    }
    if let unpacked = arguments.unpackedDictionary {
      guard case .dictionary(let mapping) = try evaluate(unpacked, frame) else {
        throw Failure("what follows '**' in a call must be a dictionary")
      }
      for (key, value) in zip(mapping.keys, mapping.values) {
        guard case .string(let name) = key else { throw Failure("the keys of a '**' argument must be strings") }
        guard !result.named.contains(where: { sameScalars($0.name, name) }) else {
          throw Failure("the argument '\(name)' occurs twice")
        }
        result.named.append((name, value))
      }
    }
    return result
  }

  func evaluateCall(_ expression: Expression, _ frame: Frame, caller: Value?) throws -> Value {
    guard case .call(let callee, let arguments) = expression.kind else { return .none }
    let function = try evaluate(callee, frame)
    var evaluated = try evaluate(arguments, frame)
    line = expression.line
    if let caller {
      guard !evaluated.named.contains(where: { $0.name == "caller" }) else {
        throw Failure("the argument 'caller' occurs twice")
      }
      evaluated.named.append(("caller", caller))
    }
    switch function {
    case .undefined(let hint): throw Failure(hint?.text ?? "an undefined value is called")
    case .object(let object):
      switch object {
      case let macro as MacroObject: return try call(macro.macro, macro.frame, evaluated)
      case let bound as BoundMethod: return try call(bound.method, on: bound.receiver, evaluated)
      case let function as Function: return try call(function.name, evaluated)
      default: break
      }
    default: break
    }
    throw Failure("a \(function.typeName) can't be called")
  }

  func evaluateFilter(_ expression: Expression, _ frame: Frame, block: Value?) throws -> Value {
    guard case .filter(let operand, let filter, let arguments) = expression.kind else {
      return try evaluate(expression, frame)
    }
    let value: Value
    if let operand {
      // A block's text goes into the first of several filters.
      value = block == nil ? try evaluate(operand, frame) : try evaluateFilter(operand, frame, block: block)
    } else {
      value = block ?? .none
    }
    let evaluated = try evaluate(arguments, frame)
    line = expression.line
    return try apply(filter, value, evaluated)
  }

  private func call(_ function: Function.Name, _ arguments: CallArguments) throws -> Value {
    switch function {
    case .range: return try range(arguments)
    case .dict: return try dictionary(try builder(arguments, "dict"))
    case .namespace:
      let builder = try builder(arguments, "namespace")
      for case .string(let name) in builder.keys where name.hasPrefix("_") {
        throw Failure("a namespace can't have the attribute '\(name)'")
      }
      return try namespace(builder)
    case .raiseException:
      let message = try Parameters(arguments, ["message"], "raise_exception").required(0)
      throw Failure(try printed(message))
    case .strftimeNow:
      guard case .string(let format)? = try Parameters(arguments, ["format"], "strftime_now").required(0) as Value?
      else { throw Failure("strftime_now needs a string") }
      guard let date else {
        throw Failure("the template asks for today's date (strftime_now), and no date is given to it")
      }
      return try string(try date.formatted(format))
    }
  }

  private func range(_ arguments: CallArguments) throws -> Value {
    guard arguments.named.isEmpty, (1...3).contains(arguments.positional.count) else {
      throw Failure("range takes one to three numbers")
    }
    let numbers = try arguments.positional.map { value in
      guard let number = value.index else { throw Failure("range needs integers, not a \(value.typeName)") }
      return number
    }
    let step = numbers.count == 3 ? numbers[2] : 1
    guard step != 0 else { throw Failure("the step of range must not be 0") }
    let (start, end) = numbers.count == 1 ? (0, numbers[0]) : (numbers[0], numbers[1])
    guard let range = IntegerRange(start: start, end: end, step: step), range.count <= 100_000 else {
      throw Failure("range has more than 100000 numbers")
    }
    return .range(range)
  }

  /// What `dict` and `namespace` are given: a dictionary or pairs, and named values.
  private func builder(_ arguments: CallArguments, _ name: String) throws -> Mapping.Builder {
    guard arguments.positional.count <= 1 else { throw Failure("\(name) takes one argument without a name") }
    var builder = Mapping.Builder()
    switch arguments.positional.first {
    case nil: break
    case .dictionary(let mapping)?: builder = Mapping.Builder(mapping)
    case let pairs?:
      for pair in try elements(of: pairs) {
        let both = try elements(of: pair)
        guard both.count == 2 else { throw Failure("\(name) needs pairs, not \(both.count) values") }
        builder[try Key(both[0])] = both[1]
      }
    }
    for (name, value) in arguments.named { builder[.string(name)] = value }
    return builder
  }
}

/// The arguments of a function with fixed parameters.
struct Parameters {
  private var values: [Value?]
  private let names: [String]
  private let what: String

  init(_ arguments: CallArguments, _ names: [String], _ what: String, positionalOnly: Int = 0) throws {
    guard arguments.positional.count <= names.count else {
      throw Failure("\(what) takes no more than \(names.count) arguments")
    }
    values = arguments.positional
    values += Array(repeating: nil, count: names.count - values.count)
    for (name, value) in arguments.named {
      guard let place = names.firstIndex(of: name), place >= positionalOnly else {
        throw Failure("\(what) has no argument '\(name)'")
      }
      guard values[place] == nil else { throw Failure("\(what) is given '\(name)' twice") }
      values[place] = value
    }
    (self.names, self.what) = (names, what)
  }

  subscript(index: Int) -> Value? { values[index] }

  func required(_ index: Int) throws -> Value {
    guard let value = values[index] else { throw Failure("\(what) needs '\(names[index])'") }
    return value
  }

  /// An integer (or boolean), or the default if none is given.
  func integer(_ index: Int, default standard: Int) throws -> Int {
    guard let value = values[index] else { return standard }
    guard let number = value.index else {
      throw Failure("\(what) needs an integer as '\(names[index])', not a \(value.typeName)")
    }
    return number
  }

  func text(_ index: Int, default standard: String? = nil) throws -> String {
    guard let value = values[index] else {
      guard let standard else { throw Failure("\(what) needs '\(names[index])'") }
      return standard
    }
    guard let text = value.text else {
      throw Failure("\(what) needs a string as '\(names[index])', not a \(value.typeName)")
    }
    return text
  }
}
