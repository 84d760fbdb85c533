#!/usr/bin/env python3
"""Writes outlines.json: outlines in the odd forms that pycocotools takes, as JSON, and the masks it makes of them.

    python make_outlines.py        (needs numpy and pycocotools 2.0.11)
"""
import json
import random
import zlib
from pathlib import Path

import numpy as np
from pycocotools import mask as coco

random.seed(1106)


def case(name, height, width, segmentation):
    # What COCO.annToMask does.
    if isinstance(segmentation, list):
        rle = coco.merge(coco.frPyObjects(segmentation, height, width))
    elif isinstance(segmentation["counts"], list):
        rle = coco.frPyObjects(segmentation, height, width)
    else:
        rle = segmentation
    area = int(coco.area(rle))
    # pycocotools doesn't set the pixels behind the last run: what is there is whatever the memory held. Its area counts none.
    pixels = np.ascontiguousarray(coco.decode(whole(rle)))
    assert pixels.sum() == area, name
    return {"name": name, "height": height, "width": width, "segmentation": json.dumps(segmentation),
            "area": area, "crc32": zlib.crc32(pixels.tobytes())}


def whole(rle):
    """The same with a last run of 0, where that is left out."""
    counts = expanded(rle["counts"])
    missing = rle["size"][0] * rle["size"][1] - sum(counts)
    return rle | {"counts": compressed(counts + [missing]).encode()} if missing else rle


def expanded(text):
    counts, value, shift = [], 0, 0
    for byte in text if isinstance(text, bytes) else text.encode():
        value |= (byte - 48 & 0x1F) << shift
        shift += 5
        if byte - 48 & 0x20:
            continue
        if byte - 48 & 0x10:
            value |= -1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value, shift = 0, 0
    return counts


def without_last(counts):
    """Run lengths without the last run of 0, where they end with one; else without that and the run of 1 behind it."""
    return counts[:-1] if len(counts) % 2 else counts[:-2]


def polygon(points, height, width, digits=2):
    return [round(random.uniform(-0.2 * side, 1.2 * side), digits) for _ in range(points) for side in (width, height)]


def runs(height, width):
    """Run lengths of a random mask."""
    pixels, value = [], 0
    while len(pixels) < height * width:
        pixels += [value] * random.randint(1, max(1, height * width // 6))
        value = 1 - value
    pixels = pixels[:height * width]
    counts, current = [0], 0
    for pixel in pixels:
        if pixel != current:
            counts, current = counts + [0], pixel
        counts[-1] += 1
    return counts


def compressed(counts):
    """pycocotools' string for run lengths, whatever they sum to."""
    text = ""
    for i, count in enumerate(counts):
        value, more = count - counts[i - 2] if i > 2 else count, True
        while more:
            group, value = value & 0x1F, value >> 5
            more = value != -1 if group & 0x10 else value != 0
            text += chr((group | 0x20 if more else group) + 48)
    return text


cases = []
for i in range(25):
    height, width = random.randint(3, 60), random.randint(3, 60)
    size = [height, width]
    good = polygon(random.randint(3, 9), height, width)
    cases += [
        case(f"{i}, an odd number of coordinates", height, width, [good + [1.5]]),
        case(f"{i}, coordinates in quotes", height, width, [[str(v) for v in good]]),
        case(f"{i}, some coordinates in quotes", height, width, [[str(v) if k % 3 else v for k, v in enumerate(good)]]),
        case(f"{i}, parts of one and two points, and of none", height, width,
             [good, polygon(1, height, width), polygon(2, height, width), [], polygon(4, height, width)]),
        case(f"{i}, a part of five numbers", height, width, [good, polygon(2, height, width) + [3]]),
        case(f"{i}, a list of run lengths", height, width, [{"size": size, "counts": runs(height, width)}]),
        case(f"{i}, a list of two run lengths", height, width,
             [{"size": size, "counts": runs(height, width)}, {"size": size, "counts": runs(height, width)}]),
        case(f"{i}, run lengths with a point", height, width,
             {"size": size, "counts": [float(c) for c in runs(height, width)]}),
        case(f"{i}, run lengths without the last", height, width, {"size": size, "counts": without_last(runs(height, width))}),
        case(f"{i}, a list of run lengths without the last", height, width,
             [{"size": size, "counts": without_last(runs(height, width))}]),
        case(f"{i}, compressed run lengths without the last", height, width,
             {"size": size, "counts": compressed(without_last(runs(height, width)))}),
    ]

(Path(__file__).parent / "outlines.json").write_text(json.dumps(cases, indent=0) + "\n")
print(len(cases), "cases")
