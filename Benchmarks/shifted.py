#!/usr/bin/env python3
"""What an adapter learns: the demonstration model's layers of highest Head Impact, trained on descriptions of another form.

    .venv/bin/python Benchmarks/shifted.py [--ranks 2] [--keep FOLDER]

The shifted descriptions have the same content in another pattern, with other names of the colours: "a large striped red circle
at the top left" becomes "top left: one crimson circle, striped, large". Prints the share of exactly right descriptions of
held-out scenes before and after, and the time of the training. Exits 1 where it is not under 10% before, over 70% after and
within five minutes.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--binary", default=ROOT / ".build/release/headimpact")
    p.add_argument("--ranks", type=int, default=2)
    p.add_argument("--scenes", type=int, default=1024, help="to train on")
    p.add_argument("--epochs", type=int, default=12)
    p.add_argument("--lr", default="4e-3")
    p.add_argument("--batch", default="16")
    p.add_argument("--lora-rank", default="16")
    p.add_argument("--targets", default="q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj")
    p.add_argument("--layers", type=int, default=3, help="how many, of the highest HI")
    p.add_argument("--keep", help="a folder for everything, instead of a temporary one")
    a = p.parse_args()
    root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
    mpirun = ["mpirun", *root, "--oversubscribe", "-np", str(a.ranks)] if a.ranks > 1 else []
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(a.keep or scratch)

        def run(*words, parallel=True):
            return subprocess.run([*(mpirun if parallel else []), a.binary, *map(str, words)], check=True, capture_output=True,
                                  text=True).stdout

        run("demo", "--overwrite", "--output", work / "taught", "--scenes", 100, parallel=False)
        run("demo", "--overwrite", "--output", work / "test", "--scenes", 100, "--wording", "shifted", parallel=False)
        run("demo", "--overwrite", "--output", work / "train", "--scenes", a.scenes, "--split", "train", "--wording", "shifted", parallel=False)
        model, test, train = work / "test/model", work / "test/dataset", work / "train/dataset"
        captions = json.loads((test / "captions.json").read_text())["annotations"]
        wanted = {c["image_id"]: c["caption"] for c in captions}
        taught = work / "taught/dataset"
        run("score", "--model", model, "--dataset", taught / "keyobjects.json", "--images", taught / "images", "--output",
            work / "hi.h5", "--quiet")
        (work / "top.json").write_text(run("select", work / "hi.h5", "--layers", a.layers, parallel=False))

        def exact(name, *more):
            run("generate", "--model", model, "--dataset", test / "captions.json", "--images", test / "images", "--output",
                work / name, "--quiet", "--precision", "f32", *more)
            return sum(wanted[r["image_id"]] == r["caption"] for r in json.loads((work / name).read_text())) / len(wanted)

        before = exact("before.json")
        start = time.perf_counter()
        print(run("train", "--model", model, "--dataset", train / "captions.json", "--images", train / "images", "--selection",
                  work / "top.json", "--epochs", a.epochs, "--batch", a.batch, "--lr", a.lr, "--schedule", "cosine", "--warmup", 10,
                  "--lora-rank", a.lora_rank, "--targets", a.targets, "--precision", "f32", "--quiet", "--output", work / "adapter"))
        seconds = time.perf_counter() - start
        after = exact("after.json", "--adapter", work / "adapter")
    print(f"exactly right: {before:.0%} before, {after:.0%} after {seconds:.0f} s of training on {a.ranks} ranks")
    sys.exit(0 if before < 0.1 and after > 0.7 and seconds < 300 else 1)


if __name__ == "__main__":
    main()
