#!/usr/bin/env python3
"""The baseline: transformers, eager attention with output_attentions, as tools/reference/hi_reference.py runs it.

    .venv/bin/python Benchmarks/baseline.py --model DIR --dataset keyobjects.json --images DIR [--precision bf16] [--threads 2]

Prints one line of JSON: seconds of each sample, without loading and without the measures. It starts itself again with glibc's
allocator tuned (huge pages, nothing given back to the kernel), which makes it a quarter faster; --untuned leaves that out.
"""
import argparse
import json
import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TUNABLES = "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=17179869184:glibc.malloc.trim_threshold=34359738368"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", required=True)
    p.add_argument("--dataset", required=True, type=Path)
    p.add_argument("--images", required=True, type=Path)
    p.add_argument("--precision", choices=("bf16", "f32"), default="bf16")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--untuned", action="store_true")
    p.add_argument("--no-logits", action="store_true", help="leave out the output head, which attention scores don't need")
    a = p.parse_args()
    if not a.untuned and os.environ.get("GLIBC_TUNABLES") != TUNABLES:
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | {"GLIBC_TUNABLES": TUNABLES})

    os.environ |= {"OMP_NUM_THREADS": str(a.threads), "HF_HUB_OFFLINE": "1"}
    sys.path.insert(0, str(ROOT / "tools/reference"))
    import torch
    from PIL import Image

    from hi_reference import DEFAULT_PROMPT, Reference
    torch.set_num_threads(a.threads)
    reference = Reference(a.model, {"f32": torch.float32, "bf16": torch.bfloat16}[a.precision])
    if a.no_logits:
        whole = reference.model
        reference.model = lambda **inputs: whole(**inputs, logits_to_keep=1)
    data = json.loads(a.dataset.read_text())
    images = {i["id"]: i for i in data["images"]}
    seconds, tokens = [], []
    for s in sorted(data["annotations"], key=lambda s: s["id"]):
        start = time.perf_counter()
        image = Image.open(a.images / images[s["image_id"]]["file_name"]).convert("RGB")
        scores, _, _, ids, caption = reference.attention_scores(image, DEFAULT_PROMPT, s["description"])
        seconds.append(time.perf_counter() - start)
        tokens.append([len(ids), scores.shape[2], len(caption)])
    print(json.dumps({"seconds": seconds, "tokens": tokens}))


if __name__ == "__main__":
    main()
