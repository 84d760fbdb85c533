#!/usr/bin/env python3
"""Golden boxes and masks out of attention, by numpy and pycocotools.

    .venv/bin/python tools/goldens/grounding/make.py

Tests/GroundingTests/Goldens/places.json: made-up scores of visual tokens, and where ground_reference.py locates the object, by every rule.
Tests/GroundingTests/Goldens/runs.json: the same of the committed tiny checkpoints' datasets, from transformers' attention in float32.
"""
import json
import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tools/reference"))

import numpy as np
import torch
from PIL import Image

import ground_reference as ground
from hi_reference import DEFAULT_PROMPT, Reference, key_object_mask

GOLDENS = ROOT / "Tests/GroundingTests/Goldens"
TINY = ROOT / "Tests/VisionLanguageTests/Goldens"
RULES = ["mean", "otsu", "quantile:0.8", "peak:0.5"]


def grid(rows, columns, x0, y0, x1, y1):
    xs, ys = np.linspace(x0, x1, columns + 1), np.linspace(y0, y1, rows + 1)
    return [[float(xs[j]), float(ys[i]), float(xs[j + 1]), float(ys[i + 1])] for i in range(rows) for j in range(columns)]


def place(scores, views, cells, size, rule, sigma, parts):
    mask, box, share = ground.locate(scores, views, cells, *size, rule, sigma, parts)
    return {"rule": rule, "sigma": sigma, "parts": parts, "bbox": box, "counts": ground.run_lengths(mask), "score": share}


def places():
    """Whole numbers over 1024: equal values are equal, and sums exact. A view; two that overlap; one that a crop leaves a border round."""
    random = np.random.default_rng(14)
    cases = []
    for size, views, boxes in [
        ((40, 30), [(6, 8)], [(0, 0, 40, 30)]),
        ((37, 53), [(5, 3)], [(0, 0, 37, 53)]),
        ((48, 32), [(4, 6), (2, 3)], [(0, 0, 48, 32), (0, 0, 48, 32)]),
        ((50, 31), [(4, 4)], [(9.5, 0, 40.5, 31)]),
        ((24, 24), [(3, 3)], [(-6, 0, 30, 24)]),
    ]:
        cells = [cell for (rows, columns), box in zip(views, boxes) for cell in grid(rows, columns, *box)]
        for spread in (64, 4, 1):
            scores = [int(v) / 1024 for v in random.integers(0, spread, len(cells))]
            found = [place(scores, views, cells, size, rule, sigma, parts) for rule in RULES
                     for sigma, parts in [(0.0, "largest"), (0.0, "all"), (0.7, "largest")]]
            cases.append({"size": size, "views": views, "cells": cells, "scores": scores, "places": found})
    return cases


def run(case, heads, rule, sigma, parts):
    reference = Reference(TINY / case / "checkpoint", torch.float32)
    folder = TINY / case / "dataset"
    data = json.loads((folder / "keyobjects.json").read_text())
    files = {image["id"]: image["file_name"] for image in data["images"]}
    entries = []
    for a in sorted(data["annotations"], key=lambda a: (a["image_id"], a["id"])):
        image = Image.open(folder / "images" / files[a["image_id"]]).convert("RGB")
        scores, cells, views, _, _ = reference.attention_scores(image, DEFAULT_PROMPT, a["description"].strip())
        mean = np.mean([scores[layer, head].astype(float) for layer, head in heads], 0)
        mask, box, share = ground.locate(mean, views, cells, image.width, image.height, rule, sigma, parts)
        target = key_object_mask(a, image.height, image.width)
        entries.append({"id": a["id"], "bbox": box, "counts": ground.run_lengths(mask), "score": share,
                        "bbox_iou": ground.box_iou(box, a["bbox"]), "mask_intersection": int((mask & target).sum()),
                        "mask_union": int((mask | target).sum())})
    return {"case": case, "heads": heads, "rule": rule, "sigma": sigma, "parts": parts, "entries": entries}


def main():
    torch.set_num_threads(1)
    GOLDENS.mkdir(parents=True, exist_ok=True)
    write = lambda name, value: (GOLDENS / name).write_text(json.dumps(value, indent=None, separators=(",", ":")) + "\n")
    write("places.json", places())
    write("runs.json", [
        run("nested", [[0, 1], [2, 3]], "mean", 0.0, "largest"), run("odd", [[1, 0]], "otsu", 0.6, "largest"),
        run("idefics3", [[1, 1]], "quantile:0.8", 0.0, "all"), run("llava_next", [[0, 0], [1, 1]], "peak:0.5", 1.0, "largest"),
    ])


if __name__ == "__main__":
    main()
