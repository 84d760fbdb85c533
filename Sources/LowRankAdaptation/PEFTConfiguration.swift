import Foundation
import IO
import IO
import JSON
import Safetensors

/// PEFT's adapter_config.json: what of it the numbers depend on.
struct PEFTConfiguration {
  static let fileName = "adapter_config.json"
  private static let mostBytes = 16 << 20

  private(set) var rank = 1
  /// What it calls its base model.
  private(set) var baseModel: String?
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
  /// rsLoRA.
  private(set) var dividesByRoot = false
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

  /// - Throws: `PEFTError` if the file isn't there or isn't a JSON object; `EnvironmentFault`. What is wrong with
  ///   its values is kept in `problems`.
  init(folder: URL) throws {
    let url = folder.appendingPathComponent(Self.fileName)
    func problem(_ what: String) -> PEFTError { PEFTError(folder.path, ["\(Self.fileName) \(what)"]) }
    let value: JSONValue
    do {
      let bytes = try InputFile.read(url, upTo: Self.mostBytes + 1)
      guard bytes.count <= Self.mostBytes else {
        throw problem("is larger than \(Self.mostBytes >> 20) MiB, the most that is read")
      }
      value = try JSONValue.read(bytes, allowsRepeatedKeys: false)
    } catch let error as JSONError {
      throw problem(error.isSyntax ? "isn't JSON: \(error)" : "can't be used: \(error)")
    } catch let error as MissingFile {
      throw problem("can't be read (\(error.reason)); an adapter folder has this file")
    } catch let error as FolderForFile {
      throw problem(error.reason)
    }
    guard value.members != nil else { throw problem("holds something other than a JSON object") }
    read(PEFTValues(value))
  }

  private mutating func read(_ values: PEFTValues) {
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
    baseModel = values.text("base_model_name_or_path")
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
    ranks = noted(try values.patterns("rank_pattern")) ?? ranks
    alphas = noted(try values.patterns("alpha_pattern")) ?? alphas
    if let selector = noted(try values.selector("target_modules")) ?? nil { (targets, namesTargets) = (selector, true) }
    if let selector = noted(try values.selector("exclude_modules")) ?? nil { excluded = selector }
    if let only = noted(try values.layers()) ?? nil { layers = only }
    problems = found
  }
}
