/// The values of one running function.
final class Frame {
  var places: [Value]
  let parent: Frame?

  init(count: Int, parent: Frame?) {
    places = Array(repeating: .undefined(nil), count: count)
    self.parent = parent
  }
}

/// A macro where it was defined: it sees the names around it.
final class MacroObject: Object {
  let macro: Macro
  let frame: Frame
  init(_ macro: Macro, _ frame: Frame) { (self.macro, self.frame) = (macro, frame) }
  override var typeName: String { "Macro" }
}

/// One rendering: runs the statements and bounds what they use.
final class Renderer {
  let limits: TemplateLimits
  let date: TemplateDate?
  private let variables: TemplateDictionary
  /// Variables that were asked for. (Names in a template are ASCII.)
  private var known: [String: Value] = [:]

  /// The line of what is evaluated, for errors.
  var line = 1
  private var steps = 0
  private var made = 0
  private var depth = 0
  private var output = ""
  /// Frames that macros see, and namespaces: they may hold each other, so they are emptied at the end.
  private var kept: [Frame] = []
  private var namespaces: [Namespace] = []

  enum Flow { case normal, leave, next }

  init(_ variables: TemplateDictionary, _ limits: TemplateLimits, _ date: TemplateDate?) {
    (self.variables, self.limits, self.date) = (variables, limits, date)
  }

  func render(_ body: Body) throws -> String {
    let frame = Frame(count: body.placeCount, parent: nil)
    defer {
      for frame in kept { frame.places = [] }
      for namespace in namespaces { namespace.attributes = Mapping.Builder() }
    }
    try enter(body, frame)
    _ = try run(body.statements, frame)
    return output
  }

  // MARK: Bounds

  func step(_ count: Int = 1) throws {
    steps += count
    guard steps <= limits.steps else { throw Failure("the template takes more than \(limits.steps) steps") }
  }

  /// Counts bytes that are about to be made.
  func make(_ bytes: Int) throws {
    guard bytes <= limits.outputBytes else {
      throw Failure("a string or list of more than \(limits.outputBytes) bytes would be made")
    }
    made += bytes
    guard made <= limits.madeBytes else {
      throw Failure("more than \(limits.madeBytes) bytes of strings and lists are made")
    }
  }

  func string(_ text: String) throws -> Value {
    try make(text.utf8.count)
    return .string(text)
  }

  func list(_ values: [Value]) throws -> Value { .list(try items(values)) }
  func tuple(_ values: [Value]) throws -> Value { .tuple(try items(values)) }

  private func items(_ values: [Value]) throws -> Items {
    try make(values.count * 24)
    return try Items(values)
  }

  func dictionary(_ builder: Mapping.Builder) throws -> Value {
    try make(64 + builder.keys.count * 64)
    return .dictionary(try builder.finished())
  }

  func namespace(_ attributes: Mapping.Builder) throws -> Value {
    try make(128 + attributes.keys.count * 64)
    let namespace = Namespace(attributes)
    namespaces.append(namespace)
    return .object(namespace)
  }

  func nested<R>(_ body: () throws -> R) throws -> R {
    guard depth < limits.depth else {
      throw Failure("more than \(limits.depth) expressions, statements and macro calls are nested")
    }
    depth += 1
    defer { depth -= 1 }
    return try body()
  }

  // MARK: Names

  private func enter(_ body: Body, _ frame: Frame) throws {
    for entry in body.entries {
      switch entry {
      case .unset(let place): frame.places[place] = .undefined(nil)
      case .copy(let place, let hops, let from): frame.places[place] = ancestor(frame, hops).places[from]
      case .resolve(let place, let name): frame.places[place] = try look(up: name)
      }
    }
  }

  /// A variable of the caller, or a function that every template has.
  private func look(up name: String) throws -> Value {
    if let value = known[name] { return value }
    let value: Value
    if let given = variables[name] {
      value = try Value(given)
    } else {
      value = Function.Name(rawValue: name).map { .object(Function($0)) } ?? .undefined(nil)
    }
    known[name] = value
    return value
  }

  func ancestor(_ frame: Frame, _ hops: Int) -> Frame {
    var result = frame
    for _ in 0..<hops { result = result.parent ?? result }
    return result
  }

  func value(of variable: Variable, _ frame: Frame) -> Value {
    let value =
      variable.hops == 0 ? frame.places[variable.place] : ancestor(frame, variable.hops).places[variable.place]
    if case .undefined(nil) = value { return .undefined(variable.hint) }
    return value
  }

  func assign(_ value: Value, to target: Target, _ frame: Frame) throws {
    switch target {
    case .variable(let variable): ancestor(frame, variable.hops).places[variable.place] = value
    case .attribute(let variable, let name):
      guard case .object(let object) = self.value(of: variable, frame), let namespace = object as? Namespace else {
        throw Failure("'\(variable.name)' is not a namespace: its attributes can't be set")
      }
      guard !name.hasPrefix("_") else { throw Failure("a namespace can't have the attribute '\(name)'") }
      try make(32)
      namespace.attributes[.string(name)] = value
    case .tuple(let targets, _):
      let values = try elements(of: value)
      guard values.count == targets.count else {
        throw Failure("\(values.count) values can't be set to \(targets.count) names")
      }
      for (target, value) in zip(targets, values) { try assign(value, to: target, frame) }
    }
  }

  // MARK: Statements

  private func run(_ statements: [Statement], _ frame: Frame) throws -> Flow {
    try nested {
      for statement in statements {
        let flow = try run(statement, frame)
        if flow != .normal { return flow }
      }
      return .normal
    }
  }

  private func run(_ statement: Statement, _ frame: Frame) throws -> Flow {
    switch statement {
    case .text(let text): try print(text)
    case .output(let expression): try print(try evaluate(expression, frame))
    case .assign(let target, let expression, let line):
      try checkNamespaces(target, frame, line)
      let value = try evaluate(expression, frame)
      self.line = line
      try assign(value, to: target, frame)
    case .conditional(let branches, let otherwise):
      for branch in branches where try isTrue(try evaluate(branch.condition, frame)) {
        return try run(branch.body, frame)
      }
      return try run(otherwise, frame)
    case .loop(let loop): return try run(loop, frame)
    case .macro(let macro, let name):
      try assign(try macroObject(macro, frame), to: .variable(name), frame)
    case .call(let macro, let call):
      let caller = try macroObject(macro, frame)
      try print(try evaluateCall(call, frame, caller: caller))
    case .generation(let macro):
      try print(try call(macro, frame, CallArguments()))
    case .leave: return .leave
    case .next: return .next
    case .assignBlock, .filterBlock, .with: return try runBlock(statement, frame)
    }
    return .normal
  }

  /// Blocks that have names of their own.
  private func runBlock(_ statement: Statement, _ frame: Frame) throws -> Flow {
    switch statement {
    case .assignBlock(let target, let filter, let body, let line):
      let (text, flow) = try captured(body, frame)
      guard flow == .normal else { return flow }
      self.line = line
      let value = try filter.map { try evaluateFilter($0, frame, block: .string(text)) } ?? .string(text)
      try checkNamespaces(target, frame, line)
      try assign(value, to: target, frame)
    case .filterBlock(let filter, let body):
      let (text, flow) = try captured(body, frame)
      guard flow == .normal else { return flow }
      try print(try evaluateFilter(filter, frame, block: .string(text)))
    case .with(let pairs, let body):
      try enter(body, frame)
      for (target, value) in pairs { try assign(try evaluate(value, frame), to: target, frame) }
      return try run(body.statements, frame)
    default: break
    }
    return .normal
  }

  /// Only namespaces have attributes that can be set; that is looked at before the value is evaluated.
  private func checkNamespaces(_ target: Target, _ frame: Frame, _ line: Int) throws {
    switch target {
    case .variable: return
    case .attribute(let variable, _):
      if case .object(let object) = value(of: variable, frame), object is Namespace { return }
      self.line = line
      throw Failure("'\(variable.name)' is not a namespace: its attributes can't be set")
    case .tuple(let targets, _): for target in targets { try checkNamespaces(target, frame, line) }
    }
  }

  /// What a body prints.
  private func captured(_ body: Body, _ frame: Frame) throws -> (text: String, flow: Flow) {
    var text = ""
    swap(&text, &output)
    do {
      try enter(body, frame)
      let flow = try run(body.statements, frame)
      swap(&text, &output)
      try make(text.utf8.count)
      return (text, flow)
    } catch {
      swap(&text, &output)
      throw error
    }
  }

  // MARK: Loops

  private func run(_ loop: Loop, _ frame: Frame) throws -> Flow {
    let iterable = try evaluate(loop.iterable, frame)
    line = loop.line
    // jinja2's `else` runs if no iteration reached its end, even if `continue` or `break` left them all.
    var completed = false
    if loop.loopPlace == nil, loop.condition == nil, case .list(let items) = iterable {
      for value in items.values {
        let flow = try iterate(loop, value, frame)
        if flow == .leave { break }
        if flow == .normal { completed = true }
      }
    } else {
      var iterator = try self.iterator(over: iterable)
      var count = loop.condition == nil ? try knownCount(of: iterable) : nil
      if let condition = loop.condition {
        iterator = selected(iterator, condition, frame)
        count = nil
      }
      let state = LoopState(iterator, count: count)
      while let value = try state.advance() {
        if let place = loop.loopPlace { frame.places[place] = .object(state) }
        let flow = try iterate(loop, value, frame)
        if flow == .leave { break }
        if flow == .normal { completed = true }
      }
    }
    if !completed, let otherwise = loop.otherwise {
      try enter(otherwise, frame)
      return try run(otherwise.statements, frame)
    }
    return .normal
  }

  /// Runs a loop's body once.
  private func iterate(_ loop: Loop, _ value: Value, _ frame: Frame) throws -> Flow {
    try step()
    line = loop.line
    try assign(value, to: loop.target, frame)
    try enter(loop.body, frame)
    return try run(loop.body.statements, frame)
  }

  private func selected(
    _ iterator: any ValueIterator, _ condition: Loop.Condition, _ frame: Frame
  ) -> any ValueIterator {
    keep(frame)
    return ClosureIterator { [unowned self] in
      while let value = try iterator.next() {
        try step()
        try enter(condition.names, frame)
        try assign(value, to: condition.target, frame)
        if try isTrue(try evaluate(condition.test, frame)) { return try self.value(of: condition.target, frame) }
      }
      return nil
    }
  }

  /// What a loop's condition passes on: the names of a target as a tuple.
  private func value(of target: Target, _ frame: Frame) throws -> Value {
    switch target {
    case .variable(let variable), .attribute(let variable, _): value(of: variable, frame)
    case .tuple(let targets, _): try tuple(try targets.map { try value(of: $0, frame) })
    }
  }

  // MARK: Macros

  private func macroObject(_ macro: Macro, _ frame: Frame) throws -> Value {
    try make(64)
    keep(frame)
    return .object(MacroObject(macro, frame))
  }

  /// Runs a macro, whose names see `frame`, and returns what it prints.
  func call(_ macro: Macro, _ frame: Frame, _ arguments: CallArguments) throws -> Value {
    try step(4)
    let inside = Frame(count: macro.body.placeCount, parent: frame)
    try make(96 + 24 * macro.body.placeCount)
    var arguments = arguments
    var given = Array(arguments.positional.prefix(macro.parameters.count)).map(Value?.some)
    var foundCaller = given.count == macro.parameters.count && macro.parameters.contains { $0.name == "caller" }
    for parameter in macro.parameters.dropFirst(given.count) {
      given.append(arguments.takeNamed(parameter.name))
      if parameter.name == "caller" { foundCaller = true }
    }
    let takesCaller = macro.callerPlace != nil && !foundCaller
    var caller = Value.undefined(Hint("no caller is defined"))
    if takesCaller, let passed = arguments.takeNamed("caller") {
      if case .none = passed {} else { caller = passed }
    }
    let what = macro.name.map { "the macro '\($0)'" } ?? "the caller"
    if macro.keywordsPlace == nil, let surplus = arguments.named.first {
      throw Failure("\(what) has no parameter '\(surplus.name)'")
    }
    let surplus = Array(arguments.positional.dropFirst(macro.parameters.count))
    if macro.positionalPlace == nil, !surplus.isEmpty {
      throw Failure("\(what) takes no more than \(macro.parameters.count) arguments")
    }
    return try nested {
      try enterMacro(macro, inside, given, caller: caller, named: arguments.named, surplus: surplus)
      var text = ""
      swap(&text, &output)
      defer { swap(&text, &output) }
      _ = try run(macro.body.statements, inside)
      try make(output.utf8.count)
      return .string(output)
    }
  }

  private func enterMacro(
    _ macro: Macro, _ frame: Frame, _ given: [Value?], caller: Value, named: [(name: String, value: Value)],
    surplus: [Value]
  ) throws {
    for (parameter, value) in zip(macro.parameters, given) { frame.places[parameter.place] = value ?? .undefined(nil) }
    if let place = macro.callerPlace { frame.places[place] = caller }
    if let place = macro.keywordsPlace {
      var builder = Mapping.Builder()
      for (name, value) in named { builder[.string(name)] = value }
      frame.places[place] = try dictionary(builder)
    }
    if let place = macro.positionalPlace { frame.places[place] = try tuple(surplus) }
    try enter(macro.body, frame)
    for (index, parameter) in macro.parameters.enumerated() where given[index] == nil {
      let withoutDefault = macro.parameters.count - macro.defaults.count
      frame.places[parameter.place] =
        index >= withoutDefault
        ? try evaluate(macro.defaults[index - withoutDefault], frame)
        : .undefined(Hint("the parameter '\(parameter.name)' was not given"))
    }
  }

  private func keep(_ frame: Frame) {
    if kept.last !== frame { kept.append(frame) }
  }

  // MARK: Output

  private func print(_ text: String) throws {
    output += text
    guard output.utf8.count <= limits.outputBytes else {
      throw Failure("the text grows longer than \(limits.outputBytes) bytes")
    }
  }

  private func print(_ value: Value) throws {
    switch value {
    case .string(let text), .markup(let text): try print(text)
    case .undefined: break
    default: try print(try printed(value))
    }
  }
}

/// The arguments of a call, evaluated.
struct CallArguments {
  var positional: [Value] = []
  var named: [(name: String, value: Value)] = []

  mutating func takeNamed(_ name: String) -> Value? {
    guard let place = named.firstIndex(where: { $0.name == name }) else { return nil }
    return named.remove(at: place).value
  }
}

/// `loop`: how far a loop is.
final class LoopState: Object {
  private let iterator: any ValueIterator
  private let knownCount: Int?
  /// Elements that were asked for before their turn, and how many of them had it.
  private var ahead: [Value] = []
  private var taken = 0
  private var isExhausted = false
  private(set) var index = -1
  private var current: Value?
  private(set) var previous: Value?
  var lastChanged: Value?

  init(_ iterator: any ValueIterator, count: Int?) { (self.iterator, knownCount) = (iterator, count) }
  override var typeName: String { "LoopContext" }

  func advance() throws -> Value? {
    let next: Value?
    if taken < ahead.count {
      next = ahead[taken]
      taken += 1
    } else {
      (ahead, taken) = ([], 0)
      next = try pull()
    }
    guard let value = next else { return nil }
    index += 1
    previous = current
    current = value
    return value
  }

  private func pull() throws -> Value? {
    if isExhausted { return nil }
    let value = try iterator.next()
    if value == nil { isExhausted = true }
    return value
  }

  func nextItem() throws -> Value? {
    if taken == ahead.count, let value = try pull() { ahead.append(value) }
    return taken < ahead.count ? ahead[taken] : nil
  }

  func length() throws -> Int {
    if let knownCount { return knownCount }
    while let value = try pull() { ahead.append(value) }
    return index + 1 + ahead.count - taken
  }
}
