#!/usr/bin/env python3
"""Golden values for LowRankAdaptationTests: steps of torch.optim.AdamW, and norms of torch's clip_grad_norm_.

    .venv/bin/python tools/goldens/adamw/make.py

Writes Tests/LowRankAdaptationTests/Goldens/adamw.json and its manifest. Numbers are float32, written in full.
"""
import hashlib
import json
import platform
from pathlib import Path

import torch

SEED = 20251125
OUT = Path(__file__).resolve().parents[3] / "Tests/LowRankAdaptationTests/Goldens"


def case(name, size, steps, lr, decay, scale, clip):
    generator = torch.Generator().manual_seed(SEED + len(name))
    weight = torch.nn.Parameter(torch.randn(size, generator=generator))
    optimiser = torch.optim.AdamW([weight], lr=lr[0], betas=(0.9, 0.999), eps=1e-8, weight_decay=decay)
    record = {"name": name, "weightDecay": decay, "clip": clip, "initial": weight.tolist(), "steps": []}
    for step in range(steps):
        gradient = torch.randn(size, generator=generator) * scale
        gradient[step % size] = 0
        weight.grad = gradient.clone()
        norm = torch.nn.utils.clip_grad_norm_([weight], clip).item()
        for group in optimiser.param_groups:
            group["lr"] = lr[step % len(lr)]
        optimiser.step()
        state = optimiser.state[weight]
        record["steps"].append({
            "learningRate": lr[step % len(lr)], "gradient": gradient.tolist(), "norm": norm,
            "weights": weight.tolist(), "first": state["exp_avg"].tolist(), "second": state["exp_avg_sq"].tolist()})
    return record


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    cases = [case("plain", 5, 12, [1e-3], 0.0, 1.0, 1e9), case("decay and clipping", 7, 12, [1e-2, 3e-3], 0.1, 2.0, 1.0),
             case("tiny gradients", 3, 6, [2e-4], 0.01, 1e-7, 1.0)]
    text = json.dumps(cases, indent=1) + "\n"
    (OUT / "adamw.json").write_text(text)
    (OUT / "adamw.manifest.json").write_text(json.dumps({
        "made_by": "tools/goldens/adamw/make.py", "seed": SEED, "python": platform.python_version(),
        "torch": torch.__version__, "sha256": {"adamw.json": hashlib.sha256(text.encode()).hexdigest()}}, indent=2) + "\n")


if __name__ == "__main__":
    main()
