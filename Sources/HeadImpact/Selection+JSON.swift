import Foundation

extension Selection: Codable {
  private enum CodingKeys: String, CodingKey {
    case strategy, measure, layers, scores, heads, seed, source
    case modelName = "model_name"
    case modelSHA256 = "model_sha256"
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    strategy = try container.decode(Strategy.self, forKey: .strategy)
    measure = try container.decode(Measure.self, forKey: .measure)
    layers = try container.decode([Int].self, forKey: .layers)
    scores = try container.decode([Double].self, forKey: .scores)
    heads = try container.decodeIfPresent([Head].self, forKey: .heads) ?? []
    seed = try container.decodeIfPresent(UInt64.self, forKey: .seed)
    modelName = try container.decodeIfPresent(String.self, forKey: .modelName)
    modelSHA256 = try container.decodeIfPresent(String.self, forKey: .modelSHA256)
    source = try container.decodeIfPresent(String.self, forKey: .source)
    func refuse(_ key: CodingKeys, _ what: String) -> DecodingError {
      DecodingError.dataCorruptedError(forKey: key, in: container, debugDescription: what)
    }
    if layers.isEmpty { throw refuse(.layers, "no layer is named; at least one must be") }
    if let layer = layers.first(where: { $0 < 0 }) { throw refuse(.layers, "layer \(layer); layers count from 0") }
    if Set(layers).count != layers.count { throw refuse(.layers, "a layer is named twice in \(layers)") }
    if scores.count != layers.count {
      throw refuse(.scores, "\(scores.count) scores for \(layers.count) layers; there must be one each")
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(strategy, forKey: .strategy)
    try container.encode(measure, forKey: .measure)
    try container.encode(layers, forKey: .layers)
    try container.encode(scores, forKey: .scores)
    if !heads.isEmpty { try container.encode(heads, forKey: .heads) }
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
      self = try JSONDecoder().decode(Selection.self, from: json)
    } catch let error as DecodingError {
      throw HeadImpactError("\(name) is not a selection of layers: \(Self.sentence(error))")
    }
  }

  private static func sentence(_ error: DecodingError) -> String {
    func place(_ path: [any CodingKey]) -> String {
      path.isEmpty ? "" : path.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }.joined(separator: ".") + ": "
    }
    switch error {
    case .keyNotFound(let key, let context):
      return place(context.codingPath) + "the key \"\(key.stringValue)\" is missing"
    case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
      return place(context.codingPath) + context.debugDescription
    @unknown default:
      return "\(error)"
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

  public func encode(to encoder: any Encoder) throws {
    var pair = encoder.unkeyedContainer()
    try pair.encode(layer)
    try pair.encode(head)
  }
}
