#!/usr/bin/env python3
"""Writes torchvision-resizes.json: checksums of what torchvision makes of make_resizes.py's drawn pictures with each filter, and,
where the folder of a COCO sample is given, torchvision-photographs.json: of its photographs at the sizes that published models
ask for, and prints how far Pillow's resize is from torchvision's. torchvision-manifest.json says what made them.

    pip install -r requirements-torchvision.txt      (in an environment of its own)
    python make_torchvision_resizes.py [FOLDER OF SAMPLE IMAGES]     (needs a processor with AVX2)
"""
import json
import sys
from pathlib import Path

import numpy as np
import PIL
import torch
from PIL import Image

from make_resizes import FILTERS, SIZES, crc, picture

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "reference"))
from with_torchvision import functional, torchvision  # noqa: E402

# As transformers' pil_torch_interpolation_mapping.
MODES = {"nearest": "NEAREST_EXACT", "lanczos": "LANCZOS", "bilinear": "BILINEAR", "bicubic": "BICUBIC"}
# Shapes around those that Pillow 13 resizes columns first.
MORE_SIZES = {(640, 480): [(644, 364), (644, 476), (476, 364), (308, 228), (896, 896), (448, 448)], (480, 640): [(364, 644), (476, 84)]}


def resize(image, size, name):
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)
    mode = functional.InterpolationMode[MODES[name]]
    return functional.resize(pixels, [size[1], size[0]], interpolation=mode, antialias=True).permute(1, 2, 0).numpy()


def published(width, height):
    """The (size, filter) pairs of the families' published settings."""
    def whole(side, factor):
        return max(factor, round(side / factor) * factor)

    def longest(side):
        scale = side / max(width, height)
        return int(width * scale) // 2 * 2, int(height * scale) // 2 * 2

    short = min(width, height)
    return [
        ((whole(width, 28), whole(height, 28)), "bicubic"),  # Qwen2-VL, Qwen2.5-VL
        ((whole(width, 32), whole(height, 32)), "bicubic"),  # Qwen3-VL
        ((whole(width, 28), whole(height * .75, 28)), "bicubic"),  # fewer pixels: Pillow 13's other order
        (longest(2048), "lanczos"), ((512, 512), "lanczos"),  # SmolVLM
        (longest(1456), "lanczos"), ((364, 364), "lanczos"),  # Idefics3
        ((896, 448), "bicubic"), ((448, 448), "bicubic"), ((1344, 896), "bicubic"),  # InternVL
        ((224, 224), "bicubic"), ((896, 896), "bicubic"),  # PaliGemma
        ((width * 336 // short, height * 336 // short), "bicubic"), ((672, 504), "bicubic"),  # LLaVA-1.5, LLaVA-NeXT
        ((384, 384), "bicubic"), ((768, 576), "bicubic"),  # LLaVA-OneVision
        ((896, 896), "bilinear"),  # Gemma 3
    ]


def write(name, rows):
    (HERE / name).write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")


def main():
    assert torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")
    rows = []
    for sizes in (SIZES, MORE_SIZES):
        for original, goals in sizes.items():
            image = picture(*original)
            rows += [{"from": original, "to": size, "crc32": {name: crc(resize(image, size, name)) for name in FILTERS}}
                     for size in goals]
    write("torchvision-resizes.json", rows)
    (HERE / "torchvision-manifest.json").write_text(json.dumps({
        "made by": "make_torchvision_resizes.py", "torch": torch.__version__.split("+")[0],
        "torchvision": torchvision.__version__.split("+")[0], "pillow": PIL.__version__}, indent=1) + "\n")
    if len(sys.argv) < 2:
        return
    rows, differences = [], []
    for file in sorted(Path(sys.argv[1]).glob("*.jpg")):
        image = Image.open(file).convert("RGB")
        for size, name in published(*image.size):
            ours = resize(image, size, name)
            pillow = np.asarray(image.resize(size, FILTERS[name]))
            columns_first = image.height > size[1] and image.height - size[1] > 2 * (image.width - size[0])
            gap = np.abs(ours.astype(int) - pillow)
            differences.append((columns_first, int(gap.max()), float(gap.mean())))
            rows.append({"file": file.name, "to": size, "filter": name, "crc32": crc(ours)})
    write("torchvision-photographs.json", rows)
    for order in (False, True):
        chosen = [d[1:] for d in differences if d[0] == order]
        if chosen:
            print(f"Pillow {'columns' if order else 'rows'} first: {len(chosen)} resizes, at most "
                  f"{max(c[0] for c in chosen)} grey levels, mean at most {max(c[1] for c in chosen):.4f}")


if __name__ == "__main__":
    main()
