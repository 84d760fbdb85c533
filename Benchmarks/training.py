#!/usr/bin/env python3
"""headimpact train beside PEFT: the same checkpoint, photograph, captions and threads; and the allreduce's share of a step.

    .venv/bin/python Benchmarks/training.py [--threads 2] [--precision f32] [--quick]        (make bench)

Full size takes the random Qwen2-VL-2B of run.py, layers 14 to 16, rank 8 on q, k, v and o, batch 1, one 640x480 picture with
captions of 15 tokens. Seconds a step: PEFT's forward and backward; headimpact's whole step, in the first epoch (vision tower and
all layers) and in later ones (from the kept hidden states on). Then 4 ranks of one thread, for the share of the allreduce.
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
    p.add_argument("--attention", choices=("sdpa", "eager"), default="sdpa", help="of the opponent")
    p.add_argument("--quick", action="store_true")
    p.add_argument("--no-opponent", action="store_true")
    a = p.parse_args()
    work = ROOT / ".cache/bench"
    work.mkdir(parents=True, exist_ok=True)
    layers = "14,15,16"
    if a.quick:
        demo, layers = ROOT / ".cache/demo", "4,5"
        if not (demo / "model").exists():
            subprocess.run([a.binary, "demo", "--output", demo], check=True)
        a.model, image = demo / "model", sorted((demo / "dataset/images").iterdir())[0]
    else:
        if not (a.model / "config.json").exists():
            subprocess.run([sys.executable, ROOT / "Benchmarks/make_2b.py", a.model], check=True)
        image = picture(work, a.coco)
    dataset = write_dataset(work / "training.json", image, 3)

    theirs = None
    if not a.no_opponent:
        out, _, watch = run_watched(
            [sys.executable, ROOT / "Benchmarks/peft_opponent.py", "--model", a.model, "--dataset", dataset, "--images", image.parent,
             "--layers", layers, "--precision", a.precision, "--attention", a.attention, "--threads", a.threads], a.model)
        said = json.loads(out.splitlines()[-1])
        # The first step warms up.
        theirs = statistics.median([f + b for f, b in zip(said["forward"], said["backward"])][1:])
        print(f"PEFT, {a.precision}, {a.attention}, {a.threads} threads: {theirs:.2f} s a step (forward "
              f"{statistics.median(said['forward'][1:]):.2f}, backward {statistics.median(said['backward'][1:]):.2f}), "
              f"{said['tokens'][0][0]} tokens, {said['tokens'][0][1]} of them supervised; private memory {watch.peak / 1e6:.0f} MB",
              flush=True)
    seconds, _, memory = headimpact(a, work, dataset, image.parent, layers, 2, 1, a.threads)
    ours = {"first epoch": statistics.median(seconds[:3]), "later epochs": statistics.median(seconds[3:])}
    print(f"\n{'':<14}{'headimpact':>11}{'ratio':>8}{'goal':>6}     (private memory {memory / 1e6:.0f} MB)")
    for name, value in ours.items():
        ratio = theirs / value if theirs else float("nan")
        print(f"{name:<14}{value:>9.2f} s{ratio:>8.2f}{GOALS[name]:>6.1f}")
    steps, reduces, _ = headimpact(a, work, write_dataset(work / "training-4.json", image, 4), image.parent, layers, 4, 4, 1)
    shares = [r / s for r, s in zip(reduces[1:], steps[1:])]
    print(f"\n4 ranks: {statistics.median(steps[1:]):.2f} s a step; in the allreduce, with waiting for slower ranks, "
          f"{100 * statistics.median(shares):.2f}% (goal 1%; least of a step {100 * min(shares):.2f}%)")


if __name__ == "__main__":
    main()
