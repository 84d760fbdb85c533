import ChatTemplate
import Foundation

/// A template, its variables and what jinja2 makes of it, as tools/goldens/chat-templates and tools/parity write it.
public struct TemplateCase: Decodable {
  public let name: String
  public let template: String
  public let variables: TaggedValue
  /// Year, month, day, hour, minute and second for `strftime_now`.
  public let date: [Int]?
  /// jinja2's text; nil where it refuses.
  public let text: String?

  /// The text, or why there is none.
  public func rendered() throws -> String {
    guard case .dictionary(let dictionary) = variables.value else { return "" }
    let date = date.map {
      TemplateDate(year: $0[0], month: $0[1], day: $0[2], hour: $0[3], minute: $0[4], second: $0[5])
    }
    return try ChatTemplate(source: template, name: name).render(dictionary, date: date)
  }
}

/// A value with its type and, of a dictionary, its order: `["i", 3]`, `["s", "text"]`, `["l", […]]`,
/// `["d", [["key", value], …]]`, `["f", "1.5"]`, `["b", true]`, `["n"]`, `["u"]` (undefined).
public struct TaggedValue: Decodable {
  public let value: TemplateValue

  private struct Pair: Decodable {
    let name: String
    let value: TaggedValue
    init(from decoder: any Decoder) throws {
      var container = try decoder.unkeyedContainer()
      name = try container.decode(String.self)
      value = try container.decode(TaggedValue.self)
    }
  }

  public init(from decoder: any Decoder) throws {
    var container = try decoder.unkeyedContainer()
    switch try container.decode(String.self) {
    case "n": value = .none
    case "u": value = .undefined
    case "b": value = .boolean(try container.decode(Bool.self))
    case "i": value = .integer(try container.decode(Int.self))
    case "f": value = .float(Double(try container.decode(String.self)) ?? .nan)
    case "s": value = .string(try container.decode(String.self))
    case "l": value = .list(try container.decode([TaggedValue].self).map(\.value))
    default:
      value = .dictionary(TemplateDictionary(try container.decode([Pair].self).map { ($0.name, $0.value.value) }))
    }
  }
}
