#!/usr/bin/env python3
"""Runs headimpact and the reference side by side on fresh random checkpoints, and checks the limits of the Agreement sections
of docs/measures.md and docs/training.md.

    .venv/bin/python tools/parity/run.py        (make parity)

Prints every figure beside its limit and exits 1 where one is over. With --smoke the reference's own output stands in for
headimpact's: then every difference must be zero, which proves the comparison, not the product.
"""
import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools/reference"), str(Path(__file__).parent)]

if "torchvision" in sys.argv:  # --resize torchvision; before transformers is imported
    import with_torchvision  # noqa: F401

import drawn_images
import family_cases
import grounding
import make_tiny
import make_tiny_qwen2vl
import published
import training
from agreement import compare_adapted, compare_bf16, compare_f32
from coco_keyobjects import coco_keyobjects

# Checkpoints: other head counts, grouped-query ratios, widths and depths than the goldens have. The weights' scale falls with
# the root of the width: a wide and deep model at 0.2 is so peaky that float32 itself is further from float64 than the limits allow.
CASES = {
    "8 heads, 2 kv": dict(options=dict(layers=5, heads=8, kv_heads=2, hidden=128, intermediate=192, vision_dim=64,
                                       vision_heads=4, vision_depth=3, scale=0.08), data="coco", ranks=2, bf16=True),
    "12 heads, 12 kv, untied, f32, published": dict(
        options=dict(layers=3, heads=12, kv_heads=12, hidden=192, intermediate=320, vision_dim=80, vision_heads=5, scale=0.11,
                     dtype="float32", untied=True), data="coco", layout=published.to_published_layout),
    "7 heads, 1 kv, odd sizes, f16": dict(
        options=dict(layers=4, heads=7, kv_heads=1, hidden=56, intermediate=99, vision_dim=36, vision_heads=3,
                     vision_mlp_ratio=3, scale=0.2, dtype="float16", small_vocabulary=True),
        data="drawn", layout=published.to_nested_names, ranks=3, system="You are terse.\n Answer in one word."),
    "4 heads of 32, peaky, with sinks": dict(options=dict(layers=3, heads=4, kv_heads=2, hidden=128, intermediate=128, scale=0.2,
                                                          small_vocabulary=True), data="drawn", float64=True),
    "smolvlm, tiles, bf16": dict(
        options=dict(family="smolvlm", layers=4, heads=9, kv_heads=3, hidden=144, intermediate=224, vision_dim=48, vision_heads=4,
                     vision_depth=3, scale=0.1, shards=2), data="coco", ranks=2, bf16=True),
    "idefics3, odd shapes, f32": dict(
        options=dict(family="idefics3", layers=3, heads=6, kv_heads=6, hidden=96, head_dim=24, intermediate=101, vision_dim=36,
                     vision_heads=3, scale=0.12, dtype="float32"), data="shapes", ranks=3),
    "smolvlm, no tiles, f16": dict(
        options=dict(family="smolvlm", layers=3, heads=5, kv_heads=1, hidden=80, tile=150, no_splitting=True, scale=0.13,
                     dtype="float16"), data="drawn", system="  Be brief: <|im_end|> "),
}
for family in family_cases.all():
    CASES |= family.CASES
    training.CASES |= family.TRAINING
# The demonstration model's heads differ, as a random model's hardly do: there the order of heads means something in bf16 too.
DEMONSTRATION = "demonstration model"
DEMONSTRATION_SAMPLES = 40
LIMIT_ON_VISUAL_TOKENS = 100
DRAWN = [(333, 251, "jpg", "RGB"), (199, 307, "png", "RGB"), (128, 128, "jpg", "L"), (517, 90, "png", "RGB"), (64, 280, "jpg", "RGB")]
# Of one row of tiles, one column, hardly any pixels, a tile's size and a little more.
SHAPES = [(900, 61, "jpg", "RGB"), (40, 620, "png", "RGB"), (25, 18, "png", "RGB"), (64, 64, "jpg", "L"), (257, 193, "jpg", "RGB")]


def reference(folder, data, precision, threads, adapter=None, resize="pillow", system=None):
    output = folder / f"reference-{precision}{'-adapted' * bool(adapter)}{'-told' * bool(system)}.h5"
    subprocess.run([sys.executable, ROOT / "tools/reference/hi_reference.py", "--model", folder / "model",
                    "--dataset", data / "keyobjects.json", "--images", data / "images", "--output", output,
                    "--precision", precision, "--resize", resize, "--dump-scores", *(["--adapter", adapter] if adapter else []),
                    *(["--system", system] if system else [])], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL if not os.environ.get("PARITY_VERBOSE") else None,
                   env=os.environ | {"OMP_NUM_THREADS": str(threads)})
    return output


def mpirun(ranks):
    """The words before a command that start it on `ranks` ranks."""
    if ranks == 1:
        return []
    root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
    return ["mpirun", *root, "--oversubscribe", "-np", str(ranks)]


def product(binary, folder, data, precision, ranks, adapter=None, resize="pillow", system=None):
    output = folder / f"headimpact-{precision}{'-adapted' * bool(adapter)}{'-told' * bool(system)}.h5"
    subprocess.run([*mpirun(ranks), binary, "score", "--model", folder / "model", "--dataset", data / "keyobjects.json",
                    "--images", data / "images", "--output", output, "--precision", precision, "--resize", resize, "--save-scores", "--quiet",
                    *(["--adapter", adapter] if adapter else []), *(["--system", system] if system else [])], check=True)
    return output


def datasets(folder, coco):
    """{"coco", "drawn", "shapes"} -> folder. Without the photographs all are drawn."""
    made = {name: folder / name for name in ("drawn", "coco", "shapes")}
    drawn_images.write_dataset(made["shapes"], SHAPES, [2, 2, 1, 2, 2], seed=random.randrange(1 << 30))
    drawn_images.write_dataset(made["drawn"], DRAWN, [3, 2, 2, 2, 2], seed=random.randrange(1 << 30))
    if (coco / "instances.json").exists():
        count = coco_keyobjects(coco, made["coco"], limit=16)
        print(f"photographs: {count} annotations of {coco}")
    else:
        print(f"photographs: none at {coco}; drawn images stand in")
        drawn_images.write_dataset(made["coco"], DRAWN[::-1], [3, 3, 3, 3, 4], seed=random.randrange(1 << 30))
    return made


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--binary", default=ROOT / ".build/release/headimpact", type=Path)
    p.add_argument("--coco", default=ROOT.parent / "shared/data/coco-sample", type=Path)
    p.add_argument("--seed", type=int, help="default: a new one every time, printed")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--only", help="cases whose name holds this text")
    p.add_argument("--keep", help="a folder to work in and leave behind, to look into a failure")
    p.add_argument("--resize", choices=("pillow", "torchvision"), default="pillow",
                   help="torchvision: only scores in f32, by a Python that has tools/goldens/images/requirements-torchvision.txt")
    p.add_argument("--smoke", action="store_true", help="compare the reference with itself")
    a = p.parse_args()
    if not a.smoke and not a.binary.exists():
        sys.exit(f"{a.binary} is not there: `make build` makes it")

    seed = a.seed if a.seed is not None else random.SystemRandom().randrange(1 << 30)
    random.seed(seed)
    print(f"seed {seed} (repeat with --seed {seed})")
    start, rows = time.time(), []
    scratch = tempfile.TemporaryDirectory()
    work = Path(a.keep or scratch.name)
    data = datasets(work, a.coco)
    real = None
    program = training.StandIn() if a.smoke else training.Product(a.binary, mpirun)
    grounder = None if a.smoke else grounding.Product(a.binary, mpirun)
    for number, (name, case) in enumerate(CASES.items()):
        if a.only and a.only not in name:
            continue
        folder = work / f"case-{number}"
        options = case["options"] | {"seed": random.randrange(1 << 30)}
        if "family" in options:
            made = make_tiny.make(folder / "model", **options)
        else:
            options["max_pixels"] = LIMIT_ON_VISUAL_TOKENS * 28 * 28
            if not options.get("small_vocabulary"):
                real = real or make_tiny_qwen2vl.tokenizer()  # building its merges takes a while: once
            made = make_tiny_qwen2vl.make(folder / "model", tok=None if options.get("small_vocabulary") else real, **options)
        case.get("layout", lambda folder: None)(folder / "model")
        ranks = case.get("ranks", 1)
        print(f"\n{name}: {made['parameters']:,} parameters, {made['vocab']:,} tokens, {case['data']} images, "
              f"{ranks} rank{'s' * (ranks > 1)}", flush=True)
        wanted = reference(folder, data[case["data"]], "f32", a.threads, resize=a.resize)
        ours = wanted if a.smoke else product(a.binary, folder, data[case["data"]], "f32", ranks, resize=a.resize)
        float64 = reference(folder, data[case["data"]], "f64", a.threads, resize=a.resize) if case.get("float64") else None
        rows += report(compare_f32(ours, wanted, float64))
        if a.resize == "torchvision":
            continue
        if told := case.get("system"):
            print("  with a system's turn", flush=True)
            wanted_told = reference(folder, data[case["data"]], "f32", a.threads, system=told)
            ours_told = wanted_told if a.smoke else product(a.binary, folder, data[case["data"]], "f32", ranks, system=told)
            rows += report(compare_f32(ours_told, wanted_told))
        rows += report(training.ablation(program, folder, data[case["data"]], ours))
        rows += report(grounding.figures(grounder or grounding.StandIn(wanted), folder, data[case["data"]], ours, wanted, ranks))
        if case.get("bf16"):
            wanted_bf16 = reference(folder, data[case["data"]], "bf16", a.threads)
            ours = wanted_bf16 if a.smoke else product(a.binary, folder, data[case["data"]], "bf16", ranks)
            rows += report(compare_bf16(ours, wanted_bf16, wanted))
        if name in training.CASES:
            print("  training and generating", flush=True)
            rows += report(training.run_case(program, folder, data[case["data"]], training.CASES[name]))
            print("  scoring with the adapter", flush=True)
            adapter = folder / f"adapter-{training.CASES[name]['ranks'][-1]}"
            wanted = reference(folder, data[case["data"]], "f32", a.threads, adapter)
            ours = wanted if a.smoke else product(a.binary, folder, data[case["data"]], "f32", 2, adapter)
            rows += report(compare_f32(ours, wanted) + compare_adapted(ours, folder / "reference-f32.h5"))
    if not a.smoke and a.resize == "pillow" and (not a.only or a.only in DEMONSTRATION):
        rows += demonstration(a, work, program)
    failed = sum(not ok for ok in rows)
    print(f"\n{time.time() - start:.0f} s\nparity: {len(rows) - failed} passed, {failed} failed")
    sys.exit(1 if failed or not rows else 0)


def demonstration(a, work, program):
    """The bundled model on its own scenes, in both precisions."""
    folder = work / "demonstration"
    subprocess.run([a.binary, "demo", "--output", folder], check=True, stdout=subprocess.DEVNULL)
    path = folder / "dataset/keyobjects.json"
    data = json.loads(path.read_text())
    data["annotations"] = sorted(data["annotations"], key=lambda s: s["id"])[:DEMONSTRATION_SAMPLES]
    path.write_text(json.dumps(data))
    print(f"\n{DEMONSTRATION}: {len(data['annotations'])} samples, 2 ranks", flush=True)
    wanted, wanted_bf16 = (reference(folder, path.parent, p, a.threads) for p in ("f32", "bf16"))
    ours, ours_bf16 = (product(a.binary, folder, path.parent, p, 2) for p in ("f32", "bf16"))
    scored = report(compare_f32(ours, wanted)) + report(compare_bf16(ours_bf16, wanted_bf16, wanted))
    print("  training and generating", flush=True)
    return scored + report(training.demonstration(program, folder))


def report(figures):
    """Prints a case's figures; returns which hold."""
    for f in figures:
        print(f"  {'ok  ' if f.ok else 'OVER'} {f.what:<58} {f.value:>12.4g}  {f.relation} {f.limit:g}", flush=True)
    return [f.ok for f in figures]


if __name__ == "__main__":
    main()
