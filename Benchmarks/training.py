#!/usr/bin/env python3
"""headimpact train beside PEFT: the same checkpoint, photograph, captions and threads; and the allreduce's share of a step.

    .venv/bin/python Benchmarks/training.py [--threads 2] [--precision f32] [--quick]        (make bench)

Full size takes the random Qwen2-VL-2B of run.py, layers 14 to 16, rank 8 on q, k, v and o, batch 1, one 640x480 picture with
captions of 15 tokens. Seconds a step: PEFT's forward and backward, with eager or sdpa attention, whichever is faster;
headimpact's whole step, in the first epoch (vision tower and all layers) and in later ones (from the kept hidden states on). Then 4 ranks of
one thread, for the share of the allreduce.
--quick takes the demonstration model and says whether the benchmark works, not how fast the program is.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "tools/reference")]

from measuring import run_watched
from run import picture, write_dataset

GOALS = {"first epoch": 1.3, "later epochs": 4.0}
SAMPLES, EPOCHS = 3, 3


def write_samples(work, name, image, count):
    """A dataset of `count` copies of a picture, each with a caption of its own: nothing of one sample serves another."""
    folder = work / name
    folder.mkdir(exist_ok=True)
    path = write_dataset(folder / "samples.json", image, count)
    data = json.loads(path.read_text())
    only = data["images"][0]
    data["images"] = [only | {"id": i + 1, "file_name": f"{i + 1}{image.suffix}"} for i in range(count)]
    for i, annotation in zip(data["images"], data["annotations"]):
        shutil.copy(image, folder / i["file_name"])
        annotation["image_id"] = i["id"]
    path.write_text(json.dumps(data))
    return path


def peft(a, dataset, layers, attention):
    """Median seconds of a step, after a first one that warms up; prints what it did."""
    out, _, watch = run_watched(
        [sys.executable, ROOT / "Benchmarks/peft_baseline.py", "--model", a.model, "--dataset", dataset,
         "--images", dataset.parent, "--layers", layers, "--precision", a.precision, "--attention", attention, "--threads", a.threads,
         *(["--supervised-logits"] if a.supervised_logits else [])], a.model)
    said = json.loads(out.splitlines()[-1])
    seconds = statistics.median([f + b for f, b in zip(said["forward"], said["backward"])][1:])
    print(f"PEFT, {a.precision}, {attention}, {a.threads} threads: {seconds:.2f} s a step (forward "
          f"{statistics.median(said['forward'][1:]):.2f}, backward {statistics.median(said['backward'][1:]):.2f}), "
          f"{said['tokens'][0][0]} tokens, {said['tokens'][0][1]} of them supervised; private memory {watch.peak / 1e6:.0f} MB",
          flush=True)
    return seconds


def headimpact(a, work, dataset, images, layers, epochs, ranks, threads):
    """Seconds of each step, and of its allreduce; and the peak of private memory (of one rank; None under mpirun)."""
    import h5py
    output = work / "bench-adapter"
    shutil.rmtree(output, ignore_errors=True)
    shutil.rmtree(f"{output}.training", ignore_errors=True)
    root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
    mpirun = ["mpirun", *root, "--oversubscribe", "--bind-to", "none", "-np", str(ranks)] if ranks > 1 else []
    command = [*mpirun, a.binary, "train", "--model", a.model, "--dataset", dataset, "--images", images, "--layers", layers,
               "--batch", str(ranks), "--epochs", str(epochs), "--precision", a.precision, "--threads", str(threads),
               "--shuffle", "none", "--quiet", "--output", output]
    _, _, memory = run_watched(command, a.model)
    with h5py.File(output / "training.h5") as f:
        return list(f["seconds"][()]), list(f["seconds_allreduce"][()]), None if ranks > 1 else memory.peak


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--binary", type=Path, default=ROOT / ".build/release/headimpact")
    p.add_argument("--model", type=Path, default=ROOT / ".cache/bench/qwen2-vl-2b-random")
    p.add_argument("--coco", type=Path, default=ROOT.parent / "shared/data/coco-sample")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--precision", choices=("bf16", "f32"), default="f32")
    p.add_argument("--attention", choices=("faster", "sdpa", "eager"), default="faster", help="of the baseline")
    p.add_argument("--supervised-logits", action="store_true",
                   help="a stronger baseline: its output head on the answer's tokens only")
    p.add_argument("--rounds", type=int, default=1, help="how often each side is timed, in turn; the median counts")
    p.add_argument("--quick", action="store_true", help="the demonstration model: a check of the benchmark itself")
    p.add_argument("--no-baseline", action="store_true")
    a = p.parse_args()
    if not a.binary.exists():
        sys.exit(f"{a.binary} is not there: `make build` makes it")
    work = ROOT / ".cache/bench"
    work.mkdir(parents=True, exist_ok=True)
    layers = "14,15,16"
    if a.quick:
        demo, layers = ROOT / ".cache/demo", "4,5"
        if not (demo / "model").exists():
            subprocess.run([a.binary, "demo", "--output", demo], check=True)
        a.model, image = demo / "model", sorted((demo / "dataset/images").iterdir())[0]
    else:
        if not (a.model / "config.json").exists():  # written last, so an interrupted attempt is repeated
            subprocess.run([sys.executable, ROOT / "Benchmarks/make_2b.py", a.model], check=True)
        image = picture(work, a.coco)
    dataset = write_samples(work, "training", image, SAMPLES)

    theirs, first, later, memory = {}, [], [], 0
    for _ in range(a.rounds):
        for attention in () if a.no_baseline else ("sdpa", "eager") if a.attention == "faster" else (a.attention,):
            theirs.setdefault(attention, []).append(peft(a, dataset, layers, attention))
        seconds, _, peak = headimpact(a, work, dataset, dataset.parent, layers, EPOCHS, 1, a.threads)
        if len(seconds) != SAMPLES * EPOCHS:
            sys.exit(f"headimpact took {len(seconds)} steps, not {SAMPLES * EPOCHS}")
        first, later, memory = first + seconds[:SAMPLES], later + seconds[SAMPLES:], max(memory, peak)
    best = min((statistics.median(t), attention) for attention, t in theirs.items()) if theirs else (float("nan"), "not timed")
    print(f"\n{'a step':<14}{'PEFT (' + best[1] + ')':>16}{'headimpact':>12}{'ratio':>8}{'goal':>6}"
          f"     (private memory {memory / 1e6:.0f} MB)")
    for name, times in (("first epoch", first), ("later epochs", later)):
        ours = statistics.median(times)
        print(f"{name:<14}{best[0]:>14.2f} s{ours:>10.2f} s{best[0] / ours:>8.2f}{GOALS[name]:>6.1f}")
    if a.quick:
        print("(of the demonstration model: that it works, not how fast it is)")

    dataset = write_samples(work, "training-4", image, 4)
    steps, reduces, _ = headimpact(a, work, dataset, dataset.parent, layers, 4, 4, 1)
    shares = [r / s for r, s in zip(reduces[1:], steps[1:])]
    print(f"\n4 ranks: {statistics.median(steps[1:]):.2f} s a step; in the allreduce, including waiting for slower ranks, "
          f"{100 * statistics.median(shares):.2f}% (goal 1%; least of a step {100 * min(shares):.2f}%)")


if __name__ == "__main__":
    main()
