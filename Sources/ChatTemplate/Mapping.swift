/// A key of a dictionary. As in Python, 1, 1.0 and True are one key; strings are the same where their scalars are.
enum Key: Hashable {
  case none
  case undefined
  case integer(Int, Value)
  case float(Double)
  case string(String)
  case tuple([Key], Value)
  /// Its count, start and step.
  case range([Int], Value)
  /// What is the same only as itself.
  case object(ObjectIdentifier, Value)

  /// Nil if Python has no hash of the value.
  init?(hashable value: Value) {
    switch value {
    case .none: self = .none
    case .undefined: self = .undefined
    case .boolean(let flag): self = .integer(flag ? 1 : 0, value)
    case .integer(let number): self = .integer(number, value)
    case .float(let number): self = Int(exactly: number).map { .integer($0, value) } ?? .float(number)
    case .string(let text), .markup(let text): self = .string(text)
    case .tuple(let items):
      var keys: [Key] = []
      for element in items.values {
        guard let key = Key(hashable: element) else { return nil }
        keys.append(key)
      }
      self = .tuple(keys, value)
    case .range(let range): self = .range(Array([range.count, range.start, range.step].prefix(range.count + 1)), value)
    case .object(let object) where !(object is MappingView): self = .object(ObjectIdentifier(object), value)
    default: return nil
    }
  }

  init(_ value: Value) throws {
    guard let key = Key(hashable: value) else { throw Failure("a \(value.typeName) can't be a key of a dictionary") }
    self = key
  }

  /// The value that it was made of.
  var value: Value {
    switch self {
    case .none: .none
    case .undefined: .undefined(nil)
    case .integer(_, let value), .tuple(_, let value), .range(_, let value), .object(_, let value): value
    case .float(let number): .float(number)
    case .string(let text): .string(text)
    }
  }

  static func == (left: Key, right: Key) -> Bool {
    switch (left, right) {
    case (.none, .none), (.undefined, .undefined): true
    case (.integer(let a, _), .integer(let b, _)): a == b
    case (.float(let a), .float(let b)): a == b
    case (.string(let a), .string(let b)): sameScalars(a, b)
    case (.tuple(let a, _), .tuple(let b, _)): a == b
    case (.range(let a, _), .range(let b, _)): a == b
    case (.object(let a, _), .object(let b, _)): a == b
    default: false
    }
  }

  func hash(into hasher: inout Hasher) {
    switch self {
    case .none: hasher.combine(0)
    case .undefined: hasher.combine(1)
    case .integer(let number, _): hasher.combine(number)
    case .float(let number): hasher.combine(number)
    case .string(let text):
      var text = text
      text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    case .tuple(let keys, _): hasher.combine(keys)
    case .range(let numbers, _): hasher.combine(numbers)
    case .object(let identifier, _): hasher.combine(identifier)
    }
  }
}

/// The keys and values of a dictionary, in order.
final class Mapping {
  let keys: [Key]
  let values: [Value]
  let depth: Int
  private let places: [Key: Int]

  /// Above this many keys, places are found by hashing.
  private static let fewKeys = 8

  /// Keys and values in order; a key that is set again keeps its place.
  struct Builder {
    private(set) var keys: [Key] = []
    private(set) var values: [Value] = []
    private var places: [Key: Int] = [:]

    init() {}

    init(_ mapping: Mapping) {
      (keys, values, places) = (mapping.keys, mapping.values, mapping.places)
    }

    subscript(key: Key) -> Value? {
      get { place(of: key).map { values[$0] } }
      set {
        guard let newValue else { return }
        if let place = place(of: key) {
          values[place] = newValue
        } else {
          keys.append(key)
          values.append(newValue)
          if keys.count == Mapping.fewKeys + 1 {
            for (place, key) in keys.enumerated() { places[key] = place }
          } else if keys.count > Mapping.fewKeys {
            places[key] = keys.count - 1
          }
        }
      }
    }

    private func place(of key: Key) -> Int? {
      keys.count > Mapping.fewKeys ? places[key] : keys.firstIndex(of: key)
    }

    func finished() throws -> Mapping { try Mapping(keys: keys, values: values, places: places) }
  }

  private init(keys: [Key], values: [Value], places: [Key: Int]) throws {
    var deepest = 0
    for value in values { deepest = max(deepest, value.depth) }
    for key in keys { deepest = max(deepest, key.value.depth) }
    guard deepest < deepestValue else { throw Failure("more than \(deepestValue) lists and dictionaries are nested") }
    (self.keys, self.values, self.places) = (keys, values, places)
    depth = deepest + 1
  }

  var count: Int { keys.count }

  subscript(key: Key) -> Value? {
    (keys.count > Self.fewKeys ? places[key] : keys.firstIndex(of: key)).map { values[$0] }
  }

  /// The value of a string key.
  subscript(name: String) -> Value? {
    if keys.count > Self.fewKeys { return places[.string(name)].map { values[$0] } }
    for (place, key) in keys.enumerated() {
      if case .string(let text) = key, sameScalars(text, name) { return values[place] }
    }
    return nil
  }
}

extension Value {
  /// What a caller gave, as a value of the renderer.
  init(_ value: TemplateValue, depth: Int = 0) throws {
    guard depth < deepestValue else { throw Failure("a variable has more than \(deepestValue) values nested") }
    switch value {
    case .undefined: self = .undefined(nil)
    case .none: self = .none
    case .boolean(let flag): self = .boolean(flag)
    case .integer(let number): self = .integer(number)
    case .float(let number): self = .float(number)
    case .string(let text): self = .string(text)
    case .list(let elements):
      self = .list(try Items(elements.map { try Value($0, depth: depth + 1) }))
    case .dictionary(let dictionary):
      var builder = Mapping.Builder()
      for (name, value) in dictionary.pairs {
        if case .undefined = value { continue }
        builder[.string(name)] = try Value(value, depth: depth + 1)
      }
      self = .dictionary(try builder.finished())
    }
  }
}
