import Safetensors
import Transformer
import VisionLanguage

/// Where an adapter's configuration and its tensors say different things.
enum PEFTDisagreements {
  static func find(
    _ configuration: PEFTConfiguration, _ tensors: PEFTTensors, _ model: any VisionLanguageModel
  ) -> PEFTProblems {
    var problems = PEFTProblems()
    do {
      for pair in tensors.pairs {
        try compare(pair, configuration, &problems)
        if configuration.trainsBiases { requireBias(pair, tensors, model, &problems) }
      }
      let languageModelModule = type(of: model).languageModelModule
      let modules = AdaptedModule.all(of: model.decoder.layers).map {
        ModuleName($0, languageModelModule: languageModelModule, prefix: tensors.prefix)
      }
      try requireUpdates(modules, configuration, tensors, &problems)
      requireSaved(modules, configuration, tensors, model, &problems)
      if configuration.tiesUpdates { refuseTies(tensors, model, &problems) }
    } catch let error as PEFTValues.Wrong {
      problems.add(error.problem)
    } catch {
      problems.add("\(error)")
    }
    return problems
  }

  private static func compare(
    _ pair: PEFTTensors.Pair, _ configuration: PEFTConfiguration, _ problems: inout PEFTProblems
  ) throws {
    let (path, file) = (pair.module.module.path, PEFTConfiguration.fileName)
    let rank = try configuration.rank(of: pair.module)
    if rank != Double(pair.rank) {
      problems.add(
        "\(path): its tensors have rank \(pair.rank), but \(file) says "
          + "\(Int(exactly: rank).map(String.init) ?? "\(rank)") (`r` or `rank_pattern`)")
    }
    let scaling = try configuration.scaling(of: pair.module, rank: pair.rank)
    if !scaling.isFinite { problems.add("\(path): its alpha makes a weight of \(scaling); it must be finite") }
    if try !configuration.targets(pair.module) {
      problems.add("\(path): has tensors, but \(file) doesn't target it")
    }
    for (tensor, isSet, name, key) in [
      (pair.magnitude, configuration.hasMagnitudes, "lora_magnitude_vector", "use_dora"),
      (pair.biasOfB, configuration.hasBiasOfB, "lora_B.bias", "lora_bias"),
    ] where (tensor != nil) != isSet {
      problems.add(
        "\(path): has \(isSet ? "no " : "")\(name), but `\(key)` of \(file) is \(isSet)"
          + (isSet ? "" : ", so PEFT skips it"))
    }
  }

  /// PEFT saves the biases that it has trained.
  private static func requireBias(
    _ pair: PEFTTensors.Pair, _ tensors: PEFTTensors, _ model: any VisionLanguageModel, _ problems: inout PEFTProblems
  ) {
    guard case .linear(let target) = pair.module.module,
      model.decoder.layers[target.layer][target.projection]?.bias != nil,
      !tensors.wholes.contains(where: {
        $0.module.module == pair.module.module && $0.role == .base && $0.kind == .bias
      })
    else { return }
    problems.add(
      "\(target.module): `bias` of \(PEFTConfiguration.fileName) says that its bias was trained, but there is no "
        + "base_layer.bias of it")
  }

  private static func requireUpdates(
    _ modules: [ModuleName], _ configuration: PEFTConfiguration, _ tensors: PEFTTensors, _ problems: inout PEFTProblems
  ) throws {
    guard configuration.namesTargets, !tensors.updated.isEmpty else { return }
    for module in modules where !tensors.updated.contains(module.module) {
      guard module.module.takesUpdates, try configuration.targets(module) else { continue }
      problems.add("\(module.module.path): is targeted by \(PEFTConfiguration.fileName), but has no tensors")
    }
  }

  private static func requireSaved(
    _ modules: [ModuleName], _ configuration: PEFTConfiguration, _ tensors: PEFTTensors,
    _ model: any VisionLanguageModel, _ problems: inout PEFTProblems
  ) {
    let key = "`modules_to_save` of \(PEFTConfiguration.fileName)"
    for end in configuration.saved.ends {
      let covered = modules.filter { configuration.saved.covers($0, end: end) }
      // A module of the vision tower has been compared with the model's own.
      let isFound = !covered.isEmpty || tensors.modules.contains { covers($0, end: end) }
      if !isFound {
        problems.add("\(key) names '\(printable(end))', which is not a known module, and has no tensors")
      }
    }
    for module in modules where configuration.saved.contains(module) {
      var kinds = [TensorName.Kind.weight]
      if case .linear(let target) = module.module, model.decoder.layers[target.layer][target.projection]?.bias != nil {
        kinds.append(.bias)
      }
      for kind in kinds
      where !tensors.wholes.contains(where: {
        $0.module.module == module.module && $0.role.isSaved && $0.kind == kind
      }) {
        problems.add("\(module.module.path): is named by \(key), but its \(kind) isn't in \(PEFTTensors.fileName)")
      }
    }
  }

  private static func covers(_ name: String, end: String) -> Bool {
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    return parts.indices.contains { parts[...$0].joined(separator: ".").hasSuffix(end) }
  }

  private static func refuseTies(
    _ tensors: PEFTTensors, _ model: any VisionLanguageModel, _ problems: inout PEFTProblems
  ) {
    let ends: Set<AdaptedModule> = [.embedding, .head]
    guard model.outputHead.weight.weight.isSame(as: model.tokenEmbedding.weight),
      !tensors.updated.isDisjoint(with: ends) || tensors.wholes.contains(where: { ends.contains($0.module.module) })
    else { return }
    problems.add(
      "\(PEFTConfiguration.fileName): `ensure_weight_tying` is true: one update of both lm_head and embed_tokens isn't "
        + "applied here", canBeMerged: true)
  }
}

extension TensorName.Role {
  /// Whether it is what `modules_to_save` trains.
  fileprivate var isSaved: Bool {
    switch self {
    case .plain, .saved, .savedDefault: true
    case .base, .original: false
    }
  }
}

extension AdaptedModule {
  /// Whether PEFT can give it a low-rank update.
  fileprivate var takesUpdates: Bool {
    switch self {
    case .linear, .embedding, .head: true
    case .norm, .finalNorm: false
    }
  }
}
