#!/usr/bin/env python3
"""Write a tiny RANDOM-weight checkpoint of one vision-language family, in the layout its makers published.

"Published" means: the key names and nesting of config.json, the tensor names in the safetensors file, the
processor files and the tokenizer pipeline are those of the folders on the Hugging Face Hub, NOT what
transformers 5 would write today. transformers 5.23 loads the folder offline, and this script proves it:
after writing it loads the folder again and compares every tensor.

    python make_tiny.py --family smolvlm OUT_DIR [--layers 4 --heads 4 --kv-heads 2 --seed 0 ...]
    python make_tiny.py --list

Needs torch, transformers 5.23, tokenizers, safetensors; no network. `--vocabulary qwen` takes the real Qwen2
vocabulary where `pip install dashscope` provides it (Qwen families only).
"""
import argparse
import json
import re
from pathlib import Path

import torch

from tiny_families import FAMILIES
from tiny_tokenizers import rows, write_json


def centre_and_spread(name, ndim, scale, plus_one_norms):
    """Mean and deviation of a tensor's random values."""
    is_norm = ndim == 1 and name.endswith("weight") and ("norm" in name or "ln_q" in name)
    if re.search(r"lambda_[12]$", name):
        return 0.5, 0.1
    if not is_norm:
        return 0.0, scale
    return (0.0 if plus_one_norms and ("language_model" in name or "soft_emb_norm" in name) else 1.0), 0.05


def fill(model, seed, scale, plus_one_norms):
    """Random values, tensor by tensor in the order of their names, so that one seed gives one checkpoint."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, w in sorted(model.named_parameters()):
            centre, spread = centre_and_spread(name, w.ndim, scale, plus_one_norms)
            w.copy_(torch.randn(w.shape, generator=generator) * spread + centre)


def published(name, renames):
    for pattern, replacement in renames:
        name, n = re.subn(pattern, replacement, name)
        if n:
            return name
    return name


def save(state, folder, shards):
    from safetensors.torch import save_file
    names = sorted(state)
    if shards == 1:
        save_file({n: state[n] for n in names}, folder / "model.safetensors", metadata={"format": "pt"})
        return
    parts, index = [names[i::shards] for i in range(shards)], {}
    for number, part in enumerate(parts, 1):
        file = f"model-{number:05}-of-{shards:05}.safetensors"
        save_file({n: state[n] for n in part}, folder / file, metadata={"format": "pt"})
        index |= {n: file for n in part}
    size = sum(state[n].numel() * state[n].element_size() for n in names)
    write_json(folder / "model.safetensors.index.json", {"metadata": {"total_size": size}, "weight_map": dict(sorted(index.items()))})


def verify(folder, expected):
    """Loads the folder as any user would, and compares."""
    from transformers import AutoModelForImageTextToText
    model, info = AutoModelForImageTextToText.from_pretrained(folder, dtype="auto", output_loading_info=True)
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        assert not info.get(kind), f"{kind}: {sorted(info[kind])[:8]}"
    loaded = model.state_dict()
    for name, value in expected.items():
        assert torch.equal(loaded[name].float(), value.float()), f"{name} did not load as it was written"
    return model


def write_files(folder, recipe):
    """All but the weights."""
    write_json(folder / "config.json", recipe.config)
    recipe.tokenizer.write(folder)
    for name, content in recipe.files.items():
        (folder / name).write_text(content) if isinstance(content, str) else write_json(folder / name, content)


def build(a):
    from transformers import AutoConfig, AutoModelForImageTextToText
    from transformers.utils import logging
    logging.disable_progress_bar()
    folder = Path(a.out)
    folder.mkdir(parents=True, exist_ok=True)
    a.dtype = a.dtype or ("float16" if a.family.startswith("llava") else "bfloat16")
    recipe = FAMILIES[a.family](a)
    write_files(folder, recipe)
    config = AutoConfig.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_config(config, dtype=torch.float32)
    fill(model, a.seed, a.scale, recipe.plus_one_norms)
    state = {n: w.to(getattr(torch, a.dtype)).contiguous() for n, w in model.state_dict().items()}
    if recipe.keeps_tied_head:                            # a head of its own, though config.json would tie it
        generator = torch.Generator().manual_seed(a.seed + 1)
        shape = state["lm_head.weight"].shape
        state["lm_head.weight"] = (torch.randn(shape, generator=generator) * a.scale).to(getattr(torch, a.dtype))
    elif torch.equal(state["lm_head.weight"], next(w for n, w in state.items() if n.endswith("embed_tokens.weight"))):
        del state["lm_head.weight"]                       # tied: the published files hold it once
    save({published(n, recipe.renames): w for n, w in state.items()}, folder, a.shards)
    verify(folder, state)
    return {"family": a.family, "parameters": sum(w.numel() for w in state.values()), "tensors": len(state),
            "vocab": rows(recipe.tokenizer), "tied": "lm_head.weight" not in state}


def parser():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out", nargs="?")
    p.add_argument("--family", choices=sorted(FAMILIES))
    p.add_argument("--list", action="store_true", help="print the families")
    numbers = dict(layers=4, heads=4, kv_heads=2, hidden=64, intermediate=128, vision_dim=32, vision_depth=3, vision_heads=2, seed=0)
    for name, value in numbers.items():
        p.add_argument("--" + name.replace("_", "-"), type=int, default=value)
    p.add_argument("--head-dim", type=int, default=0, help="where the family has one of its own (0: hidden / heads)")
    p.add_argument("--tile", type=int, default=0, help="pixels of a tile's side, or of the image the tower takes (0: the family's)")
    p.add_argument("--max-pixels", type=int, default=28 * 28 * 256, help="Qwen families: the largest resized area")
    p.add_argument("--max-tiles", type=int, default=12, help="InternVL: max_patches")
    p.add_argument("--anyres-max", type=int, default=9, help="LLaVA-OneVision: N of anyres_max_N")
    p.add_argument("--position-side", type=int, default=6, help="Qwen3-VL: side of the learned position grid (published: 48)")
    p.add_argument("--sliding-window", type=int, default=0, help="PaliGemma 2, Gemma 3 (0: 4096, 24)")
    p.add_argument("--pool", type=int, default=2, help="Gemma 3: patches along the side of an image token (published: 4)")
    p.add_argument("--location-tokens", type=int, default=1024, help="PaliGemma: <loc0000> and so on; an eighth as many <seg000>")
    p.add_argument("--no-splitting", action="store_true", help="SmolVLM, Idefics3: do_image_splitting false")
    p.add_argument("--vision-qk-norm", action="store_true", help="InternVL: the 6B tower's RMS norms on q and k, no biases")
    p.add_argument("--untied", action="store_true", help="an output head of its own, where the family has both kinds")
    p.add_argument("--scale", type=float, default=0.2, help="weight std; larger makes attention peakier")
    p.add_argument("--dtype", choices=("float32", "bfloat16", "float16"), help="default: float16 for LLaVA, else bfloat16")
    p.add_argument("--shards", type=int, default=1)
    p.add_argument("--vocabulary", choices=("small", "qwen"), default="small")
    return p


def make(folder, family, **options):
    """Writes the folder; options by the names of the command line's, `_` for `-`. Returns what `build` does."""
    return build(argparse.Namespace(**vars(parser().parse_args([str(folder), "--family", family])) | options))


def main():
    a = parser().parse_args()
    if a.list:
        print("\n".join(FAMILIES))
        return
    print(json.dumps(build(a)))


if __name__ == "__main__":
    main()
