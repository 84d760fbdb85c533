// Where each name's value is kept. jinja2 decides that before it renders (its `idtracking`), and some of what it decides
// can be seen: a name that is set further down in a scope is unset before, even where a variable has that name.

/// A function's places for values: the template, a macro or a `call` block.
private final class FunctionPlaces {
  let parent: FunctionPlaces?
  var count = 0
  /// Variables that are looked up once, when the function starts.
  var resolved: [Entry] = []
  init(parent: FunctionPlaces?) { self.parent = parent }
}

/// The names of one scope.
private final class Scope {
  struct Reference {
    let function: FunctionPlaces
    let place: Int
  }

  enum Load {
    case parameter, unset
    case resolve(String)
    case copy(Reference)
  }

  struct Symbols {
    var references: [String: Reference] = [:]
    var loads: [Int: Load] = [:]
    var stores: Set<String> = []
  }

  let parent: Scope?
  let function: FunctionPlaces
  var symbols = Symbols()
  /// The place of each name, whichever branch of an `if` it is first seen in.
  private var places: [String: Int] = [:]

  init(parent: Scope?, function: FunctionPlaces) {
    (self.parent, self.function) = (parent, function)
  }

  func find(_ name: String) -> Reference? { symbols.references[name] ?? parent?.find(name) }

  private func define(_ name: String, _ load: Load) -> Int {
    let place: Int
    if let known = places[name] {
      place = known
    } else {
      place = function.count
      function.count += 1
      places[name] = place
    }
    symbols.references[name] = Reference(function: function, place: place)
    symbols.loads[place] = load
    return place
  }

  func load(_ name: String) {
    if find(name) == nil { _ = define(name, .resolve(name)) }
  }

  func store(_ name: String) {
    symbols.stores.insert(name)
    guard symbols.references[name] == nil else { return }
    _ = define(name, parent?.find(name).map(Load.copy) ?? .unset)
  }

  @discardableResult
  func parameter(_ name: String) -> Int {
    symbols.stores.insert(name)
    return define(name, .parameter)
  }

  func merge(_ branches: [Symbols]) {
    var stores: Set<String> = []
    for branch in branches { stores.formUnion(branch.stores) }
    stores.subtract(symbols.stores)
    for branch in branches {
      symbols.references.merge(branch.references) { $1 }
      symbols.loads.merge(branch.loads) { $1 }
      symbols.stores.formUnion(branch.stores)
    }
    for name in stores {
      guard let target = symbols.references[name] else { continue }
      symbols.loads[target.place] = parent?.find(name).map(Load.copy) ?? .resolve(name)
    }
  }

  func hops(to function: FunctionPlaces) -> Int {
    var hops = 0
    var at: FunctionPlaces? = self.function
    while let here = at, here !== function {
      hops += 1
      at = here.parent
    }
    return hops
  }

  func bind(_ variable: Variable) {
    guard let reference = find(variable.name) else { return }
    variable.resolve(hops: hops(to: reference.function), place: reference.place)
  }

  /// How the scope's names start. What is looked up and never set here is looked up when the function starts.
  func entries() -> [Entry] {
    var result: [Entry] = []
    let names = Dictionary(places.map { ($1, $0) }) { $1 }
    for (place, load) in symbols.loads.sorted(by: { $0.key < $1.key }) {
      switch load {
      case .parameter: break
      case .unset: result.append(.unset(place: place))
      case .resolve(let name):
        if let stored = names[place], symbols.stores.contains(stored) {
          result.append(.resolve(place: place, name: name))
        } else {
          function.resolved.append(.resolve(place: place, name: name))
        }
      case .copy(let from): result.append(.copy(place: place, hops: hops(to: from.function), from: from.place))
      }
    }
    return result
  }
}

/// Finds the scopes and gives each variable its place.
enum Resolver {
  static func resolve(_ template: Body) {
    let scope = Scope(parent: nil, function: FunctionPlaces(parent: nil))
    scope.visit(template.statements)
    finish(template, scope, isFunction: true)
  }

  /// Binds a body's statements, whose names the scope already knows.
  private static func finish(_ body: Body, _ scope: Scope, isFunction: Bool = false) {
    body.entries = scope.entries()
    bind(body.statements, scope)
    if isFunction {
      body.entries = scope.function.resolved + body.entries
      body.placeCount = scope.function.count
    }
  }

  private static func bind(_ statements: [Statement], _ scope: Scope) {
    for statement in statements { bind(statement, scope) }
  }

  private static func bind(_ statement: Statement, _ scope: Scope) {
    func inner() -> Scope { Scope(parent: scope, function: scope.function) }
    switch statement {
    case .text, .leave, .next: break
    case .output(let expression): bind(expression, scope)
    case .assign(let target, let value, _):
      bind(value, scope)
      bind(target, scope)
    case .assignBlock(let target, let filter, let body, _):
      let block = inner()
      block.visit(body.statements)
      if let filter { block.visit(filter) }
      finish(body, block)
      if let filter { bind(filter, block) }
      bind(target, scope)
    case .conditional(let branches, let otherwise):
      for branch in branches {
        bind(branch.condition, scope)
        bind(branch.body, scope)
      }
      bind(otherwise, scope)
    case .loop(let loop): bind(loop, scope)
    case .macro(let macro, let name):
      bind(macro, scope)
      scope.bind(name)
    case .call(let macro, let call):
      bind(macro, scope)
      bind(call, scope)
    case .generation(let macro): bind(macro, scope)
    case .filterBlock(let filter, let body):
      let block = inner()
      block.visit(body.statements)
      block.visit(filter)
      finish(body, block)
      bind(filter, block)
    case .with(let pairs, let body):
      let block = inner()
      for (target, _) in pairs { block.visit(target, asParameter: true) }
      block.visit(body.statements)
      for (target, value) in pairs {
        bind(value, scope)
        bind(target, block)
      }
      finish(body, block)
    }
  }

  private static func bind(_ loop: Loop, _ scope: Scope) {
    bind(loop.iterable, scope)
    let body = Scope(parent: scope, function: scope.function)
    if Mentions.of(["loop"], in: loop.body.statements).contains("loop") { loop.loopPlace = body.parameter("loop") }
    body.visit(loop.target, asParameter: true)
    body.visit(loop.body.statements)
    bind(loop.target, body)
    finish(loop.body, body)
    if let condition = loop.condition {
      let test = Scope(parent: scope, function: scope.function)
      test.visit(condition.target, asParameter: true)
      test.visit(condition.test)
      bind(condition.target, test)
      bind(condition.test, test)
      finish(condition.names, test)
    }
    if let otherwise = loop.otherwise {
      let block = Scope(parent: scope, function: scope.function)
      block.visit(otherwise.statements)
      finish(otherwise, block)
    }
  }

  private static func bind(_ macro: Macro, _ scope: Scope) {
    let inside = Scope(parent: scope, function: FunctionPlaces(parent: scope.function))
    func visit() {
      for parameter in macro.parameters { inside.parameter(parameter.name) }
      for value in macro.defaults { inside.visit(value) }
      inside.visit(macro.body.statements)
    }
    visit()
    let names = macro.parameters.map(\.name)
    let mentioned = Mentions.of(["caller", "kwargs", "varargs"], in: macro.body.statements)
    if mentioned.contains("caller"), !names.contains("caller") { macro.callerPlace = inside.parameter("caller") }
    if mentioned.contains("kwargs"), !names.contains("kwargs") { macro.keywordsPlace = inside.parameter("kwargs") }
    if mentioned.contains("varargs"), !names.contains("varargs") {
      macro.positionalPlace = inside.parameter("varargs")
    }
    visit()
    for parameter in macro.parameters { inside.bind(parameter) }
    for value in macro.defaults { bind(value, inside) }
    finish(macro.body, inside, isFunction: true)
  }

  private static func bind(_ target: Target, _ scope: Scope) {
    switch target {
    case .variable(let variable), .attribute(let variable, _): scope.bind(variable)
    case .tuple(let targets, _): for target in targets { bind(target, scope) }
    }
  }

  private static func bind(_ expression: Expression, _ scope: Scope) {
    if case .variable(let variable) = expression.kind { scope.bind(variable) }
    for part in expression.kind.parts { bind(part, scope) }
  }
}

/// Which names the statements of a scope load and store (jinja2's `FrameSymbolVisitor`).
extension Scope {
  fileprivate func visit(_ statements: [Statement]) {
    for statement in statements { visit(statement) }
  }

  private func visit(_ statement: Statement) {
    switch statement {
    case .text, .leave, .next, .generation: break
    case .output(let expression): visit(expression)
    case .assign(let target, let value, _):
      visit(value)
      visit(target)
    case .assignBlock(let target, _, _, _): visit(target)
    case .conditional(let branches, let otherwise): visit(branches[...], otherwise)
    case .loop(let loop): visit(loop.iterable)
    case .macro(_, let name): store(name.name)
    case .call(_, let call): visit(call)
    case .filterBlock(let filter, _): visit(filter)
    case .with(let pairs, _): for (_, value) in pairs { visit(value) }
    }
  }

  private func visit(
    _ branches: ArraySlice<(condition: Expression, body: [Statement])>, _ otherwise: [Statement]
  ) {
    guard let first = branches.first else { return }
    visit(first.condition)
    let before = symbols
    func inside(_ body: () -> Void) -> Symbols {
      symbols = before
      body()
      defer { symbols = before }
      return symbols
    }
    let then = inside { visit(first.body) }
    let others = inside { for branch in branches.dropFirst() { visit([branch][...], []) } }
    let last = inside { visit(otherwise) }
    merge([then, others, last])
  }

  fileprivate func visit(_ target: Target, asParameter: Bool = false) {
    switch target {
    case .variable(let variable): if asParameter { parameter(variable.name) } else { store(variable.name) }
    case .attribute(let variable, _): load(variable.name)
    case .tuple(let targets, _): for target in targets { visit(target, asParameter: asParameter) }
    }
  }

  fileprivate func visit(_ expression: Expression) {
    if case .variable(let variable) = expression.kind { load(variable.name) }
    for part in expression.kind.parts { visit(part) }
  }
}

/// Whether a body reads `loop`, `caller`, … before it sets it (jinja2's `find_undeclared`).
private struct Mentions {
  private var wanted: Set<String>
  private var found: Set<String> = []

  static func of(_ names: Set<String>, in statements: [Statement]) -> Set<String> {
    var mentions = Mentions(wanted: names)
    mentions.visit(statements)
    return mentions.found
  }

  private init(wanted: Set<String>) { self.wanted = wanted }

  private mutating func visit(_ statements: [Statement]) {
    for statement in statements { visit(statement) }
  }

  private mutating func visit(_ statement: Statement) {
    switch statement {
    case .text, .leave, .next: break
    case .output(let expression): visit(expression)
    case .assign(let target, let value, _):
      visit(target)
      visit(value)
    case .assignBlock(let target, let filter, let body, _):
      visit(target)
      if let filter { visit(filter) }
      visit(body.statements)
    case .conditional(let branches, let otherwise):
      for branch in branches {
        visit(branch.condition)
        visit(branch.body)
      }
      visit(otherwise)
    case .loop(let loop):
      visit(loop.target)
      visit(loop.iterable)
      visit(loop.body.statements)
      if let otherwise = loop.otherwise { visit(otherwise.statements) }
      if let condition = loop.condition { visit(condition.test) }
    case .macro(let macro, _): visit(macro)
    case .call(let macro, let call):
      visit(call)
      visit(macro)
    case .generation(let macro): visit(macro)
    case .filterBlock(let filter, let body):
      visit(body.statements)
      visit(filter)
    case .with(let pairs, let body):
      for (target, _) in pairs { visit(target) }
      for (_, value) in pairs { visit(value) }
      visit(body.statements)
    }
  }

  private mutating func visit(_ macro: Macro) {
    for parameter in macro.parameters { wanted.remove(parameter.name) }
    for value in macro.defaults { visit(value) }
    visit(macro.body.statements)
  }

  private mutating func visit(_ target: Target) {
    switch target {
    case .variable(let variable): wanted.remove(variable.name)
    case .attribute: break
    case .tuple(let targets, _): for target in targets { visit(target) }
    }
  }

  private mutating func visit(_ expression: Expression) {
    if case .variable(let variable) = expression.kind, wanted.contains(variable.name) { found.insert(variable.name) }
    for part in expression.kind.parts { visit(part) }
  }
}
