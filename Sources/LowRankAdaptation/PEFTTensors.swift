import Foundation
import IO
import Kernels
import Safetensors
import Transformer
import VisionLanguage

/// The tensors of an adapter_model.safetensors, sorted by the modules that they change.
struct PEFTTensors {
  static let fileName = "adapter_model.safetensors"

  /// A low-rank update.
  struct Pair {
    let module: ModuleName
    let a: TensorView
    let b: TensorView
    /// DoRA's.
    let magnitude: TensorView?
    /// The bias of B.
    let biasOfB: TensorView?
    var rank: Int { a.shape[0] }
  }

  /// A whole weight or bias.
  struct Whole {
    let module: ModuleName
    let role: TensorName.Role
    let kind: TensorName.Kind
    let tensor: TensorView
  }

  private(set) var pairs: [Pair] = []
  private(set) var wholes: [Whole] = []
  /// Every module that has a tensor of a low-rank update, fitting or not.
  private(set) var updated: Set<AdaptedModule> = []
  /// Every module that has a tensor, as PEFT names it.
  private(set) var modules: [String] = []
  /// What the file has before `layers`; nil if it has no tensor of a decoder layer.
  private(set) var prefix: String?
  private(set) var problems = PEFTProblems()
  private(set) var isEmpty: Bool

  private struct Place: Hashable {
    let module: AdaptedModule
    let prefix: String
  }

  /// - Throws: `SafetensorsError` if the file isn't there or is malformed. What is wrong with its tensors is kept in
  ///   `problems`.
  init(folder: URL, model: any VisionLanguageModel) throws {
    let file = try SafetensorsFile(contentsOf: Self.file(in: folder))
    let languageModelModule = type(of: model).languageModelModule
    isEmpty = file.tensors.isEmpty
    var found: [(place: Place, parts: [TensorName.Part: TensorView])] = []
    var places: [Place: Int] = [:]
    var vision: [String] = []
    for (name, tensor) in file.tensors.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
      switch TensorName(
        name, languageModelModule: languageModelModule, visionModules: type(of: model).visionModules)
      {
      case .part(let module, let prefix, let part):
        let place = Place(module: module, prefix: prefix)
        if places[place] == nil {
          places[place] = found.count
          found.append((place, [:]))
        }
        if let index = places[place] { found[index].parts[part] = tensor }
      case .vision(let module, let part):
        modules.append(module)
        if !Self.isOfModel(tensor, module: module, part: part, model), vision.last != module { vision.append(module) }
      case .unknown: problems.add("\(printable(name)): \(Self.unknown(languageModelModule))", canBeMerged: true)
      }
    }
    refuse(vision)
    var seen: Set<AdaptedModule> = []
    for (place, parts) in found {
      let module = ModuleName(
        place.module, languageModelModule: languageModelModule, prefix: place.module == .head ? nil : place.prefix)
      if !seen.insert(place.module).inserted {
        problems.add("\(place.module.path): occurs under two names, with and without \(languageModelModule)")
      }
      if place.module != .head { prefix = place.prefix }
      modules.append(module.names[0])
      add(module, parts, ModelShapes(model))
    }
  }

  private static func file(in folder: URL) throws -> URL {
    let url = folder.appendingPathComponent(fileName)
    if !FileManager.default.fileExists(atPath: url.path) {
      let pickled = FileManager.default.fileExists(atPath: folder.appendingPathComponent("adapter_model.bin").path)
      throw PEFTError(
        folder.path,
        [
          "\(fileName) is missing; an adapter folder has this file"
            + (pickled ? " (adapter_model.bin isn't read: save the adapter with safe_serialization=True)" : "")
        ])
    }
    return url
  }

  private static func unknown(_ languageModelModule: String) -> String {
    "is unknown; adapters hold \(TensorName.base)\(TensorName.prefixes(languageModelModule)[0])layers.<i>.<module>"
      + ".lora_A.weight and lora_B, <module> being one of \(Projection.allCases.map(\.module).joined(separator: ", ")), "
      + "and updates of lm_head and embed_tokens"
  }

  // MARK: The vision tower

  /// Whether a whole tensor of the vision tower holds what the model's own does, and so changes nothing.
  private static func isOfModel(
    _ tensor: TensorView, module: String, part: String?, _ model: any VisionLanguageModel
  ) -> Bool {
    guard let part else { return false }
    guard let own = names(of: "\(module).\(part)").lazy.compactMap({ model.checkpoint.tensors[$0] }).first,
      own.shape == tensor.shape,
      let ours = own.matrix(rows: own.shape.first ?? 1), let theirs = tensor.matrix(rows: own.shape.first ?? 1)
    else { return false }
    return theirs.holdsSame(as: ours)
  }

  /// What the checkpoint may call a tensor of the vision tower, which the adapter may name otherwise.
  private static func names(of name: String) -> [String] {
    let bare = name.hasPrefix("model.") ? String(name.dropFirst("model.".count)) : name
    // Published SigLIP and CLIP towers have one level more than transformers 5.
    let (tower, inner) = ("vision_tower.", "vision_tower.vision_model.")
    let other = bare.hasPrefix(inner) ? tower + bare.dropFirst(inner.count) : bare.replacing(tower, with: inner)
    return [bare, "model." + bare, other, "model." + other]
  }

  private mutating func refuse(_ vision: [String]) {
    guard !vision.isEmpty else { return }
    let shown = vision.prefix(8).map { printable($0) }.joined(separator: ", ")
    let more = vision.count > 8 ? " and \(vision.count - 8) more" : ""
    problems.add(
      "\(shown)\(more): \(vision.count == 1 ? "is" : "are") of the vision tower, which is never adapted here",
      canBeMerged: true)
  }

  // MARK: A module's tensors

  private mutating func add(_ module: ModuleName, _ parts: [TensorName.Part: TensorView], _ shapes: ModelShapes) {
    let path = module.module.path
    guard let shape = shapes[module.module] else {
      problems.add("\(path): the model has \(shapes.layers.count) decoder layers, numbered from 0")
      if parts.keys.contains(where: \.isOfUpdate) { updated.insert(module.module) }
      return
    }
    if parts.keys.contains(where: \.isOfUpdate) {
      updated.insert(module.module)
      addPair(module, parts, shape)
    }
    for role in TensorName.Role.allCases {
      for (kind, right) in [(TensorName.Kind.weight, shape.weight), (.bias, [shape.outputs])] {
        guard let tensor = parts[.whole(role, kind)], check(tensor, tensor.shape == right, "\(right)") else { continue }
        wholes.append(Whole(module: module, role: role, kind: kind, tensor: tensor))
      }
    }
  }

  private mutating func addPair(
    _ module: ModuleName, _ parts: [TensorName.Part: TensorView], _ shape: ModelShapes.Shape
  ) {
    let path = module.module.path
    let (first, second) = module.module == .embedding ? ("lora_embedding_A", "lora_embedding_B") : ("lora_A", "lora_B")
    if parts[.a] != nil, parts[.b] == nil { problems.add("\(path): has \(first) but no \(second)") }
    if parts[.b] != nil, parts[.a] == nil { problems.add("\(path): has \(second) but no \(first)") }
    if parts[.a] == nil, parts[.b] == nil { problems.add("\(path): has neither \(first) nor \(second)") }
    var fits = true
    if let a = parts[.a] {
      fits = check(a, a.shape.count == 2 && a.shape[0] >= 1 && a.shape[1] == shape.inputs, "[r, \(shape.inputs)]")
    }
    if let b = parts[.b] {
      let rank = parts[.a].flatMap { fits ? $0.shape[0] : nil }
      fits =
        check(
          b, b.shape.count == 2 && b.shape[0] == shape.outputs && b.shape[1] == rank ?? b.shape[1],
          "[\(shape.outputs), \(rank.map(String.init) ?? "r")]") && fits
    }
    for part in [TensorName.Part.magnitude, .biasOfB] {
      guard let tensor = parts[part] else { continue }
      fits = check(tensor, tensor.shape == [shape.outputs], "[\(shape.outputs)]") && fits
    }
    guard fits, let a = parts[.a], let b = parts[.b] else { return }
    pairs.append(
      Pair(module: module, a: a, b: b, magnitude: parts[.magnitude], biasOfB: parts[.biasOfB]))
  }

  private mutating func check(_ tensor: TensorView, _ fits: Bool, _ right: String) -> Bool {
    if !fits { problems.add("\(tensor.name): has shape \(tensor.shape); the model takes \(right)") }
    if tensor.elementType == nil {
      problems.add("\(tensor.name): is \(tensor.dtype.rawValue); adapters are F32, BF16 or F16")
    }
    guard fits, let matrix = tensor.matrix(rows: max(1, tensor.shape.first ?? 1)) else { return false }
    if let bad = matrix.firstNotFinite() {
      problems.add("\(tensor.name): element \(bad) is not finite")
      return false
    }
    return true
  }
}

/// The shapes of a model's modules that an adapter may change.
struct ModelShapes {
  struct Shape {
    /// Of the weight in its file.
    let weight: [Int]
    /// Of low-rank updates; an embedding takes the vocabulary and gives the stream.
    let inputs: Int
    let outputs: Int
  }

  let layers: [TransformerLayer]
  private let embedding: Tensor
  private let head: Linear

  init(_ model: any VisionLanguageModel) {
    (layers, embedding, head) = (model.decoder.layers, model.tokenEmbedding.weight, model.outputHead.weight)
  }

  /// Nil if the model has no such module.
  subscript(module: AdaptedModule) -> Shape? {
    if let layer = module.layer, !layers.indices.contains(layer) { return nil }
    switch module {
    case .linear(let target): return layers[target.layer][target.projection].map(linear)
    case .head: return linear(head)
    case .embedding:
      return Shape(
        weight: [embedding.rows, embedding.columns], inputs: embedding.rows, outputs: embedding.columns)
    case .norm(let layer, let norm):
      guard let count = layers[layer][norm]?.weight.columns else { return nil }
      return Shape(weight: [count], inputs: count, outputs: count)
    case .finalNorm:
      return Shape(weight: [embedding.columns], inputs: embedding.columns, outputs: embedding.columns)
    }
  }

  private func linear(_ linear: Linear) -> Shape {
    Shape(weight: [linear.outputs, linear.inputs], inputs: linear.inputs, outputs: linear.outputs)
  }
}

extension TensorName.Part {
  var isOfUpdate: Bool {
    if case .whole = self { false } else { true }
  }
}
