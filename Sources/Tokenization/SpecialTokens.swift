import JSON

/// The special tokens that tokenizer_config.json and special_tokens_map.json name, and the added tokens that they, and
/// added_tokens.json, list: as `PreTrainedTokenizerBase._from_pretrained` of transformers 5.23 gathers them.
struct SpecialTokens {
  /// A token by its text alone, or with its properties.
  enum Value {
    case text(ByteString)
    case token(AddedToken)

    var content: ByteString {
      switch self {
      case .text(let content): content
      case .token(let token): token.content
      }
    }

    /// Properties from the file, or the library's for a special token.
    var token: AddedToken {
      switch self {
      case .text(let content): AddedToken(content, isSpecial: true)
      case .token(let token): token
      }
    }
  }

  typealias Placed = (value: Value, node: JSONNode)

  static let standard = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"]

  /// Named ones: the standard names in their order, then others.
  private(set) var named: [(name: String, token: Placed)] = []
  /// `extra_special_tokens`, of old `additional_special_tokens`.
  var extraTokens: [Placed] { extra ?? [] }
  /// Added tokens by the id that a file gives them, in the order of ids.
  private(set) var added: [(id: Int32, token: AddedToken, node: JSONNode)] = []

  private var values: [(name: String, token: Placed?)] = []
  /// Nil if the files have no such list; then the older key's tokens take its place.
  private var extra: [Placed]?
  private var additional: [Placed]?
  private var explicit: [(name: String, token: Placed)] = []

  /// - Parameters:
  ///   - config: tokenizer_config.json.
  ///   - tokenizer: tokenizer.json.
  ///   - defaults: the defaults of the tokenizer's class.
  /// - Throws: `TokenizationError` naming file and key.
  init(
    config: JSONNode, map: JSONNode?, addedTokens: JSONNode?, tokenizer: JSONNode?, defaults: [String: String]
  ) throws {
    try read(config)
    if try config.has("added_tokens_decoder") {
      for member in try config.required("added_tokens_decoder").members() {
        let node = try config.required("added_tokens_decoder").child(member.value, member.key.text)
        try add(id: Self.id(member.key, node), AddedToken(node), node)
      }
    } else {
      if let map { try readLegacy(map) }
      if let addedTokens { try read(addedTokens: addedTokens) }
      for node in try tokenizer?.optional("added_tokens")?.elements() ?? [] {
        try add(id: node.required("id").tokenID(), AddedToken(node), node)
      }
    }
    if extra == nil { extra = additional }
    added.sort { $0.id < $1.id }
    resolve(defaults, config)
  }

  // MARK: - Files

  private mutating func read(_ config: JSONNode) throws {
    for member in try config.members() {
      let name = member.key.text
      let node = config.child(member.value, name)
      if name == "extra_special_tokens" {
        try readExtra(node) { try $0.elements().map(Self.value) }
      } else if name == "additional_special_tokens", case .array = member.value {
        additional = try node.elements().map(Self.value)
      } else if Self.standard.contains(name) {
        set(name, try Self.optionalValue(node))
      } else if name.hasSuffix("_token"), case .string = member.value {
        setExplicit(name, try Self.value(node))
      } else if name.hasSuffix("_token"), case .object = member.value {
        set(name, try Self.value(node))
      }
    }
    if extra?.isEmpty ?? false, let additional { extra = additional }
  }

  /// special_tokens_map.json, which is read where tokenizer_config.json doesn't list the added tokens.
  private mutating func readLegacy(_ map: JSONNode) throws {
    if extra == nil { extra = additional }
    additional = nil
    for member in try map.members() {
      let name = member.key.text
      let node = map.child(member.value, name)
      if name == "extra_special_tokens" {
        let known = extra ?? []
        try readExtra(node) { list in
          try list.elements().map(Self.specialValue).reduce(into: known) { tokens, token in
            if !tokens.contains(where: { $0.value.content == token.value.content }) { tokens.append(token) }
          }
        }
      } else if name == "additional_special_tokens", case .array = member.value {
        additional = try node.elements().map(Self.value)
      } else if Self.standard.contains(name) {
        set(name, try Self.optionalSpecialValue(node))
      } else if name.hasSuffix("_token") {
        if case .string = member.value { set(name, try Self.value(node)) }
        if case .object = member.value { set(name, try Self.specialValue(node)) }
      }
    }
  }

  /// A list of tokens, or an object of named ones.
  private mutating func readExtra(_ node: JSONNode, _ list: (JSONNode) throws -> [Placed]) throws {
    switch node.value {
    case .null: extra = []
    case .object(let tokens):
      for token in tokens { setExplicit(token.key.text, try Self.value(node.child(token.value, token.key.text))) }
    default: extra = try list(node)
    }
  }

  private mutating func read(addedTokens: JSONNode) throws {
    let special = Set(
      values.filter { Self.standard.contains($0.name) }.compactMap { $0.token?.value.content }
        + extraTokens.map(\.value.content))
    for member in try addedTokens.members() {
      let node = addedTokens.child(member.value, member.key.text)
      guard !member.key.bytes.isEmpty else { throw node.fault("an added token can't be empty") }
      try add(id: node.tokenID(), AddedToken(member.key, isSpecial: special.contains(member.key)), node)
    }
  }

  private mutating func add(id: Int32, _ token: AddedToken, _ node: JSONNode) {
    added.removeAll { $0.id == id }
    added.append((id, token, node))
  }

  // MARK: - Values

  private mutating func set(_ name: String, _ token: Placed?) {
    values.removeAll { $0.name == name }
    values.append((name, token))
  }

  private mutating func setExplicit(_ name: String, _ token: Placed) {
    if let place = explicit.firstIndex(where: { $0.name == name }) {
      explicit[place].token = token
    } else {
      explicit.append((name, token))
    }
  }

  /// Brings the named ones into their order; those that are listed as added tokens have the properties given there.
  private mutating func resolve(_ defaults: [String: String], _ config: JSONNode) {
    let properties = Dictionary(added.map { ($0.token.content, $0.token) }) { _, last in last }
    for name in Self.standard {
      if let known = values.first(where: { $0.name == name }) {
        guard let token = known.token else { continue }
        named.append((name, (properties[token.value.content].map(Value.token) ?? token.value, token.node)))
      } else if let content = defaults[name] {
        named.append((name, (.text(ByteString(content)), config)))
      }
    }
    for (name, token) in values where !Self.standard.contains(name) {
      if let token, !explicit.contains(where: { $0.name == name }) { named.append((name, token)) }
    }
    named += explicit
  }

  private static func optionalValue(_ node: JSONNode) throws -> Placed? {
    if case .null = node.value { return nil }
    return try value(node)
  }

  private static func optionalSpecialValue(_ node: JSONNode) throws -> Placed? {
    if case .null = node.value { return nil }
    return try specialValue(node)
  }

  /// A string, or an object marked as an added token.
  private static func value(_ node: JSONNode) throws -> Placed {
    switch node.value {
    case .string(let text) where !text.bytes.isEmpty: return (.text(text), node)
    case .object where try node.optional("__type")?.string().text == "AddedToken":
      return (.token(try AddedToken(node)), node)
    default: throw node.fault("a token was expected: a text, or an object with __type AddedToken")
    }
  }

  /// A string, or an object, which is always special.
  private static func specialValue(_ node: JSONNode) throws -> Placed {
    guard case .object = node.value else { return try value(node) }
    var token = try AddedToken(node)
    // The library's default for `normalized` goes by `special`, which is set before.
    if try node.optional("normalized") == nil { token = AddedToken(token, isNormalized: false) }
    token.isSpecial = true
    return (.token(token), node)
  }

  private static func id(_ key: ByteString, _ node: JSONNode) throws -> Int32 {
    guard let id = Int32(key.text), id >= 0 else { throw node.fault("the key is not a token id") }
    return id
  }
}

extension AddedToken {
  init(_ token: AddedToken, isNormalized: Bool) {
    (content, singleWord, isSpecial) = (token.content, token.singleWord, token.isSpecial)
    (stripsLeft, stripsRight) = (token.stripsLeft, token.stripsRight)
    self.isNormalized = isNormalized
  }
}
