import IO
import Foundation
import Safetensors

/// PEFT's adapter_config.json: what of it the numbers depend on.
struct PEFTConfiguration {
  static let fileName = "adapter_config.json"
  private static let mostBytes = 16 << 20

  private(set) var rank = 1
  private(set) var alpha = 1.0
  private(set) var dropout = 0.0
  /// DoRA.
  private(set) var hasMagnitudes = false
  /// Whether B has a bias.
  private(set) var hasBiasOfB = false
  /// `all` or `lora_only`: the updated layers' biases are trained.
  private(set) var trainsBiases = false
  private(set) var tiesUpdates = false
  private(set) var saved = SavedModules()
  private var ranks = ModuleValues()
  private var alphas = ModuleValues()
  private var dividesByRoot = false
  private var targets = ModuleSelector.names([])
  private var excluded = ModuleSelector.names([])
  private var layers: Set<Int>?
  /// Whether the file itself says which modules are updated; PEFT has defaults of its own where it doesn't.
  private(set) var namesTargets = false
  private(set) var problems = PEFTProblems()

  func rank(of module: ModuleName) throws -> Double {
    try matching("rank_pattern") { try ranks.value(for: module) } ?? Double(rank)
  }

  func scaling(of module: ModuleName, rank: Int) throws -> Float {
    let alpha = try matching("alpha_pattern") { try alphas.value(for: module) } ?? alpha
    return Float(alpha / (dividesByRoot ? Double(rank).squareRoot() : Double(rank)))
  }

  /// PEFT's check_target_module_exists.
  func targets(_ module: ModuleName) throws -> Bool {
    if try matching("exclude_modules", { try excluded.contains(module) }) { return false }
    if try matching("modules_to_save", { try saved.excludes(module) }) { return false }
    if let layers, !(module.module.layer.map(layers.contains) ?? false) { return false }
    return try !namesTargets || matching("target_modules") { try targets.contains(module) }
  }

  private func matching<R>(_ key: String, _ body: () throws -> R) throws -> R {
    do {
      return try body()
    } catch {
      throw PEFTValues.Wrong(key, "has a pattern that can't be matched: \(error)")
    }
  }

  /// - Throws: `PEFTError` or `SafetensorsError` where the file isn't there or isn't a JSON object. What is wrong with
  ///   its values is kept in `problems`.
  init(folder: URL) throws {
    let url = folder.appendingPathComponent(Self.fileName)
    let data: Data
    do { data = Data(try InputFile.read(url, upTo: Self.mostBytes + 1)) } catch let error as MissingFile {
      throw PEFTError(folder.path, ["\(Self.fileName): \(error.reason); an adapter folder has this file"])
    } catch {
      throw PEFTError(folder.path, ["\(error)"])
    }
    guard data.count <= Self.mostBytes else {
      throw PEFTError(folder.path, ["\(Self.fileName) is larger than \(Self.mostBytes) bytes, the most that are read"])
    }
    let parsed: Any
    do {
      parsed = try JSONSerialization.jsonObject(with: data)
    } catch {
      throw PEFTError(folder.path, ["\(Self.fileName) isn't JSON: \(reason(of: error))"])
    }
    guard let values = parsed as? [String: Any] else {
      throw PEFTError(folder.path, ["\(Self.fileName) holds something other than a JSON object"])
    }
    let keys = try Self.orderedKeys(of: data, url: url, values)
    read(PEFTValues(values), keys)
  }

  /// The keys of the two patterns in the file's order, which decides where several match; Foundation forgets it.
  private static func orderedKeys(of data: Data, url: URL, _ values: [String: Any]) throws -> [String: [String]] {
    var keys: [String: [String]] = [:]
    try data.withUnsafeBytes { bytes in
      var scanner = JSONScanner(bytes, path: url.path, origin: 0)
      try scanner.object("the configuration") { key, scanner in
        guard ["rank_pattern", "alpha_pattern"].contains(key), values[key] is [String: Any] else {
          return try scanner.skip("the value of '\(printable(key))'")
        }
        var list: [String] = []
        try scanner.object(key) { pattern, scanner in
          list.append(pattern)
          try scanner.skip("the value of '\(printable(pattern))'")
        }
        keys[key] = list
      }
      try scanner.end()
    }
    return keys
  }

  private mutating func read(_ values: PEFTValues, _ keys: [String: [String]]) {
    var found = values.refusals()
    func noted<T>(_ value: @autoclosure () throws -> T) -> T? {
      do {
        return try value()
      } catch let error as PEFTValues.Wrong {
        found.add(error.problem)
      } catch {
        found.add("\(Self.fileName): \(error)")
      }
      return nil
    }
    hasMagnitudes = noted(try values.boolean("use_dora")) ?? hasMagnitudes
    hasBiasOfB = noted(try values.boolean("lora_bias")) ?? hasBiasOfB
    if hasMagnitudes, hasBiasOfB {
      found.add("\(Self.fileName): `lora_bias` and `use_dora` exclude each other in PEFT")
    }
    trainsBiases = values.trainsBiases
    tiesUpdates = noted(try values.boolean("ensure_weight_tying")) ?? tiesUpdates
    saved = noted(try values.saved("modules_to_save")) ?? saved
    rank = noted(try values.integer("r", from: 1)) ?? rank
    alpha = noted(try values.number("lora_alpha")) ?? alpha
    dropout = noted(try values.number("lora_dropout", default: 0)) ?? dropout
    if !(0..<1).contains(dropout) { found.add("`lora_dropout` is \(dropout); it must be at least 0 and below 1") }
    dividesByRoot = noted(try values.boolean("use_rslora")) ?? dividesByRoot
    ranks = noted(try values.patterns("rank_pattern", keys["rank_pattern"] ?? [])) ?? ranks
    alphas = noted(try values.patterns("alpha_pattern", keys["alpha_pattern"] ?? [])) ?? alphas
    if let selector = noted(try values.selector("target_modules")) ?? nil { (targets, namesTargets) = (selector, true) }
    if let selector = noted(try values.selector("exclude_modules")) ?? nil { excluded = selector }
    if let only = noted(try values.layers()) ?? nil { layers = only }
    problems = found
  }
}
