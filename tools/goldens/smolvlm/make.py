#!/usr/bin/env python3
"""Golden values of tiny random SmolVLM and Idefics3 checkpoints, computed by transformers in float32 with eager attention.

    .venv/bin/python tools/goldens/smolvlm/make.py        (make goldens)

writes Tests/VisionLanguageTests/Goldens/<case>/ as tools/goldens/qwen2vl/make.py does: checkpoint/, inputs/, inputs.json,
golden.safetensors (see `record`), dataset/, dataset.safetensors, manifest.json. And Goldens/smolvlm/sizes.json: what the image
processor makes of many sizes, see `sizes`.
"""
import json
import os
import platform
import shutil
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tools/reference"), str(ROOT / "tools/goldens/qwen2vl")]

import h5py
import numpy as np
import torch
import transformers
from PIL import Image
from safetensors.torch import save_file
from transformers.models.smolvlm import image_processing_pil_smolvlm as processing

import drawn_images
import hi_reference
import make_tiny
import published
from make import tables
from tiny_families import RESCALE

GOLDENS = ROOT / "Tests/VisionLanguageTests/Goldens"
PROMPT = hi_reference.DEFAULT_PROMPT

# name -> checkpoint options, the longest edge in tiles, and the samples' (width, height, file ending, Pillow mode, prompt,
# description, splitting)
CASES = {
    # A tile with a strip that no patch sees; three heads on one key/value head; a picture of one row of tiles, one column, one tile.
    "smolvlm": dict(
        options=dict(family="smolvlm", layers=3, heads=3, kv_heads=1, hidden=48, intermediate=96, vision_dim=24, vision_depth=2,
                     vision_heads=2, tile=76, seed=21, dtype="bfloat16"),
        longest=2,
        samples=[(113, 51, "png", "RGB", PROMPT, "a large red circle", True),
                 (31, 95, "jpg", "RGB", "How many? 12 or 345", "67 zebras — ünïcode ☕", True),
                 (9, 7, "png", "L", "What is it:\n\n  here? ", "\u00a0a dog", False)]),
    # Float32, as many key/value heads as heads, a head dimension that is not the width's share; rows and columns of tiles.
    "idefics3": dict(
        options=dict(family="idefics3", layers=2, heads=2, kv_heads=2, hidden=48, head_dim=16, intermediate=72, vision_dim=16,
                     vision_depth=2, vision_heads=2, tile=32, seed=22, dtype="float32"),
        longest=4,
        samples=[(64, 120, "jpg", "RGB", PROMPT, "the small blue square on the left", True),
                 (97, 83, "png", "L", "", "two green triangles and 3 red ones", False)]),
}
SIZES = [(201, 133, "jpg", "RGB"), (97, 161, "png", "RGB"), (75, 75, "jpg", "L"), (160, 31, "jpg", "RGB")]
PER_IMAGE = [3, 2, 1, 2]


@torch.no_grad()
def record(reference, name, image, prompt, description):
    """Every stage of one sample as tensors `<name>.<what>`. Letters: N views, P patches of a view, T tokens, V visual tokens."""
    model = reference.model.model
    taken, hooks = {}, []

    def tap(module, key):
        def hook(module, args, kwargs, out):
            out = out[0] if isinstance(out, tuple) else out
            taken[key] = out.detach().float().clone()
        hooks.append(module.register_forward_hook(hook, with_kwargs=True))

    def entering(module, args, kwargs):
        taken["decoder.embeddings"] = kwargs["inputs_embeds"][0].clone()      # [T, C], visual tokens in place

    tap(model.vision_model.embeddings, "vision.embeddings")                   # [N, P, E]
    for i, layer in enumerate(model.vision_model.encoder.layers):
        tap(layer, f"vision.layer.{i}")                                       # [N, P, E]
    tap(model.connector, "vision.features")                                   # [N, V / N, C]
    hooks.append(model.text_model.register_forward_pre_hook(entering, with_kwargs=True))
    for i, layer in enumerate(model.text_model.layers):
        tap(layer, f"decoder.layer.{i}")                                      # [1, T, C]
    inputs, caption, visual = reference.inputs(image, prompt, description)
    layout = reference.layout
    out = reference.model(**inputs, output_attentions=True, use_cache=False)
    for hook in hooks:
        hook.remove()
    scores = torch.stack([a[0] for a in out.attentions])[:, :, caption][:, :, :, visual].mean(2)
    # What is normalised is 8-bit: kept as that, exactly.
    pixels = inputs["pixel_values"][0]                                        # [N, 3, t, t]
    eight_bit = torch.round((pixels.double() * 0.5 + 0.5) * 255).to(torch.uint8)
    normalised = (eight_bit.double() * RESCALE).float().sub(0.5).div(0.5)
    assert torch.equal(normalised, pixels)
    taken |= {"input_ids": inputs["input_ids"][0].int(), "caption": torch.tensor(caption, dtype=torch.int32),
              "visual": torch.tensor(visual, dtype=torch.int32), "pixels": eight_bit, "scores": scores,
              "cells": torch.tensor(layout.cells, dtype=torch.float64), "views": torch.tensor(layout.views, dtype=torch.int32)}
    return {f"{name}.{key}": (v[0] if key.startswith("decoder.layer") else v).contiguous() for key, v in taken.items()}


def sizes():
    """[width, height, longest edge, tile, width and height after the first resize, the same after the second, rows, columns]."""
    random = np.random.default_rng(20)
    pairs = [(1, 1), (1, 200), (200, 1), (2, 3), (640, 480), (480, 640), (427, 640), (500, 333), (4096, 4096), (5000, 17), (17, 5000),
             (384, 384), (512, 512), (1536, 1535), (383, 385)]
    pairs += [tuple(int(v) for v in random.integers(1, 3000, 2)) for _ in range(40)]
    rows = []
    for i, (width, height) in enumerate(pairs):
        for longest, tile in [(1536, 384), (2048, 512), (1456, 364), (120, 40), (300, 128), (5000, 512)][i % 3::3]:
            processor, asked = processing.SmolVLMImageProcessorPil(), []
            first = processing.get_resize_output_image_size(of_size(height, width), longest)
            processor.resize = lambda image, size, resample=None: asked.append((size.height, size.width))
            processor.resize_for_vision_encoder(of_size(*first), tile)
            second = asked[0]
            cut = second[0] > tile or second[1] > tile
            rows.append([width, height, longest, tile, first[1], first[0], second[1], second[0],
                         second[0] // tile if cut else 0, second[1] // tile if cut else 0])
    return rows


def of_size(height, width):
    """Takes no room."""
    return np.broadcast_to(np.zeros((1, 1, 1), np.uint8), (3, height, width))


def manifest(folder, **more):
    (folder / "manifest.json").unlink(missing_ok=True)
    published.write_json(folder / "manifest.json", {
        "made_by": "tools/goldens/smolvlm/make.py", "python": platform.python_version(),
        "versions": {m.__name__: m.__version__ for m in (torch, transformers, np, h5py)} | {"pillow": Image.__version__},
        **more, "sha256": published.file_digests(folder)})


def make_case(name, case):
    folder = GOLDENS / name
    shutil.rmtree(folder, ignore_errors=True)
    checkpoint, inputs = folder / "checkpoint", folder / "inputs"
    make_tiny.make(checkpoint, **case["options"])
    path = checkpoint / "preprocessor_config.json"
    values = json.loads(path.read_text())
    values["size"] = {"longest_edge": case["longest"] * case["options"]["tile"]}
    published.write_json(path, values)
    for file in checkpoint.iterdir():
        file.chmod(0o644)  # safetensors writes for its owner only
    inputs.mkdir()
    reference = hi_reference.Reference(checkpoint, torch.float32)
    rng = np.random.default_rng(case["options"]["seed"])
    golden, listed = {}, []
    for i, (width, height, ending, mode, prompt, description, splitting) in enumerate(case["samples"]):
        reference.image_processor.do_image_splitting = splitting
        sample, path = f"s{i}", inputs / f"s{i}.{ending}"
        drawn_images.picture(rng, width, height, mode).save(path)
        golden |= record(reference, sample, Image.open(path).convert("RGB"), prompt, description)
        text = reference.render(prompt, description)[0]
        listed.append({"sample": sample, "image": path.name, "width": width, "height": height, "prompt": prompt,
                       "description": description, "text": text, "placeholder": reference.layout.text,
                       "splitting": splitting})
    published.write_json(folder / "inputs.json", listed)
    save_file(golden, folder / "golden.safetensors")
    drawn_images.write_dataset(folder / "dataset", SIZES, PER_IMAGE, case["options"]["seed"] + 100)
    save_file(tables(checkpoint, folder / "dataset"), folder / "dataset.safetensors",
              metadata={"measures": " ".join(hi_reference.MEASURES), "prompt": PROMPT})
    if name == "smolvlm":
        (folder / "sizes.json").write_text("[\n" + ",\n".join(map(str, sizes())) + "\n]\n")
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


if __name__ == "__main__":
    main()
