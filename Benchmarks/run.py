#!/usr/bin/env python3
"""headimpact beside transformers: the same checkpoint, photograph, captions and threads, in turn.

    .venv/bin/python Benchmarks/run.py [--family qwen2-vl-2b] [--threads 2] [--rounds 2] [--quick]        (make bench)

Full size takes a random checkpoint of the family's published shape (--family lists them; made on the first run under .cache/bench,
4 to 15 GB), one 640x480 picture and captions of at most 15 tokens: one and five in bf16, and one in f32 of Qwen2-VL. --quick takes the demonstration model and one of its scenes, and says
whether the benchmark works, not how fast the program is. Leave the machine alone meanwhile.
"""
import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "tools/reference")]

from make_full import SIZES
from measuring import matrix_product_rate, model_config, run_watched

CAPTIONS = ["a person riding a brown horse along a sandy beach at sunset near calm water",
            "two small children playing with a red ball in front of an old wooden house",
            "a black and white cat sleeping on a blue chair next to a large window",
            "a man in a green jacket holding an umbrella while waiting for a city bus",
            "a plate of fresh fruit and bread on a table beside a cup of coffee"]
CAPTION_TOKENS = 15
# (captions, precision) -> least ratio of the baseline's time to ours, most private memory of ours in MB
QWEN2_VL = "qwen2-vl-2b"
TARGETS = {(1, "bf16"): (1.15, 600), (5, "bf16"): (5.0, 600), (1, "f32"): (1.15, 1000)}
FAMILY_TARGETS = {(1, "bf16"): (1.15, 1000), (5, "bf16"): (4.0, 1000)}
# Of a family with many visual tokens.
MORE_MEMORY = {"internvl3-2b": 2000}


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


def captions(model, count):
    """The first words of captions, as many as CAPTION_TOKENS tokens hold."""
    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    made = []
    for caption in CAPTIONS[:count]:
        words = caption.split()
        while len(words) > 1 and len(tokenizer.encode(" ".join(words), add_special_tokens=False).ids) > CAPTION_TOKENS:
            words.pop()
        made.append(" ".join(words))
    return made


def write_dataset(path, image, captions):
    """Captions of one picture; its key object is the middle."""
    from PIL import Image
    with Image.open(image) as opened:
        w, h = opened.size
    box = [w * 0.25, h * 0.25, w * 0.75, h * 0.25, w * 0.75, h * 0.75, w * 0.25, h * 0.75]
    path.write_text(json.dumps({
        "info": {"description": "benchmark"}, "categories": [{"id": 1, "name": "thing", "supercategory": "thing"}],
        "images": [{"id": 1, "file_name": image.name, "width": w, "height": h}],
        "annotations": [{"id": i + 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "area": w * h / 4,
                         "bbox": [w * 0.25, h * 0.25, w * 0.5, h * 0.5], "segmentation": [box], "description": caption}
                        for i, caption in enumerate(captions)]}))
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


def arithmetic(a, dataset):
    """Operations that can't be avoided: the vision pass and the prompt once, every caption's own tokens (headimpact doctor)."""
    out = subprocess.run([a.binary, "doctor", "--model", a.model, "--dataset", dataset, "--format", "json"], text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    return json.loads(out)["estimate"]["tera_operations"] * 1e12


def size(name):
    """A size by its name, or by its family's."""
    sizes = {entry["family"]: size for size, entry in reversed(SIZES.items())} | {"qwen2_vl": QWEN2_VL}
    name = sizes.get(name, name)
    if name != QWEN2_VL and name not in SIZES:
        raise argparse.ArgumentTypeError(f"{name} is none of {', '.join([QWEN2_VL, *SIZES, *sizes])}")
    return name


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--binary", type=Path, default=ROOT / ".build/release/headimpact")
    p.add_argument("--family", type=size, default=QWEN2_VL, help=f"{', '.join([QWEN2_VL, *SIZES])}, or a model_type")
    p.add_argument("--model", type=Path, help="default: .cache/bench/<family>-random, made where it is missing")
    p.add_argument("--coco", type=Path, default=ROOT.parent / "shared/data/coco-sample")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--rounds", type=int, default=2, help="how often each measurement is taken; the median counts")
    p.add_argument("--quick", action="store_true", help="the demonstration model: a check of the benchmark itself")
    p.add_argument("--only", choices=("baseline", "headimpact"), help="time one side")
    p.add_argument("--no-logits", action="store_true", help="a stronger baseline: without its output head")
    a = p.parse_args()
    if a.only != "baseline" and not a.binary.exists():
        sys.exit(f"{a.binary} is not there: `make build` makes it")
    a.model = a.model or ROOT / f".cache/bench/{a.family}-random"
    targets = TARGETS if a.family == QWEN2_VL else {
        case: (least, MORE_MEMORY.get(a.family, most)) for case, (least, most) in FAMILY_TARGETS.items()}
    work = ROOT / ".cache/bench"
    work.mkdir(parents=True, exist_ok=True)
    if a.quick:
        demo, a.rounds = ROOT / ".cache/demo", 1
        if not (demo / "model").exists():
            subprocess.run([a.binary, "demo", "--output", demo], check=True)
        a.model, image = demo / "model", sorted((demo / "dataset/images").iterdir())[0]
    else:
        if not (a.model / "config.json").exists():  # written last, so an interrupted attempt is repeated
            maker = ["make_2b.py", a.model] if a.family == QWEN2_VL else ["make_full.py", a.model, "--size", a.family]
            subprocess.run([sys.executable, ROOT / "Benchmarks" / maker[0], *maker[1:]], check=True)
        image = picture(work, a.coco)

    config = model_config(a.model)
    text = config.get("text_config", config)
    shape = (430, text["hidden_size"], text["intermediate_size"])
    rate = {p: matrix_product_rate(a.threads, p, *shape) for p in ("bf16", "f32")}
    print(f"{a.threads} threads; matrix product {shape}: " + ", ".join(f"{p} {r / 1e9:.0f} GFLOP/s" for p, r in rate.items()),
          flush=True)

    times = {case: ([], []) for case in targets}
    memory = {case: ([], []) for case in targets}
    tokens = {}
    for round in range(a.rounds):
        for case in targets:
            count, precision = case
            dataset = write_dataset(work / f"captions-{count}.json", image, captions(a.model, count))
            said = []
            if a.only != "headimpact":
                try:
                    seconds, watch, tokens[case] = baseline(a, dataset, image.parent, precision)
                    times[case][0].append(seconds)
                    memory[case][0].append(watch.peak)
                    said.append(f"transformers {seconds:.2f} s")
                except subprocess.CalledProcessError as error:
                    if error.returncode != -signal.SIGKILL:
                        raise
                    said.append("transformers was killed: it needs more memory than there is")
            if a.only != "baseline":
                seconds, watch, wall = product(a, work, dataset, image.parent, precision)
                times[case][1].append(seconds)
                memory[case][1].append(watch.peak)
                said.append(f"headimpact {seconds:.2f} s ({wall:.2f} s with start-up; private memory with the mapped weights "
                            f"{watch.peak_with_weights / 1e6:.0f} MB)")
            print(f"round {round + 1}, {count} caption{'s' * (count > 1)}, {precision}: {', '.join(said)}", flush=True)

    print(f"\n{'':<18}{'transformers':>13}{'headimpact':>12}{'ratio':>8}{'goal':>7}{'floor':>8}"
          f"{'private MB':>24}{'goal':>7}")
    for case, (least, most) in targets.items():
        theirs, ours = (statistics.median(t) if t else float("nan") for t in times[case])
        theirs_mb, ours_mb = (max(m) / 1e6 if m else float("nan") for m in memory[case])
        floor = float("nan")
        if times[case][1]:
            floor = arithmetic(a, work / f"captions-{case[0]}.json") / rate[case[1]]
        print(f"{case[0]} x {case[1]:<14}{theirs:>11.2f} s{ours:>10.2f} s{theirs / ours:>8.2f}{least:>7.2f}{floor:>6.2f} s"
              f"{theirs_mb:>12.0f} vs {ours_mb:>8.0f}{most:>7}")
    if tokens:
        print("tokens, visual tokens, caption tokens of each sample:", tokens[max(tokens)])


if __name__ == "__main__":
    main()
