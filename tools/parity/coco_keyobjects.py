#!/usr/bin/env python3
"""A key-object dataset of COCO photographs: each annotation's category name is its description.

    python coco_keyobjects.py COCO_FOLDER OUT_FOLDER [--limit 16]
"""
import argparse
import json
from pathlib import Path


def coco_keyobjects(coco, out, limit=None, least_area=0.01, crowds=False):
    """Writes OUT/keyobjects.json, and OUT/images as a link to the photographs; returns the number of annotations.

    limit: at most so many, the largest of each image first, images in turn. least_area: a smaller share of its image is
    left out, as it may be smaller than one visual token.
    """
    coco, out = Path(coco).resolve(), Path(out)
    data = json.loads((coco / "instances.json").read_text())
    images = {i["id"]: i for i in data["images"]}
    names = {c["id"]: c["name"] for c in data["categories"]}
    of_image = {i: [] for i in sorted(images)}
    for s in sorted(data["annotations"], key=lambda s: (-s["area"], s["id"])):
        image = images[s["image_id"]]
        if (crowds or not s["iscrowd"]) and s["area"] >= least_area * image["width"] * image["height"]:
            of_image[s["image_id"]].append(s | {"description": names[s["category_id"]]})
    chosen, turn = [], 0
    while any(len(samples) > turn for samples in of_image.values()):
        chosen += [samples[turn] for samples in of_image.values() if len(samples) > turn]
        turn += 1
    chosen = sorted(chosen[:limit], key=lambda s: s["id"])
    used = {s["image_id"] for s in chosen}
    out.mkdir(parents=True, exist_ok=True)
    (out / "keyobjects.json").write_text(json.dumps({
        "info": {"description": "COCO photographs, category names as descriptions"}, "categories": data["categories"],
        "images": [images[i] for i in sorted(used)], "annotations": chosen}))
    link = out / "images"
    if not link.exists():
        link.symlink_to(coco / "images")
    return len(chosen)


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("coco")
    p.add_argument("out")
    p.add_argument("--limit", type=int)
    p.add_argument("--least-area", type=float, default=0.01)
    a = p.parse_args()
    print(coco_keyobjects(a.coco, a.out, a.limit, a.least_area), "annotations")
