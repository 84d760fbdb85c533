import Foundation
import JSON

extension Selection: Encodable {
  private enum CodingKeys: String, CodingKey {
    case strategy, measure, corrected, layers, scores, heads, seed, source
    case headScores = "head_scores"
    case modelName = "model_name"
    case modelSHA256 = "model_sha256"
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(strategy, forKey: .strategy)
    try container.encode(ranked.measure, forKey: .measure)
    if ranked.isCorrected { try container.encode(true, forKey: .corrected) }
    try container.encode(layers, forKey: .layers)
    try container.encode(scores, forKey: .scores)
    if !heads.isEmpty { try container.encode(heads, forKey: .heads) }
    if !headScores.isEmpty { try container.encode(headScores, forKey: .headScores) }
    try container.encodeIfPresent(seed, forKey: .seed)
    try container.encodeIfPresent(modelName, forKey: .modelName)
    try container.encodeIfPresent(modelSHA256, forKey: .modelSHA256)
    try container.encodeIfPresent(source, forKey: .source)
  }

  /// One object, its keys in alphabetical order.
  public func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }

  /// - Parameters:
  ///   - json: the contents of a selection file.
  ///   - name: what to call it in an error: its path.
  /// - Throws: `HeadImpactError` naming the file and the key that is wrong.
  public init(json: Data, named name: String) throws {
    do {
      try self.init(try JSONValue.read([UInt8](json)))
    } catch let error as JSONError {
      throw HeadImpactError("\(name) is not a selection of layers: \(error)")
    }
  }

  private init(_ file: JSONValue) throws {
    guard file.members != nil else { throw JSONError(path: "", problem: "an object is expected") }
    func wrong(_ key: CodingKeys, _ what: String) -> JSONError { JSONError(path: key.rawValue, problem: what) }
    func optional<Value>(_ key: CodingKeys, _ what: String, _ read: (JSONValue) throws -> Value?) throws -> Value? {
      guard let value = file[key.rawValue], !value.isNull else { return nil }
      guard let found = try read(value) else { throw wrong(key, "\(what) is expected, not \(value)") }
      return found
    }
    func required<Value>(_ key: CodingKeys, _ what: String, _ read: (JSONValue) throws -> Value?) throws -> Value {
      guard let value = try optional(key, what, read) else { throw wrong(key, "the key is missing") }
      return value
    }
    func oneOf<Choice: CaseIterable & RawRepresentable<String>>(_: Choice.Type) -> String {
      "one of " + Choice.allCases.map(\.rawValue).joined(separator: ", ")
    }
    strategy = try required(.strategy, oneOf(Strategy.self)) { $0.string.flatMap(Strategy.init) }
    ranked = RankedMeasure(
      try required(.measure, oneOf(Measure.self)) { $0.string.flatMap(Measure.init) },
      isCorrected: try optional(.corrected, "true or false") { $0.bool } ?? false)
    layers = try required(.layers, "a list of layer numbers") { $0.list(\.integer) }
    scores = try required(.scores, "a list of numbers") { $0.list(\.double) }
    heads = try optional(.heads, "a list of pairs of numbers from 0, [layer, head],") { $0.list(Head.init) } ?? []
    headScores = try optional(.headScores, "a list of numbers") { $0.list(\.double) } ?? []
    seed = try optional(.seed, "a whole number from 0 to 2⁶⁴ - 1") { $0.natural }
    modelName = try optional(.modelName, "a string") { $0.string }
    modelSHA256 = try optional(.modelSHA256, "a string") { $0.string }
    source = try optional(.source, "a string") { $0.string }
    if layers.isEmpty { throw wrong(.layers, "no layer is named; at least one must be") }
    if let layer = layers.first(where: { $0 < 0 }) {
      throw wrong(.layers, "layer \(layer); layer numbers start at 0")
    }
    if Set(layers).count != layers.count { throw wrong(.layers, "a layer is named twice in \(layers)") }
    if !headScores.isEmpty, headScores.count != heads.count {
      throw wrong(.headScores, "\(headScores.count) scores for \(heads.count) heads; there must be one each")
    }
    if scores.count != layers.count {
      throw wrong(.scores, "\(scores.count) scores for \(layers.count) layers; there must be one each")
    }
  }
}

extension Selection.Head: Codable {
  /// [layer, head]
  public init(from decoder: any Decoder) throws {
    var pair = try decoder.unkeyedContainer()
    layer = try pair.decode(Int.self)
    head = try pair.decode(Int.self)
    guard pair.isAtEnd, layer >= 0, head >= 0 else {
      throw DecodingError.dataCorruptedError(
        in: pair, debugDescription: "a head is two numbers from 0, [layer, head]")
    }
  }

  fileprivate init?(_ value: JSONValue) {
    guard let pair = value.list(\.integer), pair.count == 2, pair[0] >= 0, pair[1] >= 0 else { return nil }
    self.init(layer: pair[0], head: pair[1])
  }

  public func encode(to encoder: any Encoder) throws {
    var pair = encoder.unkeyedContainer()
    try pair.encode(layer)
    try pair.encode(head)
  }
}
