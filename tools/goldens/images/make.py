#!/usr/bin/env python3
"""Writes fixtures/ (small picture files of every kind) and images.json: checksums of what Pillow and
transformers make of them, and of the pictures of a COCO sample where its folder is given.

    python make.py [FOLDER OF SAMPLE IMAGES]     (needs pillow, numpy, torch, transformers 5.23, libturbojpeg)
"""
import ctypes
import ctypes.util
import io
import json
import struct
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

import formats

HERE = Path(__file__).parent
FIXTURES = HERE / "fixtures"
# Among them shapes that Pillow 13 resizes columns first, and their neighbours that it does not.
SIZES = [(1, 1), (7, 5), (13, 40), (29, 31), (41, 12), (64, 48), (101, 3), (200, 28), (200, 150), (36, 18), (36, 20)]
random = np.random.default_rng(23375)


def picture(width, height):
    """Smooth colours with edges and some noise: something for every stage of a codec."""
    y, x = np.mgrid[0:height, 0:width]
    rgb = np.stack([x * 255 / max(1, width - 1), y * 255 / max(1, height - 1),
                    127 + 120 * np.sin((x * x + y * y) / 150)], 2)
    rgb[height // 4: height // 2, width // 4: width // 2] = (250, 20, 30)
    return (rgb + random.normal(0, 6, rgb.shape)).clip(0, 255).astype(np.uint8)


# ---------------------------------------------------------------- JPEG
def jpeg(image, **options):
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


def ycck(inks):
    """Four inks, inverted and coded as luma and chroma: what Photoshop writes and Pillow can't."""
    library = ctypes.CDLL(ctypes.util.find_library("turbojpeg"))
    library.tjInitCompress.restype = ctypes.c_void_p
    height, width, _ = inks.shape
    out, size = ctypes.POINTER(ctypes.c_ubyte)(), ctypes.c_ulong(0)
    inks = np.ascontiguousarray(inks)
    handle = ctypes.c_void_p(library.tjInitCompress())
    assert library.tjCompress2(handle, ctypes.c_void_p(inks.ctypes.data), width, 0, height, 11, ctypes.byref(out),
                               ctypes.byref(size), 2, 90, 0) == 0
    return ctypes.string_at(out, size.value)


def with_stray_bytes(data):
    """Junk before the quantisation tables: libjpeg warns, Pillow accepts."""
    at = data.index(b"\xff\xdb")
    return data[:at] + b"junk" + data[at:]


def with_metadata(data, size):
    """APP1 segments before everything else, so that the header lies beyond the first read."""
    segment = b"\xff\xe1" + struct.pack(">H", 65002) + bytes(65000)
    return data[:2] + segment * (size // len(segment)) + data[2:]


def jpegs():
    rgb = Image.fromarray(picture(41, 29))
    inks = random.integers(0, 256, (5, 6, 4), dtype=np.uint8).repeat(6, 0).repeat(7, 1)
    exif = Image.Exif()
    exif[0x0112] = 6
    base = jpeg(rgb, quality=90, subsampling=0)
    yield "baseline-444.jpg", base
    yield "baseline-422.jpg", jpeg(rgb, quality=80, subsampling=1)
    yield "baseline-420.jpg", jpeg(rgb, quality=75, subsampling=2)
    yield "progressive-420.jpg", jpeg(rgb, quality=85, progressive=True)
    yield "progressive-444.jpg", jpeg(rgb, quality=95, subsampling=0, progressive=True)
    yield "restarts-420.jpg", jpeg(rgb, quality=75, restart_marker_blocks=2)
    yield "grey.jpg", jpeg(rgb.convert("L"), quality=80)
    yield "grey-progressive.jpg", jpeg(rgb.convert("L"), quality=80, progressive=True)
    yield "stored-as-rgb.jpg", jpeg(rgb, quality=80, keep_rgb=True)
    yield "cmyk.jpg", jpeg(Image.fromarray(inks, "CMYK"), quality=90)
    yield "ycck-420.jpg", ycck(inks)
    yield "turned-by-exif.jpg", jpeg(rgb, quality=80, exif=exif)
    yield "stray-bytes.jpg", with_stray_bytes(base)
    yield "one-pixel.jpg", jpeg(Image.fromarray(picture(1, 1)))
    yield "one-row.jpg", jpeg(Image.fromarray(picture(37, 1)))
    yield "one-column.jpg", jpeg(Image.fromarray(picture(1, 37)))
    yield "17x9-420.jpg", jpeg(Image.fromarray(picture(17, 9)), quality=50)
    yield "trailing-bytes.jpg", base + b"something after the end"


# ---------------------------------------------------------------- PNG
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(samples, depth, colour, palette=b"", extra=b"", interlaced=False):
    """samples: (height, width, channels) integers below 2^depth."""
    height, width, channels = samples.shape

    def rows(part):
        out = b""
        for row in part:
            bits = row.reshape(-1)
            if depth == 16:
                out += b"\0" + bits.astype(">u2").tobytes()
            elif depth == 8:
                out += b"\0" + bits.astype(np.uint8).tobytes()
            else:
                planes = (bits[:, None] >> np.arange(depth - 1, -1, -1)) & 1
                out += b"\0" + np.packbits(planes.reshape(-1).astype(np.uint8)).tobytes()
        return out

    parts = [samples[y::dy, x::dx] for x, y, dx, dy in ADAM7] if interlaced else [samples]
    data = b"".join(rows(part) for part in parts if part.size)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + (chunk(b"PLTE", palette) if palette else b"") + extra
            + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b""))


def pngs():
    def samples(channels, depth, width=19, height=13):
        return random.integers(0, 2 ** depth, (height, width, channels))

    for depth in (1, 2, 4, 8, 16):
        yield f"grey-{depth}.png", png(samples(1, depth), depth, 0)
    low = samples(1, 16)
    low[::2] %= 300
    yield "grey-16-dark.png", png(low, 16, 0)
    for depth in (1, 2, 4, 8):
        palette = random.integers(0, 256, 3 * 2 ** depth, dtype=np.uint8).tobytes()
        yield f"palette-{depth}.png", png(samples(1, depth), depth, 3, palette)
    palette = random.integers(0, 256, 30, dtype=np.uint8).tobytes()
    yield "palette-transparent.png", png(samples(1, 3), 8, 3, palette, chunk(b"tRNS", bytes([0, 128, 255])))
    yield "palette-too-short.png", png(samples(1, 4), 4, 3, palette)
    for name, colour, channels in (("rgb", 2, 3), ("grey-alpha", 4, 2), ("rgba", 6, 4)):
        for depth in (8, 16):
            yield f"{name}-{depth}.png", png(samples(channels, depth), depth, colour)
            yield f"{name}-{depth}-interlaced.png", png(samples(channels, depth), depth, colour, interlaced=True)
    yield "grey-1-interlaced.png", png(samples(1, 1), 1, 0, interlaced=True)
    yield "interlaced-3x2.png", png(samples(3, 8, 3, 2), 8, 2, interlaced=True)
    yield "rgb-gamma.png", png(samples(3, 8), 8, 2, extra=chunk(b"gAMA", struct.pack(">I", 100000)))
    yield "grey-16-gamma.png", png(samples(1, 16), 16, 0, extra=chunk(b"gAMA", struct.pack(">I", 22727)))
    yield "rgb-transparent.png", png(samples(3, 8), 8, 2, extra=chunk(b"tRNS", struct.pack(">3H", 1, 2, 3)))
    file = io.BytesIO()
    Image.fromarray(picture(40, 30)).save(file, "PNG", optimize=True)
    yield "rgb-filtered.png", file.getvalue()


# ---------------------------------------------------------------- goldens
def crc(array):
    return zlib.crc32(np.ascontiguousarray(array).tobytes())


def golden(name, data, sizes):
    # As transformers' load_image.
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    return {"file": name, "width": image.width, "height": image.height, "crc32": crc(np.asarray(image)),
            "resized": [{"width": w, "height": h,
                         "crc32": crc(np.asarray(image.resize((w, h), Image.Resampling.BICUBIC)))} for w, h in sizes]}


def patches(name, data, **options):
    out = Qwen2VLImageProcessorPil(**options)(images=[Image.open(io.BytesIO(data)).convert("RGB")], return_tensors="np")
    values = out["pixel_values"]
    flat = values.reshape(-1)
    at = random.integers(0, len(flat), 12)
    return {"file": name, "configuration": options, "grid": out["image_grid_thw"][0].tolist(),
            "shape": list(values.shape), "crc32": crc(values), "at": at.tolist(),
            "values": [float(v) for v in flat[at]], "sum": float(flat.sum(dtype=np.float64))}


def main():
    warnings.simplefilter("ignore")
    FIXTURES.mkdir(exist_ok=True)
    files = dict([*jpegs(), *pngs()])
    more = dict(formats.everything())
    assert not files.keys() & more.keys()
    for name, data in (files | more).items():
        (FIXTURES / name).write_bytes(data)
    small = dict(patch_size=4, merge_size=2, min_pixels=64, max_pixels=4096)
    goldens = {
        "fixtures": [golden(name, data, SIZES if name.startswith(("baseline", "one-", "rgb-f")) else SIZES[2:5])
                     for name, data in files.items()]
        + [golden(name, data, []) for name, data in more.items()],
        "patches": [
            patches("baseline-444.jpg", files["baseline-444.jpg"]),
            patches("baseline-420.jpg", files["baseline-420.jpg"], **small),
            patches("rgb-filtered.png", files["rgb-filtered.png"], **small, temporal_patch_size=1),
            patches("rgb-filtered.png", files["rgb-filtered.png"], **{**small, "merge_size": 1, "max_pixels": 500}),
            patches("grey.jpg", files["grey.jpg"], **small, image_mean=[0.5, 0.4, 0.3], image_std=[0.5, 0.25, 2.0],
                    rescale_factor=1 / 127.5),
            patches("grey.jpg", files["grey.jpg"], **small, do_rescale=False),
            patches("grey.jpg", files["grey.jpg"], **small, do_normalize=False),
        ],
        "sample": [], "sample_patches": [],
    }
    for path in sorted(Path(sys.argv[1]).glob("*.jpg")) if len(sys.argv) > 1 else []:
        data = path.read_bytes()
        goldens["sample"].append(golden(path.name, data, [(448, 336), (224, 224), (701, 999)]))
        goldens["sample_patches"].append(patches(path.name, data, max_pixels=256 * 28 * 28))
    lists = [f'"{key}": [\n' + ",\n".join(json.dumps(item) for item in items) + "\n]" for key, items in goldens.items()]
    (HERE / "images.json").write_text("{\n" + ",\n".join(lists) + "\n}\n")


if __name__ == "__main__":
    main()
