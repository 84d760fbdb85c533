import Foundation
import Transformer

/// adapter_config.json of Hugging Face PEFT (`peft.LoraConfig`): what of it matters here.
struct PEFTConfiguration {
  var rank: Int
  var alpha: Double
  var dropout: Double
  var usesRankStabilizedScaling: Bool
  var targets: [String]
  private var rankPattern: [(pattern: String, value: Double)]
  private var alphaPattern: [(pattern: String, value: Double)]
  private let path: String

  /// - Throws: `LowRankAdaptationError` naming the key.
  init(contentsOf url: URL) throws {
    path = url.path
    func wrong(_ text: String) -> LowRankAdaptationError { LowRankAdaptationError("\(url.path): \(text)") }
    let data: Data
    do { data = try Data(contentsOf: url) } catch {
      throw wrong("can't be read (\(error.localizedDescription)); an adapter's folder has it")
    }
    let parsed: Any
    do { parsed = try JSONSerialization.jsonObject(with: data) } catch { throw wrong("isn't JSON") }
    guard let values = parsed as? [String: Any] else { throw wrong("holds something other than a JSON object") }
    func number(_ key: String, or fallback: Double) throws -> Double {
      guard let value = values[key], !(value is NSNull) else { return fallback }
      guard let number = value as? NSNumber else { throw wrong("`\(key)` must be a number") }
      return number.doubleValue
    }
    func flag(_ key: String) -> Bool { (values[key] as? NSNumber)?.boolValue ?? false }
    func pattern(_ key: String) throws -> [(pattern: String, value: Double)] {
      guard let value = values[key], !(value is NSNull) else { return [] }
      guard let map = value as? [String: Any] else { throw wrong("`\(key)` must be an object") }
      return try map.sorted { $0.key < $1.key }.map { entry in
        guard let number = entry.value as? NSNumber else { throw wrong("`\(key)` must hold numbers") }
        return (entry.key, number.doubleValue)
      }
    }
    guard let type = values["peft_type"] as? String, type == "LORA" else {
      throw wrong("`peft_type` is \(values["peft_type"] ?? "missing"); LORA is supported")
    }
    for key in ["use_dora", "fan_in_fan_out", "lora_bias"] where flag(key) {
      throw wrong("`\(key)` is true, which is not supported")
    }
    if let bias = values["bias"] as? String, bias != "none" {
      throw wrong("`bias` is \"\(bias)\"; only \"none\" is supported")
    }
    if let saved = values["modules_to_save"] as? [Any], !saved.isEmpty {
      throw wrong("`modules_to_save` names whole modules, which is not supported")
    }
    let rank = try number("r", or: 8)
    guard rank >= 1, let whole = Int(exactly: rank) else { throw wrong("`r` is \(rank); it must be a whole number from 1") }
    self.rank = whole
    alpha = try number("lora_alpha", or: 8)
    guard alpha.isFinite, alpha > 0 else { throw wrong("`lora_alpha` is \(alpha); it must be above 0") }
    dropout = try number("lora_dropout", or: 0)
    guard (0..<1).contains(dropout) else { throw wrong("`lora_dropout` is \(dropout); it must be in 0..<1") }
    usesRankStabilizedScaling = flag("use_rslora")
    targets = (values["target_modules"] as? [String]) ?? []
    rankPattern = try pattern("rank_pattern")
    alphaPattern = try pattern("alpha_pattern")
  }

  /// The rank that the configuration gives a module.
  func rank(of module: String) throws -> Int {
    guard let value = try Self.first(rankPattern, module, path) else { return rank }
    guard let whole = Int(exactly: value), whole >= 1 else {
      throw LowRankAdaptationError("\(path): `rank_pattern` gives \(module) the rank \(value)")
    }
    return whole
  }

  /// The factor of a module's update.
  func scaling(of module: String, rank: Int) throws -> Float {
    let alpha = try Self.first(alphaPattern, module, path) ?? self.alpha
    return Float(alpha / (usesRankStabilizedScaling ? Double(rank).squareRoot() : Double(rank)))
  }

  /// As `peft.utils.other.get_pattern_key`: the pattern matches the end of the module's name.
  private static func first(
    _ patterns: [(pattern: String, value: Double)], _ module: String, _ path: String
  ) throws -> Double? {
    for (pattern, value) in patterns {
      let regex: Regex<AnyRegexOutput>
      do { regex = try Regex("(.*\\.)?(\(pattern))") } catch {
        throw LowRankAdaptationError("\(path): the pattern \"\(pattern)\" is no regular expression that is understood here")
      }
      if try regex.wholeMatch(in: module) != nil { return value }
    }
    return nil
  }

  /// What PEFT writes for such an adapter.
  static func json(_ configuration: LoRAConfiguration, baseModel: String) throws -> Data {
    let values: [String: Any] = [
      "alpha_pattern": [String: Any](), "auto_mapping": NSNull(), "base_model_name_or_path": baseModel, "bias": "none",
      "fan_in_fan_out": false, "inference_mode": true, "init_lora_weights": true, "layers_pattern": "layers",
      "layers_to_transform": configuration.layers, "lora_alpha": configuration.loraAlpha,
      "lora_dropout": configuration.dropout, "modules_to_save": NSNull(), "peft_type": "LORA",
      "r": configuration.loraRank, "rank_pattern": [String: Any](), "revision": NSNull(),
      "target_modules": configuration.targets.map(\.rawValue), "task_type": "CAUSAL_LM", "use_dora": false,
      "use_rslora": false,
    ]
    return try JSONSerialization.data(
      withJSONObject: values, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
  }
}
