#!/usr/bin/env python3
"""Runs every reader of files and of other ranks' messages under libFuzzer with AddressSanitizer and UndefinedBehaviorSanitizer.

    .venv/bin/python tools/fuzz/run.py [--seconds 60] [--targets dataset,image]        (make fuzz)

Seeds come from the repository and are made here; what the fuzzer learns is kept in .cache/fuzz/<target>, inputs that end the
program in .cache/fuzz/finds. Prints executions and finds of each target; ends with 1 where there is a find.
"""
import argparse
import hashlib
import io
import json
import os
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / ".build-fuzz/release/fuzz"
BINARY = Path(os.environ.get("HEADIMPACT", ROOT / ".build/release/headimpact"))
CACHE = ROOT / ".cache/fuzz"
MODEL = ROOT / "Sources/Demonstration/Model"
GOLDENS = ROOT / "Tests"
SMOLVLM = GOLDENS / "VisionLanguageTests/Goldens/smolvlm/checkpoint"
INTERNVL = GOLDENS / "VisionLanguageTests/Goldens/internvl/checkpoint"
QWEN3 = GOLDENS / "VisionLanguageTests/Goldens/qwen3_vl/checkpoint"
PALIGEMMA = GOLDENS / "VisionLanguageTests/Goldens/paligemma/checkpoint"
LLAVA = GOLDENS / "VisionLanguageTests/Goldens/llava_onevision/checkpoint"
QWEN25 = GOLDENS / "VisionLanguageTests/Goldens/qwen2_5_vl/checkpoint"
# A find: more than this for one input. A picture of the largest size that is read takes most of the memory.
MEMORY_MB, SECONDS_AN_INPUT, LARGEST_INPUT = 3000, 20, 1 << 16


def small(paths, limit=LARGEST_INPUT):
    return [path.read_bytes() for path in paths if path.is_file() and path.stat().st_size <= limit]


def safetensors(tensors):
    header, data = {}, b""
    for name, (dtype, shape, values) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def pictures():
    from PIL import Image

    found = small(sorted(GOLDENS.glob("ImageInputTests/**/*")), 1 << 14)
    for form in ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP"]:
        for mode in ["RGB", "L", "P", "1", "CMYK", "RGBA", "I;16"]:
            for options in [{}, {"compression": "tiff_lzw"}, {"compression": "packbits"}] if form == "TIFF" else [{}]:
                stream = io.BytesIO()
                image = Image.new(mode if mode != "P" else "RGB", (9, 7), 1 if mode in "1I;16" else None)
                if mode == "P":
                    image = image.quantize(4)
                exif = Image.Exif()
                exif[0x0112] = 6
                try:
                    image.save(stream, form, **options, **({"exif": exif} if form in ("JPEG", "PNG", "WEBP", "TIFF") else {}))
                except (OSError, ValueError, KeyError):
                    continue  # no such kind of picture in this format
                found.append(stream.getvalue())
    return found


def record(payload):
    return struct.pack("<q", len(payload)) + hashlib.sha256(payload).hexdigest()[:16].encode() + payload


def journal():
    identity = json.dumps({"parts": [{"name": "model", "value": "a"}]}).encode()
    whole = b"HIJOURNAL1\n" + record(identity) + record(b"first") + record(b"the second") + record(b"")
    return [whole, whole[:-3], b"", b"HIJOURNAL1\n"]


def coded(*values):
    """As ranks write it: numbers, counted texts and bytes, and lists of these."""
    found = b""
    for value in values:
        if isinstance(value, int):
            found += struct.pack("<q", value)
        elif isinstance(value, list):
            found += struct.pack("<q", len(value)) + b"".join(value)
        else:
            value = value.encode() if isinstance(value, str) else value
            found += struct.pack("<q", len(value)) + value
    return found


def rank_messages():
    number = struct.pack("<q", 7)
    return [b"\1", b"\4", b"\2" + number + b"result", b"\3" + number + b"check", b"\0" + number + struct.pack("<q", 4) + b"unit",
            b"\1" + number + struct.pack("<q", 4) + b"unit" + b"first"]


def units():
    size = struct.pack("<qqq", 1, 8, 6)
    example = coded(3, 1, "a.jpg") + size + coded(1, "what?", 1, "a dog")
    annotation = coded(2, 1, 4, 1, "a dog", 0, 0, 1, b"[[0,0,4,0,4,3]]", [])
    faulty = coded(3, 0, 0, 1, 5, 0, [coded(1, 3, "annotations[1].id", "is none")])
    objects = coded("key.json", 1, "a.jpg") + size + coded([annotation, faulty])
    return [objects, coded([example]), coded([example]) + coded(0), coded([example]) + coded(1) + objects,
            coded(1, [coded(1, "a.jpg") + size], [coded(3, 0, 0, 1, "b")])]


def unit_results():
    view = coded("global", 2, 3) + struct.pack("<dddd", 0, 0, 8, 6)
    impact = b"HIsm" + struct.pack("<4I3q4I", 1, 1, 1, 6, 5, 1, 2, 9, 6, 2, 1) + struct.pack("<19d", *[0.5] * 19)
    skipped = {"kind": "mask", "text": "no token"}
    return [coded(1, [view], [coded(5, 0, impact, struct.pack("<6f", *[0.1] * 6)), coded(6, 1, "mask", "no token")]), coded(1, [], []),
            json.dumps({"imageID": 1, "outcomes": [{"id": 2, "tokens": 4, "losses": [1, 2, 3]}, {"id": 3, "tokens": 0, "skip": skipped}]}).encode(),
            json.dumps({"imageID": 1, "outcomes": [{"id": 2, "text": "a dog"}, {"id": 3, "skip": skipped}]}).encode()]


def shards():
    parts = [{"name": "model", "value": "a"}, {"name": "--shard", "value": "1/1"}]
    unit = coded(1, [], [coded(6, 1, "mask", "no token")])
    manifest = {"shard": {"number": 1, "count": 1}, "units": 1, "skips": {"samples": 1, "skipped": {"mask": 1}}, "lost": [], "seconds": 1.5,
                "plan": {"units": 1, "samples": 1, "keysSHA256": hashlib.sha256(struct.pack("<q", 1)).hexdigest()}, "content": "{}"}
    return [b"HIJOURNAL1\n" + b"".join(record(payload) for payload in (
        json.dumps({"parts": parts}).encode(), *results, b"HISHARD1\n" + json.dumps(manifest).encode())) for results in ([unit], [unit, unit], [])]


def hi_files():
    place = CACHE / "demo"
    if not (place / "hi.h5").exists():
        shutil.rmtree(place, ignore_errors=True)
        subprocess.run([BINARY, "demo", "--output", place, "--scenes", "2"], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([BINARY, "score", "--model", place / "model", "--dataset", place / "dataset/keyobjects.json", "--images",
                        place / "dataset/images", "--output", place / "hi.h5", "--quiet"], check=True, stdout=subprocess.DEVNULL)
    return [(place / "hi.h5").read_bytes()]


def adapter_folder():
    place = CACHE / "adapter"
    place.mkdir(parents=True, exist_ok=True)
    config = json.loads((MODEL / "config.json").read_text())
    hidden = config.get("text_config", config)["hidden_size"]
    values = struct.pack("<f", 0.01) * hidden
    name = "base_model.model.model.language_model.layers.{}.self_attn.{}.lora_{}.weight"
    tensors = {}
    for projection in ("q_proj", "o_proj"):
        tensors[name.format(1, projection, "A")] = ("F32", [1, hidden], values)
        tensors[name.format(1, projection, "B")] = ("F32", [hidden, 1], values)
    (place / "adapter_model.safetensors").write_bytes(safetensors(tensors))
    (place / "adapter_config.json").write_text(json.dumps({
        "peft_type": "LORA", "r": 1, "lora_alpha": 2, "target_modules": "model\\.language_model\\.layers\\.1\\..*(q|o)_proj", "bias": "none",
        "rank_pattern": {"^layers.\\d+": 1}, "alpha_pattern": {}, "use_rslora": False, "layers_to_transform": [1]}))
    return place


def dataset_texts():
    cases = ROOT / "../shared/data/cases"
    own = {"images": [{"id": 1, "file_name": "a.jpg", "width": 8, "height": 6}], "categories": [{"id": 1, "name": "dog"}],
           "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "area": 12.0, "bbox": [0, 0, 4, 3],
                            "segmentation": [[0, 0, 4, 0, 4, 3]], "description": "a dog", "caption": "a dog"},
                           {"id": 2, "image_id": 1, "category_id": 1, "segmentation": {"size": [6, 8], "counts": [3, 5, 40]}, "description": "a"},
                           {"id": 3, "image_id": 1, "category_id": 1, "segmentation": {"size": [6, 8], "counts": "0P1"}, "question": "?",
                            "answers": ["a"], "description": "b"}]}
    questions = {"questions": [{"question_id": 1, "image_id": 1, "question": "what?"}],
                 "annotations": [{"question_id": 1, "image_id": 1, "multiple_choice_answer": "a", "answers": [{"answer": "a"}]}]}
    found = [json.dumps(own).encode(), json.dumps(questions).encode(), json.dumps([{"image_id": 1, "caption": "a"}]).encode()]
    return found + small(sorted(cases.rglob("*.json")), 1 << 14)


def templates():
    return small([MODEL / "chat_template.jinja"]) + small(sorted((ROOT / "../shared/data/cases").rglob("*.jinja"))) + [
        b"{% for m in messages %}{{ m.role | upper }}{% endfor %}", b"{% macro f(a, b=1) %}{{ a ~ b }}{% endmacro %}{{ f('x')[::-1] }}",
        b"{%- set ns = namespace(n=0) -%}{% for i in range(3) if i %}{% set ns.n = ns.n + i %}{{ loop.index }}{% else %}-{% endfor %}{{ ns.n }}"]


# target: (seeds, folder that the other files of a folder under test come from)
TARGETS = {
    "json": lambda: ([bytes.fromhex(line.split(" ")[0]) for line in (GOLDENS / "JSONTests/Goldens/python.txt").read_text().splitlines()], None),
    "safetensors": lambda: ([safetensors({"a": ("F32", [2], bytes(8)), "b": ("BF16", [1, 2], bytes(4))})], None),
    "safetensors-index": lambda: ([json.dumps({"metadata": {"total_size": 8}, "weight_map": {"a": "model.safetensors"}}).encode()], MODEL),
    "tokenizer": lambda: (small([GOLDENS / "TokenizationTests/Goldens/small-tokenizer.json", MODEL / "tokenizer.json"], 1 << 20), MODEL),
    "tokenizer-config": lambda: (small([MODEL / "tokenizer_config.json"]), MODEL),
    "config": lambda: (small([MODEL / "config.json", *GOLDENS.glob("VisionLanguageTests/Goldens/*/model/config.json")]), MODEL),
    "processor": lambda: (small([ROOT / "../shared/data/cases/processor-config-only/processor_config.json"]) + [
        b'{"image_processor": ' + (MODEL / "preprocessor_config.json").read_bytes() + b"}"], MODEL),
    "preprocessor": lambda: (small([MODEL / "preprocessor_config.json", ROOT / "../shared/data/cases/preprocessor-size-pixels/preprocessor_config.json",
                                    ROOT / "../shared/data/cases/processor-config-only/processor_config.json"]), None),
    "smolvlm-config": lambda: (small([SMOLVLM / "config.json", SMOLVLM.parent.parent / "idefics3/checkpoint/config.json"]), SMOLVLM),
    "qwen2.5-vl-config": lambda: (small([QWEN25 / "config.json", QWEN25.parent.parent / "qwen2_5_vl_nested/checkpoint/config.json"]), QWEN25),
    "smolvlm-preprocessor": lambda: (small([SMOLVLM / "preprocessor_config.json"]), SMOLVLM),
    "qwen3-vl-config": lambda: (small([QWEN3 / "config.json", QWEN3.parent.parent / "qwen3_vl_saved/checkpoint/config.json"]), QWEN3),
    "internvl-config": lambda: (small([INTERNVL / "config.json", INTERNVL.parent.parent / "internvl3_5/checkpoint/config.json"]), INTERNVL),
    "internvl-preprocessor": lambda: (small([INTERNVL / "preprocessor_config.json"]), INTERNVL),
    "paligemma-config": lambda: (small([PALIGEMMA / "config.json", PALIGEMMA.parent.parent / "paligemma2/checkpoint/config.json"]),
                                 PALIGEMMA),
    "paligemma-preprocessor": lambda: (small([PALIGEMMA / "preprocessor_config.json"]), PALIGEMMA),
    "llava-config": lambda: (small([LLAVA.parent.parent / f"{name}/checkpoint/config.json" for name in ("llava_onevision", "llava_next", "llava")]), LLAVA),
    "llava-preprocessor": lambda: (small([LLAVA / "preprocessor_config.json"]), LLAVA),
    "chat-template": lambda: (templates(), None),
    "generation-config": lambda: (small([MODEL / "generation_config.json"]), MODEL),
    "adapter-config": lambda: (small([adapter_folder() / "adapter_config.json"]), adapter_folder()),
    "adapter": lambda: (small([adapter_folder() / "adapter_model.safetensors"]), adapter_folder()),
    "dataset": lambda: (dataset_texts(), None),
    "image-text": lambda: (dataset_texts(), None),
    "captions": lambda: (dataset_texts(), None),
    "questions": lambda: (dataset_texts(), None),
    "results": lambda: (dataset_texts(), None),
    "image": lambda: (pictures(), None),
    "journal": lambda: (journal(), None),
    "rank-message": lambda: (rank_messages(), None),
    "unit": lambda: (units(), None),
    "unit-result": lambda: (unit_results(), None),
    "shard": lambda: (shards(), None),
    "hi": lambda: (hi_files(), None),
    "experiment": lambda: (small(sorted((ROOT / "experiments").glob("*.yaml"))), None),
}


def run(name, seconds):
    seeds, folder = TARGETS[name]()
    corpus, finds = CACHE / name, CACHE / "finds"
    corpus.mkdir(parents=True, exist_ok=True)
    finds.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        (corpus / hashlib.sha1(seed).hexdigest()).write_bytes(seed)
    before = set(finds.iterdir())
    # A leak in a library's one-time set-up is no find; memory for an input is bounded by rss_limit_mb.
    environment = os.environ | {"FUZZ_TARGET": name, "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1"}
    if folder:
        environment["FUZZ_FOLDER"] = str(folder)
    largest = max([LARGEST_INPUT, *map(len, seeds)])
    command = [PROGRAM, f"-max_total_time={seconds}", "-print_final_stats=1", f"-rss_limit_mb={MEMORY_MB}", f"-timeout={SECONDS_AN_INPUT}",
               f"-max_len={largest}", f"-artifact_prefix={finds}/{name}-", "-ignore_crashes=0", "-verbosity=1", corpus]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace")
    executed = re.search(r"number_of_executed_units:\s*(\d+)", result.stderr)
    covered = re.findall(r"cov: (\d+)", result.stderr)
    found = sorted(set(finds.iterdir()) - before)
    if result.returncode != 0 and not found:
        print(result.stdout[-2000:], result.stderr[-3000:])
    return int(executed[1]) if executed else 0, int(covered[-1]) if covered else 0, found, result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60, help="of each target")
    parser.add_argument("--targets", default=",".join(TARGETS))
    options = parser.parse_args()
    total, failed = 0, False
    for name in options.targets.split(","):
        executed, covered, found, result = run(name, options.seconds)
        total += executed
        failed = failed or result.returncode != 0
        state = "ok" if result.returncode == 0 else "FOUND " + " ".join(map(str, found))
        print(f"{name:18} {executed:>10} executions, {covered:>6} edges: {state}", flush=True)
        if result.returncode != 0:
            print("\n".join("    " + line for line in result.stderr.splitlines() if re.search(r"ERROR|SUMMARY|Fatal|fatal|    #[0-9] ", line))[:3000])
    print(f"{total} executions in all")
    return failed


if __name__ == "__main__":
    sys.exit(main())
