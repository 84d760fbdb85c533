/// What a template sets and calls, so that a function or method that doesn't exist is found when it is read.
struct Names {
  private var stored: Set<String> = []
  private var loaded: [(name: String, line: Int)] = []
  private var called: [(name: String, line: Int)] = []
  private var calledMethods: [(name: String, line: Int)] = []
  /// Names of attributes that the template sets: what they hold may be called.
  var attributes: Set<String> = []
  private(set) var usesDate = false
  /// Loops around what is read now: `loop` can't be set there.
  var openLoops = 0

  /// jinja2's own functions that are not supported.
  private static let unsupported: Set<String> = ["lipsum", "cycler", "joiner"]
  /// Python's methods that change what they are called on: the sandbox makes them undefined, so that a call fails only
  /// when it is reached.
  private static let forbidden: Set<String> = [
    "append", "clear", "extend", "insert", "pop", "popitem", "remove", "reverse", "setdefault", "sort", "update",
  ]

  mutating func startLoop() { openLoops += 1 }
  mutating func endLoop() { openLoops -= 1 }

  mutating func store(_ name: String, line: Int) throws {
    if name == "loop", openLoops > 0 { throw TemplateFault(line: line, problem: "'loop' can't be set within a loop") }
    stored.insert(name)
  }

  mutating func load(_ name: String, line: Int) {
    if Self.unsupported.contains(name) { loaded.append((name, line)) }
    if name == Function.Name.strftimeNow.rawValue { usesDate = true }
  }

  mutating func call(_ name: String, line: Int) { called.append((name, line)) }
  mutating func callMethod(_ name: String, line: Int) { calledMethods.append((name, line)) }

  /// The names of filters and tests that are given as strings.
  func check(_ filter: Filter, _ arguments: Arguments, line: Int) throws {
    func constant(_ index: Int) -> String? {
      guard arguments.positional.indices.contains(index),
        case .constant(.string(let name)) = arguments.positional[index].kind
      else { return nil }
      return name
    }
    switch filter {
    case .map:
      if let name = constant(0), Filter(rawValue: name) == nil {
        throw TemplateFault(line: line, problem: "the filter '\(name)' is not supported here")
      }
    case .select, .reject, .selectattr, .rejectattr:
      let place = filter == .select || filter == .reject ? 0 : 1
      if let name = constant(place), Test(rawValue: name) == nil {
        throw TemplateFault(line: line, problem: "the test '\(name)' is not supported here")
      }
    default: break
    }
  }

  /// Throws for a call of something that can't exist, once the whole template is read.
  func check() throws {
    for (name, line) in loaded where !stored.contains(name) {
      throw TemplateFault(line: line, problem: "the function '\(name)' is not supported here")
    }
    let special = ["caller", "loop"]
    for (name, line) in called
    where !stored.contains(name) && Function.Name(rawValue: name) == nil && !special.contains(name) {
      throw TemplateFault(line: line, problem: "the function '\(name)' is not supported here")
    }
    for (name, line) in calledMethods
    where Method(rawValue: name) == nil && !attributes.contains(name) && !Self.forbidden.contains(name) {
      throw TemplateFault(line: line, problem: "the method '\(name)' is not supported here")
    }
  }
}
