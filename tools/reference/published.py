"""The layout of Qwen2-VL as published on the Hub (Qwen/Qwen2-VL-2B-Instruct), in the details that other writers change.

transformers 5 writes a nested `text_config`, `rope_parameters` and `size`; the published folders have a flat
config.json, `rope_scaling`, `min_pixels`/`max_pixels`, and the chat template in a JSON file.
"""
import hashlib
import json
from pathlib import Path

IMAGE_MEAN = [0.48145466, 0.4578275, 0.40821073]
IMAGE_STD = [0.26862954, 0.26130258, 0.27577711]

# chat_template of the published chat_template.json, word for word.
CHAT_TEMPLATE = (
    "{% set image_count = namespace(value=0) %}{% set video_count = namespace(value=0) %}"
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}<|im_start|>system\n"
    "You are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}<|im_end|>\n{% else %}"
    "{% for content in message['content'] %}"
    "{% if content['type'] == 'image' or 'image' in content or 'image_url' in content %}"
    "{% set image_count.value = image_count.value + 1 %}"
    "{% if add_vision_id %}Picture {{ image_count.value }}: {% endif %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif content['type'] == 'video' or 'video' in content %}"
    "{% set video_count.value = video_count.value + 1 %}"
    "{% if add_vision_id %}Video {{ video_count.value }}: {% endif %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% elif 'text' in content %}{{ content['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")


def flat_config(text, vision, token_ids, dtype):
    """config.json as published.

    text: the language model's own keys. vision: embed_dim, depth, num_heads, mlp_ratio.
    token_ids: special token -> id. dtype: as torch names it, "bfloat16" for one.
    """
    return {
        "architectures": ["Qwen2VLForConditionalGeneration"],
        "attention_dropout": 0.0,
        "bos_token_id": token_ids["<|endoftext|>"],
        "eos_token_id": token_ids["<|im_end|>"],
        "vision_start_token_id": token_ids["<|vision_start|>"],
        "vision_end_token_id": token_ids["<|vision_end|>"],
        "vision_token_id": token_ids["<|vision_pad|>"],
        "image_token_id": token_ids["<|image_pad|>"],
        "video_token_id": token_ids["<|video_pad|>"],
        "hidden_act": "silu",
        "hidden_size": text["hidden_size"],
        "initializer_range": 0.02,
        "intermediate_size": text["intermediate_size"],
        "max_position_embeddings": 32768,
        "max_window_layers": text["num_hidden_layers"],
        "model_type": "qwen2_vl",
        "num_attention_heads": text["num_attention_heads"],
        "num_hidden_layers": text["num_hidden_layers"],
        "num_key_value_heads": text["num_key_value_heads"],
        "rms_norm_eps": 1e-06,
        "rope_theta": 1000000.0,
        "sliding_window": 32768,
        "tie_word_embeddings": text["tie_word_embeddings"],
        "torch_dtype": dtype,
        "transformers_version": "4.41.2",
        "use_cache": True,
        "use_sliding_window": False,
        "vision_config": {
            "depth": vision["depth"],
            "embed_dim": vision["embed_dim"],
            "mlp_ratio": vision["mlp_ratio"],
            "num_heads": vision["num_heads"],
            "in_chans": 3,
            "hidden_size": text["hidden_size"],
            "patch_size": 14,
            "spatial_merge_size": 2,
            "spatial_patch_size": 14,
            "temporal_patch_size": 2,
        },
        "rope_scaling": {"type": "mrope", "mrope_section": text["mrope_section"]},
        "vocab_size": text["vocab_size"],
    }


def preprocessor_config(min_pixels=56 * 56, max_pixels=28 * 28 * 16384):
    """preprocessor_config.json as published."""
    return {
        "min_pixels": min_pixels,
        "max_pixels": max_pixels,
        "patch_size": 14,
        "temporal_patch_size": 2,
        "merge_size": 2,
        "image_mean": IMAGE_MEAN,
        "image_std": IMAGE_STD,
        "image_processor_type": "Qwen2VLImageProcessor",
        "processor_class": "Qwen2VLProcessor",
    }


def write_generation_config(folder, sampling=False):
    """generation_config.json with both tokens that end an answer, as published; with `sampling` the published file's rest."""
    tokenizer = json.loads((Path(folder) / "tokenizer.json").read_text())
    ids = {t["content"]: t["id"] for t in tokenizer["added_tokens"]}
    end = ids["<|endoftext|>"]
    values = {"bos_token_id": end, "pad_token_id": end, "eos_token_id": [ids["<|im_end|>"], end]}
    if sampling:
        values |= {"do_sample": True, "repetition_penalty": 1.0, "temperature": 0.01, "top_p": 0.001, "top_k": 1,
                   "transformers_version": "4.37.0"}
    write_json(Path(folder) / "generation_config.json", values)


def write_json(path, value):
    Path(path).write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_shards(folder, shards):
    """model-0000i-of-0000n.safetensors and their index. shards: a list of functions giving {name: tensor}, called one
    at a time so that only one shard is in memory."""
    from safetensors.torch import save_file
    folder, weight_map, total = Path(folder), {}, 0
    for i, shard in enumerate(shards, 1):
        name = f"model-{i:05d}-of-{len(shards):05d}.safetensors"
        tensors = shard()
        save_file(tensors, folder / name, metadata={"format": "pt"})
        weight_map |= {key: name for key in tensors}
        total += sum(t.numel() * t.element_size() for t in tensors.values())
    write_json(folder / "model.safetensors.index.json",
               {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))})


def to_published_layout(folder, shards=2, keep_preprocessor=False):
    """Rewrites a folder that transformers 5 saved as the Hub has it: flat config, sharded weights, templates in JSON."""
    from safetensors.torch import load_file
    folder = Path(folder)
    config = json.loads((folder / "config.json").read_text())
    text, vision = config["text_config"], config["vision_config"]
    text = text | {"mrope_section": text["rope_parameters"]["mrope_section"],
                   "tie_word_embeddings": config["tie_word_embeddings"]}
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    ids = {t["content"]: t["id"] for t in tokenizer["added_tokens"]}
    write_json(folder / "config.json", flat_config(text, vision, ids, config["dtype"]))

    tensors = load_file(folder / "model.safetensors")
    names = sorted(tensors)
    parts = [names[i::shards] for i in range(shards)]
    write_shards(folder, [lambda part=part: {n: tensors[n] for n in part} for part in parts])
    (folder / "model.safetensors").unlink()

    (folder / "chat_template.jinja").unlink()
    write_json(folder / "chat_template.json", {"chat_template": CHAT_TEMPLATE})
    if not keep_preprocessor:
        size = json.loads((folder / "preprocessor_config.json").read_text())["size"]
        write_json(folder / "preprocessor_config.json",
                   preprocessor_config(size["shortest_edge"], size["longest_edge"]))


def to_nested_names(folder):
    """Renames a folder's weights as transformers names them in memory since 4.52: model.language_model.…, model.visual.…"""
    from safetensors.torch import load_file, save_file
    path = Path(folder) / "model.safetensors"

    def renamed(name):
        if name.startswith("visual."):
            return "model." + name
        return name.replace("model.", "model.language_model.", 1) if name.startswith("model.") else name

    save_file({renamed(n): t for n, t in load_file(path).items()}, path, metadata={"format": "pt"})


def to_saved_layout(folder):
    """Rewrites a folder of any family as transformers 5 saves a new model: today's tensor names, config.json with every key, the image
    processor within processor_config.json, the chat template in a file of its own."""
    import transformers
    folder = Path(folder)
    model = transformers.AutoModelForImageTextToText.from_pretrained(folder, dtype="auto")
    for path in folder.glob("*.safetensors*"):
        path.unlink()
    model.save_pretrained(folder, save_original_format=False)
    whole = folder / "processor_config.json"
    values = json.loads(whole.read_text()) if whole.exists() else {}
    values["image_processor"] = json.loads((folder / "preprocessor_config.json").read_text())
    write_json(whole, values)
    (folder / "preprocessor_config.json").unlink()
    template = folder / "chat_template.json"
    if template.exists():
        (folder / "chat_template.jinja").write_text(json.loads(template.read_text())["chat_template"], encoding="utf-8")
        template.unlink()


def file_digests(folder):
    """{path: SHA-256} of every file below a folder."""
    folder = Path(folder)
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(folder.rglob("*")) if p.is_file()}
