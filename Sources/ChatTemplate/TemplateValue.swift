/// What a template can be given: JSON's values, and "not there".
public indirect enum TemplateValue: Sendable {
  /// Not defined: prints as nothing, `is defined` is false. A missing key of a dictionary means the same.
  case undefined
  /// Python's None, JSON's null.
  case none
  case boolean(Bool)
  case integer(Int)
  case float(Double)
  case string(String)
  case list([TemplateValue])
  case dictionary(TemplateDictionary)
}

/// Names and values in their order, as Python's dict keeps them. Keys are the same where their Unicode scalars are.
public struct TemplateDictionary: Sendable {
  /// The names and values, in order, each name once.
  public private(set) var pairs: [(name: String, value: TemplateValue)]

  /// Of two pairs with one name the later value counts, in the earlier one's place (as in Python).
  public init(_ pairs: [(String, TemplateValue)] = []) {
    self.pairs = []
    self.pairs.reserveCapacity(pairs.count)
    for (name, value) in pairs { self[name] = value }
  }

  /// The value of a name, nil if there is none. Setting nil takes the name away.
  public subscript(name: String) -> TemplateValue? {
    get { position(of: name).map { pairs[$0].value } }
    set {
      switch (position(of: name), newValue) {
      case (let place?, let value?): pairs[place].value = value
      case (let place?, nil): pairs.remove(at: place)
      case (nil, let value?): pairs.append((name, value))
      case (nil, nil): break
      }
    }
  }

  private func position(of name: String) -> Int? {
    pairs.firstIndex { sameScalars($0.name, name) }
  }
}

extension TemplateDictionary: ExpressibleByDictionaryLiteral {
  public init(dictionaryLiteral elements: (String, TemplateValue)...) { self.init(elements) }
}

extension TemplateValue: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  public init(stringLiteral value: String) { self = .string(value) }
  public init(booleanLiteral value: Bool) { self = .boolean(value) }
  public init(integerLiteral value: Int) { self = .integer(value) }
  public init(arrayLiteral elements: TemplateValue...) { self = .list(elements) }
  public init(dictionaryLiteral elements: (String, TemplateValue)...) {
    self = .dictionary(TemplateDictionary(elements))
  }
}

/// Whether two strings have the same Unicode scalars. Swift's == takes "é" and "e" + accent for equal; Python doesn't.
@inline(__always)
func sameScalars(_ left: String, _ right: String) -> Bool {
  left.utf8.count == right.utf8.count && left == right && left.utf8.elementsEqual(right.utf8)
}
