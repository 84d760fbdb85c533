#!/usr/bin/env python3
"""Golden values of tiny random InternVL3 and InternVL3.5 checkpoints, computed by transformers in float32 with eager attention.

    .venv/bin/python tools/goldens/internvl/make.py        (make goldens)

writes Tests/VisionLanguageTests/Goldens/<case>/ as tools/goldens/smolvlm/make.py does: checkpoint/, inputs/, inputs.json,
golden.safetensors (see `record`), dataset/, dataset.safetensors, manifest.json; Goldens/internvl/sizes.json: the grids of tiles
that the image processor chooses, see `sizes`; and the goldens of training and generation.
"""
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
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import get_optimal_tiled_canvas

import drawn_images
import hi_reference
import make_tiny
import published
from makers import maker
from tiny_families import RESCALE

GOLDENS = ROOT / "Tests/VisionLanguageTests/Goldens"
MADE_BY = "tools/goldens/internvl/make.py"
PROMPT = hi_reference.DEFAULT_PROMPT

# name -> checkpoint options, and the samples' (width, height, file ending, Pillow mode, prompt, description)
CASES = {
    # InternVL3: Qwen2, old tensor names, bf16, a head of its own though config.json says nothing of it; a picture of one row of
    # tiles, one column, one tile.
    "internvl": dict(
        options=dict(family="internvl", layers=3, heads=3, kv_heads=1, hidden=48, intermediate=96, vision_dim=24, vision_depth=2,
                     vision_heads=2, max_tiles=6, seed=31, dtype="bfloat16"),
        samples=[(113, 51, "png", "RGB", PROMPT, "a large red circle"),
                 (31, 95, "jpg", "RGB", "How many? 12 or 345", "67 zebras — ünïcode ☕"),
                 (56, 56, "png", "L", "What is it:\n\n  here? ", "\u00a0a dog")]),
    # InternVL3.5: Qwen3, whose heads are wider than the width's share, new tensor names, float32, tied; rows and columns of tiles.
    "internvl3_5": dict(
        options=dict(family="internvl3_5", layers=2, heads=4, kv_heads=2, hidden=32, head_dim=16, intermediate=56, vision_dim=24,
                     vision_depth=2, vision_heads=3, tile=84, max_tiles=4, seed=32, dtype="float32"),
        samples=[(64, 120, "jpg", "RGB", PROMPT, "the small blue square on the left"),
                 (200, 190, "jpg", "L", "", "two green triangles and 3 red ones")]),
}
TRAINING = {
    "internvl": dict(layers="0,2", targets="q_proj,v_proj,up_proj", rank=2, alpha=4, steps=20, batch=3, lr=2e-3, decay=0.0),
}
GENERATION = ["internvl"]
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

    tap(model.vision_tower.embeddings, "vision.embeddings")                   # [N, 1 + P, E]: the class token comes first
    for i, layer in enumerate(model.vision_tower.encoder.layer):
        tap(layer, f"vision.layer.{i}")                                       # [N, 1 + P, E]
    tap(model.multi_modal_projector, "vision.features")                       # [N, V / N, C]
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
    pixels = inputs["pixel_values"]                                           # [N, 3, t, t]
    mean, deviation = (torch.tensor(reference.processor_config[key]).view(1, 3, 1, 1) for key in ("image_mean", "image_std"))
    eight_bit = torch.round((pixels.double() * deviation.double() + mean.double()) * 255).to(torch.uint8)
    assert torch.equal(((eight_bit.double() * RESCALE).float() - mean) / deviation, pixels)
    taken |= {"input_ids": inputs["input_ids"][0].int(), "caption": torch.tensor(caption, dtype=torch.int32),
              "visual": torch.tensor(visual, dtype=torch.int32), "pixels": eight_bit, "scores": scores,
              "cells": torch.tensor(layout.cells, dtype=torch.float64), "views": torch.tensor(layout.views, dtype=torch.int32)}
    return {f"{name}.{key}": (v[0] if key.startswith("decoder.layer") else v).contiguous() for key, v in taken.items()}


def sizes():
    """[width, height, tile, min_patches, max_patches, columns, rows]."""
    random = np.random.default_rng(30)
    pairs = [(1, 1), (1, 200), (200, 1), (2, 3), (640, 480), (480, 640), (427, 640), (500, 333), (4096, 4096), (5000, 17), (17, 5000),
             (448, 448), (634, 634), (633, 634), (896, 448), (1344, 1345), (776, 776), (1200, 800), (317, 634)]
    pairs += [tuple(int(v) for v in random.integers(1, 3000, 2)) for _ in range(60)]
    rows = []
    for i, (width, height) in enumerate(pairs):
        for tile, least, most in [(448, 1, 12), (56, 1, 6), (448, 3, 9), (84, 2, 2), (448, 1, 40), (448, 5, 4)][i % 2::2]:
            columns, lines = get_optimal_tiled_canvas((height, width), (tile, tile), least, most)
            rows.append([width, height, tile, least, most, columns, lines])
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
        listed.append({"sample": sample, "image": path.name, "width": width, "height": height, "prompt": prompt,
                       "description": description, "text": reference.render(prompt, description)[0],
                       "placeholder": reference.layout.text})
    published.write_json(folder / "inputs.json", listed)
    save_file(golden, folder / "golden.safetensors")
    drawn_images.write_dataset(folder / "dataset", SIZES, PER_IMAGE, case["options"]["seed"] + 100)
    save_file(maker("qwen2vl").tables(checkpoint, folder / "dataset"), folder / "dataset.safetensors",
              metadata={"measures": " ".join(hi_reference.MEASURES), "prompt": PROMPT})
    if name == "internvl":
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
    for name, case in TRAINING.items():
        maker("training").make_case(name, case, MADE_BY)
    for name in GENERATION:
        maker("generation").make_case(name, MADE_BY)


if __name__ == "__main__":
    main()
