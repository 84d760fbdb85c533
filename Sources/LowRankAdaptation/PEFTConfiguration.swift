import Foundation
import Safetensors

/// PEFT's adapter_config.json: what of it the numbers depend on.
struct PEFTConfiguration {
  static let fileName = "adapter_config.json"

  private(set) var rank = 1
  private(set) var alpha = 1.0
  private(set) var dropout = 0.0
  private(set) var ranks = ModuleValues()
  private(set) var alphas = ModuleValues()
  private var dividesByRoot = false
  private var targets = ModuleSelector.everything
  private var excluded = ModuleSelector.names([])
  private var layers: Set<Int>?
  /// Whether the file itself says which modules are updated; PEFT has defaults of its own where it doesn't.
  private(set) var namesTargets = false
  private(set) var problems: [String] = []

  func rank(of module: ModuleName) -> Double { ranks[module] ?? Double(rank) }

  func scaling(of module: ModuleName, rank: Int) -> Float {
    Float((alphas[module] ?? alpha) / (dividesByRoot ? Double(rank).squareRoot() : Double(rank)))
  }

  func targets(_ module: ModuleName) -> Bool {
    targets.contains(module) && !excluded.contains(module) && layers?.contains(module.site.layer) ?? true
  }

  /// - Throws: `PEFTError` or `SafetensorsError` where the file isn't there or isn't a JSON object. What is wrong with
  ///   its values is kept in `problems`.
  init(folder: URL) throws {
    let url = folder.appendingPathComponent(Self.fileName)
    let data: Data
    do {
      data = try Data(contentsOf: url)
    } catch {
      throw PEFTError(
        folder.path, ["\(Self.fileName) can't be read (\(error.localizedDescription)); an adapter folder has this file"]
      )
    }
    let parsed: Any
    do {
      parsed = try JSONSerialization.jsonObject(with: data)
    } catch {
      throw PEFTError(folder.path, ["\(Self.fileName) isn't JSON: \(error.localizedDescription)"])
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
        found.append(error.problem)
      } catch {
        found.append("\(Self.fileName): \(error)")
      }
      return nil
    }
    rank = noted(try values.integer("r", from: 1)) ?? rank
    alpha = noted(try values.number("lora_alpha")) ?? alpha
    dropout = noted(try values.number("lora_dropout", default: 0)) ?? dropout
    if !(0..<1).contains(dropout) { found.append("`lora_dropout` is \(dropout); it must be at least 0 and below 1") }
    dividesByRoot = noted(try values.boolean("use_rslora")) ?? dividesByRoot
    ranks = noted(try values.patterns("rank_pattern", keys["rank_pattern"] ?? [])) ?? ranks
    alphas = noted(try values.patterns("alpha_pattern", keys["alpha_pattern"] ?? [])) ?? alphas
    if let selector = noted(try values.selector("target_modules")) ?? nil { (targets, namesTargets) = (selector, true) }
    if let selector = noted(try values.selector("exclude_modules")) ?? nil { excluded = selector }
    if let only = noted(try values.layers()) ?? nil { layers = only }
    problems = found
  }
}
