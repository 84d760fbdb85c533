#!/usr/bin/env python3
"""Adapter folders with more than B A of the decoder's linear layers, written by PEFT, and the logits that PEFT computes with them.

    .venv/bin/python tools/goldens/lora/make_parts.py

writes Tests/LowRankAdaptationTests/Goldens/parts/<case>/:
    adapter_config.json, adapter_model.safetensors     as PEFT saved them, for the checkpoint that the case names
    logits.safetensors                                 input_ids [T]; logits [4, vocabulary] of the last rows, by
                                                       PeftModel.from_pretrained on a fresh model in float32
"""
import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tools/reference"))

import peft
import torch
import transformers
from PIL import Image
from safetensors.torch import save_file

import published
from hi_reference import Reference

SEED = 20251127
ROWS = 4
OUT = ROOT / "Tests/LowRankAdaptationTests/Goldens/parts"
CHECKPOINTS = ROOT / "Tests/VisionLanguageTests/Goldens"
IMAGE, PROMPT, ANSWER = "0002.png", "What is it?", "a red ball on the left"
LAYER = "model.language_model.layers.1"
ATTENTION = [f"{LAYER}.self_attn.{name}" for name in ("q_proj", "v_proj", "o_proj")]
# `nested` ties lm_head to embed_tokens, `published` doesn't.
CASES = {
    "bias-lora-only": ("nested", dict(target_modules=ATTENTION, bias="lora_only"), False),
    "bias-all": ("nested", dict(target_modules=ATTENTION, bias="all"), False),
    "bias-of-b": ("nested", dict(target_modules=ATTENTION, lora_bias=True), False),
    "dora": ("nested", dict(target_modules=[*ATTENTION, f"{LAYER}.mlp.gate_proj", f"{LAYER}.mlp.down_proj"], use_dora=True,
                            bias="lora_only", use_rslora=True), False),
    "dora-ends": ("nested", dict(target_modules=[*ATTENTION, "lm_head", "embed_tokens"], use_dora=True), False),
    "head": ("nested", dict(target_modules=[*ATTENTION, "lm_head"]), False),
    "head-untied": ("published", dict(target_modules=[*ATTENTION, "lm_head"], lora_bias=True), False),
    "embedding": ("nested", dict(target_modules=[*ATTENTION, "embed_tokens"]), False),
    "saved-norms": ("nested", dict(target_modules=ATTENTION, modules_to_save=["norm"]), False),
    "saved-head": ("nested", dict(target_modules=ATTENTION, modules_to_save=["lm_head"]), False),
    "saved-embedding": ("nested", dict(target_modules=ATTENTION, modules_to_save=["embed_tokens"]), False),
    "saved-linear": ("nested", dict(target_modules=ATTENTION, modules_to_save=["layers.2.self_attn.k_proj", "layers.3.mlp"]),
                     False),
    "saved-ends-untied": ("published", dict(target_modules=ATTENTION, modules_to_save=["lm_head", "embed_tokens"]), False),
    # PEFT's save_embedding_layers, of a model whose embeddings (and head) were trained outside of PEFT.
    "shared-ends": ("nested", dict(target_modules=ATTENTION), True),
    "ends-untied": ("published", dict(target_modules=ATTENTION), True),
    # Gemma 2: embeddings times a factor, which the update has too; norms of 1 + w, four a layer.
    "scaled-embedding": ("paligemma2", dict(target_modules=[*ATTENTION, "embed_tokens"]), False),
    # The tower's biases and norms are in the file too, under other names than the checkpoint's; they are the model's own.
    "tower-unchanged": ("paligemma", dict(target_modules=ATTENTION, bias="all"), False),
    "saved-norms-of-four": ("paligemma2", dict(target_modules=ATTENTION, modules_to_save=["norm"]), False),
}
VISION = (".visual.", ".vision_tower.", ".multi_modal_projector.")


def train(model, ends):
    """Draws everything that the adapter trains, as if it had been."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_magnitude_vector" in name:
                weight.mul_(torch.empty_like(weight).uniform_(0.6, 1.5))
            elif any(part in name for part in ("lora_B", "lora_embedding_A")):
                weight.normal_(0, 0.05)
            elif "lora_embedding_B" in name:
                weight.normal_(0, 0.3)
            elif weight.requires_grad and ("bias" in name or "modules_to_save" in name) and not any(v in name for v in VISION):
                weight.add_(torch.randn_like(weight) * 0.05)
            elif ends and ("embed_tokens.weight" in name or "lm_head.weight" in name):
                weight.add_(torch.randn_like(weight) * 0.05)


def logits(checkpoint, adapter=None):
    reference = Reference(CHECKPOINTS / checkpoint / "checkpoint", torch.float32)
    # Not merged: a head that is tied to the embedding has an update to itself.
    model = peft.PeftModel.from_pretrained(reference.model, adapter).eval() if adapter else reference.model
    image = Image.open(CHECKPOINTS / checkpoint / "dataset/images" / IMAGE).convert("RGB")
    inputs = reference.inputs(image, PROMPT, ANSWER)[0]
    with torch.no_grad():
        return inputs["input_ids"][0], model(**inputs, use_cache=False).logits[0, -ROWS:].float()


def save(model_folder, options, ends, folder):
    """Writes an adapter of drawn values to a new folder."""
    torch.manual_seed(SEED)
    model = transformers.AutoModelForImageTextToText.from_pretrained(model_folder, dtype=torch.float32)
    model.name_or_path = model.config._name_or_path = "tiny"
    model = peft.get_peft_model(model, peft.LoraConfig(r=2, lora_alpha=3, **options))
    train(model, ends)
    with tempfile.TemporaryDirectory() as saved:
        model.save_pretrained(saved, save_embedding_layers=True if ends else "auto")
        folder.mkdir(parents=True)
        for file in ("adapter_config.json", "adapter_model.safetensors"):
            shutil.copy(Path(saved) / file, folder / file)
            (folder / file).chmod(0o644)


def make(name, checkpoint, options, ends):
    folder = OUT / name
    save(CHECKPOINTS / checkpoint / "checkpoint", options, ends, folder)
    ids, wanted = logits(checkpoint, folder)
    change = (wanted - logits(checkpoint)[1]).abs().max().item()
    assert change > 1e-2, (name, change)
    save_file({"input_ids": ids.contiguous(), "logits": wanted.contiguous()}, folder / "logits.safetensors",
              metadata={"checkpoint": checkpoint})
    (folder / "logits.safetensors").chmod(0o644)
    print(f"{name}: logits change by up to {change:.3g}")


def main():
    torch.set_num_threads(1)
    for name in sys.argv[1:] or CASES:
        shutil.rmtree(OUT / name, ignore_errors=True)
        make(name, *CASES[name])
    (OUT / "manifest.json").unlink(missing_ok=True)  # it doesn't list itself
    published.write_json(OUT / "manifest.json", {
        "made_by": "tools/goldens/lora/make_parts.py", "seed": SEED, "python": platform.python_version(),
        "versions": {m.__name__: m.__version__ for m in (peft, torch, transformers)},
        "sha256": published.file_digests(OUT)})


if __name__ == "__main__":
    main()
