"""What the benchmarks measure on: checkpoints, pictures, captions, datasets."""
import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "tools/reference")]

QWEN2_VL = "qwen2-vl-2b"
# Those of SIZES in make_full.py, which imports torch; a unit test compares them.
OTHERS = ("qwen2.5-vl-3b", "qwen3-vl-2b", "internvl3-2b", "paligemma-3b-224", "paligemma2-3b-448", "smolvlm2-2.2b",
          "llava-onevision-0.5b", "llava-v1.6-mistral-7b", "llava-1.5-7b", "gemma-3-4b")
FAMILIES = (QWEN2_VL, *OTHERS)
# Of their checkpoints, on disk.
GIGABYTES = {QWEN2_VL: 4.4, "qwen2.5-vl-3b": 7.5, "qwen3-vl-2b": 4.3, "internvl3-2b": 4.2, "paligemma-3b-224": 5.9, "paligemma2-3b-448": 6.1,
             "smolvlm2-2.2b": 4.5, "llava-onevision-0.5b": 1.8, "llava-v1.6-mistral-7b": 15.1, "llava-1.5-7b": 14.1, "gemma-3-4b": 8.6}
# What a disk keeps for others, in gigabytes.
SPARE_GIGABYTES = 10

CAPTIONS = ["a person riding a brown horse along a sandy beach at sunset near calm water",
            "two small children playing with a red ball in front of an old wooden house",
            "a black and white cat sleeping on a blue chair next to a large window",
            "a man in a green jacket holding an umbrella while waiting for a city bus",
            "a plate of fresh fruit and bread on a table beside a cup of coffee"]
CAPTION_TOKENS = 15


def place(family, folder):
    return folder / f"{family}-random"


def exists(family, folder):
    """Whether a checkpoint is there, or a link to one. The configuration is written last, so an interrupted attempt is repeated."""
    return (place(family, folder) / "config.json").exists()


def fits(family, folder):
    """Whether the disk has room for a checkpoint."""
    folder.mkdir(parents=True, exist_ok=True)
    return shutil.disk_usage(folder).free > (GIGABYTES[family] + SPARE_GIGABYTES) * 1e9


def checkpoint(family, folder):
    """A random checkpoint of the family's published shape, made where it is missing (2 to 15 GB)."""
    model = place(family, folder)
    if not exists(family, folder):
        maker = ["make_2b.py", model] if family == QWEN2_VL else ["make_full.py", model, "--size", family]
        subprocess.run([sys.executable, ROOT / "Benchmarks" / maker[0], *maker[1:]], check=True)
    return model


def demonstration(folder, program):
    """The folder of the bundled model and its scenes."""
    demo = folder / "demo"
    if not (demo / "model").exists():
        subprocess.run([program, "demo", "--output", demo, "--overwrite"], check=True, stdout=subprocess.DEVNULL)
    return demo


def photograph(folder, coco):
    """A 640x480 photograph, or a drawn picture where there is none."""
    from PIL import Image
    for path in sorted((coco / "images").glob("*.jpg")):
        with Image.open(path) as image:
            if image.size == (640, 480):
                return path
    return drawn(folder, 640, 480, 0)


def drawn(folder, width, height, seed):
    """A drawn picture."""
    import numpy as np

    import drawn_images
    path = folder / f"drawn-{width}x{height}-{seed}.jpg"
    if not path.exists():
        drawn_images.picture(np.random.default_rng(seed), width, height).save(path, quality=90)
    return path


def captions(model, count):
    """The first words of captions, as many as CAPTION_TOKENS tokens hold."""
    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    made = []
    for i in range(count):
        words = CAPTIONS[i % len(CAPTIONS)].split()
        while len(words) > 1 and len(tokenizer.encode(" ".join(words), add_special_tokens=False).ids) > CAPTION_TOKENS:
            words.pop()
        made.append(" ".join(words))
    return made


def dataset(folder, samples):
    """A key-object dataset and its images in a folder of their own; each key object is the middle of its picture.

    samples: (picture, [captions]) of each image. A picture that comes twice is two files: nothing of one image serves another.
    """
    from PIL import Image
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    images, annotations = [], []
    for i, (picture, texts) in enumerate(samples, 1):
        with Image.open(picture) as opened:
            w, h = opened.size
        name = f"{i}{picture.suffix}"
        shutil.copy(picture, folder / name)
        images.append({"id": i, "file_name": name, "width": w, "height": h})
        box = [w * 0.25, h * 0.25, w * 0.75, h * 0.25, w * 0.75, h * 0.75, w * 0.25, h * 0.75]
        annotations += [{"id": len(annotations) + j, "image_id": i, "category_id": 1, "iscrowd": 0, "area": w * h / 4,
                         "bbox": [w * 0.25, h * 0.25, w * 0.5, h * 0.5], "segmentation": [box], "description": text}
                        for j, text in enumerate(texts, 1)]
    path = folder / "samples.json"
    path.write_text(json.dumps({"info": {"description": "benchmark"}, "images": images, "annotations": annotations,
                                "categories": [{"id": 1, "name": "thing", "supercategory": "thing"}]}))
    return path
