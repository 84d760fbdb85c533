#!/usr/bin/env python3
"""A table of the descriptions that dataset build takes from captions, each beside its caption, to be judged by eye.

    python3 tools/descriptions/table.py --categories INSTANCES CAPTIONS... --output table.tsv [--sample 200 --seed 15]

CAPTIONS are COCO captions files; their images need neither pictures nor instances. Every image is given one object of each
of the categories in turn, so every phrase that names one is seen. --program takes another build, to compare with.
Columns: category, description, caption.
"""
import argparse
import json
import random
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SQUARE = [[0, 0, 40, 0, 40, 40, 0, 40]]


def texts_by_image(files):
    """Captions of each image, without repetition; an image that several files have is one."""
    texts = {}
    for file in files:
        for a in json.loads(Path(file).read_text())["annotations"]:
            known = texts.setdefault(a["image_id"], [])
            text = " ".join(a["caption"].split())
            if text not in known:
                known.append(text)
    return list(texts.values())


def descriptions(program, categories, texts, folder):
    """(category, description, caption) of each image and category that a caption names."""
    images, objects, captions = [], [], []
    for number, of_image in enumerate(texts):
        for place, category in enumerate(categories):
            id = number * len(categories) + place + 1
            images.append({"id": id, "file_name": "none.jpg", "width": 100, "height": 100})
            objects.append({"id": id, "image_id": id, "category_id": category["id"], "area": 1600, "bbox": [0, 0, 40, 40],
                            "iscrowd": 0, "segmentation": SQUARE})
            captions += [{"id": len(captions) + n + 1, "image_id": id, "caption": text} for n, text in enumerate(of_image)]
    (folder / "images").mkdir()
    (folder / "images/none.jpg").touch()
    instances, said, made = folder / "instances.json", folder / "captions.json", folder / "made.json"
    instances.write_text(json.dumps({"images": images, "annotations": objects, "categories": categories}))
    said.write_text(json.dumps({"images": images, "annotations": captions}))
    subprocess.run([program, "dataset", "build", "--instances", instances, "--captions", said, "--images", folder / "images",
                    "--output", made, "--quiet"], check=True, stdout=subprocess.DEVNULL)
    names = {c["id"]: c["name"] for c in categories}
    text = {c["id"]: c["caption"] for c in captions}
    return [(names[a["category_id"]], a["description"], text[a["caption_id"]])
            for a in json.loads(made.read_text())["annotations"] if a["description_source"] == "caption"]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("captions", nargs="+")
    p.add_argument("--categories", required=True, help="a COCO instances file, for its categories")
    p.add_argument("--program", default=ROOT / ".build/release/headimpact")
    p.add_argument("--output", required=True)
    p.add_argument("--sample", type=int)
    p.add_argument("--seed", type=int, default=0)
    a = p.parse_args()
    texts = texts_by_image(a.captions)
    categories = json.loads(Path(a.categories).read_text())["categories"]
    with tempfile.TemporaryDirectory() as folder:
        rows = descriptions(a.program, categories, texts, Path(folder))
    print(f"{len(texts)} images, {sum(map(len, texts))} captions, {len(rows)} descriptions")
    if a.sample:
        rows = [rows[n] for n in sorted(random.Random(a.seed).sample(range(len(rows)), min(a.sample, len(rows))))]
    Path(a.output).write_text("".join("\t".join(row) + "\n" for row in rows))


if __name__ == "__main__":
    main()
