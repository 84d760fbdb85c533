/// The names of a checkpoint's tensors. Published files have older ones than transformers 5 writes; a file may have some of
/// each.
struct TensorNames: Sendable {
  /// What a name of transformers 5 begins with, and what it began with before.
  typealias Renaming = (old: String, new: String)

  private let renamings: [Renaming]
  private let kept: [String]
  /// Those whose old beginning a name has where this checkpoint would have it; the first counts.
  private let writtenOld: [Renaming]

  /// - Parameters:
  ///   - names: the checkpoint's.
  ///   - renamings: the first whose old beginning a name has is done.
  ///   - kept: beginnings that are never renamed.
  init(_ names: some Collection<String>, renamings: [Renaming], kept: [String] = []) {
    self.renamings = renamings
    self.kept = kept
    let absent = renamings.filter { renaming in !names.contains { $0.hasPrefix(renaming.new) } }
    let others = names.filter { name in !renamings.contains { name.hasPrefix($0.new) } }
    let found = absent.filter { renaming in others.contains { $0.hasPrefix(renaming.old) } }
    // Beginnings that the file has come first. Without any of them a file is new if it has a new one, else it may be old.
    let isNew = found.isEmpty && absent.count < renamings.count
    writtenOld = isNew ? [] : found + absent
  }

  /// A name as transformers 5 has it.
  func current(_ name: String) -> String {
    guard !kept.contains(where: name.hasPrefix),
      let renaming = renamings.first(where: { name.hasPrefix($0.old) })
    else { return name }
    return renaming.new + name.dropFirst(renaming.old.count)
  }

  /// The name that this checkpoint would have for a tensor.
  func written(_ name: String) -> String {
    guard let renaming = writtenOld.first(where: { name.hasPrefix($0.new) }) else { return name }
    return renaming.old + name.dropFirst(renaming.new.count)
  }
}

extension TensorNames {
  /// The names of LLaVA-like checkpoints (LLaVA, PaliGemma, InternVL, Gemma 3): old ones have the language model in
  /// `language_model.model.` and, of a SigLIP or CLIP tower, one level more.
  static func llavaLike(_ names: some Collection<String>) -> TensorNames {
    TensorNames(
      names,
      renamings: [
        ("language_model.model.", "model.language_model."), ("language_model.lm_head.", "lm_head."),
        ("vision_tower.vision_model.", "model.vision_tower."), ("vision_tower.", "model.vision_tower."),
        ("model.vision_tower.vision_model.", "model.vision_tower."),
        ("multi_modal_projector.", "model.multi_modal_projector."), ("image_newline", "model.image_newline"),
      ])
  }

  /// The names of Qwen-like checkpoints: old ones have the language model's layers in `model.` and the tower in `visual.`.
  static func qwenLike(_ names: some Collection<String>) -> TensorNames {
    TensorNames(
      names,
      renamings: [
        ("visual", "model.visual"), ("model", "model.language_model"), ("language_model.", "model.language_model."),
      ], kept: ["model.language_model", "model.visual"])
  }
}
