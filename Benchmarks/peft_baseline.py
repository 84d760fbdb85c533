#!/usr/bin/env python3
"""The baseline in training: PEFT on transformers, as tools/reference/lora_reference.py runs it, batch 1.

    .venv/bin/python Benchmarks/peft_baseline.py --model DIR --dataset FILE --images DIR --layers 14,15,16 [--precision f32]
        [--threads 2] [--steps 3] [--attention sdpa|eager] [--supervised-logits]

Prints one line of JSON: the forward and backward seconds of each step, without loading, images or the optimiser. glibc's
allocator is tuned as in baseline.py.
"""
import argparse
import json
import os
import sys
import time
from pathlib import Path

from baseline import ROOT, TUNABLES


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", required=True)
    p.add_argument("--dataset", required=True, type=Path)
    p.add_argument("--images", required=True, type=Path)
    p.add_argument("--layers", required=True)
    p.add_argument("--rank", type=int, default=8)
    p.add_argument("--precision", choices=("bf16", "f32"), default="f32")
    p.add_argument("--attention", choices=("sdpa", "eager"), default="sdpa")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--steps", type=int, default=3)
    p.add_argument("--supervised-logits", action="store_true", help="apply the output head to the supervised tokens only")
    a = p.parse_args()
    if os.environ.get("GLIBC_TUNABLES") != TUNABLES:
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | {"GLIBC_TUNABLES": TUNABLES})
    os.environ |= {"OMP_NUM_THREADS": str(a.threads), "HF_HUB_OFFLINE": "1"}
    sys.path.insert(0, str(ROOT / "tools/reference"))
    import torch
    from peft import LoraConfig, get_peft_model
    from PIL import Image

    from hi_reference import DEFAULT_PROMPT, Reference
    from lora_reference import summed_loss, supervised
    torch.set_num_threads(a.threads)
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[a.precision]
    reference = Reference(a.model, dtype)
    reference.model.set_attn_implementation(a.attention)
    torch.manual_seed(0)
    model = get_peft_model(reference.model, LoraConfig(
        r=a.rank, lora_alpha=2 * a.rank, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"], layers_pattern="layers",
        layers_to_transform=[int(i) for i in a.layers.split(",")], task_type="CAUSAL_LM"))
    weights = [w for w in model.parameters() if w.requires_grad]
    optimiser = torch.optim.AdamW(weights, lr=1e-4, weight_decay=0)
    data = json.loads(a.dataset.read_text())
    files = {i["id"]: i["file_name"] for i in data["images"]}

    def loss_of_supervised(inputs, labels):
        """As summed_loss, without the logits that it throws away."""
        at = (labels[0] != -100).nonzero()[:, 0]
        logits = model(**inputs, use_cache=False, logits_to_keep=at - 1).logits[0].float()
        return torch.nn.functional.cross_entropy(logits, labels[0, at], reduction="sum"), len(at)

    forward, backward, tokens, losses = [], [], [], []
    for step in range(a.steps):
        sample = data["annotations"][step % len(data["annotations"])]
        image = Image.open(a.images / files[sample["image_id"]]).convert("RGB")
        inputs, labels = supervised(reference, image, DEFAULT_PROMPT, sample["description"])
        start = time.perf_counter()
        loss, count = loss_of_supervised(inputs, labels) if a.supervised_logits else summed_loss(model, inputs, labels)
        middle = time.perf_counter()
        loss.backward()
        end = time.perf_counter()
        forward.append(middle - start)
        backward.append(end - middle)
        losses.append(loss.item() / count)
        tokens.append([inputs["input_ids"].shape[1], count])
        for w in weights:
            w.grad /= count
        optimiser.step()
        optimiser.zero_grad()
    print(json.dumps({"forward": forward, "backward": backward, "tokens": tokens, "losses": losses}))


if __name__ == "__main__":
    main()
