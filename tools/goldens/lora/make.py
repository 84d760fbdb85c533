#!/usr/bin/env python3
"""Adapter folders that PEFT wrote for a tiny checkpoint, and what PEFT merges into the weights.

    .venv/bin/python tools/goldens/lora/make.py

writes Tests/LowRankAdaptationTests/Goldens/<case>/:
    adapter_config.json, adapter_model.safetensors     as PEFT saved them, for VisionLanguageTests' checkpoint `nested`
    deltas.safetensors                                 scaling * B A of each module, `layers.<i>.<module>`
The case `older` is `patterns` with the names that transformers had before it nested the language model.
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

import peft
import torch
import transformers
from safetensors.torch import load_file, save_file

import published

SEED = 20251125
OUT = ROOT / "Tests/LowRankAdaptationTests/Goldens"
CHECKPOINT = ROOT / "Tests/VisionLanguageTests/Goldens/nested/checkpoint"
CASES = {
    # Some patterns match several modules, some several patterns one module.
    "patterns": dict(r=3, lora_alpha=6, target_modules=["q_proj", "v_proj", "o_proj"], layers_to_transform=[1, 3],
                     layers_pattern="layers",
                     rank_pattern={"layers.1.self_attn.q_proj": 2, "q_proj": 4, r".*\.3\.self_attn\.[ov]_proj": 1},
                     alpha_pattern={"layers.3.self_attn.q_proj": 5, "v_proj": 0.75}),
    "root": dict(r=4, lora_alpha=8, target_modules=r".*language_model\.layers\.2\.(mlp\.(gate|down)_proj|self_attn\.k_proj)",
                 use_rslora=True),
}


def make(name, options):
    torch.manual_seed(SEED)
    model = transformers.AutoModelForImageTextToText.from_pretrained(CHECKPOINT, dtype=torch.float32)
    model.name_or_path = "tiny"
    model.config._name_or_path = "tiny"
    model = peft.get_peft_model(model, peft.LoraConfig(task_type="CAUSAL_LM", **options))
    with torch.no_grad():
        for parameter, weight in model.named_parameters():
            if "lora_B" in parameter:
                weight.normal_(0, 0.02)
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory() as saved:
        model.save_pretrained(saved)
        folder.mkdir(parents=True)
        for file in ("adapter_config.json", "adapter_model.safetensors"):
            shutil.copy(Path(saved) / file, folder / file)
            (folder / file).chmod(0o644)
    deltas = {module[module.index("layers."):]: layer.get_delta_weight("default").detach().contiguous()
              for module, layer in model.named_modules() if isinstance(layer, peft.tuners.lora.Linear)}
    save_file(deltas, folder / "deltas.safetensors")
    (folder / "deltas.safetensors").chmod(0o644)


def manifest(folder):
    (folder / "manifest.json").unlink(missing_ok=True)
    published.write_json(folder / "manifest.json", {
        "made_by": "tools/goldens/lora/make.py", "seed": SEED, "python": platform.python_version(),
        "versions": {m.__name__: m.__version__ for m in (peft, torch, transformers)},
        "sha256": published.file_digests(folder)})


def main():
    torch.set_num_threads(1)
    for name, options in CASES.items():
        make(name, options)
    patterns, older = OUT / "patterns", OUT / "older"
    shutil.rmtree(older, ignore_errors=True)
    shutil.copytree(patterns, older)
    tensors = load_file(older / "adapter_model.safetensors")
    save_file({key.replace(".language_model.", "."): value for key, value in tensors.items()},
              older / "adapter_model.safetensors", metadata={"format": "pt"})
    (older / "adapter_model.safetensors").chmod(0o644)
    for name in [*CASES, "older"]:
        manifest(OUT / name)


if __name__ == "__main__":
    main()
