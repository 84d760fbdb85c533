/// The names of a Qwen2-VL checkpoint's tensors: as published (`model.layers.…`, `visual.…`), as transformers 5 writes them
/// (`model.language_model.layers.…`, `model.visual.…`), or some of each.
struct Qwen2VLTensorNames {
  private let hasOldText: Bool
  private let hasOldVision: Bool

  init(_ names: some Sequence<String>) {
    var (newText, newVision) = (false, false)
    for name in names {
      newText = newText || name.hasPrefix("model.language_model.")
      newVision = newVision || name.hasPrefix("model.visual.")
    }
    (hasOldText, hasOldVision) = (!newText, !newVision)
  }

  /// A name of either kind as transformers 5 has it: the renamings of its conversion_mapping.py.
  static func current(_ name: String) -> String {
    var name = name
    if name.hasPrefix("visual") { name = "model." + name }
    if name.hasPrefix("model"), !name.hasPrefix("model.language_model"), !name.hasPrefix("model.visual") {
      name = "model.language_model" + name.dropFirst("model".count)
    }
    // A model without its head is saved without the first level.
    return name.hasPrefix("language_model.") ? "model." + name : name
  }

  /// The name that this checkpoint would have for a tensor.
  func written(_ name: String) -> String {
    if hasOldText, name.hasPrefix("model.language_model.") {
      return "model." + name.dropFirst("model.language_model.".count)
    }
    if hasOldVision, name.hasPrefix("model.visual.") { return String(name.dropFirst("model.".count)) }
    return name
  }
}
