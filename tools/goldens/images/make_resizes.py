#!/usr/bin/env python3
"""Writes resizes.json: checksums of what Pillow makes of drawn pictures with each of its filters.

    python make_resizes.py     (needs pillow 13, numpy)
"""
import json
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
FILTERS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3}
# (width, height) of the original, then what it is resized to: up, down, one side each way, sides of one pixel, and the
# neighbours of the shapes that Pillow 13 resizes columns first.
SIZES = {
    (1, 1): [(1, 1), (3, 2), (64, 1)],
    (1, 37): [(1, 1), (1, 12), (5, 90), (2, 37)],
    (37, 1): [(1, 1), (12, 1), (90, 5), (37, 2)],
    (2, 3): [(1, 1), (128, 192), (7, 3)],
    (41, 29): [(1, 1), (7, 5), (13, 40), (29, 31), (41, 12), (64, 48), (101, 3), (200, 28), (36, 18), (36, 20), (41, 29)],
    (97, 211): [(96, 96), (48, 96), (64, 64), (98, 212), (194, 422), (96, 209), (11, 200)],
    (320, 240): [(364, 274), (384, 288), (128, 96), (96, 96), (1, 240), (320, 1), (17, 9)],
    (640, 427): [(512, 342), (512, 512), (384, 384), (1024, 684), (639, 427), (224, 150)],
}


def picture(width, height):
    """Edges, gradients and folds out of whole numbers: Swift makes the same."""
    y, x, c = np.mgrid[0:height, 0:width, 0:3]
    values = x * x * 3 + y * y * 5 + x * y * (c + 1) * 7 + c * 400 + (x // 9 + y // 7) % 2 * 900
    return Image.fromarray((values // 8 % 256).astype(np.uint8))


def crc(image):
    return zlib.crc32(np.ascontiguousarray(np.asarray(image)).tobytes())


def main():
    rows = []
    for (width, height), sizes in SIZES.items():
        image = picture(width, height)
        for w, h in sizes:
            rows.append({"from": [width, height], "to": [w, h],
                         "crc32": {name: crc(image.resize((w, h), value)) for name, value in FILTERS.items()}})
    lines = ",\n".join(json.dumps(row) for row in rows)
    (HERE / "resizes.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
