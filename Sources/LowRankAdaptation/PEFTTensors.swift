import Foundation
import Kernels
import Safetensors
import TensorCore
import Transformer

/// The tensors of an adapter_model.safetensors, sorted by the linear layers that they update.
struct PEFTTensors {
  static let fileName = "adapter_model.safetensors"

  struct Pair {
    let module: ModuleName
    let a: TensorView
    let b: TensorView
    var rank: Int { a.shape[0] }
  }

  private(set) var pairs: [Pair] = []
  /// Every linear layer that has a tensor, fitting or not.
  private(set) var sites: Set<LowRankAdapter.Site> = []
  /// What the file has before `layers`; nil where it has no tensor of a decoder layer.
  private(set) var prefix: String?
  private(set) var problems: [String] = []

  private struct Name: Hashable {
    let site: LowRankAdapter.Site
    let prefix: String
  }

  /// - Throws: `SafetensorsError` where the file isn't there or is malformed. What is wrong with its tensors is kept in
  ///   `problems`.
  init(folder: URL, languageModelModule: String, layers: [DecoderLayer]) throws {
    let url = folder.appendingPathComponent(Self.fileName)
    if !FileManager.default.fileExists(atPath: url.path) {
      let pickled = FileManager.default.fileExists(atPath: folder.appendingPathComponent("adapter_model.bin").path)
      throw PEFTError(
        folder.path,
        [
          "\(Self.fileName) is missing; an adapter folder has this file"
            + (pickled ? " (adapter_model.bin isn't read: save the adapter with safe_serialization=True)" : "")
        ])
    }
    let file = try SafetensorsFile(contentsOf: url)
    var found: [Name: [String: TensorView]] = [:]
    for (name, tensor) in file.tensors.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
      switch Self.parse(name, languageModelModule) {
      case .success(let (module, factor)): found[module, default: [:]][factor] = tensor
      case .failure(let reason): problems.append("\(printable(name)): \(reason.text)")
      }
    }
    for (name, factors) in found.sorted(by: { ($0.key.site, $0.key.prefix) < ($1.key.site, $1.key.prefix) }) {
      let module = ModuleName(name.site, languageModelModule: languageModelModule, prefix: name.prefix)
      if !sites.insert(name.site).inserted {
        problems.append("\(name.site.module): is there under two names, with and without \(languageModelModule)")
      }
      prefix = name.prefix
      add(module, factors, layers)
    }
  }

  private struct Reason: Error { let text: String }

  /// The linear layer and the factor that a tensor's name stands for.
  private static func parse(_ name: String, _ languageModelModule: String) -> Result<(Name, String), Reason> {
    let base = "base_model.model."
    let prefixes = ["model.\(languageModelModule).", "model."]
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    if parts.contains(where: { ["visual", "vision_tower", "vision_model", "merger", "connector"].contains($0) }) {
      return .failure(
        Reason(text: "is of the vision tower, which is never adapted; only the language model's layers are"))
    }
    if name.contains("lora_magnitude_vector") {
      return .failure(Reason(text: "is a magnitude of DoRA, which isn't supported"))
    }
    for prefix in prefixes where name.hasPrefix("\(base)\(prefix)layers.") {
      let rest = name.dropFirst(base.count + prefix.count).split(separator: ".", omittingEmptySubsequences: false)
      guard rest.count == 6, rest[5] == "weight", ["lora_A", "lora_B"].contains(rest[4]), let layer = Int(rest[1]),
        layer >= 0, String(layer) == rest[1], let projection = Projection(rawValue: String(rest[3])),
        projection.module == "\(rest[2]).\(rest[3])"
      else { continue }
      let site = LowRankAdapter.Site(layer: layer, projection: projection)
      return .success((Name(site: site, prefix: prefix), String(rest[4])))
    }
    return .failure(
      Reason(
        text: "is unknown; adapters hold \(base)\(prefixes[0])layers.<i>.<module>.lora_A.weight and lora_B, <module> "
          + "being one of \(Projection.allCases.map(\.module).joined(separator: ", "))"))
  }

  private mutating func add(_ module: ModuleName, _ factors: [String: TensorView], _ layers: [DecoderLayer]) {
    let site = module.site
    for (one, other) in [("lora_A", "lora_B"), ("lora_B", "lora_A")] where factors[other] == nil {
      problems.append("\(site.module): has \(one) but no \(other)")
    }
    guard layers.indices.contains(site.layer) else {
      problems.append("\(site.module): the model has \(layers.count) decoder layers, numbered from 0")
      return
    }
    let linear = layers[site.layer][site.projection]
    var fits = true
    if let a = factors["lora_A"] {
      fits = check(a, a.shape.count == 2 && a.shape[0] >= 1 && a.shape[1] == linear.inputs, "[r, \(linear.inputs)]")
    }
    if let b = factors["lora_B"] {
      let rank = factors["lora_A"].flatMap { fits ? $0.shape[0] : nil }
      fits =
        check(
          b, b.shape.count == 2 && b.shape[0] == linear.outputs && b.shape[1] == rank ?? b.shape[1],
          "[\(linear.outputs), \(rank.map(String.init) ?? "r")]") && fits
    }
    guard fits, let a = factors["lora_A"], let b = factors["lora_B"] else { return }
    pairs.append(Pair(module: module, a: a, b: b))
  }

  private mutating func check(_ tensor: TensorView, _ fits: Bool, _ right: String) -> Bool {
    if !fits { problems.append("\(tensor.name): has shape \(tensor.shape); the model takes \(right)") }
    let isFloat = elementType(of: tensor) != nil
    if !isFloat { problems.append("\(tensor.name): is \(tensor.dtype.rawValue); adapters are F32, BF16 or F16") }
    if isFloat, !tensor.isAligned {
      problems.append("\(tensor.name): starts at byte \(tensor.offset), which is not aligned to its elements")
    }
    guard fits, isFloat, tensor.isAligned else { return false }
    if let bad = floats(of: tensor).firstIndex(where: { !$0.isFinite }) {
      problems.append("\(tensor.name): element \(bad) is no finite number")
      return false
    }
    return true
  }

  /// A tensor's numbers, widened to float32.
  func floats(of tensor: TensorView) -> [Float] {
    guard let type = elementType(of: tensor) else { return [] }
    return tensor.withBytes { bytes in
      guard let base = bytes.baseAddress else { return [] }
      return WeightMatrix(owner: tensor.file, base: base, elementType: type, rows: 1, columns: tensor.count).floats()
    }
  }

  private func elementType(of tensor: TensorView) -> ElementType? {
    switch tensor.dtype {
    case .f32: .f32
    case .bf16: .bf16
    case .f16: .f16
    default: nil
    }
  }
}
