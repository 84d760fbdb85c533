"""What make_tiny.py writes for each family: config.json, processor files, chat template and tensor names as published."""
from dataclasses import dataclass, field

from tiny_tokenizers import (GEMMA3_CHAT, MISTRAL_CHAT, SMOL_CHAT, VICUNA_CHAT, TokenizerFiles, chatml, gemma_tokenizer, llama_tokenizer,
                             qwen_tokenizer, rows, smol_tokenizer)

CLIP_MEAN, CLIP_STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
RESCALE = 0.00392156862745098


@dataclass
class Recipe:
    config: dict                                          # config.json as published
    tokenizer: TokenizerFiles
    files: dict                                           # further files: name -> text or JSON
    renames: list = field(default_factory=list)           # (pattern, replacement): transformers 5's tensor name -> published
    plus_one_norms: bool = False                          # RMSNorm multiplies by 1 + weight
    keeps_tied_head: bool = False                         # the file holds lm_head although config.json ties it


def common(a):
    return {"hidden_size": a.hidden, "intermediate_size": a.intermediate, "num_attention_heads": a.heads,
            "num_hidden_layers": a.layers, "num_key_value_heads": a.kv_heads}


def head_dim(a):
    return a.head_dim or a.hidden // a.heads


def qwen_config(a, t, model_type, architecture, vision, vocabulary):
    third = head_dim(a) // 2
    section = [third // 4, 3 * third // 8, third - third // 4 - 3 * third // 8]      # 16, 24, 24 where D is 128
    return {"architectures": [architecture], "attention_dropout": 0.0, "bos_token_id": t.id("<|endoftext|>"),
            "eos_token_id": t.id("<|im_end|>"), "vision_start_token_id": t.id("<|vision_start|>"),
            "vision_end_token_id": t.id("<|vision_end|>"), "vision_token_id": t.id("<|vision_pad|>"),
            "image_token_id": t.id("<|image_pad|>"), "video_token_id": t.id("<|video_pad|>"), "hidden_act": "silu",
            **common(a), "initializer_range": 0.02, "max_position_embeddings": 32768, "max_window_layers": a.layers,
            "model_type": model_type, "rms_norm_eps": 1e-6, "rope_theta": 1000000.0, "sliding_window": 32768,
            "tie_word_embeddings": not a.untied, "torch_dtype": a.dtype, "transformers_version": "4.41.2", "use_cache": True,
            "use_sliding_window": False, "vision_config": vision, "rope_scaling": {"type": "mrope", "mrope_section": section},
            "vocab_size": vocabulary}


QWEN_NAMES = [(r"^model\.language_model\.", "model."), (r"^model\.visual\.", "visual.")]


def qwen2_vl(a):
    t = qwen_tokenizer(a)
    vision = {"depth": a.vision_depth, "embed_dim": a.vision_dim, "mlp_ratio": 4, "num_heads": a.vision_heads, "in_chans": 3,
              "hidden_size": a.hidden, "patch_size": 14, "spatial_merge_size": 2, "spatial_patch_size": 14, "temporal_patch_size": 2}
    processor = {"min_pixels": 3136, "max_pixels": a.max_pixels, "patch_size": 14, "temporal_patch_size": 2, "merge_size": 2,
                 "image_mean": CLIP_MEAN, "image_std": CLIP_STD, "image_processor_type": "Qwen2VLImageProcessor",
                 "processor_class": "Qwen2VLProcessor"}
    template = chatml("<|vision_start|><|image_pad|><|vision_end|>", "You are a helpful assistant.")
    return Recipe(qwen_config(a, t, "qwen2_vl", "Qwen2VLForConditionalGeneration", vision, rows(t)), t,
                  {"preprocessor_config.json": processor, "chat_template.json": {"chat_template": template}}, QWEN_NAMES)


def qwen2_5_vl(a):
    t = qwen_tokenizer(a)
    full = [i for i in range(a.vision_depth) if i % 2 == 1] or [a.vision_depth - 1]
    vision = {"depth": a.vision_depth, "hidden_act": "silu", "hidden_size": a.vision_dim, "intermediate_size": a.vision_dim * 3,
              "num_heads": a.vision_heads, "in_chans": 3, "out_hidden_size": a.hidden, "patch_size": 14, "spatial_merge_size": 2,
              "spatial_patch_size": 14, "window_size": 112, "fullatt_block_indexes": full, "tokens_per_second": 2,
              "temporal_patch_size": 2}
    processor = {"min_pixels": 3136, "max_pixels": a.max_pixels, "patch_size": 14, "temporal_patch_size": 2, "merge_size": 2,
                 "image_mean": CLIP_MEAN, "image_std": CLIP_STD, "image_processor_type": "Qwen2VLImageProcessor",
                 "processor_class": "Qwen2_5_VLProcessor"}
    template = chatml("<|vision_start|><|image_pad|><|vision_end|>", "You are a helpful assistant.")
    return Recipe(qwen_config(a, t, "qwen2_5_vl", "Qwen2_5_VLForConditionalGeneration", vision, rows(t)), t,
                  {"preprocessor_config.json": processor, "chat_template.json": {"chat_template": template}}, QWEN_NAMES)


def qwen3_vl(a):
    t = qwen_tokenizer(a)
    half = head_dim(a) // 2
    side = half // 3 if half % 3 == 0 else (half + 2) // 3 - 1                          # 24, 20, 20 where D is 128
    side = 20 if half == 64 else side
    config = {"architectures": ["Qwen3VLForConditionalGeneration"], "image_token_id": t.id("<|image_pad|>"), "model_type": "qwen3_vl",
              "text_config": {"attention_bias": False, "attention_dropout": 0.0, "bos_token_id": t.id("<|endoftext|>"),
                              "dtype": a.dtype, "eos_token_id": t.id("<|im_end|>"), "head_dim": head_dim(a), "hidden_act": "silu",
                              **common(a), "initializer_range": 0.02, "max_position_embeddings": 262144,
                              "model_type": "qwen3_vl_text", "rms_norm_eps": 1e-6,
                              "rope_scaling": {"mrope_interleaved": True, "mrope_section": [half - 2 * side, side, side],
                                               "rope_type": "default"},
                              "rope_theta": 5000000, "tie_word_embeddings": not a.untied, "use_cache": True, "vocab_size": rows(t)},
              "tie_word_embeddings": not a.untied, "transformers_version": "4.57.0.dev0", "video_token_id": t.id("<|video_pad|>"),
              "vision_config": {"deepstack_visual_indexes": list(range(a.vision_depth))[:3][:a.layers], "depth": a.vision_depth,
                                "hidden_act": "gelu_pytorch_tanh", "hidden_size": a.vision_dim, "in_channels": 3,
                                "initializer_range": 0.02, "intermediate_size": a.vision_dim * 4, "model_type": "qwen3_vl",
                                "num_heads": a.vision_heads, "num_position_embeddings": a.position_side ** 2,
                                "out_hidden_size": a.hidden, "patch_size": 16, "spatial_merge_size": 2, "temporal_patch_size": 2},
              "vision_end_token_id": t.id("<|vision_end|>"), "vision_start_token_id": t.id("<|vision_start|>")}
    processor = {"size": {"longest_edge": a.max_pixels, "shortest_edge": 4096}, "patch_size": 16, "temporal_patch_size": 2,
                 "merge_size": 2, "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "processor_class": "Qwen3VLProcessor",
                 "image_processor_type": "Qwen2VLImageProcessorFast"}
    template = chatml("<|vision_start|><|image_pad|><|vision_end|>")
    video = {**processor, "video_processor_type": "Qwen3VLVideoProcessor"}
    return Recipe(config, t, {"preprocessor_config.json": processor, "video_preprocessor_config.json": video,
                              "chat_template.json": {"chat_template": template}})


def idefics_files(a, t, kind, sequence):
    processor = {"do_convert_rgb": True, "do_image_splitting": not a.no_splitting, "do_normalize": True, "do_pad": True,
                 "do_rescale": True, "do_resize": True, "image_mean": [0.5] * 3, "image_processor_type": kind + "ImageProcessor",
                 "image_std": [0.5] * 3, "max_image_size": {"longest_edge": a.tile}, "processor_class": kind + "Processor",
                 "resample": 1, "rescale_factor": RESCALE, "size": {"longest_edge": 4 * a.tile}}
    if kind == "SmolVLM":
        processor["video_sampling"] = {"fps": 1, "max_frames": 64, "video_size": {"longest_edge": a.tile}}
    return {"preprocessor_config.json": processor,
            "processor_config.json": {"image_seq_len": sequence, "processor_class": kind + "Processor"},
            "chat_template.json": {"chat_template": SMOL_CHAT},
            "generation_config.json": {"_from_model_config": True, "bos_token_id": t.id("<|im_start|>"),
                                       "eos_token_id": t.id("<end_of_utterance>"), "pad_token_id": t.id("<|im_end|>"),
                                       "transformers_version": "4.47.1"}}


def smolvlm(a):
    a.tile = a.tile or 76                               # 6 x 6 patches of 12, and 4 pixels that no patch sees, as 384 has 6
    side, scale = a.tile // 12, 3
    t = smol_tokenizer(a, "PreTrainedTokenizerFast")
    config = {"architectures": ["SmolVLMForConditionalGeneration"], "image_token_id": t.id("<image>"), "model_type": "smolvlm",
              "pad_token_id": 2, "scale_factor": scale,
              "text_config": {"architectures": ["VLlama3ForCausalLM"], "head_dim": head_dim(a), **common(a), "is_llama_config": True,
                              "max_position_embeddings": 8192, "model_type": "llama", "neftune_noise_alpha": 0.0, "pad_token_id": 2,
                              "pixel_shuffle_factor": scale, "qk_layer_norms": False, "rms_norm_eps": 1e-05, "rope_interleaved": False,
                              "rope_theta": 100000, "torch_dtype": a.dtype, "use_resampler": False, "vocab_size": rows(t)},
              "tie_word_embeddings": False, "torch_dtype": a.dtype, "transformers_version": "4.47.1", "use_cache": False,
              "use_reentrant_checkpointing": False,
              "vision_config": {"hidden_size": a.vision_dim, "image_size": a.tile, "intermediate_size": a.vision_dim * 4,
                                "max_image_size": {"longest_edge": a.tile}, "model_type": "smolvlm_vision",
                                "num_attention_heads": a.vision_heads, "num_hidden_layers": a.vision_depth, "patch_size": 12,
                                "size": {"longest_edge": 4 * a.tile}, "tie_word_embeddings": False, "use_base_siglip": False},
              "vocab_size": rows(t)}
    return Recipe(config, t, idefics_files(a, t, "SmolVLM", (side // scale) ** 2))


def idefics3(a):
    a.tile = a.tile or 64
    side, scale = a.tile // 8, 2
    t = smol_tokenizer(a, "GPT2Tokenizer")
    config = {"architectures": ["Idefics3ForConditionalGeneration"], "image_token_id": t.id("<image>"), "model_type": "idefics3",
              "scale_factor": scale,
              "text_config": {"architectures": ["VLlama3ForCausalLM"], "bos_token_id": 0, "eos_token_id": 0, "head_dim": head_dim(a),
                              **common(a), "is_llama_config": True, "max_position_embeddings": 16384, "model_type": "llama",
                              "pad_token_id": 2, "pixel_shuffle_factor": scale, "qk_layer_norms": False, "rms_norm_eps": 1e-05,
                              "rope_interleaved": False, "rope_theta": 273768.0, "torch_dtype": a.dtype, "use_resampler": False,
                              "vocab_size": rows(t)},
              "tie_word_embeddings": False, "torch_dtype": a.dtype, "transformers_version": "4.46.0", "use_cache": True,
              "vision_config": {"hidden_size": a.vision_dim, "image_size": a.tile, "intermediate_size": a.vision_dim * 4,
                                "max_image_size": {"longest_edge": a.tile}, "model_type": "idefics3",
                                "num_attention_heads": a.vision_heads, "num_hidden_layers": a.vision_depth, "patch_size": 8,
                                "size": {"longest_edge": 4 * a.tile}, "tie_word_embeddings": False},
              "vocab_size": rows(t)}
    return Recipe(config, t, idefics_files(a, t, "Idefics3", (side // scale) ** 2))


def llava_names(tower):
    return [(r"^model\.language_model\.", "language_model.model."), (r"^lm_head\.", "language_model.lm_head."),
            (r"^model\.vision_tower\.", tower), (r"^model\.multi_modal_projector\.", "multi_modal_projector."),
            (r"^model\.image_newline", "image_newline")]


def siglip(a, size, patch, **more):
    return {"hidden_size": a.vision_dim, "intermediate_size": a.vision_dim * 4, "model_type": "siglip_vision_model",
            "num_attention_heads": a.vision_heads, "num_hidden_layers": a.vision_depth, "image_size": size, "patch_size": patch,
            "vision_use_head": False, **more}


def paligemma_family(a, generation):
    t = gemma_tokenizer(a, generation)
    a.tile = a.tile or 112
    tokens = (a.tile // 14) ** 2
    text = {**common(a), "head_dim": head_dim(a), "model_type": "gemma", "num_image_tokens": tokens, "torch_dtype": "float32",
            "vocab_size": rows(t)}
    if generation == 2:
        text |= {"architectures": ["Gemma2ForCausalLM"], "attn_logit_softcapping": 50.0, "cache_implementation": "hybrid",
                 "eos_token_id": [1, 107], "final_logit_softcapping": 30.0, "hidden_act": "gelu_pytorch_tanh",
                 "hidden_activation": "gelu_pytorch_tanh", "model_type": "gemma2", "query_pre_attn_scalar": head_dim(a),
                 "sliding_window": a.sliding_window or 4096, "torch_dtype": a.dtype}
    config = {"architectures": ["PaliGemmaForConditionalGeneration"], "bos_token_id": 2, "eos_token_id": 1, "hidden_size": a.hidden,
              "ignore_index": -100, "image_token_index": t.id("<image>"), "model_type": "paligemma", "pad_token_id": 0,
              "projection_dim": a.hidden, "text_config": text, "torch_dtype": a.dtype, "transformers_version": "4.41.0.dev0",
              "vision_config": siglip(a, a.tile, 14, num_image_tokens=tokens, projection_dim=a.hidden, projector_hidden_act="gelu_fast")}
    if generation == 2:
        config |= {"_vocab_size": rows(t), "num_hidden_layers": a.layers, "transformers_version": "4.46.0.dev0"}
    processor = {"do_convert_rgb": None, "do_normalize": True, "do_rescale": True, "do_resize": True, "image_mean": [0.5] * 3,
                 "image_processor_type": "SiglipImageProcessor", "image_seq_length": tokens, "image_std": [0.5] * 3,
                 "processor_class": "PaliGemmaProcessor", "resample": 3, "rescale_factor": RESCALE,
                 "size": {"height": a.tile, "width": a.tile}}
    return Recipe(config, t, {"preprocessor_config.json": processor}, llava_names("vision_tower.vision_model."), plus_one_norms=True)


def internvl_family(a, generation):
    new = ["<img>", "</img>", "<IMG_CONTEXT>", "<quad>", "</quad>", "<ref>", "</ref>", "<box>", "</box>", "<video>"]
    t = qwen_tokenizer(a, new, {
        "model_max_length": 8192, "start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>", "return_token_type_ids": False,
        "extra_special_tokens": {"start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>",
                                 "video_token": "<video>"}})
    a.tile = a.tile or 56
    patch = 7 if a.tile % 14 else 14
    patch = 7 if a.tile == 56 else patch
    text = {**common(a), "attention_dropout": 0.0, "bos_token_id": t.id("<|endoftext|>"), "eos_token_id": t.id("<|im_end|>"),
            "hidden_act": "silu", "initializer_range": 0.02, "max_position_embeddings": 32768, "max_window_layers": 70,
            "rms_norm_eps": 1e-06, "rope_theta": 1000000.0, "sliding_window": None, "torch_dtype": a.dtype, "use_cache": True,
            "use_sliding_window": False, "vocab_size": rows(t)}
    if generation == 3:
        text |= {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2",
                 "rope_scaling": {"factor": 2.0, "rope_type": "dynamic", "type": "dynamic"}}
    else:
        text |= {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "attention_bias": False, "head_dim": head_dim(a),
                 "max_window_layers": a.layers, "tie_word_embeddings": not a.untied}
    vision = {"architectures": ["InternVisionModel"], "attention_bias": not a.vision_qk_norm, "attention_dropout": 0.0,
              "dropout": 0.0, "hidden_act": "gelu", "hidden_dropout_prob": 0.0, "hidden_size": a.vision_dim,
              "image_size": [a.tile, a.tile], "initializer_factor": 0.1, "initializer_range": 1e-10,
              "intermediate_size": a.vision_dim * 4, "layer_norm_eps": 1e-06, "layer_scale_init_value": 0.1,
              "model_type": "internvl_vision", "norm_type": "rms_norm" if a.vision_qk_norm else "layer_norm",
              "num_attention_heads": a.vision_heads, "num_channels": 3, "num_hidden_layers": a.vision_depth,
              "patch_size": [patch, patch], "projection_dropout": 0.0, "torch_dtype": a.dtype,
              "use_absolute_position_embeddings": True, "use_mask_token": False, "use_mean_pooling": True,
              "use_qk_norm": a.vision_qk_norm}
    tokens = (a.tile // patch // 2) ** 2
    config = {"architectures": ["InternVLForConditionalGeneration"], "downsample_ratio": 0.5, "image_seq_length": tokens,
              "image_token_id": t.id("<IMG_CONTEXT>"), "model_type": "internvl", "projector_hidden_act": "gelu", "text_config": text,
              "torch_dtype": a.dtype, "transformers_version": "4.52.0.dev0", "vision_config": vision, "vision_feature_layer": -1,
              "vision_feature_select_strategy": "default"}
    if generation != 3:
        config |= {"tie_word_embeddings": not a.untied, "transformers_version": "4.55.0"}
    processor = {"crop_size": None, "crop_to_patches": False, "data_format": "channels_first", "default_to_square": True,
                 "do_center_crop": None, "do_convert_rgb": True, "do_normalize": True, "do_rescale": True, "do_resize": True,
                 "image_mean": [0.485, 0.456, 0.406], "image_processor_type": "GotOcr2ImageProcessorFast",
                 "image_std": [0.229, 0.224, 0.225], "max_patches": a.max_tiles, "min_patches": 1,
                 "processor_class": "InternVLProcessor", "resample": 3, "rescale_factor": RESCALE,
                 "size": {"height": a.tile, "width": a.tile}}
    video = {"size": {"height": a.tile, "width": a.tile}, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225],
             "processor_class": "InternVLProcessor", "video_processor_type": "InternVLVideoProcessor"}
    # InternVL3's config.json says nothing of tying; the class's default today is true, and the file holds a head of its own.
    return Recipe(config, t, {"preprocessor_config.json": processor, "video_preprocessor_config.json": video,
                              "processor_config.json": {"image_seq_length": tokens, "processor_class": "InternVLProcessor"},
                              "chat_template.jinja": chatml("<IMG_CONTEXT>\n")},
                  llava_names("vision_tower.") if generation == 3 else [], keeps_tied_head=generation == 3)


def anyres_points(tile, most):
    return [[r * tile, c * tile] for r in range(1, most + 1) for c in range(1, most + 1)]


def llava_onevision(a):
    t = qwen_tokenizer(a, ["<image>", "<video>"], {"additional_special_tokens": ["<|im_start|>", "<|im_end|>"], "model_max_length": 32768})
    a.tile = a.tile or 100                               # 7 x 7 patches of 14, and 2 pixels that no patch sees, as 384 has 6
    patch = 14
    points = anyres_points(a.tile, 6)
    config = {"architectures": ["LlavaOnevisionForConditionalGeneration"], "ignore_index": -100, "image_grid_pinpoints": points,
              "image_token_index": t.id("<image>"), "model_type": "llava_onevision", "projector_hidden_act": "gelu",
              "text_config": {"architectures": ["Qwen2ForCausalLM"], "bos_token_id": t.id("<|endoftext|>"),
                              "eos_token_id": t.id("<|im_end|>"), **common(a), "max_window_layers": a.layers, "model_type": "qwen2",
                              "rope_theta": 1000000.0, "tie_word_embeddings": not a.untied, "torch_dtype": a.dtype,
                              "vocab_size": rows(t)},
              "tie_word_embeddings": False, "torch_dtype": a.dtype, "transformers_version": "4.45.0.dev0",
              "use_image_newline_parameter": True, "video_token_index": t.id("<video>"), "vision_aspect_ratio": f"anyres_max_{a.anyres_max}",
              "vision_config": siglip(a, a.tile, patch), "vision_feature_layer": -1, "vision_feature_select_strategy": "full"}
    processor = {"do_convert_rgb": True, "do_normalize": True, "do_pad": True, "do_rescale": True, "do_resize": True,
                 "image_grid_pinpoints": points, "image_mean": [0.5] * 3, "image_processor_type": "LlavaOnevisionImageProcessor",
                 "image_std": [0.5] * 3, "processor_class": "LlavaOnevisionProcessor", "resample": 3, "rescale_factor": RESCALE,
                 "size": {"height": a.tile, "width": a.tile}}
    video = {"do_convert_rgb": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "size": {"height": a.tile, "width": a.tile},
             "processor_class": "LlavaOnevisionProcessor", "video_processor_type": "LlavaOnevisionVideoProcessor"}
    whole = {"image_token": "<image>", "num_image_tokens": (a.tile // patch) ** 2, "processor_class": "LlavaOnevisionProcessor",
             "video_token": "<video>", "vision_feature_select_strategy": "full", "vision_aspect_ratio": f"anyres_max_{a.anyres_max}"}
    return Recipe(config, t, {"preprocessor_config.json": processor, "video_preprocessor_config.json": video,
                              "processor_config.json": whole, "chat_template.json": {"chat_template": chatml("<image>\n")}},
                  llava_names("vision_tower.vision_model."))


def clip(a, size, patch):
    return {"hidden_size": a.vision_dim, "image_size": size, "intermediate_size": a.vision_dim * 4, "model_type": "clip_vision_model",
            "num_attention_heads": a.vision_heads, "num_hidden_layers": a.vision_depth, "patch_size": patch, "projection_dim": 768,
            "vocab_size": 32000}


def llama_generation(t):
    return {"_from_model_config": True, "bos_token_id": t.id("<s>"), "eos_token_id": t.id("</s>"), "pad_token_id": t.id("<pad>"),
            "transformers_version": "4.39.0.dev0"}


def llava(a):
    t = llama_tokenizer(a)
    a.tile, patch = a.tile or 84, 14
    config = {"architectures": ["LlavaForConditionalGeneration"], "ignore_index": -100, "image_token_index": t.id("<image>"),
              "model_type": "llava", "pad_token_id": t.id("<pad>"), "projector_hidden_act": "gelu",
              "text_config": {"architectures": ["LlamaForCausalLM"], **common(a), "max_position_embeddings": 4096, "model_type": "llama",
                              "rms_norm_eps": 1e-05, "torch_dtype": a.dtype, "vocab_size": rows(t)},
              "tie_word_embeddings": False, "torch_dtype": a.dtype, "transformers_version": "4.36.0.dev0",
              "vision_config": clip(a, a.tile, patch), "vision_feature_layer": -2, "vision_feature_select_strategy": "default",
              "vocab_size": rows(t)}
    processor = {"crop_size": {"height": a.tile, "width": a.tile}, "do_center_crop": True, "do_convert_rgb": True, "do_normalize": True,
                 "do_rescale": True, "do_resize": True, "image_mean": CLIP_MEAN, "image_processor_type": "CLIPImageProcessor",
                 "image_std": CLIP_STD, "processor_class": "LlavaProcessor", "resample": 3, "rescale_factor": RESCALE,
                 "size": {"shortest_edge": a.tile}}
    whole = {"image_token": "<image>", "num_additional_image_tokens": 1, "patch_size": patch, "processor_class": "LlavaProcessor",
             "vision_feature_select_strategy": "default"}
    return Recipe(config, t, {"preprocessor_config.json": processor, "processor_config.json": whole,
                              "generation_config.json": llama_generation(t), "chat_template.json": {"chat_template": VICUNA_CHAT}}, llava_names("vision_tower.vision_model."))


def llava_next(a):
    t = llama_tokenizer(a)
    a.tile, patch = a.tile or 84, 14
    points = [[a.tile, 2 * a.tile], [2 * a.tile, a.tile], [2 * a.tile, 2 * a.tile], [3 * a.tile, a.tile], [a.tile, 3 * a.tile]]
    config = {"architectures": ["LlavaNextForConditionalGeneration"], "ignore_index": -100, "image_grid_pinpoints": points,
              "image_token_index": t.id("<image>"), "model_type": "llava_next", "projector_hidden_act": "gelu",
              "text_config": {"architectures": ["MistralForCausalLM"], **common(a), "max_position_embeddings": 32768,
                              "model_type": "mistral", "rms_norm_eps": 1e-05, "rope_theta": 1000000.0, "sliding_window": None,
                              "torch_dtype": a.dtype, "vocab_size": rows(t)},
              "tie_word_embeddings": False, "torch_dtype": a.dtype, "transformers_version": "4.39.0.dev0",
              "use_image_newline_parameter": True, "vision_config": clip(a, a.tile, patch), "vision_feature_layer": -2,
              "vision_feature_select_strategy": "default", "vocab_size": rows(t)}
    processor = {"aspect_ratio_setting": "anyres", "crop_size": {"height": a.tile, "width": a.tile}, "do_center_crop": True,
                 "do_convert_rgb": True, "do_normalize": True, "do_pad": True, "do_rescale": True, "do_resize": True,
                 "image_grid_pinpoints": points, "image_mean": CLIP_MEAN, "image_processor_type": "LlavaNextImageProcessor",
                 "image_std": CLIP_STD, "processor_class": "LlavaNextProcessor", "resample": 3, "rescale_factor": RESCALE,
                 "size": {"shortest_edge": a.tile}}
    whole = {"image_token": "<image>", "num_additional_image_tokens": 1, "patch_size": patch, "processor_class": "LlavaNextProcessor",
             "vision_feature_select_strategy": "default"}
    return Recipe(config, t, {"preprocessor_config.json": processor, "processor_config.json": whole,
                              "generation_config.json": llama_generation(t), "chat_template.json": {"chat_template": MISTRAL_CHAT}}, llava_names("vision_tower.vision_model."))


def gemma3(a):
    t = gemma_tokenizer(a, 3)
    a.tile = a.tile or 64
    patch = 8
    tokens = (a.tile // (patch * a.pool)) ** 2
    config = {"architectures": ["Gemma3ForConditionalGeneration"], "boi_token_index": t.id("<start_of_image>"),
              "eoi_token_index": t.id("<end_of_image>"), "eos_token_id": [1, t.id("<end_of_turn>")],
              "image_token_index": t.id("<image_soft_token>"), "initializer_range": 0.02, "mm_tokens_per_image": tokens,
              "model_type": "gemma3",
              "text_config": {**common(a), "head_dim": head_dim(a), "model_type": "gemma3_text", "query_pre_attn_scalar": head_dim(a),
                              "rope_scaling": {"factor": 8.0, "rope_type": "linear"}, "sliding_window": a.sliding_window or 24,
                              "sliding_window_pattern": 3, "vocab_size": rows(t)},
              **({"tie_word_embeddings": False} if a.untied else {}), "torch_dtype": a.dtype, "transformers_version": "4.50.0.dev0", "vision_config": siglip(a, a.tile, patch)}
    processor = {"do_convert_rgb": None, "do_normalize": True, "do_pan_and_scan": None, "do_rescale": True, "do_resize": True,
                 "image_mean": [0.5] * 3, "image_processor_type": "Gemma3ImageProcessor", "image_seq_length": tokens,
                 "image_std": [0.5] * 3, "pan_and_scan_max_num_crops": None, "pan_and_scan_min_crop_size": None,
                 "pan_and_scan_min_ratio_to_activate": None, "processor_class": "Gemma3Processor", "resample": 2,
                 "rescale_factor": RESCALE, "size": {"height": a.tile, "width": a.tile}}
    return Recipe(config, t, {"preprocessor_config.json": processor,
                              "processor_config.json": {"image_seq_length": tokens, "processor_class": "Gemma3Processor"},
                              "chat_template.json": {"chat_template": GEMMA3_CHAT},
                              "generation_config.json": {"bos_token_id": 2, "cache_implementation": "hybrid", "do_sample": True,
                                                         "eos_token_id": [1, t.id("<end_of_turn>")], "pad_token_id": 0, "top_k": 64,
                                                         "top_p": 0.95, "transformers_version": "4.50.0.dev0"}},
                  llava_names("vision_tower.vision_model."), plus_one_norms=True)


FAMILIES = {
    "qwen2_vl": qwen2_vl, "qwen2_5_vl": qwen2_5_vl, "qwen3_vl": qwen3_vl, "smolvlm": smolvlm, "idefics3": idefics3,
    "paligemma": lambda a: paligemma_family(a, 1), "paligemma2": lambda a: paligemma_family(a, 2),
    "internvl": lambda a: internvl_family(a, 3), "internvl3_5": lambda a: internvl_family(a, 3.5),
    "llava_onevision": llava_onevision, "llava_next": llava_next, "llava": llava, "gemma3": gemma3,
}
