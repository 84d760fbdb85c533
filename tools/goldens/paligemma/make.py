#!/usr/bin/env python3
"""Golden values of tiny random PaliGemma checkpoints (1 and 2), computed by transformers in float32 with eager attention.

    .venv/bin/python tools/goldens/paligemma/make.py [CASE…]        (make goldens)

writes Tests/VisionLanguageTests/Goldens/<case>/ as tools/goldens/smolvlm/make.py does: checkpoint/, inputs/, inputs.json,
golden.safetensors (see `record`), dataset/, dataset.safetensors, manifest.json; Goldens/paligemma/sizes.json (see `sizes`); and the
training and generation goldens of the cases that ask for them.
"""
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
from safetensors.torch import load_file, save_file
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

import drawn_images
import hi_reference
import make_tiny
import published
from makers import maker
from tiny_families import RESCALE

GOLDENS = ROOT / "Tests/VisionLanguageTests/Goldens"
MADE_BY = "tools/goldens/paligemma/make.py"
PROMPT = hi_reference.DEFAULT_PROMPT


def saved_with_current_names(folder):
    """Rewrites a folder as transformers 5 saves it, but with the tensors' names that it has in memory: it still saves the older ones."""
    published.to_saved_layout(folder)
    parts = [("language_model.model.", "model.language_model."), ("vision_tower.vision_model.", "model.vision_tower."),
             ("multi_modal_projector.", "model.multi_modal_projector.")]

    def renamed(name):
        return next((new + name.removeprefix(old) for old, new in parts if name.startswith(old)), name)

    path = folder / "model.safetensors"
    save_file({renamed(n): t for n, t in load_file(path).items()}, path, metadata={"format": "pt"})


# name -> checkpoint options, what config.json's text_config says otherwise, and the samples' (width, height, file ending, Pillow mode,
# prompt, description)
CASES = {
    # One key/value head, a head dimension that is not the width's share.
    "paligemma": dict(
        options=dict(family="paligemma", layers=3, heads=3, kv_heads=1, hidden=48, head_dim=20, intermediate=96, vision_dim=24,
                     vision_depth=2, vision_heads=2, tile=70, seed=31, dtype="bfloat16", location_tokens=16),
        text={}, layout=lambda folder: None,
        samples=[(113, 51, "png", "RGB", PROMPT, "a large red circle"),
                 (31, 95, "jpg", "RGB", "answer en How many? 12 or 345", "67 zebras — ünïcode ☕"),
                 (9, 7, "png", "L", "caption:\n\n  here? <bos>", "\u00a0a dog <loc0003>")],
        training=dict(layers="0,2", targets="q_proj,v_proj,up_proj", rank=2, alpha=4, steps=20, batch=3, lr=2e-3, decay=0.0)),
    # A window that hides some of the image, softcaps that bend, a score scale of its own; the folder as transformers 5
    # saves it, with the tensors' names of today.
    "paligemma2": dict(
        options=dict(family="paligemma2", layers=3, heads=4, kv_heads=2, hidden=40, head_dim=16, intermediate=52, vision_dim=16,
                     vision_depth=2, vision_heads=2, tile=56, seed=32, dtype="float32", location_tokens=8, sliding_window=20,
                     scale=0.25),
        text={"attn_logit_softcapping": 3.0, "final_logit_softcapping": 5.0, "query_pre_attn_scalar": 24}, layout=saved_with_current_names,
        samples=[(64, 120, "jpg", "RGB", PROMPT, "the small blue square on the left, and a few words more than the window holds"),
                 (97, 83, "png", "L", "", "two green triangles")],
        training=dict(layers="1,2", targets="q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj", rank=2, alpha=4, steps=20,
                      batch=3, lr=2e-3, decay=0.01)),
}
SIZES = [(201, 133, "jpg", "RGB"), (97, 161, "png", "RGB"), (75, 75, "jpg", "L"), (160, 31, "jpg", "RGB")]
PER_IMAGE = [3, 2, 1, 2]


@torch.no_grad()
def record(reference, name, image, prompt, description):
    """Every stage of one sample as tensors `<name>.<what>`. Letters: V visual tokens, T tokens."""
    model = reference.model.model
    taken, hooks = {}, []

    def tap(module, key):
        def hook(module, args, kwargs, out):
            out = out[0] if isinstance(out, tuple) else out
            taken[key] = out.detach().float().clone()
        hooks.append(module.register_forward_hook(hook, with_kwargs=True))

    def entering(module, args, kwargs):
        taken["decoder.embeddings"] = kwargs["inputs_embeds"][0].clone()      # [T, C], visual tokens in place
        taken["positions"] = kwargs["position_ids"][0].int()                  # [T]

    for i, layer in enumerate(model.vision_tower.encoder.layers):
        tap(layer, f"vision.layer.{i}")                                       # [1, V, E]
    tap(model.multi_modal_projector, "vision.features")                       # [1, V, C]
    hooks.append(model.language_model.register_forward_pre_hook(entering, with_kwargs=True))
    for i, layer in enumerate(model.language_model.layers):
        tap(layer, f"decoder.layer.{i}")                                      # [1, T, C]
    inputs, caption, visual = reference.inputs(image, prompt, description)
    layout = reference.layout
    out = reference.model(**inputs, output_attentions=True, use_cache=False)
    for hook in hooks:
        hook.remove()
    attentions = torch.stack([a[0] for a in out.attentions])
    # What is normalised is 8-bit: kept as that, exactly.
    pixels = inputs["pixel_values"][0]                                        # [3, t, t]
    eight_bit = torch.round((pixels.double() * 0.5 + 0.5) * 255).to(torch.uint8)
    assert torch.equal((eight_bit.double() * RESCALE).float().sub(0.5).div(0.5), pixels)
    next_rows = [i - 1 for i in caption]
    taken |= {"input_ids": inputs["input_ids"][0].int(), "caption": torch.tensor(caption, dtype=torch.int32),
              "visual": torch.tensor(visual, dtype=torch.int32), "pixels": eight_bit,
              "scores": attentions[:, :, caption][:, :, :, visual].mean(2),           # [L, H, V]
              "scores.predicting": attentions[:, :, next_rows][:, :, :, visual].mean(2),    # of the rows before
              "logits": out.logits[0, next_rows[-1:]], "cells": torch.tensor(layout.cells, dtype=torch.float64),
              "views": torch.tensor(layout.views, dtype=torch.int32)}
    return {f"{name}.{key}": (v[0] if key.startswith(("decoder.layer", "vision.")) else v).contiguous() for key, v in taken.items()}


def pattern(width, height):
    """A picture that a test makes again: any numbers, without steps that a filter would hide."""
    y, x, c = np.ogrid[:height, :width, :3]
    return Image.fromarray(((x * 7 + y * 13 + c * 29 + x * y % 31) % 256).astype(np.uint8))


def sizes():
    """[width, height, side, sum of the 8-bit values, their sum weighted with their places from 1, modulo 2^31]."""
    random = np.random.default_rng(30)
    pairs = [(1, 1), (1, 200), (200, 1), (2, 3), (224, 224), (448, 224), (640, 480), (427, 640), (3000, 17), (17, 3000), (223, 225)]
    pairs += [tuple(int(v) for v in random.integers(1, 700, 2)) for _ in range(24)]
    rows = []
    for i, (width, height) in enumerate(pairs):
        side = [224, 448, 70][i % 3]
        processor = SiglipImageProcessorPil(size={"height": side, "width": side}, do_rescale=False, do_normalize=False)
        values = processor(images=[pattern(width, height)], return_tensors="np")["pixel_values"][0].astype(np.int64).ravel()
        rows.append([width, height, side, int(values.sum()), int((values * (1 + np.arange(values.size))).sum() % 2 ** 31)])
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
    path = checkpoint / "config.json"
    values = json.loads(path.read_text())
    values["text_config"] |= case["text"]
    published.write_json(path, values)
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
                       "question": reference.render_question(prompt), "placeholder": reference.layout.text})
    published.write_json(folder / "inputs.json", listed)
    save_file(golden, folder / "golden.safetensors")
    drawn_images.write_dataset(folder / "dataset", SIZES, PER_IMAGE, case["options"]["seed"] + 100)
    save_file(maker("qwen2vl").tables(checkpoint, folder / "dataset"), folder / "dataset.safetensors",
              metadata={"measures": " ".join(hi_reference.MEASURES), "prompt": PROMPT})
    if name == "paligemma":
        (folder / "sizes.json").write_text("[\n" + ",\n".join(map(str, sizes())) + "\n]\n")
    for file in folder.glob("*.safetensors"):
        file.chmod(0o644)
    manifest(folder, options=case["options"], text_config=case["text"])
    weights = sum(f.stat().st_size for f in checkpoint.glob("*.safetensors"))
    total = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    print(f"{name}: weights {weights / 1e6:.2f} MB, all {total / 1e6:.2f} MB", flush=True)


def main():
    torch.set_num_threads(1)
    for name in sys.argv[1:] or CASES:
        make_case(name, CASES[name])
        maker("training").make_case(name, CASES[name]["training"], MADE_BY)
        maker("generation").make_case(name, MADE_BY)


if __name__ == "__main__":
    main()
