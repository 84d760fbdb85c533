#!/usr/bin/env python3
"""Golden texts: what transformers' `generate` gives on the committed tiny checkpoints, in float32.

    .venv/bin/python tools/goldens/generation/make.py

Tests/GenerationTests/Goldens/{greedy,beams}.json: a list of {case, image, prompt, max_new_tokens, num_beams, ids, text}; ids are
the new tokens, the stop token included. A random model's next token may be nearly a tie, which falls either way by rounding: such
prompts are left out (`LEAST_GAP` between the two best scores of every greedy step; for beams, where the sequences' order would
change in float64).
"""
import json
import platform
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tools/reference"))

import torch
import transformers
from PIL import Image

import published
from hi_reference import Reference

GOLDENS = ROOT / "Tests/GenerationTests/Goldens"
TINY = ROOT / "Tests/VisionLanguageTests/Goldens"
LEAST_GAP = 1e-3
PROMPTS = ["Describe the main object in the image.", "What?", "Is it large?", "How many circles are there?", "", "a b c d e f g",
           "Name the colour of the square.", "Where is it?", "red or blue", "Tell me a story about the triangle on the left."]


def generate(reference, image, prompt, length, beams, dtype=torch.float32):
    """New ids, and the least gap between the two best scores of a step (greedy only)."""
    pixels = reference.image_processor(images=[image], return_tensors="pt")
    visual = int(pixels["image_grid_thw"][0].prod()) // reference.image_processor.merge_size ** 2
    messages = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": prompt}]}]
    text = reference.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    ids = reference.tokenizer(text, add_special_tokens=False)["input_ids"]
    at = ids.index(reference.image_token_id)
    ids = torch.tensor([ids[:at] + [reference.image_token_id] * visual + ids[at + 1:]])
    stops = [reference.tokenizer.convert_tokens_to_ids(t) for t in ("<|im_end|>", "<|endoftext|>")]
    pixels["pixel_values"] = pixels["pixel_values"].to(dtype)
    out = reference.model.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), mm_token_type_ids=(ids == reference.image_token_id).long(), **pixels,
        do_sample=False, num_beams=beams, max_new_tokens=length, eos_token_id=stops, pad_token_id=stops[1],
        return_dict_in_generate=True, output_scores=True)
    new = out.sequences[0, ids.shape[1]:].tolist()
    while len(new) > 1 and new[-1] == stops[1] and new[-2] in stops:
        new.pop()  # beams are filled up to the longest
    gap = min((float(s[0].topk(2).values.diff().abs()) for s in out.scores), default=0) if beams == 1 else float("inf")
    return new, gap, stops


def main():
    torch.set_num_threads(1)
    GOLDENS.mkdir(parents=True, exist_ok=True)
    greedy, beams = [], []
    for case in ("nested", "published", "odd"):
        reference = Reference(TINY / case / "checkpoint", torch.float32)
        exact = Reference(TINY / case / "checkpoint", torch.float64)
        images = sorted((TINY / case / "dataset/images").iterdir())
        for number, prompt in enumerate(PROMPTS):
            for name in (images[number % len(images)], images[(number + 1) % len(images)]):
                image = Image.open(name).convert("RGB")
                for count in (1, 2 + number % 3):
                    length = 12
                    ids, gap, stops = generate(reference, image, prompt, length, count)
                    doubles, _, _ = generate(exact, image, prompt, length, count, torch.float64)
                    if gap < LEAST_GAP or ids != doubles:
                        continue
                    content = ids[:-1] if ids[-1] in stops else ids
                    (greedy if count == 1 else beams).append({
                        "case": case, "image": name.name, "prompt": prompt, "max_new_tokens": length, "num_beams": count, "ids": ids,
                        "text": reference.tokenizer.decode(content, skip_special_tokens=True)})
    published.write_json(GOLDENS / "greedy.json", greedy)
    published.write_json(GOLDENS / "beams.json", beams)
    published.write_json(GOLDENS / "manifest.json", {
        "made_by": "tools/goldens/generation/make.py", "python": platform.python_version(),
        "versions": {m.__name__: m.__version__ for m in (torch, transformers)}, "least_gap": LEAST_GAP,
        "sha256": published.file_digests(GOLDENS)})
    print(len(greedy), "greedy,", len(beams), "by beams;", sum(e["ids"][-1] in stops for e in greedy + beams), "ended by themselves")


if __name__ == "__main__":
    main()
