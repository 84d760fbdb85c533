#!/usr/bin/env python3
"""headimpact beside transformers: the same checkpoint, photograph, captions and threads, in turn.

    .venv/bin/python Benchmarks/run.py [--threads 2] [--rounds 2] [--quick]        (make bench)

Full size takes a random Qwen2-VL-2B (made on the first run, 4.4 GB under .cache/bench), one 640x480 picture (391 visual tokens)
and captions of 15 tokens: one and five in bf16, one in f32. --quick takes the demonstration model and one of its scenes, and says
whether the benchmark works, not how fast the program is. Leave the machine alone meanwhile.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "tools/reference")]

from measuring import matrix_product_rate, model_config, operations, run_watched

CAPTIONS = ["a person riding a brown horse along a sandy beach at sunset near calm water",
            "two small children playing with a red ball in front of an old wooden house",
            "a black and white cat sleeping on a blue chair next to a large window",
            "a man in a green jacket holding an umbrella while waiting for a city bus",
            "a plate of fresh fruit and bread on a table beside a cup of coffee"]
# (captions, precision) -> least ratio of the baseline's time to ours, most private memory of ours in MB
TARGETS = {(1, "bf16"): (1.15, 600), (5, "bf16"): (5.0, 600), (1, "f32"): (1.15, 1000)}


def picture(folder, coco):
    """A 640x480 photograph, or a drawn picture where there is none."""
    from PIL import Image
    for path in sorted((coco / "images").glob("*.jpg")):
        with Image.open(path) as image:
            if image.size == (640, 480):
                return path
    import numpy as np

    import drawn_images
    path = folder / "drawn-640x480.jpg"
    drawn_images.picture(np.random.default_rng(0), 640, 480).save(path, quality=90)
    return path


def write_dataset(path, image, count):
    """`count` captions of one picture; its key object is the middle."""
    from PIL import Image
    with Image.open(image) as opened:
        w, h = opened.size
    box = [w * 0.25, h * 0.25, w * 0.75, h * 0.25, w * 0.75, h * 0.75, w * 0.25, h * 0.75]
    path.write_text(json.dumps({
        "info": {"description": "benchmark"}, "categories": [{"id": 1, "name": "thing", "supercategory": "thing"}],
        "images": [{"id": 1, "file_name": image.name, "width": w, "height": h}],
        "annotations": [{"id": i + 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "area": w * h / 4,
                         "bbox": [w * 0.25, h * 0.25, w * 0.5, h * 0.5], "segmentation": [box], "description": CAPTIONS[i]}
                        for i in range(count)]}))
    return path


def baseline(a, dataset, images, precision):
    command = [sys.executable, ROOT / "Benchmarks/baseline.py", "--model", a.model, "--dataset", dataset, "--images", images,
               "--precision", precision, "--threads", a.threads] + (["--no-logits"] if a.no_logits else [])
    out, _, memory = run_watched(command, a.model)
    said = json.loads(out.splitlines()[-1])
    return sum(said["seconds"]), memory, said["tokens"]


def product(a, work, dataset, images, precision):
    import h5py
    output = work / "bench.h5"
    for leftover in work.glob("bench.h5*"):
        leftover.unlink()
    _, wall, memory = run_watched([a.binary, "score", "--model", a.model, "--dataset", dataset, "--images", images,
                                   "--output", output, "--precision", precision, "--threads", a.threads, "--quiet"], a.model)
    with h5py.File(output) as f:
        return float(f.attrs["seconds_scoring"]), memory, wall


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--binary", type=Path, default=ROOT / ".build/release/headimpact")
    p.add_argument("--model", type=Path, default=ROOT / ".cache/bench/qwen2-vl-2b-random")
    p.add_argument("--coco", type=Path, default=ROOT.parent / "shared/data/coco-sample")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--rounds", type=int, default=2, help="how often each measurement is taken; the median counts")
    p.add_argument("--quick", action="store_true", help="the demonstration model: a check of the benchmark itself")
    p.add_argument("--only", choices=("baseline", "headimpact"), help="time one side")
    p.add_argument("--no-logits", action="store_true", help="a stronger baseline: without its output head")
    a = p.parse_args()
    if a.only != "baseline" and not a.binary.exists():
        sys.exit(f"{a.binary} is not there: `make build` makes it")
    work = ROOT / ".cache/bench"
    work.mkdir(parents=True, exist_ok=True)
    if a.quick:
        demo, a.rounds = ROOT / ".cache/demo", 1
        if not (demo / "model").exists():
            subprocess.run([a.binary, "demo", "--output", demo], check=True)
        a.model, image = demo / "model", sorted((demo / "dataset/images").iterdir())[0]
    else:
        if not (a.model / "config.json").exists():  # written last, so an interrupted attempt is repeated
            subprocess.run([sys.executable, ROOT / "Benchmarks/make_2b.py", a.model], check=True)
        image = picture(work, a.coco)

    config = model_config(a.model)
    text = config.get("text_config", config)
    shape = (430, text["hidden_size"], text["intermediate_size"])
    rate = {p: matrix_product_rate(a.threads, p, *shape) for p in ("bf16", "f32")}
    print(f"{a.threads} threads; matrix product {shape}: " + ", ".join(f"{p} {r / 1e9:.0f} GFLOP/s" for p, r in rate.items()),
          flush=True)

    times = {case: ([], []) for case in TARGETS}
    memory = {case: ([], []) for case in TARGETS}
    tokens = {}
    for round in range(a.rounds):
        for case in TARGETS:
            count, precision = case
            dataset = write_dataset(work / f"captions-{count}.json", image, count)
            said = []
            if a.only != "headimpact":
                seconds, watch, tokens[case] = baseline(a, dataset, image.parent, precision)
                times[case][0].append(seconds)
                memory[case][0].append(watch.peak)
                said.append(f"transformers {seconds:.2f} s")
            if a.only != "baseline":
                seconds, watch, wall = product(a, work, dataset, image.parent, precision)
                times[case][1].append(seconds)
                memory[case][1].append(watch.peak)
                said.append(f"headimpact {seconds:.2f} s ({wall:.2f} s with start-up; private memory with the mapped weights "
                            f"{watch.peak_with_weights / 1e6:.0f} MB)")
            print(f"round {round + 1}, {count} caption{'s' * (count > 1)}, {precision}: {', '.join(said)}", flush=True)

    print(f"\n{'':<18}{'transformers':>13}{'headimpact':>12}{'ratio':>8}{'goal':>7}{'floor':>8}"
          f"{'private MB':>24}{'goal':>7}")
    for case, (least, most) in TARGETS.items():
        theirs, ours = (statistics.median(t) if t else float("nan") for t in times[case])
        theirs_mb, ours_mb = (max(m) / 1e6 if m else float("nan") for m in memory[case])
        floor = float("nan")
        if case in tokens:
            # What can't be avoided: the vision pass and the prompt once, every caption's own tokens.
            total, visual, caption = tokens[case][0]
            own = sum(t[2] for t in tokens[case])
            floor = sum(operations(config, visual, total - caption + own)) / rate[case[1]]
        print(f"{case[0]} x {case[1]:<14}{theirs:>11.2f} s{ours:>10.2f} s{theirs / ours:>8.2f}{least:>7.2f}{floor:>6.2f} s"
              f"{theirs_mb:>12.0f} vs {ours_mb:>8.0f}{most:>7}")
    if tokens:
        print("tokens, visual tokens, caption tokens of each sample:", tokens[max(tokens)])


if __name__ == "__main__":
    main()
