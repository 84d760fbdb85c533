/// Tensors of a checkpoint that the model has no place for.
///
/// transformers ignores them all, with a warning. Here those that a number could depend on are refused: tensors of
/// modules that the model has, and parts of adapters and of quantised weights wherever they stand. Heads for other
/// tasks and saved tables of positions are not missed.
enum UnusedTensors {
  /// - Parameter name: as transformers 5 names it.
  /// - Returns: why a number could depend on the tensor; nil if none does.
  static func objection(to name: String) -> String? {
    if tables.contains(where: name.hasSuffix) { return nil }
    if let part = quantised.first(where: name.contains) {
      return "is a part (\(part)) of a quantised weight, which is not read: take the unquantised model"
    }
    if let part = adapters.first(where: name.contains) {
      return
        "is a part (\(part)) of an adapter, which is not read from here: merge the adapter with PEFT's merge_and_unload, or give its "
        + "folder with --adapter"
    }
    guard name.hasPrefix("model.") || name.hasPrefix("lm_head.") else { return nil }
    return "is unexpected; the model has no such tensor, and may need other code or another config.json"
  }

  /// Computed from config.json, whatever is saved.
  private static let tables = [
    "rotary_emb.inv_freq", "rotary_pos_emb.inv_freq", "rotary_emb.original_inv_freq", "rotary_emb.cos_cached",
    "rotary_emb.sin_cached", ".position_ids", ".masked_bias",
  ]

  private static let quantised = [
    ".qweight", ".qzeros", ".scales", ".g_idx", ".absmax", ".quant_map", ".quant_state", ".nested_absmax",
    ".nested_quant_map",
    ".SCB", ".weight_format", "weight_scale", "input_scale", "output_scale", "scale_inv", "zero_point",
    ".weight_packed",
    ".weight_shape",
  ]

  private static let adapters = [
    "lora_", ".base_layer.", "modules_to_save", "original_module", "ia3_", "oft_", "hada_", "lokr_", "magnitude_vector",
    "prompt_embeddings", "prompt_encoder",
  ]
}
