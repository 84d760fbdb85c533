"""Small pictures and key-object datasets drawn from a seed, for tests that need no photographs."""
import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from pycocotools import mask as coco_mask

DESCRIPTIONS = ["a large red circle", "the small blue square on the left", "two green triangles", "a dog",
                "  a striped cat, at the top right \n", "a person's bicycle", "ein großer Hund — ünïcode ☕", "车 next to 3 trees"]


def picture(rng, width, height, mode="RGB"):
    """Textured ground with a few ellipses and boxes."""
    ground = rng.integers(60, 200, (height, width, 3)) + rng.integers(-40, 40, (height, width, 1))
    image = Image.fromarray(ground.clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(4):
        x0, y0 = rng.integers(0, width * 3 // 4), rng.integers(0, height * 3 // 4)
        box = [int(x0), int(y0), int(x0 + rng.integers(width // 6, width // 2)), int(y0 + rng.integers(height // 6, height // 2))]
        colour = tuple(int(c) for c in rng.integers(0, 255, 3))
        (draw.ellipse if rng.random() < 0.5 else draw.rectangle)(box, fill=colour)
    return image.convert(mode)


def _polygon(rng, width, height):
    """A star-like polygon within the image, with fractional corners."""
    cx, cy = rng.uniform(0.25, 0.75) * width, rng.uniform(0.25, 0.75) * height
    angles = np.sort(rng.uniform(0, 2 * np.pi, 7))
    r = rng.uniform(0.15, 0.45, 7)
    xy = np.stack([(cx + np.cos(angles) * r * width).clip(0, width), (cy + np.sin(angles) * r * height).clip(0, height)], 1)
    return [round(float(v), 2) for v in xy.ravel()]


def _annotation(rng, kind, width, height):
    if kind == "polygons":
        segmentation = [_polygon(rng, width, height)]
    elif kind == "parts":
        segmentation = [_polygon(rng, width, height), _polygon(rng, width, height)]
    else:
        rle = coco_mask.merge(coco_mask.frPyObjects([_polygon(rng, width, height)], height, width))
        if kind == "compressed":
            segmentation = {"size": rle["size"], "counts": rle["counts"].decode()}
        else:
            flat = coco_mask.decode(rle).ravel(order="F")
            edges = np.flatnonzero(np.diff(np.concatenate([[0], flat, [1 - flat[-1]]])))
            segmentation = {"size": rle["size"], "counts": [int(c) for c in np.diff(np.concatenate([[0], edges]))]}
    rles = coco_mask.frPyObjects(segmentation, height, width) if isinstance(segmentation, list) else (
        coco_mask.frPyObjects(segmentation, height, width) if isinstance(segmentation["counts"], list) else segmentation)
    rle = coco_mask.merge(rles) if isinstance(rles, list) else rles
    return {"segmentation": segmentation, "area": float(coco_mask.area(rle)),
            "bbox": [float(v) for v in coco_mask.toBbox(rle)], "iscrowd": int(kind in ("counts", "compressed"))}


def write_dataset(folder, sizes, per_image, seed):
    """keyobjects.json and images/ in a folder. sizes: (width, height, file ending, Pillow mode) of each image."""
    folder = Path(folder)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    images, annotations = [], []
    kinds = ["polygons", "parts", "counts", "compressed"]
    for i, (width, height, ending, mode) in enumerate(sizes):
        name = f"{i + 1:04d}.{ending}"
        picture(rng, width, height, mode).save(folder / "images" / name, **({"quality": 85} if ending == "jpg" else {}))
        images.append({"id": i + 1, "file_name": name, "width": width, "height": height})
        for j in range(per_image[i]):
            n = len(annotations)
            annotations.append({"id": 100 - 7 * n if n % 2 else 200 + 3 * n, "image_id": i + 1, "category_id": 1 + n % 2,
                                "description": DESCRIPTIONS[n % len(DESCRIPTIONS)],
                                **_annotation(rng, kinds[n % len(kinds)], width, height)})
    data = {"info": {"description": "drawn by tools/reference/drawn_images.py"}, "images": images,
            "categories": [{"id": 1, "name": "shape", "supercategory": "thing"}, {"id": 2, "name": "other", "supercategory": "thing"}],
            "annotations": annotations}
    (folder / "keyobjects.json").write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return data
