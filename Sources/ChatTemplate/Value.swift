/// A value while a template is rendered. Lists and dictionaries can't be changed (transformers' sandbox forbids it);
/// namespaces can.
enum Value {
  /// The hint names what was missing, for errors; nil is a variable that was never set.
  case undefined(Hint?)
  case none
  case boolean(Bool)
  case integer(Int)
  case float(Double)
  case string(String)
  /// What `safe` and `escape` return: a string that escapes what is joined to it.
  case markup(String)
  case list(Items)
  case tuple(Items)
  case dictionary(Mapping)
  case range(IntegerRange)
  case object(Object)

  var isUndefined: Bool {
    if case .undefined = self { true } else { false }
  }

  /// The text of a string, safe or not.
  var text: String? {
    switch self {
    case .string(let text), .markup(let text): text
    default: nil
    }
  }

  /// The integer of an integer or a boolean, which is one in Python.
  var index: Int? {
    switch self {
    case .integer(let value): value
    case .boolean(let value): value ? 1 : 0
    default: nil
    }
  }

  /// How many containers are within each other.
  var depth: Int {
    switch self {
    case .list(let items), .tuple(let items): items.depth
    case .dictionary(let mapping): mapping.depth
    case .object(let object): object.depth
    default: 0
    }
  }

  /// Python's name of the type, for errors.
  var typeName: String {
    switch self {
    case .undefined: "undefined"
    case .none: "None"
    case .boolean: "bool"
    case .integer: "int"
    case .float: "float"
    case .string: "str"
    case .markup: "Markup"
    case .list: "list"
    case .tuple: "tuple"
    case .dictionary: "dict"
    case .range: "range"
    case .object(let object): object.typeName
    }
  }
}

/// What an undefined value was to be.
final class Hint: Sendable {
  let text: String
  init(_ text: String) { self.text = text }
}

/// Why a step of the rendering can't be done; the renderer adds the line.
struct Failure: Error {
  var problem: String
  init(_ problem: String) { self.problem = problem }
}

/// Containers within each other: beyond this, values are refused (they are printed, compared and freed recursively).
let deepestValue = 200

/// The elements of a list or a tuple.
final class Items {
  let values: [Value]
  let depth: Int

  init(_ values: [Value]) throws {
    var deepest = 0
    for value in values { deepest = max(deepest, value.depth) }
    guard deepest < deepestValue else { throw Failure("more than \(deepestValue) lists and dictionaries are nested") }
    self.values = values
    depth = deepest + 1
  }
}

/// Start, end and step of Python's `range`.
struct IntegerRange {
  var start, end, step: Int
  var count: Int

  /// Nil if the numbers are too large.
  init?(start: Int, end: Int, step: Int) {
    (self.start, self.end, self.step) = (start, end, step)
    let (distance, overflows) = end.subtractingReportingOverflow(start)
    guard !overflows, step != 0, step != .min, distance != .min else { return nil }
    count = (distance > 0) == (step > 0) && distance != 0 ? (abs(distance) - 1) / abs(step) + 1 : 0
  }

  subscript(index: Int) -> Int { start + index * step }

  /// From one place to another; nil if the numbers are too large.
  func part(from first: Int, to last: Int, step: Int) -> IntegerRange? {
    func number(_ place: Int) -> Int? {
      let (distance, tooFar) = self.step.multipliedReportingOverflow(by: place)
      let (number, tooLarge) = start.addingReportingOverflow(distance)
      return tooFar || tooLarge ? nil : number
    }
    let (product, tooLarge) = self.step.multipliedReportingOverflow(by: step)
    guard let start = number(first), let end = number(last), !tooLarge else { return nil }
    return IntegerRange(start: start, end: end, step: product)
  }
}

/// A value with an identity: a namespace, a macro, `loop`, an iterator, a method.
class Object {
  var typeName: String { "object" }
  var depth: Int { 0 }
}

/// `namespace(…)`: its attributes may be set.
final class Namespace: Object {
  var attributes: Mapping.Builder
  init(_ attributes: Mapping.Builder) { self.attributes = attributes }
  override var typeName: String { "Namespace" }
}

/// What a filter such as `map` or `select` returns: elements one at a time, once.
final class Generator: Object {
  let iterator: any ValueIterator
  private let sourceDepth: Int
  private let name: String

  init(_ name: String, over source: Value, _ iterator: any ValueIterator) throws {
    guard source.depth < deepestValue else { throw Failure("more than \(deepestValue) filters are nested") }
    self.iterator = iterator
    self.name = name
    sourceDepth = source.depth + 1
  }
  override var typeName: String { name }
  override var depth: Int { sourceDepth }
}

/// `d.items()`, `d.keys()`, `d.values()`.
final class MappingView: Object {
  enum Part: String { case items, keys, values }
  let mapping: Mapping
  let part: Part

  init(_ mapping: Mapping, _ part: Part) throws {
    guard mapping.depth < deepestValue else { throw Failure("more than \(deepestValue) values are nested") }
    (self.mapping, self.part) = (mapping, part)
  }
  override var typeName: String { "dict_\(part.rawValue)" }
  override var depth: Int { mapping.depth + 1 }

  func element(_ index: Int) throws -> Value {
    switch part {
    case .keys: mapping.keys[index].value
    case .values: mapping.values[index]
    case .items: .tuple(try Items([mapping.keys[index].value, mapping.values[index]]))
    }
  }
}

/// A method of a value, not called yet.
final class BoundMethod: Object {
  let receiver: Value
  let method: Method
  init(_ receiver: Value, _ method: Method) throws {
    guard receiver.depth < deepestValue else { throw Failure("more than \(deepestValue) values are nested") }
    (self.receiver, self.method) = (receiver, method)
  }
  override var typeName: String { "method" }
  override var depth: Int { receiver.depth + 1 }
}

/// A function that every template has.
final class Function: Object {
  enum Name: String, CaseIterable {
    case range, dict, namespace
    case raiseException = "raise_exception"
    case strftimeNow = "strftime_now"
  }
  let name: Name
  init(_ name: Name) { self.name = name }
  override var typeName: String { "function" }
}

/// Elements one after the other.
protocol ValueIterator: AnyObject {
  func next() throws -> Value?
}

final class ArrayIterator: ValueIterator {
  private let values: [Value]
  private var position = 0
  init(_ values: [Value]) { self.values = values }
  func next() -> Value? {
    guard position < values.count else { return nil }
    position += 1
    return values[position - 1]
  }
}

/// Elements made when they are asked for.
final class ClosureIterator: ValueIterator {
  private let make: () throws -> Value?
  init(_ make: @escaping () throws -> Value?) { self.make = make }
  func next() throws -> Value? { try make() }
}
