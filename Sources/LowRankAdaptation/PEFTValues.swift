import Foundation
import Safetensors

/// The values of an adapter_config.json, read key by key.
struct PEFTValues {
  /// A value that can't be used.
  struct Wrong: Error {
    let problem: String

    init(_ key: String, _ reason: String) { problem = "\(PEFTConfiguration.fileName): `\(key)` \(reason)" }
  }

  private let values: [String: Any]

  init(_ values: [String: Any]) { self.values = values }

  /// What this program doesn't compute, and must not pass over in silence.
  func refusals() -> PEFTProblems {
    var problems = PEFTProblems()
    func refuse(_ key: String, _ reason: String, canBeMerged: Bool = false) {
      problems.add(Wrong(key, reason).problem, canBeMerged: canBeMerged)
    }
    if (value("peft_type") as? String) != "LORA" {
      refuse("peft_type", "is \(shown("peft_type")); adapters of the type LORA are read", canBeMerged: true)
    }
    if isSet("bias"), !["none", "all", "lora_only"].contains(value("bias") as? String) {
      refuse("bias", "is \(shown("bias")); it must be none, all or lora_only")
    }
    for (key, meaning) in PEFTFields.refused where isSet(key) {
      refuse(
        key, "is \(shown(key)): \(meaning) aren't applied here; it must be absent, null or false", canBeMerged: true)
    }
    for key in values.keys.sorted() where !PEFTFields.isKnown(key) && isSet(key) {
      refuse(
        printable(key),
        "is \(shown(key)), and not a field of PEFT 0.21; remove it from the file if no number depends on it")
    }
    if let initial = value("init_lora_weights") as? String,
      PEFTFields.changingInitials.contains(where: { initial.lowercased().hasPrefix($0) })
    {
      refuse(
        "init_lora_weights",
        "is \(printable(initial)), which changes the base model's weights; convert the adapter to plain "
          + "LoRA with PEFT's path_initial_model_for_weight_conversion")
    }
    return problems
  }

  var trainsBiases: Bool { isSet("bias") && value("bias") as? String != "none" }

  func integer(_ key: String, from least: Int) throws -> Int {
    guard let number = number(value(key)), let integer = Int(exactly: number), integer >= least else {
      throw Wrong(key, "is \(shown(key)); it must be a whole number of at least \(least)")
    }
    return integer
  }

  func number(_ key: String, default fallback: Double? = nil) throws -> Double {
    if value(key) == nil, let fallback { return fallback }
    guard let number = number(value(key)), number.isFinite else {
      throw Wrong(key, "is \(shown(key)); it must be a finite number")
    }
    return number
  }

  func boolean(_ key: String) throws -> Bool {
    guard let value = value(key) else { return false }
    guard let boolean = boolean(value) else { throw Wrong(key, "is \(shown(key)); it must be true or false") }
    return boolean
  }

  /// A list of names; empty where there is none.
  func names(_ key: String) throws -> [String] {
    guard let value = value(key) else { return [] }
    guard let names = value as? [String], !names.contains("") else {
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

  /// - Parameter keys: of the object, in the file's order.
  func patterns(_ key: String, _ keys: [String]) throws -> ModuleValues {
    guard let value = value(key) else { return ModuleValues() }
    guard let object = value as? [String: Any] else {
      throw Wrong(key, "must be an object of module names and numbers")
    }
    guard keys.count <= ModuleValues.mostKeys else {
      throw Wrong(key, "has \(keys.count) keys; at most \(ModuleValues.mostKeys) are read")
    }
    let entries = try keys.map { name in
      guard let number = number(object[name]), number.isFinite else {
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
    if let names = value as? [String] { return names.isEmpty ? nil : .names(names) }
    guard let text = value as? String else {
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

  /// The layers that the updates are limited to; nil where they aren't.
  func layers() throws -> Set<Int>? {
    let key = "layers_to_transform"
    guard isSet(key), let value = value(key) else {
      guard !isSet("layers_pattern") else {
        throw Wrong("layers_pattern", "is \(shown("layers_pattern")), but `layers_to_transform` names no layer")
      }
      return nil
    }
    let patterns = (self.value("layers_pattern") as? [String]) ?? (self.value("layers_pattern") as? String).map { [$0] }
    if let patterns, !patterns.isEmpty, patterns != [""], !patterns.contains("layers") {
      throw Wrong("layers_pattern", "is \(shown("layers_pattern")); the list of decoder layers is named layers")
    }
    let list = (value as? [Any]) ?? [value]
    return Set(
      try list.map { item in
        guard let number = number(item), let layer = Int(exactly: number), layer >= 0 else {
          throw Wrong(key, "is \(shown(key)); it must be layer numbers from 0")
        }
        return layer
      })
  }

  // MARK: JSON

  /// Whether a key says anything but no: not null, false, or empty.
  private func isSet(_ key: String) -> Bool {
    guard let value = value(key) else { return false }
    if let boolean = boolean(value) { return boolean }
    if let list = value as? [Any] { return !list.isEmpty }
    if let object = value as? [String: Any] { return !object.isEmpty }
    return value as? String != ""
  }

  private func value(_ key: String) -> Any? {
    guard let value = values[key], !(value is NSNull) else { return nil }
    return value
  }

  private func shown(_ key: String) -> String {
    value(key).map { value in boolean(value).map(String.init) ?? printable("\(value)") } ?? "missing"
  }

  private func number(_ value: Any?) -> Double? {
    guard let value, boolean(value) == nil else { return nil }
    return (value as? NSNumber)?.doubleValue
  }

  private func boolean(_ value: Any) -> Bool? {
    // A JSON number is never stored as a C char; true and false always are.
    guard let number = value as? NSNumber, String(cString: number.objCType) == "c" else { return nil }
    return number.boolValue
  }
}
