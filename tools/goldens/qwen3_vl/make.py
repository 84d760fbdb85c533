#!/usr/bin/env python3
"""Golden values of tiny random Qwen3-VL checkpoints, computed by transformers in float32 with eager attention.

    .venv/bin/python tools/goldens/qwen3_vl/make.py        (make goldens)

writes Tests/VisionLanguageTests/Goldens/<case>/ as tools/goldens/qwen2vl/make.py does: checkpoint/, inputs/, inputs.json,
golden.safetensors (see `record`), dataset/, dataset.safetensors, manifest.json. And Goldens/qwen3_vl/sizes.json (see `sizes`) and
chat.json: conversations as transformers renders the published chat template. Then the goldens of training and of generation on the
first case.
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
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

import drawn_images
import hi_reference
import make_tiny
import published
from makers import maker

GOLDENS = ROOT / "Tests/VisionLanguageTests/Goldens"
PROMPT = hi_reference.DEFAULT_PROMPT
MADE_BY = "tools/goldens/qwen3_vl/make.py"


def published_layout(folder):
    """As the Hub has it; DeepStack takes layers of the tower that do not follow one another."""
    config = json.loads((folder / "config.json").read_text())
    config["vision_config"]["deepstack_visual_indexes"] = [0, 2, 3]
    published.write_json(folder / "config.json", config)
    published.write_generation_config(folder, sampling=True)


def saved_layout(folder):
    """As transformers 5 writes it: rope_parameters, shards, processor_config.json with the image processor in it, a .jinja file."""
    model = transformers.AutoModelForImageTextToText.from_pretrained(folder, dtype="auto")
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="100KB")
    processor = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").unlink()
    (folder / "video_preprocessor_config.json").unlink()
    published.write_json(folder / "processor_config.json", {
        "image_processor": processor | {"image_processor_type": "Qwen2VLImageProcessor"}, "processor_class": "Qwen3VLProcessor"})
    template = json.loads((folder / "chat_template.json").read_text())["chat_template"]
    (folder / "chat_template.json").unlink()
    (folder / "chat_template.jinja").write_text(template)


# name -> checkpoint options, layout, and the samples' (width, height, file ending, Pillow mode, prompt, description)
CASES = {
    # The queries are wider than the stream; additions behind layers 0, 1 and 2 of 4.
    "qwen3_vl": dict(
        options=dict(family="qwen3_vl", layers=4, heads=4, kv_heads=2, hidden=40, head_dim=16, intermediate=72, vision_dim=16,
                     vision_depth=4, vision_heads=2, position_side=6, max_pixels=20 * 1024, seed=31, dtype="bfloat16"),
        layout=published_layout,
        samples=[(201, 97, "jpg", "RGB", PROMPT, "a large red circle"),
                 (61, 190, "jpg", "RGB", "How many? 12 or 345", "67 zebras — ünïcode ☕"),
                 (9, 7, "png", "L", "What is it:\n\n  here? ", "\u00a0a dog")]),
    # An addition behind the last layer too, an odd head count, a head of its own, half precision.
    "qwen3_vl_saved": dict(
        options=dict(family="qwen3_vl", layers=3, heads=3, kv_heads=1, hidden=36, head_dim=20, intermediate=65, vision_dim=12,
                     vision_depth=3, vision_heads=1, position_side=5, max_pixels=20 * 1024, untied=True, seed=32, dtype="float16"),
        layout=saved_layout,
        samples=[(96, 160, "jpg", "RGB", PROMPT, "the small blue square on the left"),
                 (250, 33, "png", "RGB", "", "two green triangles and 3 red ones")]),
}
SIZES = [(201, 133, "jpg", "RGB"), (97, 161, "png", "RGB"), (75, 75, "jpg", "L"), (260, 41, "jpg", "RGB")]
PER_IMAGE = [3, 2, 1, 2]
# The lowest adapted layer lies above one addition and below two.
TRAINING = dict(layers="1,3", targets="q_proj,k_proj,v_proj,o_proj,down_proj", rank=3, alpha=6, steps=20, batch=3, lr=2e-3, decay=0.0)


@torch.no_grad()
def record(reference, name, image, prompt, description):
    """Every stage of one sample as tensors `<name>.<what>`. Letters: T tokens, V visual tokens, P patches, E and C widths."""
    model = reference.model.model
    taken, hooks = {}, []

    def tap(module, key):
        def hook(module, args, out):
            taken[key] = out.detach().float().clone()
        hooks.append(module.register_forward_hook(hook))

    def tap_input(module, key):
        def hook(module, args, kwargs):
            rows = (args[0] if args else kwargs["hidden_states"]).detach().float().clone()
            taken[key] = rows.reshape(-1, rows.shape[-1])
        hooks.append(module.register_forward_pre_hook(hook, with_kwargs=True))

    def entering(module, args, kwargs):
        taken["decoder.embeddings"] = kwargs["inputs_embeds"][0].clone()      # [T, C], visual tokens in place
        taken["position_ids"] = kwargs["position_ids"][-3:, 0].int()          # [3, T]: temporal, height, width

    tap_input(model.visual.blocks[0], "vision.embeddings")                    # [P, E], positions added
    for i, block in enumerate(model.visual.blocks):
        tap(block, f"vision.layer.{i}")                                       # [P, E]
    tap(model.visual.merger, "vision.features")                               # [V, C]
    for i, merger in enumerate(model.visual.deepstack_merger_list):
        tap(merger, f"vision.addition.{i}")                                   # [V, C], added behind decoder layer i
    hooks.append(model.language_model.register_forward_pre_hook(entering, with_kwargs=True))
    # What enters the next layer: a layer's own output lacks what DeepStack adds to it.
    for i, module in enumerate([*model.language_model.layers[1:], model.language_model.norm]):
        tap_input(module, f"decoder.layer.{i}")                               # [T, C]
    inputs, caption, visual = reference.inputs(image, prompt, description)
    layout = reference.layout
    out = reference.model(**inputs, output_attentions=True, use_cache=False)
    for hook in hooks:
        hook.remove()
    scores = torch.stack([a[0] for a in out.attentions])[:, :, caption][:, :, :, visual].mean(2)
    # What is normalised is 8-bit, and twice the same frame: kept as that, exactly.
    pixels = inputs["pixel_values"].reshape(-1, 3, 2, 256)
    assert torch.equal(pixels[:, :, 0], pixels[:, :, 1])
    eight_bit = torch.round((pixels[:, :, 0].double() * 0.5 + 0.5) * 255).to(torch.uint8)
    assert torch.equal((eight_bit.double() / 255).float().sub(0.5).div(0.5), pixels[:, :, 0])
    taken |= {"input_ids": inputs["input_ids"][0].int(), "caption": torch.tensor(caption, dtype=torch.int32),
              "visual": torch.tensor(visual, dtype=torch.int32), "pixels": eight_bit,          # U8 [P, 3, 256]
              "grid": inputs["image_grid_thw"][0, 1:].int(), "scores": scores,                 # [L, H, V]
              "cells": torch.tensor(layout.cells, dtype=torch.float64)}
    return {f"{name}.{key}": v.contiguous() for key, v in taken.items()}


def sizes():
    """[width, height, least area, greatest area, resized width, resized height], of the published limits and of others."""
    random = np.random.default_rng(30)
    pairs = [(1, 1), (1, 200), (200, 1), (2, 3), (640, 480), (480, 640), (427, 640), (500, 333), (4096, 4096), (5000, 27), (27, 5000),
             (256, 256), (32, 32), (1536, 1535), (383, 385), (48, 80), (16, 48)]
    pairs += [tuple(int(v) for v in random.integers(1, 3000, 2)) for _ in range(40)]
    limits = [(65536, 16777216), (4096, 40960), (1, 262144), (200000, 200000)]
    rows = []
    for i, (width, height) in enumerate(pairs):
        for least, most in limits[i % 2::2]:
            if max(width, height) > 200 * min(width, height):
                continue
            new_height, new_width = smart_resize(height, width, 32, least, most)
            rows.append([width, height, least, most, new_width, new_height])
    return rows


def chats():
    """What transformers renders with the published chat template."""
    template = (ROOT / "tools/goldens/chat-templates/templates/qwen3_vl.jinja").read_text()
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(GOLDENS / "qwen3_vl/checkpoint")
    pairs = [(PROMPT, "a large red circle"), ("", "x"), ("two\nlines\n", "tabs\tand  blanks"), ("  spaces  ", " inner  spaces "),
             ("<|im_end|>", "<|image_pad|> in a description"), ("e\u0301 é 車 ☕ 👩‍👩‍👧", "{{ 7 * 7 }}")]
    rows = []
    for prompt, answer in pairs:
        question = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": prompt}]}]
        answered = question + [{"role": "assistant", "content": [{"type": "text", "text": answer}]}]
        render = lambda messages, generation: tokenizer.apply_chat_template(
            messages, chat_template=template, tokenize=False, add_generation_prompt=generation)
        rows.append({"prompt": prompt, "description": answer, "text": render(answered, False), "question": render(question, True)})
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
        listed.append({"sample": sample, "image": path.name, "width": width, "height": height, "prompt": prompt,
                       "description": description, "text": reference.render(prompt, description)[0]})
    published.write_json(folder / "inputs.json", listed)
    save_file(golden, folder / "golden.safetensors")
    drawn_images.write_dataset(folder / "dataset", SIZES, PER_IMAGE, case["options"]["seed"] + 100)
    save_file(maker("qwen2vl").tables(checkpoint, folder / "dataset"), folder / "dataset.safetensors",
              metadata={"measures": " ".join(hi_reference.MEASURES), "prompt": PROMPT})
    if name == "qwen3_vl":
        (folder / "sizes.json").write_text("[\n" + ",\n".join(map(str, sizes())) + "\n]\n")
        published.write_json(folder / "chat.json", chats())
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
    maker("training").make_case("qwen3_vl", TRAINING, MADE_BY)
    maker("generation").make_case("qwen3_vl", MADE_BY)


if __name__ == "__main__":
    main()
