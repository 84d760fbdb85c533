import Transformer

/// A decoder's linear layer as PEFT names it: in the model of today, and as the adapter's own file has it.
struct ModuleName {
  let site: LowRankAdapter.Site
  /// The file's own name first: patterns were written for it.
  let names: [String]

  /// - Parameter prefix: what the file has before `layers`; nil is today's.
  init(_ site: LowRankAdapter.Site, languageModelModule: String, prefix: String? = nil) {
    self.site = site
    let today = "model.\(languageModelModule).\(site.module)"
    names = prefix.map { "\($0)\(site.module)" }.map { $0 == today ? [today] : [$0, today] } ?? [today]
  }
}

/// PEFT's `target_modules` and `exclude_modules`: names, of which a module's name or its end must be one, or a regular
/// expression for the whole name.
enum ModuleSelector {
  case names([String])
  case pattern(Regex<AnyRegexOutput>)
  case everything

  func contains(_ module: ModuleName) -> Bool {
    module.names.contains { name in
      switch self {
      case .names(let names): names.contains { name == $0 || name.hasSuffix("." + $0) }
      case .pattern(let pattern): matches { try pattern.wholeMatch(in: name) != nil }
      case .everything: true
      }
    }
  }
}

/// PEFT's `rank_pattern` and `alpha_pattern`: the first key that matches a module's name, or its end, has its value.
struct ModuleValues {
  private let entries: [(pattern: Regex<AnyRegexOutput>, value: Double)]

  init() { entries = [] }

  /// - Throws: where a key is no regular expression.
  init(_ entries: [(key: String, value: Double)]) throws {
    // get_pattern_key: re.match(rf"(.*\.)?({key})$", name)
    self.entries = try entries.map { (try Regex("(?:.*\\.)?(?:\($0.key))"), $0.value) }
  }

  subscript(module: ModuleName) -> Double? {
    entries.first { entry in
      module.names.contains { name in matches { try entry.pattern.wholeMatch(in: name) != nil } }
    }?.value
  }
}

/// Only a transformation inside a pattern throws while it matches; one read from a text has none.
private func matches(_ body: () throws -> Bool) -> Bool {
  do { return try body() } catch { return false }
}
