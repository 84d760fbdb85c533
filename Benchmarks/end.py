#!/usr/bin/env python3
"""What the end of a scoring run takes on several ranks: the bootstraps and tests of each head, and the writing of hi.h5.

    .venv/bin/python Benchmarks/end.py [--samples 4000] [--layers 28] [--heads 12] [--ranks 1 2] [--rounds 3]     (make bench-end)

A shard of random results stands for a run (`score --shard 1/1` of the demonstration model lends its identity); gather finishes it, on
each number of ranks with one thread each. The times of the two smallest numbers of ranks, a and b, give the part s that one rank
does alone and the part p that the ranks share: T(n) = s + p / n. Both grow with the samples; the last line says what a run of
--total samples takes on --total-ranks ranks. Leave the machine alone meanwhile, and use no more ranks than it has cores.
"""
import argparse
import hashlib
import json
import shutil
import struct
import subprocess
from pathlib import Path

import numpy

ROOT = Path(__file__).resolve().parents[1]
JOURNAL, MANIFEST = b"HIJOURNAL1\n", b"HISHARD1\n"
MEASURES = 6


def record(payload):
    return struct.pack("<q", len(payload)) + hashlib.sha256(payload).hexdigest()[:16].encode() + payload


def text(content):
    return struct.pack("<q", len(content)) + content


def records(data):
    at = len(JOURNAL)
    while at < len(data):
        length, = struct.unpack_from("<q", data, at)
        yield data[at + 24:at + 24 + length]
        at += 24 + length


def template(a, work):
    """The identity and the manifest of a real shard."""
    demo = work / "demo"
    if not (demo / "model").exists():
        subprocess.run([a.binary, "demo", "--output", demo], check=True, stdout=subprocess.DEVNULL)
    output = work / "template.h5"
    shard = Path(f"{output}.shard-1-of-1")
    shard.unlink(missing_ok=True)
    subprocess.run([a.binary, "score", "--model", demo / "model", "--dataset", demo / "dataset/keyobjects.json", "--images",
                    demo / "dataset/images", "--output", output, "--limit", "2", "--shard", "1/1", "--quiet"], check=True,
                   stdout=subprocess.DEVNULL)
    all_records = list(records(shard.read_bytes()))
    return all_records[0], json.loads(all_records[-1][len(MANIFEST):])


def result(image, heads, random):
    """One image with one sample, as the journal has it."""
    values = random.random((3 * MEASURES + 1) * heads[0] * heads[1])
    tables = MEASURES * heads[0] * heads[1]
    values[tables:2 * tables] *= 0.5  # chance is never so near to 1 as a random number may be
    impact = b"HIsm" + struct.pack("<4I3q4I", 1, *heads, MEASURES, image, image, 1, 500, 400, 9, 60) + values.tobytes()
    picture = text(b"%012d.jpg" % image) + struct.pack("<qqq", 640, 480, 1) + text(b"global") + struct.pack("<qq4d", 20, 20, 0, 0, 640, 480)
    outcome = struct.pack("<qq", image, 0) + text(impact) + text(b"a description of it") + text(bytes(340) + bytes([1]) * 60) + text(b"")
    return text(b"unit 2") + struct.pack("<qq", image, 1) + picture + struct.pack("<q", 1) + outcome


def shard(a, work):
    identity, manifest = template(a, work)
    keys = numpy.arange(1, a.samples + 1, dtype="<i8")
    manifest.update(units=a.samples, lost=[], skips={"samples": a.samples, "skipped": {}},
                    plan={"units": a.samples, "samples": a.samples, "keysSHA256": hashlib.sha256(keys.tobytes()).hexdigest()})
    content = json.loads(manifest["content"])
    content.update(layers=a.layers, heads=a.heads)
    manifest["content"] = json.dumps(content)
    random = numpy.random.default_rng(1)
    path = work / "end.h5.shard-1-of-1"
    with open(path, "wb") as file:
        file.write(JOURNAL + record(identity))
        for image in keys:
            file.write(record(result(int(image), (a.layers, a.heads), random)))
        file.write(record(MANIFEST + json.dumps(manifest).encode()))
    return path


def gather(a, work, path, ranks):
    output = work / "end.h5"
    output.unlink(missing_ok=True)
    command = [a.binary, "gather", "--output", output, path, "--threads", "1", "--format", "json"]
    if ranks > 1:
        command = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-np", str(ranks), *command]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(run.stdout)["seconds"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, default=ROOT / ".build/release/headimpact")
    parser.add_argument("--samples", type=int, default=4000)
    parser.add_argument("--layers", type=int, default=28)
    parser.add_argument("--heads", type=int, default=12)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--total", type=int, default=36_781)
    parser.add_argument("--total-ranks", type=int, default=16)
    parser.add_argument("--work", type=Path, default=ROOT / ".cache/bench/end")
    a = parser.parse_args()
    a.work.mkdir(parents=True, exist_ok=True)
    path = shard(a, a.work)
    times = {ranks: {"statistics": [], "writing": []} for ranks in a.ranks}
    for _ in range(a.rounds):
        for ranks in a.ranks:
            for part, seconds in gather(a, a.work, path, ranks).items():
                times[ranks][part].append(seconds)
    best = {ranks: {part: min(values) for part, values in parts.items()} for ranks, parts in times.items()}
    print(f"{a.samples} samples of {a.layers} x {a.heads} heads; the best of {a.rounds} rounds, in seconds")
    print("| ranks | statistics | writing | both |\n|---|---|---|---|")
    for ranks, parts in best.items():
        print(f"| {ranks} | {parts['statistics']:.2f} | {parts['writing']:.2f} | {sum(parts.values()):.2f} |")
    if len(best) > 1:
        (m, first), (n, second) = sorted(best.items())[:2]
        total = 0
        for part in first:
            shared = max(0, (first[part] - second[part]) / (1 / m - 1 / n))
            alone = max(0, first[part] - shared / m)
            seconds = (alone + shared / a.total_ranks) * a.total / a.samples
            print(f"{part}: {alone:.2f} s alone, {shared:.2f} s shared -> {seconds:.1f} s")
            total += seconds
        print(f"{a.total} samples on {a.total_ranks} ranks: {total:.1f} s")
    shutil.rmtree(a.work / "demo")


if __name__ == "__main__":
    main()
