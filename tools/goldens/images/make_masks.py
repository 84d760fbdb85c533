#!/usr/bin/env python3
"""Writes masks.json: polygons and the masks pycocotools makes of them, as checksums and run lengths.

    python make_masks.py        (needs numpy and pycocotools 2.0.11)
"""
import json
import random
import zlib
from pathlib import Path

import numpy as np
from pycocotools import mask as coco

random.seed(23375)


def case(name, height, width, polygons):
    rle = coco.merge(coco.frPyObjects(polygons, height, width))
    pixels = np.ascontiguousarray(coco.decode(rle))
    return {"name": name, "height": height, "width": width, "polygons": polygons,
            "area": int(coco.area(rle)), "bbox": [int(v) for v in coco.toBbox(rle)],
            "crc32": zlib.crc32(pixels.tobytes()), "counts": rle["counts"].decode()}


def polygon(points, low_x, high_x, low_y, high_y, digits):
    return [round(random.uniform(*((low_x, high_x) if i % 2 == 0 else (low_y, high_y))), digits)
            for i in range(2 * points)]


cases = [
    case("whole image", 7, 9, [[0, 0, 9, 0, 9, 7, 0, 7]]),
    case("one pixel", 7, 9, [[3, 3, 4, 3, 4, 4, 3, 4]]),
    case("a single point three times", 7, 9, [[3, 3, 3, 3, 3, 3]]),
    case("a horizontal line", 7, 9, [[1, 3, 8, 3, 4, 3]]),
    case("a vertical line", 7, 9, [[4, 1, 4, 6, 4, 3]]),
    case("wholly outside, left", 7, 9, [[-9, 1, -3, 1, -3, 6, -9, 6]]),
    case("wholly outside, below", 7, 9, [[1, 10, 6, 10, 6, 15, 1, 15]]),
    case("round the image", 7, 9, [[-5, -5, 20, -5, 20, 20, -5, 20]]),
    case("repeated points", 7, 9, [[1, 1, 1, 1, 7, 1, 7, 1, 7, 5, 7, 5, 1, 5]]),
    case("a bow tie", 20, 20, [[2, 2, 18, 18, 18, 2, 2, 18]]),
    case("two parts that overlap", 20, 20, [[2, 2, 12, 2, 12, 12, 2, 12], [8, 8, 18, 8, 18, 18, 8, 18]]),
    case("two parts that touch", 20, 20, [[2, 2, 10, 2, 10, 12, 2, 12], [10, 2, 18, 2, 18, 12, 10, 12]]),
    case("a one-pixel image", 1, 1, [[0, 0, 1, 0, 1, 1, 0, 1]]),
    case("one row", 1, 31, [[3.2, 0, 20.7, 0, 20.7, 1, 3.2, 1]]),
    case("one column", 31, 1, [[0, 3.2, 1, 3.2, 1, 20.7, 0, 20.7]]),
]
for i in range(60):
    height, width = random.randint(1, 60), random.randint(1, 60)
    parts = [polygon(random.randint(3, 9), -0.3 * width, 1.3 * width, -0.3 * height, 1.3 * height, i % 3)
             for _ in range(random.randint(1, 3))]
    cases.append(case(f"random {i}, crossing the border", height, width, parts))
for i in range(30):
    height, width = random.randint(20, 200), random.randint(20, 200)
    cases.append(case(f"random {i}, inside", height, width, [polygon(random.randint(3, 30), 0, width, 0, height, 2)]))

runs = []
for i in range(20):
    pixels = (np.random.default_rng(i).random((random.randint(1, 12), random.randint(1, 40))) < (i % 5) / 4).astype(np.uint8)
    rle = coco.encode(np.asfortranarray(pixels))
    runs.append({"height": pixels.shape[0], "width": pixels.shape[1], "counts": rle["counts"].decode(),
                 "area": int(coco.area(rle)), "bbox": [int(v) for v in coco.toBbox(rle)],
                 "crc32": zlib.crc32(pixels.tobytes())})

lines = lambda items: "[\n" + ",\n".join(json.dumps(item) for item in items) + "\n]"
Path(__file__).with_name("masks.json").write_text(
    '{"made_with": "make_masks.py, pycocotools 2.0.11",\n"polygons": ' + lines(cases) + ',\n"runs": ' + lines(runs) + "}\n")
