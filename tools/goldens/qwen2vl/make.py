#!/usr/bin/env python3
"""Golden values of tiny random Qwen2-VL checkpoints, computed by transformers in float32 with eager attention.

    .venv/bin/python tools/goldens/qwen2vl/make.py        (make goldens)

writes Tests/VisionLanguageTests/Goldens/<case>/:
    checkpoint/               a model folder, under 1 MB
    inputs/<s>.png|jpg        the images of the samples s; inputs.json has prompt, description and size of each
    golden.safetensors        what every stage gives, see `record`
    dataset/                  keyobjects.json and images/ for an end-to-end run
    dataset.safetensors       its HI tables and its scores, see `tables`
and Goldens/chat.json: conversations and what the published chat template makes of them.
Every folder's manifest.json holds versions, seeds and the SHA-256 of each file. A second run on the same machine gives the
same checkpoints, images and tokens, and floats equal but for their last bits (how torch sums depends on addresses).
"""
import json
import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tools/reference"))

import h5py
import numpy as np
import torch
import transformers
from PIL import Image
from safetensors.torch import save_file

import drawn_images
import hi_reference
import make_tiny_qwen2vl
import published

GOLDENS = ROOT / "Tests/VisionLanguageTests/Goldens"
PROMPT = hi_reference.DEFAULT_PROMPT

# name -> checkpoint options, layout, and the samples' (width, height, file ending, Pillow mode, prompt, description)
CASES = {
    # As transformers 5 writes it: nested config, one file, bf16, tied.
    "nested": dict(
        options=dict(layers=4, heads=4, kv_heads=2, hidden=64, intermediate=128, vision_dim=32, vision_heads=2, seed=11,
                     dtype="bfloat16", vocab_size=400),
        layout=lambda folder: None,
        samples=[(113, 87, "png", "RGB", PROMPT, "a large red circle"),
                 (61, 95, "jpg", "RGB", "What is this?", "ein großer Hund — ünïcode ☕"),
                 (150, 50, "jpg", "L", PROMPT, "a")]),
    # As the Hub has it: flat config, shards, float32, untied; a head dimension of 16, a width that is no multiple of 64.
    "published": dict(
        options=dict(layers=2, heads=6, kv_heads=3, hidden=96, intermediate=80, vision_dim=24, vision_heads=2, seed=12,
                     dtype="float32", untied=True, vocab_size=330),
        layout=published.to_published_layout,
        samples=[(64, 120, "jpg", "RGB", PROMPT, "the small blue square on the left"),
                 (97, 83, "png", "L", "Describe the dog", "two green triangles and 3 red ones")]),
    # Odd shapes, float16, weights named as transformers 5 has them in memory.
    "odd": dict(
        options=dict(layers=3, heads=3, kv_heads=1, hidden=72, intermediate=101, vision_dim=48, vision_heads=3,
                     vision_mlp_ratio=2, vision_depth=3, seed=13, dtype="float16", vocab_size=370),
        layout=published.to_nested_names,
        samples=[(84, 84, "png", "RGB", PROMPT, "车 next to 3 trees"),
                 (40, 31, "png", "RGB", PROMPT, "a person's bicycle")]),
}
# The end-to-end dataset: odd sizes, several annotations an image, both file types, a grey image.
SIZES = [(201, 133, "jpg", "RGB"), (97, 161, "png", "RGB"), (75, 75, "jpg", "L"), (260, 41, "jpg", "RGB")]
PER_IMAGE = [3, 2, 1, 2]
MAX_PIXELS = 64 * 28 * 28


@torch.no_grad()
def record(reference, name, image, prompt, description):
    """Every stage of one sample as tensors `<name>.<what>`. Letters: T tokens, V visual tokens, P patches, C hidden."""
    model = reference.model.model
    taken, hooks = {}, []

    def keep(key, pick=lambda out: out):
        def hook(module, args, kwargs, out):
            out = pick(out)
            out = out[0] if isinstance(out, tuple) else out
            taken[key] = out.detach().float().clone()
        return hook

    def tap(module, key):
        hooks.append(module.register_forward_hook(keep(key), with_kwargs=True))

    def entering(module, args, kwargs):
        taken["decoder.embeddings"] = kwargs["inputs_embeds"][0].clone()   # [T, C], visual tokens in place
        positions = kwargs["position_ids"]
        taken["position_ids"] = positions[:, 0].int()                      # [3, T]: temporal, height, width

    tap(model.visual.patch_embed, "vision.patch_embed")                    # [P, E]
    for i, block in enumerate(model.visual.blocks):
        tap(block, f"vision.layer.{i}")                                    # [P, E]
    tap(model.visual.merger, "vision.merger")                              # [V, C]
    hooks.append(model.language_model.register_forward_pre_hook(entering, with_kwargs=True))
    for i, layer in enumerate(model.language_model.layers):
        tap(layer, f"decoder.layer.{i}")                                   # [T, C]

    inputs, caption, visual = reference.inputs(image, prompt, description)
    out = reference.model(**inputs, output_attentions=True, use_cache=False)
    for hook in hooks:
        hook.remove()
    attentions = torch.stack([a[0] for a in out.attentions])[:, :, caption][:, :, :, visual].float()  # [L, H, caption, V]
    scores = attentions.mean(2)
    assert torch.equal(scores, torch.tensor(reference.attention_scores(image, prompt, description)[0]))
    for i, a in enumerate(attentions):
        taken[f"attention.{i}"] = a                                        # [H, caption, V]

    # Any mask will do for the measures: the image's left upper quarter and a bit.
    cells = reference.layout.cells
    mask = np.zeros((image.height, image.width), bool)
    mask[: image.height * 5 // 9, : image.width * 5 // 9] = True
    target = hi_reference.token_mask(mask, cells)
    heads = scores.numpy().reshape(-1, scores.shape[2])
    measured = hi_reference.measures(heads, target[:, None])[:, :, 0].reshape(len(hi_reference.MEASURES), *scores.shape[:2])
    taken |= {
        "input_ids": inputs["input_ids"][0].int(), "caption": torch.tensor(caption, dtype=torch.int32),
        "visual": torch.tensor(visual, dtype=torch.int32), "pixel_values": inputs["pixel_values"].float(),
        "grid_thw": inputs["image_grid_thw"][0].int(), "scores": scores,   # [L, H, V]
        "token_mask": torch.tensor(target, dtype=torch.uint8), "measures": torch.tensor(measured),  # F64 [6, L, H]
    }
    return {f"{name}.{key}": (v[0] if v.ndim == 3 and key.startswith("decoder.layer") else v).contiguous()
            for key, v in taken.items()}


def tables(checkpoint, dataset):
    """hi_reference.py's output as one dictionary; per sample `scores.<annotation id>`, `token_mask.<id>`, `input_ids.<id>`."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "reference.h5"
        arguments, sys.argv = sys.argv, [
            "hi_reference.py", "--model", str(checkpoint), "--dataset", str(dataset / "keyobjects.json"),
            "--images", str(dataset / "images"), "--output", str(output), "--dump-scores"]
        hi_reference.main()
        sys.argv = arguments
        values = {}
        with h5py.File(output) as f:
            for name in ("hi", "hi_stderr", "hi_chance", "hi_nosink", "sink_share", "sample_hi", "sample",
                         "sequence_tokens", "visual_tokens", "caption_tokens", "mask_tokens"):
                values[name] = torch.tensor(f[name][()])
            for group in ("scores", "token_mask", "input_ids"):
                for key in f[group]:
                    v = f[group][key][()]
                    values[f"{group}.{key}"] = torch.tensor(
                        v.astype({"token_mask": np.uint8, "input_ids": np.int32}.get(group, v.dtype)))
        return values


def manifest(folder, **more):
    (folder / "manifest.json").unlink(missing_ok=True)
    published.write_json(folder / "manifest.json", {
        "made_by": "tools/goldens/qwen2vl/make.py", "python": platform.python_version(),
        "versions": {m.__name__: m.__version__ for m in (torch, transformers, np, h5py)} | {"pillow": Image.__version__},
        **more, "sha256": published.file_digests(folder)})


def make_case(name, case):
    folder = GOLDENS / name
    shutil.rmtree(folder, ignore_errors=True)
    checkpoint, inputs = folder / "checkpoint", folder / "inputs"
    make_tiny_qwen2vl.make(checkpoint, small_vocabulary=True, max_pixels=MAX_PIXELS, **case["options"])
    case["layout"](checkpoint)
    published.write_generation_config(checkpoint, sampling=name == "published")
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
    save_file(tables(checkpoint, folder / "dataset"), folder / "dataset.safetensors",
              metadata={"measures": " ".join(hi_reference.MEASURES), "prompt": PROMPT})
    manifest(folder, options=case["options"])
    weights = sum(f.stat().st_size for f in checkpoint.glob("*.safetensors"))
    total = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    print(f"{name}: weights {weights / 1e6:.2f} MB, all {total / 1e6:.2f} MB")


def make_chat():
    """Conversations and their rendering by the published template."""
    tokenizer = make_tiny_qwen2vl.tokenizer(small=True, vocab_size=300)
    tokenizer.chat_template = published.CHAT_TEMPLATE
    pairs = [(PROMPT, "a large red circle"), ("", ""), ("What?", None), (PROMPT, None),
             ("<b>&amp;\"quotes\" 'single' \\ back\\nslash", "{{ 7 * 7 }} {% raw %}"),
             ("two\nlines\n", "tabs\tand\r\nreturns"), ("  spaces  ", " inner  spaces "), ("e\u0301 é 車 ☕ 👩‍👩‍👧", "\u200bzero width"),
             ("<|im_end|>", "<|image_pad|> in a description"), ("a\u0000b", "\ufeffmark")]
    cases = []
    for prompt, description in pairs:
        for generation in (False, True):
            messages = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": prompt}]}]
            if description is not None:
                messages.append({"role": "assistant", "content": [{"type": "text", "text": description}]})
            cases.append({"prompt": prompt, "description": description, "add_generation_prompt": generation,
                          "text": tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=generation)})
    published.write_json(GOLDENS / "chat.json", {
        "source": "chat_template.json of Qwen/Qwen2-VL-2B-Instruct, rendered by transformers " + transformers.__version__,
        "chat_template": published.CHAT_TEMPLATE, "cases": cases})


def main():
    torch.set_num_threads(1)
    GOLDENS.mkdir(parents=True, exist_ok=True)
    make_chat()
    for name, case in CASES.items():
        make_case(name, case)


if __name__ == "__main__":
    main()
