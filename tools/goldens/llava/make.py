#!/usr/bin/env python3
"""Golden values of tiny random LLaVA-OneVision, LLaVA-NeXT and LLaVA-1.5 checkpoints, computed by transformers in float32 with
eager attention.

    .venv/bin/python tools/goldens/llava/make.py [CASE…]        (make goldens)

writes Tests/VisionLanguageTests/Goldens/<case>/ as tools/goldens/qwen2vl/make.py does: checkpoint/, inputs/, inputs.json,
golden.safetensors (see `record`), dataset/, dataset.safetensors, manifest.json. And Goldens/llava_onevision/sizes.json: what
images of many sizes become, see `sizes`; Goldens/llava/crops.json: the sides of LLaVA-1.5's resized images, see `crops`. And the
folders of these cases that tools/goldens/training/make.py and tools/goldens/generation/make.py describe.
"""
import json
import os
import platform
import re
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
from safetensors.torch import load_file, save_file
from transformers.image_processing_utils import get_patch_output_size, select_best_resolution
from transformers.image_transforms import get_resize_output_image_size
from transformers.image_utils import ChannelDimension
from transformers.models.llava_onevision.modeling_llava_onevision import unpad_image

import drawn_images
import hi_reference
import make_tiny
import published
from makers import maker
from tiny_families import RESCALE

GOLDENS = ROOT / "Tests/VisionLanguageTests/Goldens"
PROMPT = hi_reference.DEFAULT_PROMPT


def new_names(folder):
    """Tensors named as transformers 5 saves them: `model.language_model.…`, without `vision_model.`."""
    path = folder / "model.safetensors"
    pairs = [(r"^language_model\.lm_head\.", "lm_head."), (r"^language_model\.model\.", "model.language_model."),
             (r"^vision_tower\.vision_model\.", "model.vision_tower."), (r"^(multi_modal_projector\.|image_newline)", r"model.\1")]
    tensors = {}
    for name, tensor in load_file(path).items():
        for pattern, replacement in pairs:
            name = re.sub(pattern, replacement, name)
        tensors[name] = tensor
    save_file(tensors, path, metadata={"format": "pt"})


# name -> checkpoint options, layout, and the samples' (width, height, file ending, Pillow mode, prompt, description)
CASES = {
    # Float16, a head tied by text_config; tiles with a strip that no patch sees; rasters of 2 x 3 tiles and more are made smaller.
    "llava_onevision": dict(
        options=dict(family="llava_onevision", layers=3, heads=6, kv_heads=2, hidden=48, intermediate=90, vision_dim=24,
                     vision_depth=2, vision_heads=2, tile=60, anyres_max=3, seed=51),
        layout=lambda folder: None,
        samples=[(113, 51, "png", "RGB", PROMPT, "a large red circle"),
                 (151, 187, "jpg", "RGB", "How many? 12 or 345", "67 zebras — ünïcode ☕"),
                 (9, 7, "png", "L", "What is it:\n\n  here? ", "\u00a0a dog")]),
    # Bfloat16, three heads on one key/value head; rasters padded at the sides, above and below.
    "llava_next": dict(
        options=dict(family="llava_next", layers=3, heads=3, kv_heads=1, hidden=48, intermediate=96, vision_dim=32, vision_depth=4,
                     vision_heads=4, tile=56, seed=52, dtype="bfloat16"),
        layout=lambda folder: None,
        samples=[(120, 64, "jpg", "RGB", PROMPT, "the small blue square on the left"),
                 (40, 171, "png", "RGB", "", " two  green triangles and 3 red ones — ☕"),
                 (97, 83, "png", "L", "What is it:\n\n  here? ", "a dog")]),
    # Float32, names of transformers 5; a strip that no patch sees in the crop too.
    "llava": dict(
        options=dict(family="llava", layers=2, heads=2, kv_heads=2, hidden=48, intermediate=72, vision_dim=16, vision_depth=3,
                     vision_heads=2, tile=80, seed=53, dtype="float32"),
        layout=new_names,
        samples=[(113, 87, "jpg", "RGB", PROMPT, "ein großer Hund — ünïcode ☕"),
                 (50, 131, "png", "L", "What is this? ", "a man\nriding a wave")]),
}
# Their vision towers have modules of the decoder's names, which stay as they are.
TRAINING = {
    "llava_onevision": dict(layers="0,2", targets="q_proj,v_proj,up_proj", rank=2, alpha=4, steps=20, batch=3, lr=2e-3, decay=0.0),
    "llava_next": dict(layers="1,2", targets="k_proj,o_proj,down_proj", rank=2, alpha=4, steps=20, batch=3, lr=2e-3, decay=0.01),
}
GENERATION = ("llava_onevision", "llava_next")
MADE_BY = "tools/goldens/llava/make.py"
SIZES = [(201, 133, "jpg", "RGB"), (97, 161, "png", "RGB"), (75, 75, "jpg", "L"), (160, 31, "jpg", "RGB")]
PER_IMAGE = [3, 2, 1, 2]


@torch.no_grad()
def record(reference, name, image, prompt, description):
    """Every stage of one sample as tensors `<name>.<what>`. Letters: N views, P rows of a view (a class token first in CLIP),
    T tokens, F image tokens."""
    model = reference.model.model
    taken, hooks = {}, []

    def tap(module, key):
        def hook(module, args, kwargs, out):
            out = out[0] if isinstance(out, tuple) else out
            taken[key] = out.detach().float().clone()
        hooks.append(module.register_forward_hook(hook, with_kwargs=True))

    def entering(module, args, kwargs):
        taken["decoder.embeddings"] = kwargs["inputs_embeds"][0].clone()      # [T, C], image tokens in place

    tower = model.vision_tower
    chosen = reference.config.vision_feature_layer % (len(tower.encoder.layers) + 1)
    for i, layer in enumerate(tower.encoder.layers[:chosen]):
        tap(layer, f"vision.layer.{i}")                                       # [N, P, E]
    tap(model.multi_modal_projector, "vision.projected")                      # [N, patches of a view, C]
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
    pixels = inputs["pixel_values"].flatten(0, -4)                            # [N, 3, t, t]
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (reference.image_processor.image_mean, reference.image_processor.image_std))
    eight_bit = torch.round((pixels.double() * std + mean) * 255).to(torch.uint8)
    assert (((eight_bit.double() * RESCALE).float() - mean) / std - pixels).abs().max() < 1e-6
    image_tokens = inputs["input_ids"][0] == reference.image_token_id
    taken["vision.features"] = taken["decoder.embeddings"][image_tokens]      # [F, C], newline vectors in place
    taken |= {"input_ids": inputs["input_ids"][0].int(), "caption": torch.tensor(caption, dtype=torch.int32),
              "image": image_tokens.nonzero().flatten().int(), "visual": torch.tensor(visual, dtype=torch.int32),
              "pixels": eight_bit, "scores": scores,
              "cells": torch.tensor([c for c in layout.cells if c is not None], dtype=torch.float64),
              "views": torch.tensor(layout.views, dtype=torch.int32)}
    return {f"{name}.{key}": (v[0] if key.startswith("decoder.layer") else v).contiguous() for key, v in taken.items()}


def of_size(height, width):
    """Takes no room."""
    return np.broadcast_to(np.zeros((1, 1, 1), np.uint8), (3, height, width))


def sizes():
    """[width, height, tile, patch, N of anyres_max_N or 0, rows and columns of the pinpoints, the chosen pinpoint's height and
    width, width and height of the resized image, rows and columns of the raster before and after the interpolation]."""
    random = np.random.default_rng(50)
    pairs = [(1, 1), (1, 200), (200, 1), (2, 3), (640, 480), (480, 640), (427, 640), (500, 333), (4096, 4096), (5000, 17), (17, 5000),
             (384, 384), (336, 336), (1536, 1535), (383, 385), (1024, 431), (1152, 1153), (2304, 769)]
    pairs += [tuple(int(v) for v in random.integers(1, 3000, 2)) for _ in range(50)]
    rows = []
    for i, (width, height) in enumerate(pairs):
        for tile, patch, most, side in [(384, 14, 9, 6), (336, 14, 0, 3), (60, 14, 3, 6), (100, 14, 9, 5), (384, 14, 4, 6)][i % 2::2]:
            points = pinpoints(tile, side)
            best = select_best_resolution((height, width), points)
            resized = get_patch_output_size(of_size(height, width), best, ChannelDimension.FIRST)
            n = tile // patch
            raster = torch.zeros(1).expand(1, n * (best[0] // tile), n * (best[1] // tile))
            kept = unpad_image(raster, (height, width)).shape[1:]
            ratio = (kept[0] * kept[1] / (most * n ** 2)) ** 0.5 if most else 0
            out = [int(k // ratio) for k in kept] if ratio > 1.1 else kept
            rows.append([width, height, tile, patch, most, side, *best, resized[1], resized[0], *kept, *out])
    return rows


def pinpoints(tile, side):
    """side 3 stands for LLaVA-NeXT's list, others for all of up to side x side tiles."""
    if side == 3:
        return [[tile * r, tile * c] for r, c in ((1, 2), (2, 1), (2, 2), (3, 1), (1, 3))]
    return [[tile * r, tile * c] for r in range(1, side + 1) for c in range(1, side + 1)]


def crops():
    """[width, height, shorter side asked for, resized width and height]."""
    random = np.random.default_rng(51)
    pairs = [(1, 1), (1, 90), (90, 1), (640, 480), (480, 640), (427, 640), (336, 336), (335, 337), (5000, 170), (3, 7)]
    pairs += [tuple(int(v) for v in random.integers(1, 3000, 2)) for _ in range(50)]
    rows = []
    for width, height in pairs:
        for side in (336, 80):
            resized = get_resize_output_image_size(of_size(height, width), side, default_to_square=False,
                                                   input_data_format=ChannelDimension.FIRST)
            rows.append([width, height, side, resized[1], resized[0]])
    return rows


def write_rows(path, rows):
    path.write_text("[\n" + ",\n".join(map(str, rows)) + "\n]\n")


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
        listed.append({"sample": sample, "image": path.name, "width": width, "height": height, "prompt": prompt,
                       "description": description, "text": reference.render(prompt, description)[0]})
    published.write_json(folder / "inputs.json", listed)
    save_file(golden, folder / "golden.safetensors")
    drawn_images.write_dataset(folder / "dataset", SIZES, PER_IMAGE, case["options"]["seed"] + 100)
    save_file(maker("qwen2vl").tables(checkpoint, folder / "dataset"), folder / "dataset.safetensors",
              metadata={"measures": " ".join(hi_reference.MEASURES), "prompt": PROMPT})
    if name == "llava_onevision":
        write_rows(folder / "sizes.json", sizes())
    if name == "llava":
        write_rows(folder / "crops.json", crops())
    for file in folder.rglob("*.safetensors"):
        file.chmod(0o644)
    manifest(folder, options=case["options"])
    weights = sum(f.stat().st_size for f in checkpoint.glob("*.safetensors"))
    total = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    lengths = [golden[f"s{i}.input_ids"].numel() for i in range(len(listed))]
    views = [golden[f"s{i}.views"].tolist() for i in range(len(listed))]
    print(f"{name}: weights {weights / 1e6:.2f} MB, all {total / 1e6:.2f} MB, {lengths} tokens, views {views}")


def main():
    torch.set_num_threads(1)
    for name in sys.argv[1:] or CASES:
        make_case(name, CASES[name])
        if name in TRAINING:
            maker("training").make_case(name, TRAINING[name], MADE_BY)
        if name in GENERATION:
            maker("generation").make_case(name, MADE_BY)


if __name__ == "__main__":
    main()
