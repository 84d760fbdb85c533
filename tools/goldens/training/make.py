#!/usr/bin/env python3
"""Golden values of training: what PEFT and PyTorch give on the committed tiny checkpoints, in float32.

    .venv/bin/python tools/goldens/training/make.py [CASE…]

The cases of the other families are their own: tools/goldens/<family>/make.py calls `make_case`.

Tests/AdapterTrainingTests/Goldens/<case>/: `init/`, the PEFT adapter that training begins from (B is not zero, which would hide
A's gradient); golden.safetensors with `loss`, `grad_norm`, `tokens` of each step (as tools/reference/lora_reference.py logs
them), `trained.<key>` the weights afterwards, `gradient.<key>` of the SUMMED loss of the first sample (that of the lowest
annotation id), and `first_loss`, that loss. A second run gives the same `init/`, and floats equal but for their last bits.
"""
import json
import os
import platform
import shutil
import subprocess
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
from lora_reference import TARGETS

GOLDENS = ROOT / "Tests/AdapterTrainingTests/Goldens"
TINY = ROOT / "Tests/VisionLanguageTests/Goldens"
CASES = {
    "nested": dict(layers="1,2", targets="q_proj,k_proj,v_proj,o_proj", rank=4, alpha=8, steps=20, batch=3, lr=1e-3, decay=0.0),
    "odd": dict(layers="0,2", targets=",".join(TARGETS), rank=3, alpha=5, steps=20, batch=2, lr=2e-3, decay=0.01),
    # Its vision tower has modules of the same names, which stay as they are.
    # On another checkpoint than its name's.
    "dora": dict(checkpoint="nested", layers="1,2", targets="q_proj,v_proj,o_proj,gate_proj,down_proj", rank=4, alpha=6, steps=20,
                 batch=3, lr=1e-3, decay=0.01, kinds="dora,rslora"),
    "rslora": dict(checkpoint="nested", layers="1,3", targets="q_proj,k_proj,up_proj", rank=5, alpha=6, steps=20, batch=3, lr=1e-3,
                   decay=0.0, kinds="rslora"),
    "smolvlm": dict(layers="0,2", targets="q_proj,v_proj,up_proj", rank=2, alpha=4, steps=20, batch=3, lr=2e-3, decay=0.0),
}


def lora_reference(*words):
    subprocess.run([sys.executable, ROOT / "tools/reference/lora_reference.py", *map(str, words)], check=True,
                   stdout=subprocess.DEVNULL)


def gradients(dataset, folder):
    """Of the first sample's summed loss, by PEFT's names; and the loss. folder: of a run with --dump-gradients."""
    dumped = load_file(Path(folder) / "gradients.safetensors")
    first = min(a["id"] for a in json.loads((dataset / "keyobjects.json").read_text())["annotations"])
    start = f"gradient.{first}."
    named = {"gradient." + n.removeprefix(start): g for n, g in dumped.items() if n.startswith(start)}
    return named, dumped[f"loss.{first}"].item()


def make_case(name, case, made_by="tools/goldens/training/make.py"):
    """Writes the folder of one checkpoint of Tests/VisionLanguageTests/Goldens. case: as in CASES."""
    folder = GOLDENS / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tiny, init = TINY / case.get("checkpoint", name), folder / "init"
    checkpoint, dataset = tiny / "checkpoint", tiny / "dataset"
    adapter = ("--layers", case["layers"], "--targets", case["targets"], "--rank", case["rank"], "--alpha", case["alpha"],
               *(f"--{kind}" for kind in case.get("kinds", "").split(",") if kind))
    lora_reference("--model", checkpoint, *adapter, "--make-init", init)
    (init / "README.md").unlink()
    config = json.loads((init / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = case.get("checkpoint", name)
    if isinstance(config["target_modules"], list):
        config["target_modules"].sort()
    published.write_json(init / "adapter_config.json", config)
    with tempfile.TemporaryDirectory() as scratch:
        lora_reference("--model", checkpoint, "--dataset", dataset / "keyobjects.json", "--images", dataset / "images",
                       *adapter, "--init", init, "--steps", case["steps"], "--batch", case["batch"], "--lr", case["lr"],
                       "--weight-decay", case["decay"], "--dump-gradients", "--output", scratch)
        log = json.loads((Path(scratch) / "log.json").read_text())
        trained = load_file(Path(scratch) / "adapter_model.safetensors")
        golden, loss = gradients(dataset, scratch)
    golden |= {"trained." + k: v for k, v in trained.items()}
    for key, dtype in (("loss", torch.float64), ("grad_norm", torch.float64), ("tokens", torch.int64)):
        golden[key] = torch.tensor([step[key] for step in log], dtype=dtype)
    golden["first_loss"] = torch.tensor([loss], dtype=torch.float64)
    save_file(golden, folder / "golden.safetensors", metadata={k: str(v) for k, v in case.items()})
    for file in folder.rglob("*.safetensors"):
        file.chmod(0o644)  # safetensors writes for its owner only
    published.write_json(folder / "manifest.json", {
        "made_by": made_by, "python": platform.python_version(),
        "versions": {m.__name__: m.__version__ for m in (torch, transformers, peft)}, "options": case,
        "sha256": published.file_digests(folder)})
    print(name, sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) // 1024, "KiB")


def main():
    torch.set_num_threads(1)
    for name in sys.argv[1:] or CASES:
        make_case(name, CASES[name])


if __name__ == "__main__":
    main()
