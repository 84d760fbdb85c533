/// Reads statements; expressions are in `Parser+Expressions.swift`. Follows jinja2's parser.
struct Parser {
  private let tokens: [Token]
  private var position = 0
  /// Statements and expressions that are being read within each other.
  var nesting = 0
  /// Loops around the statement that is being read, since the last macro.
  private var loops = 0
  /// Called names and methods, for `Names.check`.
  var names = Names()

  static let deepestNesting = 100

  private init(_ tokens: [Token]) { self.tokens = tokens }

  /// The statements of a template, with all names found.
  static func body(of source: String) throws -> (body: Body, usesDate: Bool) {
    var parser = Parser(try Lexer.tokens(of: source))
    let body = Body(try parser.statements(until: []))
    try parser.names.check()
    Resolver.resolve(body)
    return (body, parser.names.usesDate)
  }

  // MARK: Tokens

  var current: Token { tokens[position] }
  var following: Token { tokens[min(position + 1, tokens.count - 1)] }

  @discardableResult
  mutating func advance() -> Token {
    defer { position = min(position + 1, tokens.count - 1) }
    return tokens[position]
  }

  mutating func skip(symbol: String) -> Bool {
    guard current.isSymbol(symbol) else { return false }
    advance()
    return true
  }

  mutating func skip(name: String) -> Bool {
    guard current.isName(name) else { return false }
    advance()
    return true
  }

  func unexpected(_ expected: String) -> TemplateFault {
    TemplateFault(line: current.line, problem: "expected \(expected), found \(current.description)")
  }

  mutating func expect(symbol: String) throws {
    guard skip(symbol: symbol) else { throw unexpected("'\(symbol)'") }
  }

  mutating func expect(name: String) throws {
    guard skip(name: name) else { throw unexpected("'\(name)'") }
  }

  mutating func expect(_ kind: Token.Kind, _ what: String) throws -> Token {
    guard current.kind == kind else { throw unexpected(what) }
    return advance()
  }

  mutating func nested<R>(_ body: (inout Parser) throws -> R) throws -> R {
    guard nesting < Self.deepestNesting else {
      throw TemplateFault(
        line: current.line, problem: "more than \(Self.deepestNesting) blocks and expressions are nested")
    }
    nesting += 1
    defer { nesting -= 1 }
    return try body(&self)
  }

  // MARK: Statements

  /// Statements up to one of these tags, which is then the current token; with none, up to the end.
  private mutating func statements(until ends: [String]) throws -> [Statement] {
    try nested { parser in
      var result: [Statement] = []
      while true {
        let token = parser.current
        switch token.kind {
        case .end:
          guard let end = ends.last else { return result }
          throw TemplateFault(line: token.line, problem: "the template ends before '{% \(end) %}'")
        case .data:
          parser.advance()
          result.append(.text(token.text))
        case .variableBegin:
          parser.advance()
          result.append(.output(try parser.tuple()))
          _ = try parser.expect(.variableEnd, "'}}'")
        default:
          parser.advance()
          if parser.current.kind == .name, ends.contains(parser.current.text) { return result }
          result.append(contentsOf: try parser.statement())
          _ = try parser.expect(.blockEnd, "'%}'")
        }
      }
    }
  }

  /// The body of a block, whose end tag is then the current token.
  private mutating func block(until ends: String...) throws -> [Statement] {
    _ = skip(symbol: ":")
    _ = try expect(.blockEnd, "'%}'")
    return try statements(until: ends)
  }

  private mutating func statement() throws -> [Statement] {
    let token = try expect(.name, "the name of a tag")
    switch token.text {
    case "for": return [try loop(line: token.line)]
    case "if": return [try conditional()]
    case "set": return [try assignment(line: token.line)]
    case "macro": return [try macro(line: token.line)]
    case "call": return [try callBlock(line: token.line)]
    case "filter": return [try filterBlock()]
    case "with": return [try with()]
    case "generation": return [try generation(line: token.line)]
    case "print": return try printed()
    case "break", "continue":
      guard loops > 0 else {
        throw TemplateFault(line: token.line, problem: "'{% \(token.text) %}' is outside of a loop")
      }
      return [token.text == "break" ? .leave : .next]
    default:
      throw TemplateFault(line: token.line, problem: "the tag '{% \(token.text) %}' is not supported here")
    }
  }

  private mutating func loop(line: Int) throws -> Statement {
    names.startLoop()
    let target = try assignmentTarget(endsAt: "in")
    try expect(name: "in")
    let iterable = try tuple(withCondition: false, endsAt: "recursive")
    let test = skip(name: "if") ? try expression() : nil
    guard !current.isName("recursive") else {
      throw TemplateFault(line: line, problem: "'recursive' loops are not supported")
    }
    loops += 1
    let statements = try block(until: "endfor", "else")
    loops -= 1
    var otherwise: Body?
    if advance().text == "else" {
      otherwise = Body(try block(until: "endfor"))
      advance()
    }
    names.endLoop()
    // The condition has its own names: those of the target a second time.
    let condition = test.map { Loop.Condition(target: target.copy, test: $0, names: Body([])) }
    return .loop(
      Loop(
        line: line, target: target, iterable: iterable, condition: condition, body: Body(statements),
        otherwise: otherwise))
  }

  private mutating func conditional() throws -> Statement {
    var branches: [(condition: Expression, body: [Statement])] = []
    while true {
      let condition = try tuple(withCondition: false)
      branches.append((condition, try block(until: "elif", "else", "endif")))
      switch advance().text {
      case "elif": continue
      case "else":
        let otherwise = try block(until: "endif")
        advance()
        return .conditional(branches, otherwise: otherwise)
      default: return .conditional(branches, otherwise: [])
      }
    }
  }

  private mutating func assignment(line: Int) throws -> Statement {
    let target = try assignmentTarget(withAttributes: true)
    if skip(symbol: "=") { return .assign(target, try tuple(), line: line) }
    let filter = current.isSymbol("|") ? try filters(of: nil) : nil
    let body = Body(try block(until: "endset"))
    advance()
    return .assignBlock(target, filter: filter, body, line: line)
  }

  private mutating func macro(line: Int) throws -> Statement {
    let name = Variable(try storedName().text, line: line)
    let (parameters, defaults) = try signature()
    let body = try functionBody(until: "endmacro")
    return .macro(
      try Macro(name: name.name, line: line, parameters: parameters, defaults: defaults, body: body).checked(),
      name: name)
  }

  private mutating func functionBody(until end: String) throws -> Body {
    let around = loops
    loops = 0
    defer { loops = around }
    let body = Body(try block(until: end))
    advance()
    return body
  }

  private mutating func signature() throws -> (parameters: [Variable], defaults: [Expression]) {
    var parameters: [Variable] = []
    var defaults: [Expression] = []
    try expect(symbol: "(")
    while !current.isSymbol(")") {
      if !parameters.isEmpty { try expect(symbol: ",") }
      let token = try storedName()
      if parameters.contains(where: { $0.name == token.text }) {
        throw TemplateFault(line: token.line, problem: "the parameter '\(token.text)' occurs twice")
      }
      parameters.append(Variable(token.text, line: token.line))
      if skip(symbol: "=") {
        defaults.append(try expression())
      } else if !defaults.isEmpty {
        throw TemplateFault(line: token.line, problem: "a parameter without a default follows one with a default")
      }
    }
    advance()
    return (parameters, defaults)
  }

  private mutating func callBlock(line: Int) throws -> Statement {
    let (parameters, defaults) = current.isSymbol("(") ? try signature() : ([], [])
    let call = try expression()
    guard case .call = call.kind else { throw TemplateFault(line: line, problem: "'{% call %}' needs a call") }
    let body = try functionBody(until: "endcall")
    let macro = try Macro(name: nil, line: line, parameters: parameters, defaults: defaults, body: body).checked()
    return .call(macro, call)
  }

  /// transformers' own block; it marks the assistant's text, and prints its body.
  private mutating func generation(line: Int) throws -> Statement {
    let body = try functionBody(until: "endgeneration")
    return .generation(Macro(name: nil, line: line, parameters: [], defaults: [], body: body))
  }

  private mutating func filterBlock() throws -> Statement {
    let filter = try filters(of: nil, startsWithName: true)
    let body = Body(try block(until: "endfilter"))
    advance()
    return .filterBlock(filter, body)
  }

  private mutating func with() throws -> Statement {
    var pairs: [(target: Target, value: Expression)] = []
    while current.kind != .blockEnd {
      if !pairs.isEmpty { try expect(symbol: ",") }
      let target = try assignmentTarget()
      try expect(symbol: "=")
      pairs.append((target, try expression()))
    }
    let body = Body(try block(until: "endwith"))
    advance()
    return .with(pairs, body)
  }

  private mutating func printed() throws -> [Statement] {
    var result: [Statement] = []
    while current.kind != .blockEnd {
      if !result.isEmpty { try expect(symbol: ",") }
      result.append(.output(try expression()))
    }
    return result
  }

  // MARK: Targets

  private static let constants: Set<String> = ["true", "false", "True", "False", "none", "None"]

  private mutating func storedName() throws -> Token {
    let token = try expect(.name, "a name")
    guard !Self.constants.contains(token.text) else {
      throw TemplateFault(line: token.line, problem: "'\(token.text)' can't be set")
    }
    try names.store(token.text, line: token.line)
    return token
  }

  private mutating func assignmentTarget(
    endsAt end: String? = nil, withAttributes: Bool = false
  ) throws -> Target {
    let line = current.line
    var targets: [Target] = []
    var isTuple = false
    while true {
      if !targets.isEmpty { try expect(symbol: ",") }
      if targetsEnd(at: end) { break }
      targets.append(try singleTarget(withAttributes: withAttributes))
      guard current.isSymbol(",") else { break }
      isTuple = true
    }
    if !isTuple {
      guard let target = targets.first else { throw unexpected("a name") }
      return target
    }
    return .tuple(targets, line: line)
  }

  private func targetsEnd(at end: String?) -> Bool {
    current.kind == .variableEnd || current.kind == .blockEnd || current.isSymbol(")")
      || (end.map(current.isName) ?? false)
  }

  private mutating func singleTarget(withAttributes: Bool) throws -> Target {
    if skip(symbol: "(") {
      let target = try nested { try $0.parenthesizedTarget() }
      try expect(symbol: ")")
      return target
    }
    guard current.kind == .name else { throw unexpected("a name") }
    if withAttributes, following.isSymbol(".") {
      let token = advance()
      advance()
      let attribute = try expect(.name, "an attribute's name")
      names.attributes.insert(attribute.text)
      return .attribute(Variable(token.text, line: token.line), attribute.text)
    }
    let token = try storedName()
    return .variable(Variable(token.text, line: token.line))
  }

  private mutating func parenthesizedTarget() throws -> Target {
    if current.isSymbol(")") { return .tuple([], line: current.line) }
    return try assignmentTarget()
  }
}

extension Target {
  /// The same target with variables of its own.
  var copy: Target {
    switch self {
    case .variable(let variable): .variable(Variable(variable.name, line: variable.line))
    case .attribute(let variable, let name): .attribute(Variable(variable.name, line: variable.line), name)
    case .tuple(let targets, let line): .tuple(targets.map(\.copy), line: line)
    }
  }
}

extension Macro {
  /// `caller` as a parameter needs a default (jinja2's rule).
  func checked() throws -> Macro {
    if let place = parameters.firstIndex(where: { $0.name == "caller" }), place < parameters.count - defaults.count {
      throw TemplateFault(line: line, problem: "the parameter 'caller' of a macro needs a default")
    }
    return self
  }
}
