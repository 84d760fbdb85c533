// The syntax tree of a template. It is built by the parser, its variables are given their places by the resolver, and
// it never changes after that.

/// An expression. Its depth is bounded, as it is evaluated and freed recursively.
final class Expression {
  let line: Int
  let depth: Int
  let kind: Kind

  static let deepest = 150

  enum Kind {
    case constant(Value)
    case variable(Variable)
    case list([Expression])
    case tuple([Expression])
    case dictionary([(key: Expression, value: Expression)])
    case both(Expression, Expression)
    case either(Expression, Expression)
    case not(Expression)
    case negative(Expression)
    case positive(Expression)
    case arithmetic(Arithmetic, Expression, Expression)
    case concatenation([Expression])
    case comparison(Expression, [(operation: Comparison, operand: Expression)])
    case attribute(Expression, String, Hint)
    case element(Expression, Expression)
    case slice(Expression, start: Expression?, end: Expression?, step: Expression?)
    case call(Expression, Arguments)
    /// Without an operand: of a block's text.
    case filter(Expression?, Filter, Arguments)
    case test(Expression, Test, Arguments)
    case conditional(condition: Expression, then: Expression, otherwise: Expression?)
  }

  init(_ kind: Kind, line: Int) throws {
    let deepest = kind.parts.reduce(0) { max($0, $1.depth) }
    guard deepest < Self.deepest else {
      throw TemplateFault(line: line, problem: "more than \(Self.deepest) expressions are nested")
    }
    (self.kind, self.line, depth) = (kind, line, deepest + 1)
  }
}

extension Expression.Kind {
  /// The expressions that this one is made of, in the order in which jinja2 visits them.
  var parts: [Expression] {
    switch self {
    case .constant, .variable: []
    case .list(let items), .tuple(let items), .concatenation(let items): items
    case .dictionary(let pairs): pairs.flatMap { [$0.key, $0.value] }
    case .both(let left, let right), .either(let left, let right), .arithmetic(_, let left, let right),
      .element(let left, let right):
      [left, right]
    case .not(let operand), .negative(let operand), .positive(let operand), .attribute(let operand, _, _): [operand]
    case .comparison(let first, let rest): [first] + rest.map(\.operand)
    case .slice(let operand, let start, let end, let step): [operand] + [start, end, step].compactMap { $0 }
    case .call(let callee, let arguments): [callee] + arguments.parts
    case .filter(let operand, _, let arguments): (operand.map { [$0] } ?? []) + arguments.parts
    case .test(let operand, _, let arguments): [operand] + arguments.parts
    case .conditional(let condition, let then, let otherwise): [condition, then] + (otherwise.map { [$0] } ?? [])
    }
  }
}

enum Arithmetic: String {
  case add = "+", subtract = "-", multiply = "*", divide = "/", floor = "//", modulo = "%", power = "**"
}

enum Comparison: String {
  case equal = "==", unequal = "!=", less = "<", lessOrEqual = "<=", greater = ">", greaterOrEqual = ">="
  case isIn = "in", isNotIn = "not in"
}

/// A name that is read or set. The resolver determines where its value is stored.
final class Variable {
  let name: String
  let line: Int
  let hint: Hint
  /// How many functions (macros) outwards, and which place there.
  private(set) var hops = 0
  private(set) var place = 0

  init(_ name: String, line: Int) {
    (self.name, self.line) = (name, line)
    hint = Hint("'\(name)' is undefined")
  }

  func resolve(hops: Int, place: Int) { (self.hops, self.place) = (hops, place) }
}

/// The arguments of a call, a filter or a test.
struct Arguments {
  var positional: [Expression] = []
  var named: [(name: String, value: Expression)] = []
  /// `*list` and `**dictionary`.
  var unpackedList: Expression?
  var unpackedDictionary: Expression?

  var isEmpty: Bool { positional.isEmpty && named.isEmpty && unpackedList == nil && unpackedDictionary == nil }
  var parts: [Expression] {
    positional + named.map(\.value) + [unpackedList, unpackedDictionary].compactMap { $0 }
  }
}

/// The left side of an assignment.
indirect enum Target {
  case variable(Variable)
  case attribute(Variable, String)
  case tuple([Target], line: Int)
}

/// How a name of a scope starts.
enum Entry {
  case resolve(place: Int, name: String)
  case copy(place: Int, hops: Int, from: Int)
  case unset(place: Int)
}

/// Statements with names of their own (a loop's body, a macro's, a block's), filled in by the resolver.
final class Body {
  let statements: [Statement]
  var entries: [Entry] = []
  /// Where statements are a function's: how many places it has.
  var placeCount = 0
  init(_ statements: [Statement]) { self.statements = statements }
}

indirect enum Statement {
  case text(String)
  case output(Expression)
  case assign(Target, Expression, line: Int)
  case assignBlock(Target, filter: Expression?, Body, line: Int)
  case conditional([(condition: Expression, body: [Statement])], otherwise: [Statement])
  case loop(Loop)
  case macro(Macro, name: Variable)
  case call(Macro, Expression)
  /// transformers' block around the assistant's text: a separate function, called at once.
  case generation(Macro)
  case filterBlock(Expression, Body)
  case with([(target: Target, value: Expression)], Body)
  case leave
  case next
}

final class Loop {
  let line: Int
  let target: Target
  let iterable: Expression
  /// `if` in the loop's head, with names of its own.
  let condition: Condition?
  let body: Body
  let otherwise: Body?
  /// Where `loop` is kept, if the body uses it.
  var loopPlace: Int?

  struct Condition {
    let target: Target
    let test: Expression
    let names: Body
  }

  init(line: Int, target: Target, iterable: Expression, condition: Condition?, body: Body, otherwise: Body?) {
    (self.line, self.target, self.iterable) = (line, target, iterable)
    (self.condition, self.body, self.otherwise) = (condition, body, otherwise)
  }
}

/// A macro, the body of a `call` block, or a `generation` block (which jinja2 renders as one).
final class Macro {
  let name: String?
  let line: Int
  let parameters: [Variable]
  /// Of the last parameters.
  let defaults: [Expression]
  let body: Body
  /// Where `caller`, `kwargs` and `varargs` are kept, where the body uses them and they are no parameters.
  var callerPlace: Int?
  var keywordsPlace: Int?
  var positionalPlace: Int?

  init(name: String?, line: Int, parameters: [Variable], defaults: [Expression], body: Body) {
    (self.name, self.line, self.parameters, self.defaults, self.body) = (name, line, parameters, defaults, body)
  }
}
