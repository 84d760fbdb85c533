#!/usr/bin/env python3
"""Golden values of tiny random Gemma 3 checkpoints, computed by transformers in float32 with eager attention.

    .venv/bin/python tools/goldens/gemma3/make.py        (make goldens)

writes Tests/VisionLanguageTests/Goldens/<case>/ as tools/goldens/smolvlm/make.py does: checkpoint/, inputs/, inputs.json,
golden.safetensors (see `record`), dataset/, dataset.safetensors, manifest.json. And Goldens/gemma3/sizes.json: what the image
processor makes of many sizes, see `sizes`. Also 20 steps of training, and texts (tools/goldens/training, tools/goldens/generation).
"""
import hashlib
import json
import os
import platform
import shutil
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tools/reference"), str(ROOT / "tools/goldens")]

import h5py
import numpy as np
import torch
import transformers
from PIL import Image
from safetensors.torch import save_file

import drawn_images
import hi_reference
import make_tiny
import published
from makers import maker
from tiny_families import RESCALE

GOLDENS = ROOT / "Tests/VisionLanguageTests/Goldens"
MADE_BY = "tools/goldens/gemma3/make.py"
PROMPT = hi_reference.DEFAULT_PROMPT


def other_layers(folder):
    """Full layers first, which only newer files can say, and scores scaled otherwise than by the head dimension; as transformers 5
    saves it."""
    config = json.loads((folder / "config.json").read_text())
    config["text_config"] |= {"layer_types": ["full_attention", "sliding_attention", "sliding_attention"], "query_pre_attn_scalar": 7}
    del config["text_config"]["sliding_window_pattern"]
    published.write_json(folder / "config.json", config)
    published.to_saved_layout(folder)


# name -> checkpoint options, its layout, and the samples' (width, height, file ending, Pillow mode, prompt, description).
CASES = {
    # As published, in bf16: blocks of 4 x 4 patches, and a window from which descriptions see a part of the image. A head
    # dimension that is not the width's share.
    "gemma3": dict(
        options=dict(family="gemma3", layers=4, heads=4, kv_heads=2, hidden=48, head_dim=16, intermediate=80, vision_dim=24,
                     vision_depth=2, vision_heads=2, tile=96, pool=4, sliding_window=20, scale=0.1,
                     seed=61, dtype="bfloat16"),
        layout=lambda folder: None,
        samples=[(113, 51, "png", "RGB", PROMPT, "a large red circle"),
                 (31, 95, "jpg", "RGB", "  How many?\n\nOr <start_of_image> 12 or 345 ", "67 zebras — ünïcode ☕"),
                 (9, 7, "png", "L", "", "a dog")]),
    # As transformers 5 saves it, in float16, with a head of its own: full layers first, a window smaller than an image's tokens.
    "gemma3_saved": dict(
        options=dict(family="gemma3", layers=3, heads=3, kv_heads=1, hidden=42, head_dim=10, intermediate=70, vision_dim=20,
                     vision_depth=2, vision_heads=2, tile=32, pool=1, sliding_window=12, seed=62, dtype="float16", untied=True),
        layout=other_layers,
        samples=[(32, 32, "png", "RGB", PROMPT, "two green triangles\nand 3 red ones"),
                 (59, 73, "png", "RGB", "", "a dog"),
                 (400, 21, "jpg", "L", "What is it:\n\n  here? ", "the small   blue square")]),
}
SIZES = [(201, 133, "jpg", "RGB"), (97, 161, "png", "RGB"), (75, 75, "jpg", "L"), (160, 31, "jpg", "RGB")]
PER_IMAGE = [3, 2, 1, 2]
TRAINING = {
    "gemma3": dict(layers="1,2", targets="q_proj,v_proj,up_proj", rank=2, alpha=4, steps=20, batch=3, lr=2e-3, decay=0.0),
    "gemma3_saved": dict(layers="0,2", targets="k_proj,o_proj,gate_proj,down_proj", rank=3, alpha=5, steps=20, batch=2, lr=2e-3,
                         decay=0.01),
}


@torch.no_grad()
def record(reference, name, image, prompt, description):
    """Every stage of one sample as tensors `<name>.<what>`. Letters: P patches, T tokens, V visual tokens."""
    model = reference.model.model
    taken, hooks = {}, []

    def tap(module, key):
        def hook(module, args, kwargs, out):
            out = out[0] if isinstance(out, tuple) else out
            taken[key] = out.detach().float().clone()
        hooks.append(module.register_forward_hook(hook, with_kwargs=True))

    def entering(module, args, kwargs):
        taken["decoder.embeddings"] = kwargs["inputs_embeds"].clone()         # [1, T, C], visual tokens in place

    for i, layer in enumerate(model.vision_tower.encoder.layers):
        tap(layer, f"vision.layer.{i}")                                       # [1, P, E]
    tap(model.multi_modal_projector, "vision.features")                       # [1, V, C]
    hooks.append(model.language_model.register_forward_pre_hook(entering, with_kwargs=True))
    for i, layer in enumerate(model.language_model.layers):
        tap(layer, f"decoder.layer.{i}")                                      # [1, T, C]
    inputs, caption, visual = reference.inputs(image, prompt, description)
    layout = reference.layout
    out = reference.model(**inputs, output_attentions=True, use_cache=False)
    for hook in hooks:
        hook.remove()
    scores = torch.stack([a[0] for a in out.attentions])[:, :, caption][:, :, :, visual].mean(2)
    # What is normalised is 8-bit: kept as that, exactly.
    pixels = inputs["pixel_values"]                                           # [1, 3, side, side]
    eight_bit = torch.round((pixels.double() * 0.5 + 0.5) * 255).to(torch.uint8)
    normalised = (eight_bit.double() * RESCALE).float().sub(0.5).div(0.5)
    assert torch.equal(normalised, pixels)
    taken = {key: value[0] for key, value in taken.items()}
    taken |= {"input_ids": inputs["input_ids"][0].int(), "caption": torch.tensor(caption, dtype=torch.int32),
              "visual": torch.tensor(visual, dtype=torch.int32), "pixels": eight_bit[0], "scores": scores,
              "cells": torch.tensor(layout.cells, dtype=torch.float64), "views": torch.tensor(layout.views, dtype=torch.int32)}
    return {f"{name}.{key}": value.contiguous() for key, value in taken.items()}


def sizes(checkpoint):
    """[width, height, SHA-256 of the resized 8-bit pixels, row by row] of images whose value at (x, y), channel c, is
    (7 x + 13 y + 5 x y + 80 c) mod 256."""
    processor = hi_reference.Reference(checkpoint, torch.float32).image_processor
    pairs = [(1, 1), (1, 200), (200, 1), (2, 3), (96, 96), (97, 95), (64, 48), (427, 640), (500, 333), (17, 900), (900, 17), (193, 192)]
    rows = []
    for width, height in pairs:
        x, y = np.meshgrid(np.arange(width), np.arange(height))
        image = Image.fromarray(np.stack([(7 * x + 13 * y + 5 * x * y + 80 * c) % 256 for c in range(3)], -1).astype(np.uint8))
        resized = processor(images=[image], do_rescale=False, do_normalize=False, return_tensors="np")["pixel_values"][0]
        rows.append([width, height, hashlib.sha256(resized.astype(np.uint8).transpose(1, 2, 0).tobytes()).hexdigest()])
    return rows


def manifest(folder, **more):
    (folder / "manifest.json").unlink(missing_ok=True)
    published.write_json(folder / "manifest.json", {
        "made_by": MADE_BY, "python": platform.python_version(),
        "versions": {m.__name__: m.__version__ for m in (torch, transformers, np, h5py)} | {"pillow": Image.__version__},
        **more, "sha256": published.file_digests(folder)})


def make_case(name, case):
    folder = GOLDENS / name
    shutil.rmtree(folder, ignore_errors=True)
    checkpoint, inputs = folder / "checkpoint", folder / "inputs"
    make_tiny.make(checkpoint, **case["options"])
    case["layout"](checkpoint)
    for file in checkpoint.iterdir():
        file.chmod(0o644)  # safetensors writes for its owner only
    inputs.mkdir()
    reference = hi_reference.Reference(checkpoint, torch.float32)
    rng = np.random.default_rng(case["options"]["seed"])
    golden, listed = {}, []
    for i, (width, height, ending, mode, prompt, description) in enumerate(case["samples"]):
        sample, path = f"s{i}", inputs / f"s{i}.{ending}"
        drawn_images.picture(rng, width, height, mode).save(path)
        golden |= record(reference, sample, Image.open(path).convert("RGB"), prompt, description)
        text = reference.render(prompt, description)[0]
        listed.append({"sample": sample, "image": path.name, "width": width, "height": height, "prompt": prompt,
                       "description": description, "text": text, "placeholder": reference.layout.text})
    published.write_json(folder / "inputs.json", listed)
    save_file(golden, folder / "golden.safetensors")
    drawn_images.write_dataset(folder / "dataset", SIZES, PER_IMAGE, case["options"]["seed"] + 100)
    save_file(maker("qwen2vl").tables(checkpoint, folder / "dataset"), folder / "dataset.safetensors",
              metadata={"measures": " ".join(hi_reference.MEASURES), "prompt": PROMPT})
    if name == "gemma3":
        (folder / "sizes.json").write_text("[\n" + ",\n".join(map(json.dumps, sizes(checkpoint))) + "\n]\n")
    for file in folder.glob("*.safetensors"):
        file.chmod(0o644)
    manifest(folder, options=case["options"])
    weights = sum(f.stat().st_size for f in checkpoint.glob("*.safetensors"))
    total = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    print(f"{name}: weights {weights / 1e6:.2f} MB, all {total / 1e6:.2f} MB")


def main():
    torch.set_num_threads(1)
    for name, case in CASES.items():
        make_case(name, case)
        maker("training").make_case(name, TRAINING[name], MADE_BY)
        maker("generation").make_case(name, MADE_BY)


if __name__ == "__main__":
    main()
