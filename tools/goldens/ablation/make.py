#!/usr/bin/env python3
"""Golden losses of descriptions without some attention heads, by transformers on the committed tiny checkpoints.

    .venv/bin/python tools/goldens/ablation/make.py

Tests/ScoringTests/Ablation/Goldens/losses.json: a list of {case, kind, ablations, samples}; kind is zero, mean (over all samples) or knockout;
ablations are lists of [layer, head]; samples have an annotation's id, its number of supervised tokens, and `losses`, the sums over them: of the
unmodified model, then of each ablation.
In float32, as lora_reference.py computes losses.
"""
import os
import platform
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tools/reference"))

import torch
import transformers

import published
from ablation_reference import summed_losses
from hi_reference import Reference

GOLDENS = ROOT / "Tests/ScoringTests/Ablation/Goldens"
TINY = ROOT / "Tests/VisionLanguageTests/Goldens"


def ablations(layers, heads):
    """One head of the first layer, of a middle one, of the last; a whole layer; heads all over."""
    last = layers - 1
    scattered = {(layer, (3 * layer + 1) % heads) for layer in range(layers)} | {(last, 2), (0, heads - 1)}
    return [[[0, 0]], [[layers // 2, heads - 1]], [[last, 1]], [[1, h] for h in range(heads)],
            [list(head) for head in sorted(scattered)]]


def main():
    torch.set_num_threads(1)
    GOLDENS.mkdir(parents=True, exist_ok=True)
    cases = []
    for case in ("nested", "published", "odd", "llava_next", "smolvlm", "paligemma", "gemma3"):
        reference = Reference(TINY / case / "checkpoint", torch.float32)
        config = reference.model.config.text_config
        chosen = ablations(config.num_hidden_layers, config.num_attention_heads)
        data = TINY / case / "dataset"
        for kind in ("zero", "mean", "knockout"):
            losses = summed_losses(reference, data / "keyobjects.json", data / "images", chosen, kind)
            cases.append({"case": case, "kind": kind, "ablations": chosen, "samples": [
                {"id": key, "tokens": tokens, "losses": sums} for key, (tokens, sums) in losses.items()]})
            print(case, kind, len(losses), "samples,", len(chosen), "ablations")
    published.write_json(GOLDENS / "losses.json", cases)
    (GOLDENS / "manifest.json").unlink(missing_ok=True)  # it doesn't list itself
    published.write_json(GOLDENS / "manifest.json", {
        "made_by": "tools/goldens/ablation/make.py", "python": platform.python_version(),
        "versions": {m.__name__: m.__version__ for m in (torch, transformers)}, "sha256": published.file_digests(GOLDENS)})


if __name__ == "__main__":
    main()
