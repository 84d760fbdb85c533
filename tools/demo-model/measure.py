#!/usr/bin/env python3
"""Measure a saved demonstration model over held-out scenes, through transformers' own processor and generate.

    python measure.py MODEL_DIR --scenes 1000 [--first 0] [--questions] [--golden OUT.json] [--dtype float32]
    python measure.py MODEL_DIR --scenes 100 --reference .../hi_reference.py    Head Impact beside it

Prints one JSON object.
"""
import argparse
import importlib.util
import io
import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoTokenizer
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

import scenes


class Describer:
    def __init__(self, folder, dtype):
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.tokenizer.chat_template = (Path(folder) / "chat_template.jinja").read_text()
        self.processor = Qwen2VLImageProcessorPil.from_pretrained(folder)
        self.model = AutoModelForImageTextToText.from_pretrained(folder, dtype=dtype).eval()
        self.image = self.model.config.image_token_id

    @torch.no_grad()
    def __call__(self, images, prompt):
        """Greedy answers to one prompt about images of one size."""
        pixels = self.processor(images=images, return_tensors="pt")
        count = int(pixels["image_grid_thw"][0].prod()) // self.processor.merge_size ** 2
        text = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": prompt}]}],
            tokenize=False, add_generation_prompt=True)
        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        at = ids.index(self.image)
        ids = torch.tensor([ids[:at] + [self.image] * count + ids[at + 1:]] * len(images))
        out = self.model.generate(input_ids=ids, attention_mask=torch.ones_like(ids),
                                  mm_token_type_ids=(ids == self.image).long(), max_new_tokens=16, do_sample=False,
                                  **pixels)
        return [t.strip() for t in self.tokenizer.batch_decode(out[:, ids.shape[1]:], skip_special_tokens=True)]


def picture(scene):
    """The scene's image, read back from a PNG file."""
    file = io.BytesIO()
    Image.fromarray(scene.draw()[0]).save(file, "PNG")
    return Image.open(file).convert("RGB")


def head_impact(folder, chosen, reference_file):
    """Matched HI of every head over scenes, by the reference program, in float32."""
    sys.path.insert(0, str(Path(reference_file).parent))  # for what it imports
    spec = importlib.util.spec_from_file_location("hi_reference", reference_file)
    hi = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hi)
    reference = hi.Reference(folder, torch.float32)
    values, chance = [], []
    for scene in chosen:
        scores, cells, views, _, _ = reference.attention_scores(picture(scene), scenes.PROMPT, scene.description)
        target = hi.token_mask(scene.draw()[1] == 1, cells)
        heads = scores.reshape(-1, scores.shape[2])
        values.append(hi.measures(heads, target[:, None])[:, :, 0])
        chance.append(hi.measures(heads, hi.shifted(target, views)).mean(2))
    values, chance = np.mean(values, 0), np.mean(chance, 0)
    heads_a_layer = scores.shape[1]
    out = {"scenes": len(chosen)}
    for i, name in enumerate(hi.MEASURES):
        best = np.argsort(-values[i], kind="stable")[:3]
        out[name] = {"best": [[int(h) // heads_a_layer, int(h) % heads_a_layer, round(values[i, h], 4)] for h in best],
                     "best_head_chance": round(chance[i, best[0]], 4), "median": round(float(np.median(values[i])), 4),
                     "median_chance": round(float(np.median(chance[i])), 4), "least": round(values[i].min(), 4)}
    out["matched_layer_means"] = [round(x, 4) for x in values[0].reshape(-1, heads_a_layer).mean(1)]
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("--scenes", type=int, default=1000)
    p.add_argument("--first", type=int, default=0, help="from this held-out scene on")
    p.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    p.add_argument("--questions", action="store_true", help="answers too")
    p.add_argument("--golden", help="write the scenes' descriptions to this file")
    p.add_argument("--reference", help="hi_reference.py: measure Head Impact instead")
    p.add_argument("--threads", type=int, default=2)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    first = scenes.TEST_SEEDS + a.first
    chosen = [scenes.Scene(seed) for seed in range(first, first + a.scenes)]
    if a.reference:
        print(json.dumps(head_impact(a.model, chosen, a.reference)))
        return

    describe = Describer(a.model, getattr(torch, a.dtype))
    names = ("size", "texture", "colour", "shape", "position")
    right = dict.fromkeys((*names, "exact"), 0)
    answers, golden, wrong = {}, [], []
    for at in range(0, len(chosen), 50):
        part = chosen[at:at + 50]
        images = [picture(s) for s in part]
        for scene, said in zip(part, describe(images, scenes.PROMPT)):
            golden.append({"seed": scene.seed, "description": said, "right": said == scene.description})
            words = said.split(" ", 5)[1:]
            for name, true, told in zip(names, scene.words, words):
                right[name] += true == told
            right["exact"] += said == scene.description
            if said != scene.description:
                wrong.append([scene.description, said])
        if a.questions:
            asked = {}
            for scene, image in zip(part, images):
                for question, answer in scene.questions:
                    asked.setdefault(question, []).append((image, answer))
            for question, pairs in asked.items():
                said = describe([i for i, _ in pairs], question)
                kind = "yes or no" if question.startswith("Is") else question
                got = answers.setdefault(kind, [0, 0])
                got[0] += sum(x == y for x, (_, y) in zip(said, pairs))
                got[1] += len(pairs)
    if a.golden:
        Path(a.golden).write_text(json.dumps(golden, indent=1) + "\n")
    print(json.dumps({"scenes": len(chosen), "first_seed": first, "dtype": a.dtype,
                      **{k: round(v / len(chosen), 4) for k, v in right.items()},
                      "answers": {k: round(r / n, 4) for k, (r, n) in answers.items()}, "wrong": wrong[:8]}))


if __name__ == "__main__":
    main()
