#!/usr/bin/env python3
"""The opponents of the bench: transformers, and PEFT on it. Each form prints lines of JSON, seconds without loading.

    opponents.py score --model DIR --dataset FILE --images DIR [--dtype f32|bf16] [--attention eager|sdpa] [--rounds 2]
    opponents.py train --model DIR --dataset FILE --images DIR --layers 14,15,16 [--dtype …] [--attention …]
    opponents.py generate --model DIR --dataset FILE --images DIR [--dtype …] [--batches 1,16] [--tokens 40]
    opponents.py basis --model DIR --dataset FILE --images DIR       (tokens and pixels of each sample, and torch's matrix
                                                                      products a second in each type; no weights are read)

It starts itself again with glibc's allocator tuned (huge pages, nothing given back to the kernel), which makes eager attention a quarter
faster, and without the processor type that an environment may tell OpenBLAS.
"""
import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TUNABLES = "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=17179869184:glibc.malloc.trim_threshold=34359738368"


def dtype_of(name):
    import torch
    return {"f32": torch.float32, "bf16": torch.bfloat16}[name]


def reference(a, attention=None):
    from hi_reference import Reference
    made = Reference(a.model, dtype_of(a.dtype))
    if attention:
        made.model.set_attn_implementation(attention)
    return made


def samples(a):
    """(picture, description) of each annotation."""
    from PIL import Image
    data = json.loads(a.dataset.read_text())
    files = {i["id"]: i["file_name"] for i in data["images"]}
    for annotation in sorted(data["annotations"], key=lambda s: s["id"]):
        yield Image.open(a.images / files[annotation["image_id"]]).convert("RGB"), annotation["description"]


def say(**values):
    print(json.dumps(values), flush=True)


def score(a):
    """eager with all attention weights: what gives the scores; sdpa without them: the bound of what transformers could do."""
    import torch

    from hi_reference import DEFAULT_PROMPT
    model = reference(a, None if a.attention == "eager" else a.attention)
    for _ in range(a.rounds):
        for image, description in samples(a):
            start = time.perf_counter()
            if a.attention == "eager":
                model.attention_scores(image, DEFAULT_PROMPT, description)
            else:
                inputs, _, _ = model.inputs(image, DEFAULT_PROMPT, description)
                with torch.no_grad():
                    model.model(**inputs, use_cache=False, logits_to_keep=1)
            say(seconds=time.perf_counter() - start)


def train(a):
    """Forward and backward of each sample; one step more than samples, so that the first, which warms up, needn't count."""
    import torch
    from peft import get_peft_model

    from hi_reference import DEFAULT_PROMPT
    from lora_reference import adapter_configuration, summed_loss, supervised
    base = reference(a, a.attention)
    torch.manual_seed(0)
    layers = [int(i) for i in a.layers.split(",")]
    model = get_peft_model(base.model, adapter_configuration(
        base.model, layers, ["q_proj", "k_proj", "v_proj", "o_proj"], a.rank, 2 * a.rank))
    weights = [w for w in model.parameters() if w.requires_grad]
    optimiser = torch.optim.AdamW(weights, lr=1e-4, weight_decay=0)
    pairs = list(samples(a))
    for step in range(a.steps):
        inputs, labels = supervised(base, pairs[step % len(pairs)][0], DEFAULT_PROMPT, pairs[step % len(pairs)][1])
        start = time.perf_counter()
        loss, count = summed_loss(model, inputs, labels)
        loss.backward()
        say(seconds=time.perf_counter() - start)
        for w in weights:
            w.grad /= count
        optimiser.step()
        optimiser.zero_grad()


def generate(a):
    """Greedy texts of one prompt about each picture, as many pictures at a time as each batch says; the first ones of the dataset."""
    import torch

    from generation import stop_ids
    from hi_reference import DEFAULT_PROMPT
    model = reference(a, "sdpa")
    stops = stop_ids(model)
    pictures = [image for image, _ in samples(a)]
    for batch in a.batches:
        moments = [time.perf_counter()]

        def stamp(_, scores):
            moments.append(time.perf_counter())
            return scores
        made = [model.question_inputs(image, DEFAULT_PROMPT) for image in pictures[:batch]]
        inputs = {name: torch.cat([one[name] for one in made]) for name in made[0]}
        inputs["pixel_values"] = inputs["pixel_values"].to(dtype_of(a.dtype))
        with torch.no_grad():
            model.model.generate(**inputs, do_sample=False, min_new_tokens=a.tokens, max_new_tokens=a.tokens, eos_token_id=stops,
                                 pad_token_id=stops[-1], logits_processor=[stamp])
        end = time.perf_counter()
        # The first moment is the start, the second the first token's.
        say(batch=batch, pictures=len(made), tokens=a.tokens, seconds=end - moments[0], prefill=moments[1] - moments[0],
            step=statistics.median(later - earlier for earlier, later in zip(moments[1:], moments[2:])))


def basis(a):
    """prefix: tokens before the description, which are seen by all of an image's descriptions. question: tokens of what generation starts from."""
    import torch

    from hi_reference import DEFAULT_PROMPT, Reference
    model = Reference(a.model, None, weights=False)
    for image, description in samples(a):
        inputs, caption, visual = model.inputs(image, DEFAULT_PROMPT, description)
        question = model.question_inputs(image, DEFAULT_PROMPT)
        say(tokens=inputs["input_ids"].shape[1], prefix=caption[0], caption=len(caption), visual=len(visual),
            question=question["input_ids"].shape[1], pixels=list(inputs["pixel_values"].shape))
    for name in ("f32", "bf16"):
        x, w = (torch.randn(n, 1536, dtype=dtype_of(name)) for n in (430, 2048))
        best, end = float("inf"), time.perf_counter() + 1
        while time.perf_counter() < end:
            start = time.perf_counter()
            x @ w.T
            best = min(best, time.perf_counter() - start)
        say(dtype=name, rate=2 * 430 * 1536 * 2048 / best)


FORMS = {"score": score, "train": train, "generate": generate, "basis": basis}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("form", choices=FORMS)
    p.add_argument("--model")
    p.add_argument("--dataset", type=Path)
    p.add_argument("--images", type=Path)
    p.add_argument("--dtype", choices=("f32", "bf16"), default="f32")
    p.add_argument("--attention", choices=("eager", "sdpa"), default="eager")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--rounds", type=int, default=2)
    p.add_argument("--layers", help="of the adapter")
    p.add_argument("--rank", type=int, default=8)
    p.add_argument("--steps", type=int, default=3)
    p.add_argument("--batches", type=lambda text: [int(n) for n in text.split(",")], default=[1])
    p.add_argument("--tokens", type=int, default=40)
    a = p.parse_args()
    if os.environ.get("GLIBC_TUNABLES") != TUNABLES or "OPENBLAS_CORETYPE" in os.environ:
        environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_CORETYPE"} | {"GLIBC_TUNABLES": TUNABLES}
        os.execve(sys.executable, [sys.executable, *sys.argv], environment)
    os.environ |= {"OMP_NUM_THREADS": str(a.threads), "HF_HUB_OFFLINE": "1"}
    sys.path.insert(0, str(ROOT / "tools/reference"))
    import torch
    torch.set_num_threads(a.threads)
    FORMS[a.form](a)


if __name__ == "__main__":
    main()
