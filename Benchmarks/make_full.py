#!/usr/bin/env python3
"""Writes a full-size checkpoint of a family with RANDOM weights in the published layout.

    .venv/bin/python Benchmarks/make_full.py OUT_DIR --size qwen2.5-vl-3b [--layers N]

Shapes, names, config.json, processor files and chat template are those of the published folders; the tokenizer is a small one
(tools/reference/tiny_tokenizers.py). Shard after shard is drawn and written, so memory holds one shard (about 1 GB) at most.
"""
import argparse
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools/reference"))

import torch

import make_tiny
import published
from tiny_families import FAMILIES

SHARD_BYTES = 1 << 30
SIGLIP = dict(vision_dim=1152, vision_depth=27, vision_heads=16)
QWEN_TOWER = dict(vision_dim=1280, vision_depth=32, vision_heads=16)
SIGLIP_CONFIG = {"vision_config": {"intermediate_size": 4304, "patch_size": 14}}
CLIP = dict(vision_dim=1024, vision_depth=24, vision_heads=16, tile=336)
NEXT_POINTS = {"image_grid_pinpoints": [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]]}

# name -> the family, make_tiny.py's options, what config.json and preprocessor_config.json have otherwise than a tiny checkpoint.
SIZES = {
    "qwen2.5-vl-3b": dict(
        family="qwen2_5_vl", options=dict(layers=36, heads=16, kv_heads=2, hidden=2048, intermediate=11008, max_pixels=12845056,
                                          **QWEN_TOWER),
        config={"vocab_size": 151936, "vision_config": {"intermediate_size": 3420, "fullatt_block_indexes": [7, 15, 23, 31]}}),
    "qwen3-vl-2b": dict(
        family="qwen3_vl", options=dict(layers=28, heads=16, kv_heads=8, head_dim=128, hidden=2048, intermediate=6144, vision_dim=1024,
                                        vision_depth=24, vision_heads=16, position_side=48, max_pixels=16777216),
        config={"text_config": {"vocab_size": 151936}, "vision_config": {"deepstack_visual_indexes": [5, 11, 17]}},
        processor={"size": {"shortest_edge": 65536}}),
    "internvl3-2b": dict(
        family="internvl", options=dict(layers=28, heads=12, kv_heads=2, hidden=1536, intermediate=8960, vision_dim=1024,
                                        vision_depth=24, vision_heads=16, tile=448),
        config={"text_config": {"vocab_size": 151674}}),
    "paligemma-3b-224": dict(
        family="paligemma", options=dict(layers=18, heads=8, kv_heads=1, head_dim=256, hidden=2048, intermediate=16384, tile=224, **SIGLIP),
        config={"text_config": {"vocab_size": 257216}, **SIGLIP_CONFIG}),
    "paligemma2-3b-448": dict(
        family="paligemma2", options=dict(layers=26, heads=8, kv_heads=4, head_dim=256, hidden=2304, intermediate=9216, tile=448, **SIGLIP),
        config={"text_config": {"vocab_size": 257216}, **SIGLIP_CONFIG}),
    "smolvlm2-2.2b": dict(
        family="smolvlm", options=dict(layers=24, heads=32, kv_heads=32, hidden=2048, intermediate=8192, tile=384, **SIGLIP),
        config={"text_config": {"vocab_size": 49280}, **SIGLIP_CONFIG}, sequence=81),
    "llava-onevision-0.5b": dict(
        family="llava_onevision", options=dict(layers=24, heads=14, kv_heads=2, hidden=896, intermediate=4864, tile=384, dtype="float16",
                                               **SIGLIP | {"vision_depth": 26}),
        config={"text_config": {"vocab_size": 152000}, **SIGLIP_CONFIG}),
    "llava-v1.6-mistral-7b": dict(
        family="llava_next", options=dict(layers=32, heads=32, kv_heads=8, hidden=4096, intermediate=14336, dtype="float16", **CLIP),
        config={"text_config": {"vocab_size": 32064}, **NEXT_POINTS}, processor=NEXT_POINTS),
    "llava-1.5-7b": dict(
        family="llava", options=dict(layers=32, heads=32, kv_heads=32, hidden=4096, intermediate=11008, dtype="float16", **CLIP),
        config={"text_config": {"vocab_size": 32064}}),
    "gemma-3-4b": dict(
        family="gemma3", options=dict(layers=34, heads=8, kv_heads=4, head_dim=256, hidden=2560, intermediate=10240, tile=896,
                                      sliding_window=1024, **SIGLIP),
        config={"mm_tokens_per_image": 256, "text_config": {"vocab_size": 262208, "sliding_window_pattern": 6}, **SIGLIP_CONFIG},
        processor={"image_seq_length": 256}, sequence=256),
}


def merged(old, new):
    """`old` with the values of `new`, objects key by key."""
    return old | {k: merged(old[k], v) if isinstance(v, dict) and isinstance(old.get(k), dict) else v for k, v in new.items()}


def draw(tensors, dtype, seed):
    """Norms' gains are 1 (0 where the norm adds 1), all else is normal with the deviation that models are initialised with."""
    generator = torch.Generator().manual_seed(seed)
    drawn = {}
    for name, (shape, centre) in tensors.items():
        t = torch.empty(shape, dtype=dtype)
        drawn[name] = t.normal_(0, 0.02, generator=generator) if centre is None else t.fill_(centre)
    return drawn


def centre(name, ndim, plus_one_norms):
    """What a tensor is filled with; None if it is drawn."""
    if ndim == 1 and name.endswith("weight") and ("norm" in name or "ln_q" in name):
        return 0.0 if plus_one_norms and ("language_model" in name or "soft_emb_norm" in name) else 1.0
    return 0.1 if ".lambda_" in name else None


def write_checkpoint(out, size, layers=None, seed=0):
    from transformers import AutoConfig, AutoModelForImageTextToText
    out, entry = Path(out), SIZES[size]
    out.mkdir(parents=True, exist_ok=True)
    options = {"vocabulary": "small"} | entry["options"] | ({"layers": layers} if layers else {})
    a = argparse.Namespace(**vars(make_tiny.parser().parse_args([str(out), "--family", entry["family"]])) | options)
    a.dtype = a.dtype or "bfloat16"
    recipe = FAMILIES[entry["family"]](a)
    config = merged(recipe.config, entry.get("config", {}))
    files = recipe.files
    files["preprocessor_config.json"] = merged(files["preprocessor_config.json"], entry.get("processor", {}))
    if "sequence" in entry:
        key = "image_seq_len" if entry["family"] == "smolvlm" else "image_seq_length"
        files["processor_config.json"][key] = entry["sequence"]
    recipe.tokenizer.write(out)
    for name, content in files.items():
        (out / name).write_text(content) if isinstance(content, str) else published.write_json(out / name, content)

    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(AutoConfig.for_model(**config), dtype=torch.float32)
    shapes = {n: tuple(w.shape) for n, w in model.state_dict().items()}
    if model.config.tie_word_embeddings and not recipe.keeps_tied_head:
        shapes.pop("lm_head.weight", None)
    shards, held = [{}], 0
    for name, shape in shapes.items():
        held += 2 * torch.Size(shape).numel()
        if held > SHARD_BYTES and shards[-1]:
            shards.append({})
            held = 2 * torch.Size(shape).numel()
        shards[-1][make_tiny.published(name, recipe.renames)] = (shape, centre(name, len(shape), recipe.plus_one_norms))
    dtype = getattr(torch, a.dtype)
    published.write_shards(out, [lambda i=i, s=s: draw(s, dtype, seed * 1000 + i) for i, s in enumerate(shards)])
    published.write_json(out / "config.json", config)     # last: an interrupted attempt is repeated


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out", type=Path)
    p.add_argument("--size", choices=SIZES, required=True)
    p.add_argument("--layers", type=int, help="fewer decoder layers than the real model")
    p.add_argument("--seed", type=int, default=0)
    a = p.parse_args()
    start = time.time()
    write_checkpoint(a.out, a.size, a.layers, a.seed)
    total = sum(f.stat().st_size for f in a.out.glob("*.safetensors"))
    print(f"{a.out}: {total / 1e9:.2f} GB of weights, {time.time() - start:.0f} s")


if __name__ == "__main__":
    main()
