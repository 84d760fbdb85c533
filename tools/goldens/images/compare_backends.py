#!/usr/bin/env python3
"""How far transformers' two backends of image processors are apart, and how far when Pillow's takes torchvision's resize: then the
rest of the two is the same.

    pip install -r requirements-torchvision.txt transformers==5.23.0
    python compare_backends.py FOLDER_OF_IMAGES
"""
import importlib
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from make_torchvision_resizes import functional
import transformers.image_transforms
from transformers.image_utils import ChannelDimension, infer_channel_dimension_format, pil_torch_interpolation_mapping

# Class by module, with the published settings where they are others than the class's.
PROCESSORS = {
    "qwen2_vl": ("Qwen2VLImageProcessor", {}),
    "smolvlm": ("SmolVLMImageProcessor", {"size": {"longest_edge": 2048}, "max_image_size": {"longest_edge": 512}}),
    "idefics3": ("Idefics3ImageProcessor", {}),
    "got_ocr2": ("GotOcr2ImageProcessor", {"crop_to_patches": True, "min_patches": 1, "max_patches": 12, "size": {"height": 448, "width": 448}}),
    "siglip": ("SiglipImageProcessor", {"size": {"height": 896, "width": 896}, "resample": 3}),
    "llava_onevision": ("LlavaOnevisionImageProcessor", {}),
    "llava_next": ("LlavaNextImageProcessor", {}),
    "clip": ("CLIPImageProcessor", {"size": {"shortest_edge": 336}, "crop_size": {"height": 336, "width": 336}}),
    "gemma3": ("Gemma3ImageProcessor", {"size": {"height": 896, "width": 896}, "resample": 2, "do_pan_and_scan": False}),
}
PILLOW = transformers.image_transforms.resize


def torchvision_resize(image, size, resample=2, reducing_gap=None, data_format=None, return_numpy=True, input_data_format=None):
    """Of transformers' Pillow backend, with torchvision's result."""
    given = input_data_format or infer_channel_dimension_format(image)
    image = np.asarray(image) if given == ChannelDimension.FIRST else np.asarray(image).transpose(2, 0, 1)
    pixels = torch.from_numpy(np.ascontiguousarray(image))
    resized = functional.resize(pixels, list(size), interpolation=pil_torch_interpolation_mapping[resample], antialias=True).numpy()
    return resized if (data_format or given) == ChannelDimension.FIRST else resized.transpose(1, 2, 0)


def put(resize):
    """Into every module of transformers that has taken the name."""
    for module in [m for name, m in sys.modules.items() if name.startswith("transformers.") and m is not None]:
        for name in ("np_resize", "resize"):
            if getattr(module, name, None) in (PILLOW, torchvision_resize):
                setattr(module, name, resize)


def main():
    images = [Image.open(file).convert("RGB") for file in sorted(Path(sys.argv[1]).glob("*.jpg"))]
    for family, (name, options) in PROCESSORS.items():
        module = f"transformers.models.{family}.image_processing_"
        torchvision = getattr(importlib.import_module(module + family), name)(**options)
        pillow = getattr(importlib.import_module(f"{module}pil_{family}"), name + "Pil")(**options)
        figures = []
        for resize in (PILLOW, torchvision_resize):
            put(resize)
            gaps = []
            for image in images:
                one, other = (p(images=[image], return_tensors="pt")["pixel_values"].float() for p in (torchvision, pillow))
                assert one.shape == other.shape
                gaps.append((one - other).abs() * min(torchvision.image_std) * 255)
            figures.append(f"at most {max(g.max() for g in gaps):.5f}, mean at most {max(g.mean() for g in gaps):.5f}")
        put(PILLOW)
        print(f"{family}: {figures[0]} grey levels; with torchvision's resize in both {figures[1]}", flush=True)


if __name__ == "__main__":
    main()
