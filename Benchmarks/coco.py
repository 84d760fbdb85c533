#!/usr/bin/env python3
"""headimpact dataset build on files of train2017's size: seconds, and the peak of its memory.

    .venv/bin/python Benchmarks/coco.py        (make bench-coco)

The instances and captions files have as many records as train2017's (118,287 images, 860,001 instances, 591,753 captions) and are as
large; each record is one of the COCO sample's beside the repository, or a made one where that is absent, under a new id.
Images are empty files: the build looks whether they are there.
"""
import argparse
import json
import random
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(Path(__file__).parent))

from measuring import run_watched

IMAGES, INSTANCES, CAPTIONS = 118_287, 860_001, 591_753
GOALS = {"seconds": 60, "GB": 4}
NAMES = ["person", "dog", "cat", "car", "chair", "umbrella", "kite", "laptop"]


def made(rng):
    """Records where there is no sample to take them from."""
    annotations = []
    for _ in range(200):
        x, y, side = rng.uniform(0, 200), rng.uniform(0, 200), rng.uniform(20, 200)
        outline = [round(v, 2) for i in range(26) for v in (x + side * (i % 13) / 13, y + side * (i // 13))]
        annotations.append({"segmentation": [outline], "area": side * side, "iscrowd": 0, "bbox": [x, y, side, side],
                            "category_id": rng.randrange(1, 9)})
    captions = [f"A {rng.choice(NAMES)} next to a {rng.choice(NAMES)}." for _ in range(100)]
    categories = [{"id": i + 1, "name": n, "supercategory": "thing"} for i, n in enumerate(NAMES)]
    return annotations, captions, categories


def write_files(folder, sample):
    rng = random.Random(0)
    if (sample / "instances.json").exists():
        instances = json.loads((sample / "instances.json").read_text())
        annotations, categories = instances["annotations"], instances["categories"]
        captions = [a["caption"] for a in json.loads((sample / "captions.json").read_text())["annotations"]]
    else:
        annotations, captions, categories = made(rng)
    images = [{"license": 4, "file_name": f"{i:012}.jpg", "coco_url": f"http://images.cocodataset.org/train2017/{i:012}.jpg",
               "height": 480, "width": 640, "date_captured": "2013-11-14 11:18:45",
               "flickr_url": "http://farm9.staticflickr.com/8186/8119368305_4e622c8349_z.jpg", "id": i} for i in range(1, IMAGES + 1)]
    (folder / "images").mkdir()
    for i in images:
        (folder / "images" / i["file_name"]).touch()
    # A crowd's run lengths fit one size of image only.
    outlines = [a for a in annotations if not a["iscrowd"]]
    with open(folder / "instances.json", "w") as f:
        f.write('{"images": ' + json.dumps(images) + ', "categories": ' + json.dumps(categories) + ', "annotations": [')
        for n in range(INSTANCES):
            a = outlines[n % len(outlines)] | {"id": n + 1, "image_id": n % IMAGES + 1}
            f.write((", " if n else "") + json.dumps(a))
        f.write("]}")
    with open(folder / "captions.json", "w") as f:
        f.write('{"images": ' + json.dumps(images) + ', "annotations": [')
        for n in range(CAPTIONS):
            f.write((", " if n else "") + json.dumps({"image_id": n % IMAGES + 1, "id": n + 1, "caption": rng.choice(captions)}))
        f.write("]}")
    (folder / "whole").touch()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--binary", type=Path, default=ROOT / ".build/release/headimpact")
    p.add_argument("--sample", type=Path, default=ROOT.parent / "shared/data/coco-sample")
    a = p.parse_args()
    if not a.binary.exists():
        sys.exit(f"{a.binary} is not there: `make build` makes it")
    folder = ROOT / ".cache/bench/coco-train-size"
    if not (folder / "whole").exists():
        folder.mkdir(parents=True)
        write_files(folder, a.sample)
    output = folder / "keyobjects.json"
    output.unlink(missing_ok=True)
    out, seconds, watch = run_watched(
        [a.binary, "dataset", "build", "--instances", folder / "instances.json", "--captions", folder / "captions.json",
         "--images", folder / "images", "--output", output, "--quiet"])
    print(out)
    megabytes = sum((folder / n).stat().st_size for n in ("instances.json", "captions.json")) / 1e6
    print(f"{megabytes:.0f} MB of JSON: {seconds:.1f} s (goal {GOALS['seconds']}), peak of memory {watch.peak_with_files / 1e9:.2f} GB "
          f"(goal {GOALS['GB']})")


if __name__ == "__main__":
    main()
