#!/usr/bin/env python3
"""Writes a full-size checkpoint of a family with RANDOM weights in the published layout.

    .venv/bin/python Benchmarks/make_full.py gemma3 OUT_DIR [--layers N --depth N]

Shapes and names are those of the published folders, which SIZES names; the tokenizer is make_tiny's small one, beside an
embedding table of the published size. Shard after shard is drawn and written, so memory holds one shard (about 1 GB) at most.
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

# family -> make_tiny's options, and what config.json says besides, part by part.
SIZES = {
    # google/gemma-3-4b-it
    "gemma3": (dict(layers=34, heads=8, kv_heads=4, hidden=2560, head_dim=256, intermediate=10240, vision_dim=1152, vision_depth=27,
                    vision_heads=16, tile=896, pool=4, sliding_window=1024),
               {"mm_tokens_per_image": 256, "text_config": {"vocab_size": 262208, "sliding_window_pattern": 6},
                "vision_config": {"intermediate_size": 4304, "patch_size": 14}},
               {"preprocessor_config.json": {"image_seq_length": 256}, "processor_config.json": {"image_seq_length": 256}}),
}
BYTES_A_SHARD = 1 << 30


def merged(values, changes):
    """A dictionary with other values in some places."""
    return values | {k: merged(values[k], v) if isinstance(v, dict) and isinstance(values.get(k), dict) else v
                     for k, v in changes.items()}


def shapes(folder, recipe):
    """(name as transformers 5 has it, shape) of every tensor of the file."""
    from transformers import AutoConfig, AutoModelForImageTextToText
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(AutoConfig.from_pretrained(folder))
    found = {name: tuple(w.shape) for name, w in model.named_parameters()}  # a tied head is no parameter of its own
    if recipe.keeps_tied_head and "lm_head.weight" not in found:
        found["lm_head.weight"] = next(shape for name, shape in found.items() if name.endswith("embed_tokens.weight"))
    return sorted(found.items())


def draw(part, seed, dtype, recipe):
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in part:
        centre, spread = make_tiny.centre_and_spread(name, len(shape), 0.02, recipe.plus_one_norms)
        w = torch.empty(shape, dtype=dtype).normal_(centre, spread, generator=generator)
        tensors[make_tiny.published(name, recipe.renames)] = w
    return tensors


def write_checkpoint(family, out, layers=None, depth=None, seed=0):
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    options, config, files = SIZES[family]
    options = options | ({"layers": layers} if layers else {}) | ({"vision_depth": depth} if depth else {})
    a = make_tiny.parser().parse_args([str(out), "--family", family, "--dtype", "bfloat16"])
    for name, value in options.items():
        setattr(a, name, value)
    recipe = FAMILIES[family](a)
    recipe.config = merged(recipe.config, config)
    recipe.files = merged(recipe.files, files)
    make_tiny.write_files(out, recipe)
    parts, size = [[]], 0
    for name, shape in shapes(out, recipe):
        size += 2 * torch.Size(shape).numel()
        if size > BYTES_A_SHARD and parts[-1]:
            parts.append([])
            size = 2 * torch.Size(shape).numel()
        parts[-1].append((name, shape))
    published.write_shards(out, [lambda i=i, part=part: draw(part, seed * 1000 + i, torch.bfloat16, recipe)
                                 for i, part in enumerate(parts)])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("family", choices=SIZES)
    p.add_argument("out", type=Path)
    p.add_argument("--layers", type=int, help="fewer decoder layers than the real model")
    p.add_argument("--depth", type=int, help="fewer vision layers")
    p.add_argument("--seed", type=int, default=0)
    a = p.parse_args()
    start = time.time()
    write_checkpoint(a.family, a.out, a.layers, a.depth, a.seed)
    total = sum(f.stat().st_size for f in a.out.glob("*.safetensors"))
    print(f"{a.out}: {total / 1e9:.2f} GB of weights, {time.time() - start:.0f} s")


if __name__ == "__main__":
    main()
