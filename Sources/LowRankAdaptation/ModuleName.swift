import Tokenization
import Transformer

/// A module of the language model that an adapter may change.
enum AdaptedModule: Hashable {
  case linear(LoRATarget)
  /// Of a decoder layer.
  case norm(layer: Int, DecoderNorm)
  case finalNorm
  case embedding
  case head

  /// The decoder layer that it is part of.
  var layer: Int? {
    switch self {
    case .linear(let target): target.layer
    case .norm(let layer, _): layer
    case .finalNorm, .embedding, .head: nil
    }
  }

  /// The path below the language model, but of the head the whole path: `layers.3.self_attn.q_proj`.
  var path: String {
    switch self {
    case .linear(let target): target.module
    case .norm(let layer, let norm): "layers.\(layer).\(norm.rawValue)"
    case .finalNorm: "norm"
    case .embedding: "embed_tokens"
    case .head: "lm_head"
    }
  }

  /// Every module of a decoder, layer by layer.
  static func all(of layers: [TransformerLayer]) -> [AdaptedModule] {
    let inner = layers.indices.flatMap { layer in
      DecoderNorm.allCases.filter { layers[layer][$0] != nil }.map { .norm(layer: layer, $0) }
        + Projection.allCases.map { .linear(LoRATarget(layer: layer, projection: $0)) } as [AdaptedModule]
    }
    return [.embedding] + inner + [.finalNorm, .head]
  }
}

/// A module as PEFT names it: in the model of today, and as the adapter's own file has it.
struct ModuleName {
  let module: AdaptedModule
  /// The file's own name first: patterns were written for it.
  let names: [String]

  /// - Parameter prefix: what the file has before `layers`; nil is today's.
  init(_ module: AdaptedModule, languageModelModule: String, prefix: String? = nil) {
    self.module = module
    guard module != .head else {
      names = [module.path]
      return
    }
    let today = "model.\(languageModelModule).\(module.path)"
    names = prefix.map { "\($0)\(module.path)" }.map { $0 == today ? [today] : [$0, today] } ?? [today]
  }
}

/// PEFT's `target_modules` and `exclude_modules`: names, of which a module's name or its end must be one, or a regular
/// expression for the whole name.
enum ModuleSelector {
  case names([String])
  case pattern(RegularExpression)
  /// `all-linear`: every linear layer but the output head.
  case allLinear

  /// - Throws: `RegularExpression.MatchFailure` if matching takes too long.
  func contains(_ module: ModuleName) throws -> Bool {
    try module.names.contains { name in
      switch self {
      case .names(let names): names.contains { name == $0 || name.hasSuffix("." + $0) }
      case .pattern(let pattern): try pattern.matches(name)
      case .allLinear: if case .linear = module.module { true } else { false }
      }
    }
  }
}

/// PEFT's `rank_pattern` and `alpha_pattern`: the first key that matches a module's name, or its end, has its value.
struct ModuleValues {
  /// A file can name every linear layer of the largest models; more keys could keep the program busy for long.
  static let mostKeys = 2048
  private static let steps: UInt32 = 20_000

  private let entries: [(pattern: RegularExpression, value: Double)]

  init() { entries = [] }

  /// - Throws: `RegularExpression.Invalid` if a key is not a regular expression.
  init(_ entries: [(key: String, value: Double)]) throws {
    // get_pattern_key: re.match(rf"(.*\.)?({key})$", name)
    self.entries = try entries.map { (try PythonPattern.start("(.*\\.)?(\($0.key))$"), $0.value) }
  }

  /// - Throws: `RegularExpression.MatchFailure` if matching takes too long.
  func value(for module: ModuleName) throws -> Double? {
    try entries.first { entry in
      try module.names.contains { try entry.pattern.matches($0, steps: Self.steps) }
    }?.value
  }
}

/// PEFT's `modules_to_save`: names that a module's name ends with, whether or not a part of it begins there.
struct SavedModules {
  /// More could keep the program busy for long.
  static let mostNames = 256

  let ends: [String]
  private let patterns: [RegularExpression]

  init() { (ends, patterns) = ([], []) }

  /// - Throws: `RegularExpression.Invalid` if PEFT couldn't match a name either.
  init(_ ends: [String]) throws {
    self.ends = ends
    // check_target_module_exists: re.match(rf"(^|.*\.){m}($|\..*)", name)
    patterns = try ends.map { try PythonPattern.start("(^|.*\\.)\($0)($|\\..*)") }
  }

  /// Whether the module, or one that it is part of, is trained in full.
  func contains(_ module: ModuleName) -> Bool { ends.contains { self.covers(module, end: $0) } }

  func covers(_ module: ModuleName, end: String) -> Bool {
    module.names.contains { name in
      let parts = name.split(separator: ".", omittingEmptySubsequences: false)
      return parts.indices.contains { parts[...$0].joined(separator: ".").hasSuffix(end) }
    }
  }

  /// Whether it keeps a module from having low-rank updates.
  ///
  /// - Throws: `RegularExpression.MatchFailure` if matching takes too long.
  func excludes(_ module: ModuleName) throws -> Bool {
    try patterns.contains { pattern in try module.names.contains { try pattern.matches($0) } }
  }
}
