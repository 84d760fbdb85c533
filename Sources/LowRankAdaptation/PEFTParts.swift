import Kernels
import Safetensors
import Transformer
import VisionLanguage

/// Makes an adapter of a folder's tensors, as PEFT 0.21 applies them.
struct PEFTParts {
  private let model: any VisionLanguageModel
  private let configuration: PEFTConfiguration
  private let tensors: PEFTTensors
  private let shapes: ModelShapes
  private(set) var adapter: LowRankAdapter
  /// Whether it is another than the unmodified model.
  private(set) var changes = false
  /// What it changes beside the decoder's linear layers by B A: for training, which can't.
  private(set) var beyond: [String] = []
  private(set) var problems = PEFTProblems()

  /// Of a tied model: who else took the weight that both ends share.
  private var shared: (module: AdaptedModule, weight: Tensor)?

  /// - Parameter trains: whether magnitudes become numbers of the adapter, to be trained, and not scales.
  init(
    _ configuration: PEFTConfiguration, _ tensors: PEFTTensors, for model: any VisionLanguageModel, trains: Bool = false
  ) throws {
    (self.model, self.configuration, self.tensors) = (model, configuration, tensors)
    shapes = ModelShapes(model)
    var updates: [(target: LoRATarget, rank: Int, scaling: Float)] = []
    for pair in tensors.pairs {
      guard case .linear(let target) = pair.module.module else { continue }
      updates.append((target, pair.rank, try configuration.scaling(of: pair.module, rank: pair.rank)))
    }
    // Of every update or of none: the configuration says so, and what contradicts it was refused.
    adapter = LowRankAdapter(
      updates, hasMagnitudes: trains && configuration.hasMagnitudes, for: model.decoder.layers, on: model.backend)
    takeWholes()
    for pair in tensors.pairs { try take(pair) }
    if !adapter.parts.isEmpty { changes = true }
  }

  // MARK: Low-rank updates

  private mutating func take(_ pair: PEFTTensors.Pair) throws {
    let module = pair.module.module
    let (a, b) = (pair.a.floats(), pair.b.floats())
    let scaling = try configuration.scaling(of: pair.module, rank: pair.rank)
    if scaling != 0, a.contains(where: { $0 != 0 }), b.contains(where: { $0 != 0 }) { changes = true }
    if let biasOfB = pair.biasOfB { take(biasOfB.floats().map { scaling * $0 }, biasOf: module) }
    let magnitude = pair.magnitude?.floats()
    switch module {
    case .linear(let target):
      guard let update = adapter[target] else { return }
      let factors = adapter.factors(update)
      model.backend.write(a, to: factors.a)
      model.backend.write(b, to: factors.b)
      if let magnitude, let range = update.magnitude {
        adapter.withParameters { parameters in
          for (place, value) in zip(range, magnitude) { parameters[place] = value }
        }
        changes = true
        return
      }
      guard let magnitude, let weight = layer(target.layer)[target.projection]?.weight else { return }
      let norms = try model.backend.rowNorms(weight, factors)
      if let scale = scale(magnitude, norms, module) { adapter.parts.outputScales[target] = scale }
    case .head:
      beyond.append("lm_head")
      let update = factors(a, b, rank: pair.rank, scaling: scaling)
      adapter.parts.head.lowRank = update
      guard let magnitude else { return }
      let weight = adapter.parts.head.weight ?? model.outputHead.weight.weight
      adapter.parts.head.scale = scale(magnitude, try model.backend.rowNorms(weight, update), module)
    case .embedding:
      beyond.append("embed_tokens")
      let update = factors(a, b, rank: pair.rank, scaling: scaling)
      adapter.parts.embedding.lowRank = update
      guard let magnitude else { return }
      let weight = adapter.parts.embedding.weight ?? model.tokenEmbedding.weight
      adapter.parts.embedding.scale = scale(magnitude, try model.backend.columnNorms(weight, update), module)
    case .norm, .finalNorm: return
    }
  }

  /// A low-rank update with numbers of its own.
  private func factors(_ a: [Float], _ b: [Float], rank: Int, scaling: Float) -> LowRankFactors {
    LowRankFactors(
      a: model.backend.tensor(a, rows: rank), b: model.backend.tensor(b, rows: b.count / rank), scaling: scaling)
  }

  /// DoRA's m / ‖W + scaling · B A‖. - Shape: [1, out]
  private mutating func scale(_ magnitude: [Float], _ norms: [Float], _ module: AdaptedModule) -> Tensor? {
    let scale = zip(magnitude, norms).map { $0 / $1 }
    guard let bad = scale.firstIndex(where: { !$0.isFinite }) else { return model.backend.tensor(scale, rows: 1) }
    problems.add(
      "\(module.path): output \(bad) has the magnitude \(magnitude[bad]) and a weight of norm \(norms[bad]), whose ratio is not finite"
    )
    return nil
  }

  /// The bias of B is added to the layer's own.
  private mutating func take(_ more: [Float], biasOf module: AdaptedModule) {
    guard more.contains(where: { $0 != 0 }) else { return }
    beyond.append("\(module.path)'s bias of B")
    let own = bias(of: module)
    setBias(of: module, own.map { zip($0, more).map(+) } ?? more)
  }

  // MARK: Whole weights and biases

  private mutating func takeWholes() {
    for whole in tensors.wholes {
      guard let values = whole.tensor.matrix(rows: rows(of: whole)) else { continue }
      let isUpdated = tensors.updated.contains(whole.module.module)
      switch whole.role {
      case .plain where !isUpdated: take(values, whole, isOwn: configuration.saved.contains(whole.module))
      case .base where isUpdated: take(values, whole, isOwn: false)
      case .saved, .savedDefault:
        // PEFT reads the plain name, which stands for the same.
        let plain = tensors.wholes.first {
          $0.module.module == whole.module.module && $0.role == .plain && $0.kind == whole.kind
        }
        if let plain {
          if plain.tensor.matrix(rows: rows(of: whole)).map({ !$0.holdsSame(as: values) }) ?? true {
            refuse(
              whole, "isn't what the file has under the name without \(whole.role.rawValue), which PEFT 0.21 reads")
          }
        } else if configuration.saved.contains(whole.module) {
          take(values, whole, isOwn: true)
        } else {
          refuse(whole, "is of a module that modules_to_save of \(PEFTConfiguration.fileName) doesn't name")
        }
      case .plain:
        requireOwn(values, whole, "PEFT 0.21 doesn't read it beside lora_A (the name is base_layer.\(whole.kind))")
      case .base: requireOwn(values, whole, "PEFT 0.21 doesn't read it without lora_A")
      case .original: requireOwn(values, whole, "it is what modules_to_save replaces")
      }
    }
  }

  private func rows(of whole: PEFTTensors.Whole) -> Int {
    whole.tensor.shape.count == 2 ? whole.tensor.shape[0] : 1
  }

  private mutating func refuse(_ whole: PEFTTensors.Whole, _ reason: String) {
    problems.add("\(whole.tensor.name): \(reason)")
  }

  private mutating func requireOwn(_ values: Tensor, _ whole: PEFTTensors.Whole, _ reason: String) {
    if !holdsOwn(values, whole) { refuse(whole, "differs from the model's, and \(reason)") }
  }

  /// - Parameter isOwn: whether the module has a weight to itself, whatever it is tied to.
  private mutating func take(_ values: Tensor, _ whole: PEFTTensors.Whole, isOwn: Bool) {
    let module = whole.module.module
    if whole.kind == .bias, bias(of: module) == nil {
      return refuse(whole, "the model's \(module.path) has no bias")
    }
    let isSame = holdsOwn(values, whole)
    if isTied, !isOwn, module == .head || module == .embedding {
      if let shared, shared.module != module, !shared.weight.holdsSame(as: values) {
        refuse(whole, "differs from that of \(shared.module.path), which is the same matrix (tie_word_embeddings)")
      }
      shared = (module, values)
    }
    guard !isSame else { return }
    beyond.append("\(module.path)'s \(whole.kind)")
    switch module {
    case .linear(let target):
      if whole.kind == .bias { return setBias(of: module, values.floats()) }
      replace(target, by: Linear(weight: values, bias: layer(target.layer)[target.projection]?.bias))
    case .norm(let index, let place):
      guard let own = model.decoder.layers[index][place] else { return }
      adapter.parts.layers[index, default: model.decoder.layers[index]].replace(place, by: norm(values, for: own))
    case .finalNorm: adapter.parts.head.norm = norm(values, for: model.outputHead.norm)
    case .embedding:
      adapter.parts.embedding.weight = values
      if isTied, !isOwn, !hasOwnWeight(.head) { adapter.parts.head.weight = values }
    case .head:
      adapter.parts.head.weight = values
      if isTied, !isOwn, !hasOwnWeight(.embedding) { adapter.parts.embedding.weight = values }
    }
  }

  /// Whether the output head is the embedding's matrix.
  private var isTied: Bool { model.outputHead.weight.weight.isSame(as: model.tokenEmbedding.weight) }

  /// A layer as the adapter has it so far.
  private func layer(_ index: Int) -> TransformerLayer { adapter.parts.layers[index] ?? model.decoder.layers[index] }

  private mutating func replace(_ target: LoRATarget, by linear: Linear) {
    adapter.parts.layers[target.layer, default: model.decoder.layers[target.layer]].replace(
      target.projection, by: linear)
  }

  /// A norm with another weight, as files hold it.
  private func norm(_ weight: Tensor, for own: Norm) -> Norm {
    Norm(
      own.kind, weight: model.backend.tensor(weight.floats().map { $0 + own.weightOffset }, rows: 1), bias: own.bias,
      eps: own.eps, weightOffset: own.weightOffset)
  }

  private func holds(_ own: Norm, _ weight: Tensor) -> Bool {
    weight.floats().map { $0 + own.weightOffset } == own.weight.floats()
  }

  /// Whether PEFT gives a module a copy of its weight, so that it is tied to none.
  private func hasOwnWeight(_ module: AdaptedModule) -> Bool {
    configuration.saved.contains(
      ModuleName(module, languageModelModule: type(of: model).languageModelModule, prefix: tensors.prefix))
  }

  /// Whether a tensor holds what the model has in its place.
  private func holdsOwn(_ values: Tensor, _ whole: PEFTTensors.Whole) -> Bool {
    let module = whole.module.module
    if whole.kind == .bias { return modelBias(of: module).map { $0 == values.floats() } ?? false }
    switch module {
    case .linear(let target):
      return model.decoder.layers[target.layer][target.projection].map { values.holdsSame(as: $0.weight) } ?? false
    case .norm(let layer, let norm): return model.decoder.layers[layer][norm].map { holds($0, values) } ?? false
    case .finalNorm: return holds(model.outputHead.norm, values)
    case .embedding: return values.holdsSame(as: model.tokenEmbedding.weight)
    case .head: return values.holdsSame(as: model.outputHead.weight.weight)
    }
  }

  // MARK: Biases

  private func modelBias(of module: AdaptedModule) -> [Float]? {
    guard case .linear(let target) = module else { return nil }
    return model.decoder.layers[target.layer][target.projection]?.bias?.floats()
  }

  private func bias(of module: AdaptedModule) -> [Float]? {
    guard case .linear(let target) = module else { return nil }
    return layer(target.layer)[target.projection]?.bias?.floats()
  }

  private mutating func setBias(of module: AdaptedModule, _ bias: [Float]) {
    switch module {
    case .linear(let target):
      guard let weight = layer(target.layer)[target.projection]?.weight else { return }
      replace(target, by: Linear(weight: weight, bias: model.backend.tensor(bias, rows: 1)))
    case .head: adapter.parts.head.bias = model.backend.tensor(bias, rows: 1)
    case .norm, .finalNorm, .embedding: return
    }
  }
}
