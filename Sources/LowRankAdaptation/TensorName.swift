import Transformer

/// What a tensor of an adapter_model.safetensors is, by its name.
enum TensorName {
  case part(AdaptedModule, prefix: String, Part)
  /// Of the vision tower, by its module, and `weight` or `bias` where it is that.
  case vision(module: String, part: String?)
  case unknown

  /// A tensor of a module.
  enum Part: Hashable {
    case a, b, biasOfB, magnitude
    /// A weight or bias as a whole.
    case whole(Role, Kind)
  }

  enum Kind: String {
    case weight
    case bias
  }

  /// Where PEFT keeps a whole weight or bias.
  enum Role: String, CaseIterable {
    /// The module's own, or that of `modules_to_save`.
    case plain = ""
    /// Of a module with low-rank updates.
    case base = "base_layer."
    /// What PEFT replaced; no number depends on it.
    case original = "original_module."
    /// `modules_to_save`, as some versions write it.
    case saved = "modules_to_save."
    case savedDefault = "modules_to_save.default."
  }

  static let base = "base_model.model."

  /// - Parameters:
  ///   - languageModelModule: the family's, and so are `visionModules`, words that only its vision tower's modules have.
  init(_ name: String, languageModelModule: String, visionModules: Set<String>) {
    self = Self.unknown
    guard name.hasPrefix(Self.base) else { return }
    let path = name.dropFirst(Self.base.count)
    if path.split(separator: ".").contains(where: { visionModules.contains(String($0)) }) {
      self = Self.vision(String(path))
      return
    }
    if path.hasPrefix("lm_head.") {
      if let part = Self.part(of: .head, path.dropFirst("lm_head.".count)) { self = .part(.head, prefix: "", part) }
      return
    }
    for prefix in Self.prefixes(languageModelModule) where path.hasPrefix(prefix) {
      guard let (module, rest) = Self.module(path.dropFirst(prefix.count)), let part = Self.part(of: module, rest)
      else { continue }
      self = .part(module, prefix: prefix, part)
      return
    }
  }

  /// What may stand before `layers`: as transformers 5 has it, and as it was before 4.52 in LLaVA-like models and in others.
  static func prefixes(_ languageModelModule: String) -> [String] {
    ["model.\(languageModelModule).", "\(languageModelModule).model.", "model."]
  }

  /// The module that a path below the language model begins with, and what follows.
  private static func module(_ path: Substring) -> (AdaptedModule, Substring)? {
    for module in [AdaptedModule.finalNorm, .embedding] where path.hasPrefix(module.path + ".") {
      return (module, path.dropFirst(module.path.count + 1))
    }
    let words = path.split(separator: ".", maxSplits: 4, omittingEmptySubsequences: false)
    guard words.count >= 4, words[0] == "layers", let layer = Int(words[1]), layer >= 0, String(layer) == words[1]
    else { return nil }
    let rest = { (count: Int) in path.dropFirst(words[..<count].reduce(0) { $0 + $1.count + 1 }) }
    if let norm = DecoderNorm.allCases.first(where: { rest(2).hasPrefix($0.rawValue + ".") }) {
      return (.norm(layer: layer, norm), rest(2).dropFirst(norm.rawValue.count + 1))
    }
    guard words.count == 5, let projection = Projection(rawValue: String(words[3])),
      projection.module == "\(words[2]).\(words[3])"
    else { return nil }
    return (.linear(LoRATarget(layer: layer, projection: projection)), rest(4))
  }

  private static func part(of module: AdaptedModule, _ rest: Substring) -> Part? {
    if let (role, kind) = whole(rest) {
      switch module {
      case .linear, .head: return .whole(role, kind)
      case .embedding, .norm, .finalNorm: return kind == .weight ? .whole(role, kind) : nil
      }
    }
    switch (module, rest) {
    case (.linear, "lora_A.weight"), (.head, "lora_A.weight"), (.embedding, "lora_embedding_A"): return .a
    case (.linear, "lora_B.weight"), (.head, "lora_B.weight"), (.embedding, "lora_embedding_B"): return .b
    case (.linear, "lora_B.bias"), (.head, "lora_B.bias"): return .biasOfB
    case (.linear, "lora_magnitude_vector"), (.head, "lora_magnitude_vector"), (.embedding, "lora_magnitude_vector"):
      return .magnitude
    default: return nil
    }
  }

  private static func whole(_ rest: Substring) -> (Role, Kind)? {
    for role in Role.allCases where rest.hasPrefix(role.rawValue) {
      if let kind = Kind(rawValue: String(rest.dropFirst(role.rawValue.count))) { return (role, kind) }
    }
    return nil
  }

  private static func vision(_ path: String) -> TensorName {
    var words = path.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    let last = words.removeLast()
    let wrappers: Set<String> = ["base_layer", "original_module", "modules_to_save"]
    if Kind(rawValue: last) != nil, !words.contains(where: { $0.hasPrefix("lora_") }) {
      if words.last == "default" { words.removeLast() }
      words.removeAll { wrappers.contains($0) }
      return .vision(module: words.joined(separator: "."), part: last)
    }
    if last.hasPrefix("lora_") { return .vision(module: words.joined(separator: "."), part: nil) }
    let module = words.prefix { !$0.hasPrefix("lora_") }
    return .vision(module: module.joined(separator: "."), part: nil)
  }
}
