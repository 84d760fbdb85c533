// Attributes, elements, slices, and iteration.
extension Renderer {
  /// `value.name`: the attribute, else the element of that name; nil if there is neither.
  func attribute(_ name: String, of value: Value) throws -> Value? {
    if case .undefined(let hint) = value { throw undefined(hint) }
    if case .dictionary(let mapping) = value {
      // The common case: no attribute of Python's dict has this name.
      if !Method.dictionaryAttributes.contains(name) { return mapping[name] }
    }
    return try ownAttribute(name, of: value)
  }

  /// `value[index]`: the element, else the attribute where the index is a string; nil if there is neither.
  func element(_ index: Value, of value: Value) throws -> Value? {
    switch value {
    case .undefined(let hint): throw undefined(hint)
    case .dictionary(let mapping):
      if case .string(let name) = index {
        if let found = mapping[name] { return found }
      } else if let key = Key(hashable: index), let found = mapping[key] {
        return found
      }
    case .list(let items), .tuple(let items):
      if let place = place(index, count: items.values.count) { return items.values[place] }
    case .range(let range):
      if let place = place(index, count: range.count) { return .integer(range[place]) }
    case .string(let text), .markup(let text):
      if let number = index.index, let scalar = try scalar(number, of: text) {
        if case .markup = value { return .markup(String(scalar)) }
        return .string(String(scalar))
      }
    default: break
    }
    guard let name = index.text else { return nil }
    return try ownAttribute(name, of: value)
  }

  /// A place in a sequence, negative ones from the end; nil if there is no such place.
  private func place(_ index: Value, count: Int) -> Int? {
    guard let number = index.index else { return nil }
    let place = number < 0 ? number + count : number
    return (0..<count).contains(place) ? place : nil
  }

  private func scalar(_ number: Int, of text: String) throws -> Unicode.Scalar? {
    let scalars = text.unicodeScalars
    try step(text.utf8.count / 64)
    if text.utf8.count == scalars.count {
      return place(.integer(number), count: text.utf8.count).map {
        scalars[text.utf8.index(text.utf8.startIndex, offsetBy: $0)]
      }
    }
    return place(.integer(number), count: scalars.count).map {
      scalars[scalars.index(scalars.startIndex, offsetBy: $0)]
    }
  }

  /// What Python's object has under this name. Names with an underscore, and methods that would change the value, are
  /// undefined in the sandbox.
  private func ownAttribute(_ name: String, of value: Value) throws -> Value? {
    switch value {
    case .object(let object):
      switch object {
      case let namespace as Namespace: return name.hasPrefix("_") ? nil : namespace.attributes[.string(name)]
      case let loop as LoopState: return try loopAttribute(name, loop)
      case let macro as MacroObject: return try macroAttribute(name, macro.macro)
      default: break
      }
    default: break
    }
    guard !name.hasPrefix("_") else { return nil }
    if let method = Method(rawValue: name), method.exists(on: value) {
      return .object(try BoundMethod(value, method))
    }
    if Method.isUnsupported(name, on: value) {
      throw Failure("'\(name)' of a \(value.typeName) is not supported here")
    }
    return nil
  }

  private func loopAttribute(_ name: String, _ loop: LoopState) throws -> Value? {
    switch name {
    case "index": .integer(loop.index + 1)
    case "index0": .integer(loop.index)
    case "first": .boolean(loop.index == 0)
    case "last": .boolean(try loop.nextItem() == nil)
    case "length": .integer(try loop.length())
    case "revindex": .integer(try loop.length() - loop.index)
    case "revindex0": .integer(try loop.length() - loop.index - 1)
    case "previtem": loop.index == 0 ? .undefined(Hint("there is no previous item")) : loop.previous
    case "nextitem": try loop.nextItem() ?? .undefined(Hint("there is no next item"))
    case "depth": .integer(1)
    case "depth0": .integer(0)
    case "cycle": .object(try BoundMethod(.object(loop), .cycle))
    case "changed": .object(try BoundMethod(.object(loop), .changed))
    default: nil
    }
  }

  private func macroAttribute(_ name: String, _ macro: Macro) throws -> Value? {
    switch name {
    case "name": macro.name.map { .string($0) } ?? Value.none
    case "arguments": try tuple(macro.parameters.map { .string($0.name) })
    case "caller": .boolean(macro.callerPlace != nil || macro.parameters.contains { $0.name == "caller" })
    case "catch_kwargs": .boolean(macro.keywordsPlace != nil)
    case "catch_varargs": .boolean(macro.positionalPlace != nil)
    default: nil
    }
  }

  // MARK: Slices

  func slice(_ value: Value, _ start: Value, _ end: Value, _ step: Value) throws -> Value {
    func number(_ value: Value) throws -> Int? {
      if case .none = value { return nil }
      if case .undefined(let hint) = value { throw undefined(hint) }
      guard let number = value.index else { throw Failure("a slice needs integers, not a \(value.typeName)") }
      return number
    }
    if case .undefined(let hint) = value { throw undefined(hint) }
    let (start, end, step) = (try number(start), try number(end), try number(step) ?? 1)
    guard step != 0, step != .min else { throw Failure("the step of a slice must not be \(step)") }
    switch value {
    case .list(let items): return try list(Slicing(start, end, step, count: items.values.count).of(items.values))
    case .tuple(let items): return try tuple(Slicing(start, end, step, count: items.values.count).of(items.values))
    case .string(let text): return try string(try sliced(text, start, end, step))
    case .markup(let text): return try markup(try sliced(text, start, end, step))
    case .range(let range):
      let slice = Slicing(start, end, step, count: range.count)
      guard let result = range.part(from: slice.start, to: slice.end, step: slice.step) else {
        throw Failure("this slice of a range grows beyond 64 bits")
      }
      return .range(result)
    default: throw Failure("a \(value.typeName) has no slices")
    }
  }

  private func sliced(_ text: String, _ start: Int?, _ end: Int?, _ step: Int) throws -> String {
    let scalars = text.unicodeScalars
    try self.step(text.utf8.count / 16)
    let count = scalars.count
    let slice = Slicing(start, end, step, count: count)
    if slice.count == 0 { return "" }
    if step == 1 {
      let first = scalars.index(scalars.startIndex, offsetBy: slice.start)
      let last = scalars.index(first, offsetBy: slice.count)
      return String(scalars[first..<last])
    }
    var result = String.UnicodeScalarView()
    result.append(contentsOf: slice.of(Array(scalars)))
    return String(result)
  }

  /// The places that a slice takes, as Python counts them.
  private struct Slicing {
    let start, end, step, count: Int

    init(_ start: Int?, _ end: Int?, _ step: Int, count length: Int) {
      let (lowest, highest) = step > 0 ? (0, length) : (-1, length - 1)
      func clamped(_ bound: Int?, _ standard: Int) -> Int {
        guard let bound else { return standard }
        let place = bound < 0 ? max(bound, -length - 1) + length : bound
        return min(max(place, lowest), highest)
      }
      let first = clamped(start, step > 0 ? lowest : highest)
      let last = clamped(end, step > 0 ? highest : lowest)
      let distance = step > 0 ? last - first : first - last
      (self.start, self.end, self.step) = (first, last, step)
      count = distance > 0 ? (distance - 1) / abs(step) + 1 : 0
    }

    func of<Element>(_ values: [Element]) -> [Element] {
      if step == 1 { return Array(values[start..<(start + count)]) }
      return (0..<count).map { values[start + $0 * step] }
    }
  }

  // MARK: Iteration

  func iterator(over value: Value) throws -> any ValueIterator {
    switch value {
    case .undefined: return ArrayIterator([])
    case .list(let items), .tuple(let items): return ArrayIterator(items.values)
    case .dictionary(let mapping): return ArrayIterator(mapping.keys.map(\.value))
    case .string(let text), .markup(let text):
      var scalars = text.unicodeScalars.makeIterator()
      return ClosureIterator { scalars.next().map { .string(String($0)) } }
    case .range(let range):
      var place = 0
      return ClosureIterator {
        guard place < range.count else { return nil }
        defer { place += 1 }
        return .integer(range[place])
      }
    case .object(let object):
      switch object {
      case let generator as Generator: return generator.iterator
      case let view as MappingView:
        var place = 0
        return ClosureIterator {
          guard place < view.mapping.count else { return nil }
          defer { place += 1 }
          return try view.element(place)
        }
      case is LoopState: throw Failure("'loop' can't be looped over here")
      default: break
      }
    default: break
    }
    throw Failure("a \(value.typeName) has no elements to go through")
  }

  /// The number of elements, if it is known before iterating.
  func knownCount(of value: Value) throws -> Int? {
    switch value {
    case .undefined: 0
    case .list(let items), .tuple(let items): items.values.count
    case .dictionary(let mapping): mapping.count
    case .string(let text), .markup(let text): text.unicodeScalars.count
    case .range(let range): range.count
    case .object(let object):
      switch object {
      case let view as MappingView: view.mapping.count
      case let loop as LoopState: try loop.length()
      default: nil
      }
    default: nil
    }
  }

  /// All elements.
  func elements(of value: Value) throws -> [Value] {
    switch value {
    case .list(let items), .tuple(let items): return items.values
    default:
      let iterator = try iterator(over: value)
      var result: [Value] = []
      while let element = try iterator.next() {
        try step()
        try make(24)
        result.append(element)
      }
      return result
    }
  }
}
