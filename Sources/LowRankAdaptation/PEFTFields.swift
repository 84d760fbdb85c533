/// Every field of PEFT 0.21's LoraConfig (tuners/lora/config.py) and of its base classes, and what becomes of it here:
/// a field that is skipped in silence could change the numbers.
enum PEFTFields {
  /// They decide numbers, and are applied: `PEFTConfiguration` reads them.
  static let applied: Set<String> = [
    "peft_type", "r", "lora_alpha", "use_rslora", "rank_pattern", "alpha_pattern", "target_modules", "exclude_modules",
    "layers_to_transform", "layers_pattern", "modules_to_save", "bias", "use_dora", "lora_bias", "lora_dropout",
    "init_lora_weights", "ensure_weight_tying",
  ]

  /// No number of a finished adapter depends on them.
  static let indifferent: Set<String> = [
    // Where it came from, and what for.
    "auto_mapping", "base_model_name_or_path", "inference_mode", "peft_version", "revision", "task_type",
    // How the first values were found, where `init_lora_weights` says so.
    "corda_config", "eva_config", "loftq_config", "lora_ga_config",
    // Of other fields that are off, or of training alone: VeLoRA changes the backward pass, the runtime where things lie.
    "qalora_group_size", "megatron_core", "velora_config", "runtime_config",
  ]

  /// They change what is computed, and are refused where they are set.
  static let refused: KeyValuePairs<String, String> = [
    "fan_in_fan_out": "transposed weights",
    "layer_replication": "replicated layers",
    "trainable_token_indices": "trained embeddings of single tokens",
    "target_parameters": "updates of bare parameters",
    "alora_invocation_tokens": "updates that some tokens switch on",
    "arrow_config": "routing between adapters",
    "use_qalora": "QA-LoRA's pooling",
    "use_bdlora": "block-diagonal factors",
    "kasa_config": "KaSA's diagonal, and the base model that it cuts,",
    "monteclora_config": "MonteCLoRA's sampling",
    "megatron_config": "Megatron's parallel layers",
  ]

  /// Kinds of `init_lora_weights` that change the base model, which the folder doesn't hold. The others (true, false,
  /// gaussian, eva, orthogonal, mica) leave it as it is.
  static let changingInitials = ["pissa", "olora", "corda", "loftq", "lora_ga"]

  static func isKnown(_ key: String) -> Bool {
    applied.contains(key) || indifferent.contains(key) || refused.contains { $0.key == key }
  }
}
