import JSON
import Safetensors

/// The values of an adapter_config.json, read key by key.
struct PEFTValues {
  /// A value that can't be used.
  struct Wrong: Error {
    let problem: String

    init(_ key: String, _ reason: String) { problem = "\(PEFTConfiguration.fileName): `\(key)` \(reason)" }
  }

  /// An object.
  private let values: JSONValue

  init(_ values: JSONValue) { self.values = values }

  /// What this program doesn't compute, and must not pass over in silence.
  func refusals() -> PEFTProblems {
    var problems = PEFTProblems()
    func refuse(_ key: String, _ reason: String, canBeMerged: Bool = false) {
      problems.add(Wrong(key, reason).problem, canBeMerged: canBeMerged)
    }
    if value("peft_type")?.string != "LORA" {
      refuse("peft_type", "is \(shown("peft_type")); adapters of the type LORA are read", canBeMerged: true)
    }
    if isSet("bias"), !["none", "all", "lora_only"].contains(value("bias")?.string) {
      refuse("bias", "is \(shown("bias")); it must be none, all or lora_only")
    }
    for (key, meaning) in PEFTFields.refused where isSet(key) {
      refuse(
        key, "is \(shown(key)): \(meaning) aren't applied here; it must be absent, null or false", canBeMerged: true)
    }
    for key in (values.members ?? []).map(\.key.text).sorted() where !PEFTFields.isKnown(key) && isSet(key) {
      refuse(
        printable(key),
        "is \(shown(key)), and not a field of PEFT 0.21; remove it from the file if no number depends on it")
    }
    if let initial = value("init_lora_weights")?.string,
      PEFTFields.changingInitials.contains(where: { initial.lowercased().hasPrefix($0) })
    {
      refuse(
        "init_lora_weights",
        "is \(printable(initial)), which changes the base model's weights; convert the adapter to plain "
          + "LoRA with PEFT's path_initial_model_for_weight_conversion")
    }
    return problems
  }

  /// A text; nil where there is none.
  func text(_ key: String) -> String? { value(key)?.string }

  var trainsBiases: Bool { isSet("bias") && value("bias")?.string != "none" }

  func integer(_ key: String, from least: Int) throws -> Int {
    guard let integer = value(key)?.integer, integer >= least else {
      throw Wrong(key, "is \(shown(key)); it must be a whole number of at least \(least)")
    }
    return integer
  }

  func number(_ key: String, default fallback: Double? = nil) throws -> Double {
    if value(key) == nil, let fallback { return fallback }
    guard let number = value(key)?.double else {
      throw Wrong(key, "is \(shown(key)); it must be a finite number")
    }
    return number
  }

  func boolean(_ key: String) throws -> Bool {
    guard let value = value(key) else { return false }
    guard let boolean = value.bool else { throw Wrong(key, "is \(shown(key)); it must be true or false") }
    return boolean
  }

  /// A list of names; empty if there is none.
  func names(_ key: String) throws -> [String] {
    guard let value = value(key) else { return [] }
    guard let names = value.strings, !names.contains("") else {
      throw Wrong(key, "is \(shown(key)); it must be a list of module names")
    }
    guard names.count <= SavedModules.mostNames else {
      throw Wrong(key, "has \(names.count) names; at most \(SavedModules.mostNames) are read")
    }
    return names
  }

  func saved(_ key: String) throws -> SavedModules {
    let names = try names(key)
    do {
      return try SavedModules(names)
    } catch {
      throw Wrong(key, "has a name that PEFT can't match: \(error)")
    }
  }

  /// Numbers of modules, in the file's order, which decides where several patterns match.
  func patterns(_ key: String) throws -> ModuleValues {
    guard let value = value(key) else { return ModuleValues() }
    guard let members = value.members else {
      throw Wrong(key, "must be an object of module names and numbers")
    }
    guard members.count <= ModuleValues.mostKeys else {
      throw Wrong(key, "has \(members.count) keys; at most \(ModuleValues.mostKeys) are read")
    }
    let entries = try members.map { member in
      let name = member.key.text
      guard let number = member.value.double else {
        throw Wrong(key, "has no finite number for '\(printable(name))'")
      }
      return (key: name, value: number)
    }
    do {
      return try ModuleValues(entries)
    } catch {
      throw Wrong(key, "has a key that is not a regular expression: \(error)")
    }
  }

  func selector(_ key: String) throws -> ModuleSelector? {
    guard let value = value(key) else { return nil }
    if let names = value.strings { return names.isEmpty ? nil : .names(names) }
    guard let text = value.string else {
      throw Wrong(key, "must be a list of module names, or a regular expression")
    }
    if key == "target_modules" {
      if text.lowercased() == "all-linear" { return .allLinear }
      // LoraConfig.__post_init__ refuses it too.
      if isSet("layers_to_transform") {
        throw Wrong(key, "is a pattern, so `layers_to_transform` must be null: name the layers in the pattern")
      }
    }
    do {
      return .pattern(try PythonPattern.whole(text))
    } catch {
      throw Wrong(key, "is not a regular expression: \(error)")
    }
  }

  /// The layers that the updates are limited to; nil if they aren't.
  func layers() throws -> Set<Int>? {
    let key = "layers_to_transform"
    guard isSet(key), let value = value(key) else {
      guard !isSet("layers_pattern") else {
        throw Wrong("layers_pattern", "is \(shown("layers_pattern")), but `layers_to_transform` names no layer")
      }
      return nil
    }
    let patterns = self.value("layers_pattern").flatMap { $0.strings ?? $0.string.map { [$0] } }
    if let patterns, !patterns.isEmpty, patterns != [""], !patterns.contains("layers") {
      throw Wrong("layers_pattern", "is \(shown("layers_pattern")); the list of decoder layers is named layers")
    }
    let list = value.elements ?? [value]
    return Set(
      try list.map { item in
        guard let layer = item.integer, layer >= 0 else {
          throw Wrong(key, "is \(shown(key)); it must be layer numbers from 0")
        }
        return layer
      })
  }

  // MARK: JSON

  /// Whether a key says anything but no: not null, false, or empty.
  private func isSet(_ key: String) -> Bool {
    switch value(key) {
    case nil: false
    case .bool(let value): value
    case .array(let elements): !elements.isEmpty
    case .object(let members): !members.isEmpty
    case .string(let text): !text.bytes.isEmpty
    default: true
    }
  }

  private func value(_ key: String) -> JSONValue? {
    guard let value = values[key], !value.isNull else { return nil }
    return value
  }

  private func shown(_ key: String) -> String { value(key).map { printable("\($0)") } ?? "missing" }
}
