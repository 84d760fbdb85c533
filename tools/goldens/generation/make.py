#!/usr/bin/env python3
"""Golden texts: what transformers' `generate` gives on the committed tiny checkpoints, in float32.

    .venv/bin/python tools/goldens/generation/make.py

Tests/GenerationTests/Goldens/{greedy,beams,penalty}.json: a list of {case, image, prompt, max_new_tokens, num_beams, ids, text};
ids are the new tokens, the stop token included. Those of penalty.json have a repetition_penalty too. Other families have a folder
of such files for each of their checkpoints, which tools/goldens/<family>/make.py makes by `make_case`.

A random model's next token may be nearly a tie, which falls either way by rounding: such
prompts are left out (`LEAST_GAP` between the two best scores of every greedy step; for both, where float64 gives other tokens).
Beams are also followed over LONG answers, so that some of their sequences end by themselves.
"""
import json
import os
import platform
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tools/reference"))

import torch
import transformers
from PIL import Image

import published
from generation import decoded, generated, stop_ids
from hi_reference import Reference

GOLDENS = ROOT / "Tests/GenerationTests/Goldens"
TINY = ROOT / "Tests/VisionLanguageTests/Goldens"
LEAST_GAP = 1e-3
SHORT, LONG = 12, 40
PENALTIES = [1.05, 1.3, 2.0, 0.8]
PROMPTS = ["Describe the main object in the image.", "What?", "Is it large?", "How many circles are there?", "", "a b c d e f g",
           "Name the colour of the square.", "Where is it?", "red or blue", "Tell me a story about the triangle on the left."]


def texts(case):
    """The answers of one checkpoint of Tests/VisionLanguageTests/Goldens: {greedy, beams, penalty}, and how many prompts were
    left out."""
    greedy, beams, penalized, left_out = [], [], [], 0
    reference = Reference(TINY / case / "checkpoint", torch.float32)
    exact = Reference(TINY / case / "checkpoint", torch.float64)
    stops = stop_ids(reference)
    images = sorted((TINY / case / "dataset/images").iterdir())
    for number, prompt in enumerate(PROMPTS):
        for name in (images[number % len(images)], images[(number + 1) % len(images)]):
            image = Image.open(name).convert("RGB")
            for count, length in ((1, SHORT), (2 + number % 3, SHORT), (2 + (number + 1) % 3, LONG)):
                ids, gap = generated(reference, image, prompt, length, count)
                doubles, _ = generated(exact, image, prompt, length, count, torch.float64)
                if gap < LEAST_GAP or ids != doubles:
                    left_out += 1
                    continue
                if length == LONG and ids[-1] not in stops:
                    continue  # long answers are here for their ends
                (greedy if count == 1 else beams).append({
                    "case": case, "image": name.name, "prompt": prompt, "max_new_tokens": length, "num_beams": count,
                    "ids": ids, "text": decoded(reference, ids)})
                if length == SHORT:
                    penalty = PENALTIES[(number + count) % len(PENALTIES)]
                    other, gap = generated(reference, image, prompt, length, count, penalty=penalty)
                    if gap < LEAST_GAP or other != generated(exact, image, prompt, length, count, torch.float64, penalty)[0]:
                        left_out += 1
                        continue
                    penalized.append({
                        "case": case, "image": name.name, "prompt": prompt, "max_new_tokens": length, "num_beams": count,
                        "repetition_penalty": penalty, "ids": other, "text": decoded(reference, other)})
    return {"greedy": greedy, "beams": beams, "penalty": penalized}, left_out


def make(cases, folder, made_by="tools/goldens/generation/make.py"):
    """Writes the answers of some checkpoints into one folder."""
    folder.mkdir(parents=True, exist_ok=True)
    answers, left_out = {"greedy": [], "beams": [], "penalty": []}, 0
    for case in cases:
        made, unsure = texts(case)
        left_out += unsure
        for kind in answers:
            answers[kind] += made[kind]
    for path in folder.glob("*.json"):
        path.unlink()  # the manifest doesn't list itself
    for kind, found in answers.items():
        published.write_json(folder / f"{kind}.json", found)
    published.write_json(folder / "manifest.json", {
        "made_by": made_by, "python": platform.python_version(),
        "versions": {m.__name__: m.__version__ for m in (torch, transformers)},
        "near_ties": {"least_gap": LEAST_GAP, "left_out": left_out, "rule": (
            "left out where the two best logits of a greedy step are nearer than least_gap, or float64 gives other tokens")},
        "sha256": {name: digest for name, digest in published.file_digests(folder).items() if "/" not in name}})
    print(*cases, {kind: len(found) for kind, found in answers.items()}, left_out, "near ties left out")


def make_case(case, made_by):
    """A family's own checkpoint: Tests/GenerationTests/Goldens/<case>/."""
    make([case], GOLDENS / case, made_by)


def main():
    make(("nested", "published", "odd", "smolvlm"), GOLDENS)


if __name__ == "__main__":
    main()
