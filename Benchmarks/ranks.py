#!/usr/bin/env python3
"""What ranks cost: time and processor time of one rank, of one rank with two threads, and of two ranks, in turn.

    .venv/bin/python Benchmarks/ranks.py [--model FOLDER] [--images 8] [--rounds 3] [--demo]        (make bench-ranks)

By default the model is the random full-size Qwen2-VL-2B of `make bench`, and each image a 640x480 photograph with one caption. --demo
takes the demonstration model and many scenes instead: an image takes milliseconds there, so it shows what messages cost. The time is
that of the scoring itself, as hi.h5 has it; processor time is of all processes, once as it is and once without the start (a run
of two images is subtracted). Leave the machine alone meanwhile.
"""
import argparse
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(Path(__file__).parent))
import inputs

SPEED_UP = 1.9
PROCESSOR_TIME = 1.03
SETTINGS = {"1 rank x 1 thread": (1, 1), "1 rank x 2 threads": (1, 2), "2 ranks x 1 thread": (2, 1)}


def full_size(a):
    """The dataset of copies of one photograph."""
    work = ROOT / ".cache/bench"
    work.mkdir(parents=True, exist_ok=True)
    model = a.model or inputs.checkpoint(inputs.QWEN2_VL, work)
    photograph, text = inputs.photograph(work, a.coco), inputs.captions(model, 1)
    dataset = inputs.dataset(work / "ranks", [(photograph, text)] * a.images)
    return ["--model", model, "--dataset", dataset, "--images", dataset.parent]


def demo(a):
    folder = ROOT / ".cache/bench/ranks-demo"
    if not (folder / "model").exists():
        subprocess.run([a.binary, "demo", "--output", folder, "--scenes", "1000", "--split", "train"], check=True,
                       stdout=subprocess.DEVNULL)
    return ["--model", folder / "model", "--dataset", folder / "dataset/keyobjects.json", "--images", folder / "dataset/images"]


def run(a, inputs, ranks, threads, limit):
    """- Returns: seconds of scoring; processor seconds of all processes."""
    import h5py
    output = ROOT / ".cache/bench/ranks.h5"
    for leftover in output.parent.glob("ranks.h5*"):
        leftover.unlink()
    environment = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMPI_MCA_rmaps_base_oversubscribe="1")
    command = ["mpirun", "-np", ranks, "--bind-to", "none", a.binary, "score", *inputs, "--threads", threads, "--limit", limit,
               "--bootstrap", 100, "--quiet", "--output", output]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([str(part) for part in command], env=environment, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    with h5py.File(output) as f:
        seconds = float(f.attrs["seconds_scoring"])
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--binary", type=Path, default=ROOT / ".build/release/headimpact")
    p.add_argument("--model", type=Path, help="default: .cache/bench/qwen2-vl-2b-random, made where it is missing")
    p.add_argument("--coco", type=Path, default=ROOT.parent / "shared/data/coco-sample")
    p.add_argument("--images", type=int, help="default: 8, of the demonstration 500")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--demo", action="store_true")
    a = p.parse_args()
    if not a.binary.exists():
        sys.exit(f"{a.binary} is not there: `make build` makes it")
    a.images = a.images or (500 if a.demo else 8)
    inputs = demo(a) if a.demo else full_size(a)

    measured = {name: [] for name in SETTINGS}
    for round in range(a.rounds):
        for name, (ranks, threads) in SETTINGS.items():
            start = run(a, inputs, ranks, threads, 2)[1]
            seconds, processor = run(a, inputs, ranks, threads, a.images)
            measured[name].append((seconds, processor, processor - start))
            print(f"round {round + 1}, {name}: {seconds:.2f} s, processor time {processor:.2f} s ({start:.2f} s of start)", flush=True)

    def ratio(one, other, column):
        return statistics.median(x[column] / y[column] for x, y in zip(measured[one], measured[other]))

    single, threads, ranks = SETTINGS
    figures = [(f"{single} / {ranks}, time", ratio(single, ranks, 0), SPEED_UP, True),
               (f"{threads} / {ranks}, time", ratio(threads, ranks, 0), 1.0, True),
               (f"{ranks} / {single}, processor time", ratio(ranks, single, 1), PROCESSOR_TIME, False),
               (f"{ranks} / {single}, processor time without the start", ratio(ranks, single, 2), PROCESSOR_TIME, False)]
    print()
    for name, value, goal, is_least in figures:
        reached = value >= goal if is_least else value <= goal
        print(f"{name:<64}{value:6.3f}   goal {'at least' if is_least else 'at most'} {goal}{'' if reached else '   MISSED'}")


if __name__ == "__main__":
    main()
