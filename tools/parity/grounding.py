"""Grounding, live: the boxes and masks of `headimpact ground` compared with ground_reference.py's (docs/grounding.md, Agreement).

The reference begins with the attention scores that `score` wrote, which agreement.py compares with transformers', and with
hi_reference.py's cells and views: so each pixel is decided by the same numbers, and must be decided alike.
"""
import json
import random
import subprocess
from pathlib import Path

import h5py
import numpy as np
from PIL import Image, ImageOps
from pycocotools import mask as coco_mask

import ground_reference as places
from agreement import Figure, _scores
from hi_reference import key_object_mask

# --threshold, --sigma, --parts: each case gets two of them.
RULES = [("mean", 0.0, "largest"), ("mean", 0.8, "all"), ("otsu", 0.6, "largest"), ("quantile:0.8", 0.0, "all"),
         ("quantile:0.9", 1.0, "largest"), ("peak:0.5", 0.0, "largest")]


def expected(data, scored, reference, heads, rule):
    """{annotation id: entry}, as `ground` writes them, and the true mask of each. scored: the scores' file; reference: that of cells."""
    contents = json.loads((data / "keyobjects.json").read_text())
    files = {i["id"]: i["file_name"] for i in contents["images"]}
    found, masks = {}, {}
    with h5py.File(scored) as ours, h5py.File(reference) as theirs:
        scores = _scores(ours)
        for a in contents["annotations"]:
            key = a["id"]
            if key not in scores:
                continue
            width, height = ImageOps.exif_transpose(Image.open(data / "images" / files[a["image_id"]])).size
            mean = np.mean([scores[key][layer, head] for layer, head in heads], 0)
            mask, box, share = places.locate(mean, theirs[f"views/{key}"][()], theirs[f"cells/{key}"][()], width, height, *rule)
            masks[key] = key_object_mask(a, height, width)
            y, x = np.nonzero(masks[key])
            target = a.get("bbox") or [int(x.min()), int(y.min()), int(np.ptp(x)) + 1, int(np.ptp(y)) + 1]
            found[key] = {"annotation_id": key, "bbox": box, "score": share, "target_bbox": target,
                          "segmentation": {"size": [height, width], "counts": places.run_lengths(mask)}} | overlaps(mask, box, masks[key], target)
    return found, masks


def overlaps(mask, box, truth, target):
    return {"bbox_iou": places.box_iou(box, target), "mask_intersection": int((mask & truth).sum()), "mask_union": int((mask | truth).sum())}


def scores_of(entries):
    """The scores of results: each value by its definition."""
    iou = np.array([e["bbox_iou"] for e in entries])
    inside, either = (np.array([e[f"mask_{name}"] for e in entries], float) for name in ("intersection", "union"))
    whole = np.array([places.box_iou([0, 0, *e["segmentation"]["size"][::-1]], e["target_bbox"]) for e in entries])
    return {**{f"box_accuracy_{share}": (iou >= share / 100).mean() for share in (25, 50, 75)}, "mean_box_iou": iou.mean(),
            "mean_mask_iou": np.divide(inside, either, out=np.zeros_like(inside), where=either > 0).mean(),
            "cumulative_mask_iou": inside.sum() / either.sum(), "whole_image_accuracy_50": (whole >= 0.5).mean(),
            "whole_image_mean_iou": whole.mean()}


def compare_places(entries, summary, wanted, masks):
    """entries: of the results file; summary: the printed scores; wanted, masks: of `expected`."""
    ours = {e["annotation_id"]: e for e in entries}
    common = sorted(set(ours) & set(wanted))
    equal = [ours[k]["bbox"] == wanted[k]["bbox"] and ours[k]["segmentation"] == wanted[k]["segmentation"] for k in common]
    # What follows from our own places, which near-ties leave aside.
    follows = [{**ours[k], **overlaps(coco_mask.decode(ours[k]["segmentation"]).astype(bool), ours[k]["bbox"], masks[k], wanted[k]["target_bbox"])}
               for k in common]
    apart = [abs(ours[k]["bbox_iou"] - f["bbox_iou"]) for k, f in zip(common, follows)]
    pixels = [ours[k][name] != f[name] for k, f in zip(common, follows) for name in ("mask_intersection", "mask_union")]
    targets = [np.abs(np.subtract(ours[k]["target_bbox"], wanted[k]["target_bbox"])).max() for k in common]
    shares = [abs(ours[k]["score"] - wanted[k]["score"]) for k, same in zip(common, equal) if same]
    printed = scores_of(follows) if follows else {}
    values = [summary[name]["value"] if isinstance(summary[name], dict) else summary[name] for name in printed]
    return [Figure("expressions that only one of the two has", float(len(set(ours) ^ set(wanted)) + len(entries) - len(ours)), 0),
            Figure("masks and boxes that are equal (share)", float(np.mean(equal or [0])), 0.98, ">="),
            Figure("share of attention in a mask, largest difference", float(np.max(shares or [np.inf])), 1e-9),
            Figure("boxes to be found, largest difference (pixels)", float(np.max(targets or [np.inf])), 1e-6),
            Figure("IoU of boxes, largest difference from pycocotools'", float(np.max(apart or [np.inf])), 1e-9),
            Figure("pixels in both masks or in either that differ", float(sum(pixels)), 0),
            Figure("accuracies and mean IoUs, largest difference",
                   float(np.max(np.abs(np.subtract(values, list(printed.values()))))) if printed else np.inf, 1e-9)]


class Product:
    """headimpact. mpirun: number of ranks -> the words before a command."""

    def __init__(self, binary, mpirun):
        self.binary, self.mpirun = binary, mpirun

    def ground(self, folder, data, heads, rule, ranks, output):
        threshold, sigma, parts = map(str, rule)
        told = subprocess.run(
            [*self.mpirun(ranks), self.binary, "ground", "--model", folder / "model", "--dataset", data / "keyobjects.json",
             "--images", data / "images", "--heads", ",".join(f"{layer}.{head}" for layer, head in heads), "--threshold", threshold,
             "--sigma", sigma, "--parts", parts, "--precision", "f32", "--resize", "pillow", "--bootstrap", "20", "--output", output,
             "--quiet", "--format", "json"], check=True, stdout=subprocess.PIPE)
        return json.loads(told.stdout)["scores"]


class StandIn:
    """The reference's own results, in headimpact's files."""

    def __init__(self, reference):
        self.reference = reference

    def ground(self, folder, data, heads, rule, ranks, output):
        entries = list(expected(data, self.reference, self.reference, heads, rule)[0].values())
        Path(output).write_text(json.dumps(entries))
        return scores_of(entries)


def figures(program, folder, data, scored, reference, ranks):
    """Figures of one random checkpoint, with two rules and heads that are drawn."""
    with h5py.File(reference) as f:
        layers, per_layer = f["hi"].shape[1:]
    found = []
    for rule in random.sample(RULES, 2):
        heads = random.sample([(layer, head) for layer in range(layers) for head in range(per_layer)], 2)
        output = folder / f"places-{'-'.join(map(str, rule)).replace(':', '')}.json"
        summary = program.ground(folder, data, heads, rule, ranks, output)
        compared = compare_places(json.loads(output.read_text()), summary, *expected(data, scored, reference, heads, rule))
        found += [Figure(f"{' '.join(map(str, rule))}: {f.what}", f.value, f.limit, f.relation) for f in compared]
    return found
