// Expressions, in jinja2's order of precedence (** binds to the left, unary minus before **).
extension Parser {
  mutating func expression(withCondition: Bool = true) throws -> Expression {
    try nested { parser in
      withCondition ? try parser.conditionalExpression() : try parser.orExpression()
    }
  }

  private mutating func conditionalExpression() throws -> Expression {
    var line = current.line
    var result = try orExpression()
    while skip(name: "if") {
      let condition = try orExpression()
      let otherwise = skip(name: "else") ? try nested { try $0.conditionalExpression() } : nil
      result = try Expression(.conditional(condition: condition, then: result, otherwise: otherwise), line: line)
      line = current.line
    }
    return result
  }

  private mutating func orExpression() throws -> Expression {
    var line = current.line
    var left = try andExpression()
    while skip(name: "or") {
      left = try Expression(.either(left, try andExpression()), line: line)
      line = current.line
    }
    return left
  }

  private mutating func andExpression() throws -> Expression {
    var line = current.line
    var left = try notExpression()
    while skip(name: "and") {
      left = try Expression(.both(left, try notExpression()), line: line)
      line = current.line
    }
    return left
  }

  private mutating func notExpression() throws -> Expression {
    let line = current.line
    guard skip(name: "not") else { return try comparison() }
    return try Expression(.not(try nested { try $0.notExpression() }), line: line)
  }

  private mutating func comparison() throws -> Expression {
    let line = current.line
    let first = try sum()
    var rest: [(operation: Comparison, operand: Expression)] = []
    while true {
      let operation: Comparison
      if current.kind == .symbol, let symbol = Comparison(rawValue: current.text) {
        operation = symbol
      } else if current.isName("in") {
        operation = .isIn
      } else if current.isName("not"), following.isName("in") {
        advance()
        operation = .isNotIn
      } else {
        break
      }
      advance()
      rest.append((operation, try sum()))
    }
    return rest.isEmpty ? first : try Expression(.comparison(first, rest), line: line)
  }

  private mutating func sum() throws -> Expression {
    var line = current.line
    var left = try concatenation()
    while current.isSymbol("+") || current.isSymbol("-") {
      let operation: Arithmetic = advance().text == "+" ? .add : .subtract
      left = try Expression(.arithmetic(operation, left, try concatenation()), line: line)
      line = current.line
    }
    return left
  }

  private mutating func concatenation() throws -> Expression {
    let line = current.line
    var parts = [try product()]
    while skip(symbol: "~") { parts.append(try product()) }
    return parts.count == 1 ? parts[0] : try Expression(.concatenation(parts), line: line)
  }

  private mutating func product() throws -> Expression {
    var line = current.line
    var left = try power()
    while current.kind == .symbol, let operation = Arithmetic(rawValue: current.text),
      [.multiply, .divide, .floor, .modulo].contains(operation)
    {
      advance()
      left = try Expression(.arithmetic(operation, left, try power()), line: line)
      line = current.line
    }
    return left
  }

  private mutating func power() throws -> Expression {
    var line = current.line
    var left = try unary()
    while skip(symbol: "**") {
      left = try Expression(.arithmetic(.power, left, try unary()), line: line)
      line = current.line
    }
    return left
  }

  private mutating func unary(withFilters: Bool = true) throws -> Expression {
    let line = current.line
    var result: Expression
    if skip(symbol: "-") {
      result = try Expression(.negative(try nested { try $0.unary(withFilters: false) }), line: line)
    } else if skip(symbol: "+") {
      result = try Expression(.positive(try nested { try $0.unary(withFilters: false) }), line: line)
    } else {
      result = try primary()
    }
    result = try postfix(result)
    return withFilters ? try filtersAndTests(result) : result
  }

  // MARK: Primaries

  private mutating func primary() throws -> Expression {
    let token = current
    func constant(_ value: Value) throws -> Expression { try Expression(.constant(value), line: token.line) }
    switch token.kind {
    case .name:
      advance()
      switch token.text {
      case "true", "True": return try constant(.boolean(true))
      case "false", "False": return try constant(.boolean(false))
      case "none", "None": return try constant(.none)
      default:
        names.load(token.text, line: token.line)
        return try Expression(.variable(Variable(token.text, line: token.line)), line: token.line)
      }
    case .string:
      var text = ""
      while current.kind == .string { text += advance().text }
      return try constant(.string(text))
    case .integer: return try constant(.integer(try integer(advance())))
    case .float: return try constant(.float(try float(advance())))
    case .symbol where token.text == "(":
      advance()
      let result = try tuple(inParentheses: true)
      try expect(symbol: ")")
      return result
    case .symbol where token.text == "[": return try list()
    case .symbol where token.text == "{": return try dictionary()
    default: throw unexpected("an expression")
    }
  }

  private func integer(_ token: Token) throws -> Int {
    let radix =
      switch token.text.dropFirst().first {
      case "b", "B": 2
      case "o", "O": 8
      case "x", "X": 16
      default: 10
      }
    guard let value = Int(radix == 10 ? token.text[...] : token.text.dropFirst(2), radix: radix) else {
      throw TemplateFault(line: token.line, problem: "the number \(token.text.prefix(40)) is too large")
    }
    return value
  }

  private func float(_ token: Token) throws -> Double {
    // As in Python, what is too large is infinite.
    guard let value = Double(token.text) else {
      throw TemplateFault(line: token.line, problem: "the number \(token.text.prefix(40)) can't be read")
    }
    return value
  }

  /// One expression, or several with commas between: a tuple.
  mutating func tuple(
    withCondition: Bool = true, endsAt end: String? = nil, inParentheses: Bool = false
  ) throws -> Expression {
    var line = current.line
    var items: [Expression] = []
    var isTuple = false
    while true {
      if !items.isEmpty { try expect(symbol: ",") }
      if current.kind == .variableEnd || current.kind == .blockEnd || current.isSymbol(")") { break }
      if let end, current.isName(end) { break }
      items.append(try expression(withCondition: withCondition))
      guard current.isSymbol(",") else { break }
      isTuple = true
      line = current.line
    }
    if !isTuple {
      if let item = items.first { return item }
      guard inParentheses else { throw unexpected("an expression") }
    }
    return try Expression(.tuple(items), line: line)
  }

  private mutating func list() throws -> Expression {
    let line = advance().line
    var items: [Expression] = []
    while !current.isSymbol("]") {
      if !items.isEmpty { try expect(symbol: ",") }
      if current.isSymbol("]") { break }
      items.append(try expression())
    }
    advance()
    return try Expression(.list(items), line: line)
  }

  private mutating func dictionary() throws -> Expression {
    let line = advance().line
    var pairs: [(key: Expression, value: Expression)] = []
    while !current.isSymbol("}") {
      if !pairs.isEmpty { try expect(symbol: ",") }
      if current.isSymbol("}") { break }
      let key = try expression()
      try expect(symbol: ":")
      pairs.append((key, try expression()))
      if case .constant(.string(let name)) = key.kind { names.attributes.insert(name) }
    }
    advance()
    return try Expression(.dictionary(pairs), line: line)
  }

  // MARK: What follows a primary

  private mutating func postfix(_ operand: Expression) throws -> Expression {
    var result = operand
    while true {
      if current.isSymbol(".") || current.isSymbol("[") {
        result = try subscripted(result)
      } else if current.isSymbol("(") {
        result = try call(result)
      } else {
        return result
      }
    }
  }

  private mutating func filtersAndTests(_ operand: Expression) throws -> Expression {
    var result = operand
    while true {
      if current.isSymbol("|") {
        result = try filters(of: result)
      } else if current.isName("is") {
        result = try test(result)
      } else if current.isSymbol("(") {
        result = try call(result)
      } else {
        return result
      }
    }
  }

  private mutating func subscripted(_ operand: Expression) throws -> Expression {
    let token = advance()
    if token.text == "." {
      let attribute = advance()
      switch attribute.kind {
      case .name:
        let hint = Hint("there is no '\(attribute.text)' in the value before '.\(attribute.text)'")
        return try Expression(.attribute(operand, attribute.text, hint), line: token.line)
      case .integer:
        let index = try Expression(.constant(.integer(try integer(attribute))), line: attribute.line)
        return try Expression(.element(operand, index), line: token.line)
      default: throw TemplateFault(line: attribute.line, problem: "expected a name or a number behind '.'")
      }
    }
    var arguments: [Expression] = []
    while !current.isSymbol("]") {
      if !arguments.isEmpty { try expect(symbol: ",") }
      if let slice = try slice(of: operand, isFirst: arguments.isEmpty, into: &arguments) {
        try expect(symbol: "]")
        return slice
      }
    }
    advance()
    let index = arguments.count == 1 ? arguments[0] : try Expression(.tuple(arguments), line: token.line)
    return try Expression(.element(operand, index), line: token.line)
  }

  /// Reads one subscript. A slice is returned; anything else goes to `arguments`.
  private mutating func slice(
    of operand: Expression, isFirst: Bool, into arguments: inout [Expression]
  ) throws -> Expression? {
    let line = current.line
    var start: Expression?
    if !current.isSymbol(":") {
      let first = try expression()
      guard current.isSymbol(":") else {
        arguments.append(first)
        return nil
      }
      start = first
    }
    advance()
    func ends(_ parser: Parser) -> Bool {
      parser.current.isSymbol("]") || parser.current.isSymbol(",") || parser.current.isSymbol(":")
    }
    let end = ends(self) ? nil : try expression()
    let step = skip(symbol: ":") && !ends(self) ? try expression() : nil
    guard isFirst, current.isSymbol("]") else {
      throw TemplateFault(line: line, problem: "a slice can't be one of several subscripts")
    }
    return try Expression(.slice(operand, start: start, end: end, step: step), line: line)
  }

  private mutating func call(_ callee: Expression) throws -> Expression {
    let line = current.line
    let arguments = try self.arguments()
    switch callee.kind {
    case .variable(let variable): names.call(variable.name, line: line)
    case .attribute(let operand, let method, _):
      if method == "format", case .constant(.string(let text)) = operand.kind { try checkFields(text, line: line) }
      names.callMethod(method, line: line)
    case .element(_, let index):
      if case .constant(.string(let method)) = index.kind { names.callMethod(method, line: line) }
    default: break
    }
    if case .variable(let variable) = callee.kind, variable.name == Function.Name.namespace.rawValue {
      for (name, _) in arguments.named { names.attributes.insert(name) }
    }
    return try Expression(.call(callee, arguments), line: line)
  }

  /// Formats within the fields of `'{:>5}'.format(…)` are not supported.
  private func checkFields(_ text: String, line: Int) throws {
    var isInField = false
    for scalar in text.unicodeScalars {
      if scalar == "{" || scalar == "}" { isInField = scalar == "{" && !isInField }
      if isInField, scalar == ":" {
        throw TemplateFault(line: line, problem: "the field with a format in \(quoted(text)) is not supported here")
      }
    }
  }

  private mutating func arguments() throws -> Arguments {
    let line = current.line
    try expect(symbol: "(")
    var result = Arguments()
    var isFirst = true
    func ensure(_ holds: Bool) throws {
      guard holds else { throw TemplateFault(line: line, problem: "the arguments of the call are out of order") }
    }
    while !current.isSymbol(")") {
      if !isFirst {
        try expect(symbol: ",")
        if current.isSymbol(")") { break }
      }
      isFirst = false
      if skip(symbol: "*") {
        try ensure(result.unpackedList == nil && result.unpackedDictionary == nil)
        result.unpackedList = try expression()
      } else if skip(symbol: "**") {
        try ensure(result.unpackedDictionary == nil)
        result.unpackedDictionary = try expression()
      } else if current.kind == .name, following.isSymbol("=") {
        try ensure(result.unpackedDictionary == nil)
        let name = advance()
        advance()
        guard !result.named.contains(where: { $0.name == name.text }) else {
          throw TemplateFault(line: name.line, problem: "the argument '\(name.text)' occurs twice")
        }
        result.named.append((name.text, try expression()))
      } else {
        try ensure(result.unpackedList == nil && result.unpackedDictionary == nil && result.named.isEmpty)
        result.positional.append(try expression())
      }
    }
    advance()
    return result
  }

  // MARK: Filters and tests

  /// `|name(arguments)|…`. Without an operand the filter is of a block's text.
  mutating func filters(of operand: Expression?, startsWithName: Bool = false) throws -> Expression {
    var result = operand
    var startsWithName = startsWithName
    while startsWithName || current.isSymbol("|") {
      if !startsWithName { advance() }
      startsWithName = false
      let name = try dottedName("a filter's name")
      guard let filter = Filter(rawValue: name.text) else {
        throw TemplateFault(line: name.line, problem: "the filter '\(name.text)' is not supported here")
      }
      let arguments = current.isSymbol("(") ? try self.arguments() : Arguments()
      try names.check(filter, arguments, line: name.line)
      result = try Expression(.filter(result, filter, arguments), line: name.line)
    }
    guard let result else { throw unexpected("a filter") }
    return result
  }

  private mutating func dottedName(_ what: String) throws -> Token {
    var name = try expect(.name, what)
    while skip(symbol: ".") { name.text += "." + (try expect(.name, what).text) }
    return name
  }

  private mutating func test(_ operand: Expression) throws -> Expression {
    let line = advance().line
    let isNegated = skip(name: "not")
    let name = try dottedName("a test's name")
    guard let test = Test(rawValue: name.text) else {
      throw TemplateFault(line: name.line, problem: "the test '\(name.text)' is not supported here")
    }
    var arguments = Arguments()
    if current.isSymbol("(") {
      arguments = try self.arguments()
    } else if startsOperand, !["else", "or", "and"].contains(where: { current.isName($0) }) {
      if current.isName("is") {
        throw TemplateFault(line: current.line, problem: "several tests can't be chained with 'is'")
      }
      arguments.positional = [try nested { try $0.testOperand() }]
    }
    let result = try Expression(.test(operand, test, arguments), line: line)
    return isNegated ? try Expression(.not(result), line: line) : result
  }

  private mutating func testOperand() throws -> Expression { try postfix(try primary()) }

  private var startsOperand: Bool {
    switch current.kind {
    case .name, .string, .integer, .float: true
    case .symbol: ["(", "[", "{"].contains(current.text)
    default: false
    }
  }
}
