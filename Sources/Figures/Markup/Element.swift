/// An element of HTML or SVG, as a value. Text and attributes are escaped when it is written, so neither a category's
/// name nor a prompt can become markup.
public struct Element: Sendable {
  public enum Node: Sendable {
    case element(Element)
    case text(String)
    /// Written unescaped: a built-in style sheet or script.
    case verbatim(String)
  }

  private let name: String
  private var attributes: [(name: String, value: String)]
  private var children: [Node]

  public init(_ name: String, _ attributes: KeyValuePairs<String, any AttributeValue> = [:], _ children: [Node] = []) {
    self.name = name
    self.attributes = attributes.map { (name: $0.key, value: $0.value.attributeText) }
    self.children = children
  }

  /// An element that holds nothing but text.
  public init(_ name: String, _ attributes: KeyValuePairs<String, any AttributeValue> = [:], text: String) {
    self.init(name, attributes, [.text(text)])
  }

  public init(_ name: String, _ attributes: KeyValuePairs<String, any AttributeValue> = [:], _ children: [Element]) {
    self.init(name, attributes, children.map { .element($0) })
  }

  /// The same element with a note that shows when it is pointed at (SVG's `title`).
  public func noted(_ text: String) -> Element {
    var element = self
    element.children.append(.element(Element("title", text: text)))
    return element
  }

  public mutating func set(_ name: String, _ value: any AttributeValue) {
    attributes.append((name: name, value: value.attributeText))
  }

  /// The element as text.
  public var markup: String {
    var text = ""
    write(to: &text)
    return text
  }

  private func write(to text: inout String) {
    text += "<" + name
    for (name, value) in attributes {
      text += " " + name + "=\"" + escaped(value) + "\""
    }
    if children.isEmpty, Self.closesItself.contains(name) {
      text += "/>"
      return
    }
    text += ">"
    for child in children {
      switch child {
      case .element(let element): element.write(to: &text)
      case .text(let words): text += escaped(words)
      case .verbatim(let markup): text += markup
      }
    }
    text += "</" + name + ">"
    if Self.endsItsLine.contains(name) { text += "\n" }
  }

  /// HTML's elements without content, and SVG's shapes.
  private static let closesItself: Set<String> = [
    "meta", "img", "br", "rect", "line", "path", "circle", "polyline", "polygon",
  ]

  /// Elements after which a line break does not change the page and makes the source readable.
  private static let endsItsLine: Set<String> = [
    "section", "figure", "table", "tr", "li", "p", "h1", "h2", "h3", "svg", "g", "style", "script", "head", "header",
    "footer", "nav", "main", "title", "dl", "div",
  ]
}

/// What an attribute may hold.
public protocol AttributeValue: Sendable {
  var attributeText: String { get }
}

extension String: AttributeValue { public var attributeText: String { self } }
extension Int: AttributeValue { public var attributeText: String { String(self) } }

extension Double: AttributeValue {
  /// A coordinate: two decimals at most, which is finer than any screen.
  public var attributeText: String {
    let hundredths = Int((self * 100).rounded())
    let (whole, rest) = (abs(hundredths) / 100, abs(hundredths) % 100)
    let sign = hundredths < 0 ? "-" : ""
    if rest == 0 { return "\(sign)\(whole)" }
    if rest % 10 == 0 { return "\(sign)\(whole).\(rest / 10)" }
    return "\(sign)\(whole).\(rest < 10 ? "0" : "")\(rest)"
  }
}
