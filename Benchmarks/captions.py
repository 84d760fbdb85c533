#!/usr/bin/env python3
"""headimpact evaluate beside pycocoevalcap's tokenizer, BLEU, ROUGE-L and CIDEr, on the same file and one core.

    .venv/bin/python Benchmarks/captions.py [--pycocoevalcap DIR] [--captions captions_val2017.json] [--images 40000]

Captions are drawn: the halves of two sentences of --captions, or words by how often languages use them. Without Java or
pycocoevalcap (pip install --no-deps --target DIR pycocoevalcap==1.2) only headimpact is timed. Seconds of processor time are
compared too, which other programs on the machine change less than wall time.
"""
import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GOAL_SECONDS, GOAL_RATIO = 10, 20

BASELINE = """
import json, sys, contextlib, io
sys.path.insert(0, sys.argv[1])
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer
references, results = {}, {}
for a in json.load(open(sys.argv[2]))["annotations"]: references.setdefault(a["image_id"], []).append(a)
for r in json.load(open(sys.argv[3])): results[r["image_id"]] = [r]
references, results = PTBTokenizer().tokenize(references), PTBTokenizer().tokenize(results)
scores = {}
with contextlib.redirect_stdout(io.StringIO()):
    for scorer, names in ((Bleu(4), ["Bleu_1", "Bleu_2", "Bleu_3", "Bleu_4"]), (Rouge(), "ROUGE_L"), (Cider(), "CIDEr")):
        score = scorer.compute_score(references, results)[0]
        scores |= dict(zip(names, score)) if isinstance(names, list) else {names: score}
print(json.dumps({k: float(v) for k, v in scores.items()}))
"""


def caption_maker(rnd, path):
    """A function that draws one caption."""
    if path:
        sentences = [a["caption"].strip().rstrip(".").split() for a in json.loads(path.read_text())["annotations"]]
        sentences = [s for s in sentences if len(s) > 4]

        def halves():
            a, b = rnd.choice(sentences), rnd.choice(sentences)
            return " ".join(a[:len(a) // 2] + b[len(b) // 2:]) + rnd.choice([".", "."," .", ""])
        return halves
    words = ["a", "on", "the", "of", "in", "with", "and", "is", "man", "to"]
    words += ["".join(rnd.choice("bdfgklmnprst") + rnd.choice("aeiou") for _ in range(rnd.randint(1, 4))) for _ in range(8000)]
    words += ["man's", "isn't", "t-shirt", "black-and-white", "2", "10", "stop,", "(left)", '"stop"', "U.S."]
    frequencies = [1 / (rank + 3) for rank in range(len(words))]

    def drawn():
        return " ".join(rnd.choices(words, frequencies, k=rnd.randint(7, 14))) + rnd.choice([".", ".", " .", ""])
    return drawn


def write_files(folder, images, caption):
    annotations = [{"id": 5 * i + k, "image_id": i, "caption": caption()} for i in range(images) for k in range(5)]
    results = [{"image_id": i, "caption": caption()} for i in range(images)]
    references = {"images": [{"id": i} for i in range(images)], "annotations": annotations}
    for name, value in (("references.json", references), ("results.json", results)):
        (folder / name).write_text(json.dumps(value))
    return folder / "references.json", folder / "results.json"


def timed(command):
    """(standard output, wall seconds, processor seconds) of a command and its children, all on one core."""
    core = min(os.sched_getaffinity(0))
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    out = subprocess.run([str(c) for c in command], check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                         preexec_fn=lambda: os.sched_setaffinity(0, {core})).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return out, time.perf_counter() - start, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--binary", type=Path, default=ROOT / ".build/release/headimpact")
    p.add_argument("--pycocoevalcap", type=Path, help="the folder that holds the package")
    p.add_argument("--captions", type=Path, help="a COCO captions file whose sentences are used")
    p.add_argument("--images", type=int, default=40_000)
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        references, results = write_files(Path(folder), a.images, caption_maker(random.Random(1), a.captions))
        out, wall, cpu = timed([a.binary, "evaluate", "--references", references, "--results", results, "--format", "json"])
        print(f"headimpact, {a.images} images with 5 references: {wall:.2f} s, {cpu:.2f} s of processor time "
              f"(goal: under {GOAL_SECONDS} s for 40000)", flush=True)
        if not a.pycocoevalcap or not shutil.which("java"):
            return print("pycocoevalcap is not timed: it needs --pycocoevalcap DIR, and Java")
        theirs, their_wall, their_cpu = timed([sys.executable, "-c", BASELINE, a.pycocoevalcap, references, results])
        print(f"pycocoevalcap: {their_wall:.2f} s, {their_cpu:.2f} s of processor time")
        print(f"ratio: {their_wall / wall:.1f} by the clock, {their_cpu / cpu:.1f} of processor time (goal: {GOAL_RATIO})")
        ours = json.loads(out)["captions"]["scores"]
        difference = max(abs(ours[k] - v) for k, v in json.loads(theirs.splitlines()[-1]).items())
        print(f"greatest difference of a score: {difference:.1e}")
        if difference > 1e-6:
            sys.exit("the scores differ")


if __name__ == "__main__":
    main()
