#!/usr/bin/env python3
"""Golden values of tiny random Qwen2.5-VL checkpoints, computed by transformers in float32 with eager attention.

    .venv/bin/python tools/goldens/qwen2_5_vl/make.py        (make goldens)

writes for each case what tools/goldens/{qwen2vl,training,generation}/make.py write: below Tests/VisionLanguageTests/Goldens the
checkpoint, inputs, every stage (see `record`), a dataset and its tables; for TRAINING and GENERATION Goldens/<case>/ of
Tests/AdapterTrainingTests and Tests/GenerationTests. And Goldens/qwen2_5_vl/windows.json: see `windows`.
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
from safetensors.torch import save_file
from transformers.vision_utils import get_vision_window_index

import drawn_images
import hi_reference
import make_tiny
import published
from makers import maker
from qwen_layouts import edit_vision, to_transformers_5
from tiny_families import RESCALE

GOLDENS = ROOT / "Tests/VisionLanguageTests/Goldens"
MADE_BY = "tools/goldens/qwen2_5_vl/make.py"
PROMPT = hi_reference.DEFAULT_PROMPT
MAX_PIXELS = 80 * 28 * 28
qwen2vl = maker("qwen2vl")

# name -> checkpoint options, layout, and the samples' (width, height, file ending, Pillow mode, prompt, description)
CASES = {
    # As the Hub has it: flat config, shards, bf16, tied. Windows of 4 x 4 tokens: 5 x 7 tokens leave smaller ones at the edges, one
    # row of patches' blocks has no full one, four tokens fit into one.
    "qwen2_5_vl": dict(
        options=dict(layers=3, heads=4, kv_heads=2, hidden=48, intermediate=80, vision_dim=24, vision_depth=3, vision_heads=2,
                     seed=31, dtype="bfloat16", shards=2),
        layout=lambda folder: None, template=published.CHAT_TEMPLATE,
        samples=[(197, 139, "jpg", "RGB", PROMPT, "a large red circle"),
                 (250, 30, "jpg", "RGB", "How many? 12 or 345", "67 zebras — ünïcode ☕"),
                 (50, 57, "png", "L", "What is it:\n\n  here? ", "\u00a0a dog")]),
    # As transformers 5 writes it: nested config, its names, processor_config.json; half precision, untied, five heads on one key/value head,
    # windows of 3 x 3 tokens, two full blocks, the first one too.
    "qwen2_5_vl_nested": dict(
        options=dict(layers=2, heads=5, kv_heads=1, hidden=40, intermediate=51, vision_dim=24, vision_depth=4, vision_heads=3,
                     seed=32, dtype="float16", untied=True),
        layout=lambda folder: (edit_vision(folder, window_size=97, fullatt_block_indexes=[0, 2]), to_transformers_5(folder)),
        samples=[(112, 225, "jpg", "RGB", PROMPT, "the small blue square on the left"),
                 (28, 330, "png", "RGB", "", "two green triangles and 3 red ones")]),
    # Float32, the names that transformers has in memory, windows of one token: only their own four patches.
    "qwen2_5_vl_odd": dict(
        options=dict(layers=2, heads=3, kv_heads=3, hidden=24, intermediate=36, vision_dim=16, vision_depth=2, vision_heads=2,
                     seed=33, dtype="float32"),
        layout=lambda folder: (edit_vision(folder, window_size=28, fullatt_block_indexes=[1, 7]), published.to_nested_names(folder)),
        samples=[(131, 87, "png", "RGB", PROMPT, "车 next to 3 trees")]),
}
SIZES = [(201, 133, "jpg", "RGB"), (97, 161, "png", "RGB"), (75, 75, "jpg", "L"), (260, 41, "jpg", "RGB")]
PER_IMAGE = [3, 2, 1, 2]
# The vision tower's MLPs have modules of the same names, which stay as they are.
TRAINING = {"qwen2_5_vl": dict(layers="0,2", targets="q_proj,v_proj,gate_proj,up_proj,down_proj", rank=2, alpha=4, steps=20, batch=3,
                               lr=2e-3, decay=0.0)}
GENERATION = ["qwen2_5_vl", "qwen2_5_vl_nested"]


def record(reference, name, image, prompt, description):
    """As Qwen2-VL's; the tower's layers in the order of windows, as transformers computes them, the merger's output in rows."""
    golden = qwen2vl.record(reference, name, image, prompt, description)
    vision = reference.config.vision_config
    order, edges = get_vision_window_index(golden[f"{name}.grid_thw"].long()[None], vision.spatial_merge_size, vision.window_size,
                                           vision.patch_size)
    key = f"{name}.vision.merger"
    golden[key] = golden[key][torch.argsort(order)].contiguous()
    golden[f"{name}.vision.windows"] = edges.int()
    for key in [k for k in golden if ".attention." in k or k.endswith((".measures", ".token_mask"))]:
        del golden[key]  # what every family has
    # What is normalised is 8-bit, and the same in both frames: kept as that, exactly.
    pixels = golden.pop(f"{name}.pixel_values").reshape(-1, 3, 2, vision.patch_size ** 2)
    mean, std = (torch.tensor(v).reshape(3, 1) for v in (published.IMAGE_MEAN, published.IMAGE_STD))
    eight_bit = torch.round((pixels[:, :, 0].double() * std + mean) * 255).to(torch.uint8)
    normalised = ((eight_bit.double() * RESCALE).float() - mean) / std
    assert torch.equal(normalised, pixels[:, :, 0]) and torch.equal(normalised, pixels[:, :, 1])
    golden[f"{name}.pixels"] = eight_bit                                         # [P, 3, pixels of a patch]
    return golden


def windows():
    """[rows, columns of merge blocks, merge size, window size, patch size, window index, edges of the windows in patches]."""
    rows, sides = [], [(1, 1), (1, 9), (9, 1), (4, 4), (3, 3), (5, 7), (8, 12), (17, 23), (2, 31), (7, 4)]
    for i, (down, across) in enumerate(sides):
        for merge, window, patch in [(2, 112, 14), (2, 100, 14), (2, 28, 14), (1, 56, 14), (3, 144, 16), (2, 1000, 14)][i % 2::2]:
            grid = torch.tensor([[1, down * merge, across * merge]])
            index, edges = get_vision_window_index(grid, merge, window, patch)
            rows.append([down, across, merge, window, patch, index.tolist(), edges.tolist()])
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
    make_tiny.make(checkpoint, family="qwen2_5_vl", max_pixels=MAX_PIXELS, **case["options"])
    if "template" in case:
        published.write_json(checkpoint / "chat_template.json", {"chat_template": case["template"]})
    case["layout"](checkpoint)
    published.write_generation_config(checkpoint)
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
    save_file(qwen2vl.tables(checkpoint, folder / "dataset"), folder / "dataset.safetensors",
              metadata={"measures": " ".join(hi_reference.MEASURES), "prompt": PROMPT})
    if name == "qwen2_5_vl":
        (folder / "windows.json").write_text("[\n" + ",\n".join(map(json.dumps, windows())) + "\n]\n")
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
