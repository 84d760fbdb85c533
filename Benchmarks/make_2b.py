#!/usr/bin/env python3
"""Writes a full-size Qwen2-VL checkpoint with RANDOM weights in the published layout: 4.4 GB in bf16 for the 2B model.

    .venv/bin/python Benchmarks/make_2b.py OUT_DIR [--size 2b|7b] [--layers N --depth N]

Shapes, names, config.json, tokenizer and chat template are those of Qwen/Qwen2-VL-{2B,7B}-Instruct. Shard after shard is
drawn and written, so memory holds one shard (about 1 GB) at most.
"""
import argparse
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools/reference"))

import torch

import published

SIZES = {
    "2b": dict(hidden_size=1536, num_hidden_layers=28, num_attention_heads=12, num_key_value_heads=2, intermediate_size=8960,
               vocab_size=151936, tie_word_embeddings=True, mrope_section=[16, 24, 24]),
    "7b": dict(hidden_size=3584, num_hidden_layers=28, num_attention_heads=28, num_key_value_heads=4, intermediate_size=18944,
               vocab_size=152064, tie_word_embeddings=False, mrope_section=[16, 24, 24]),
}
VISION = dict(embed_dim=1280, depth=32, num_heads=16, mlp_ratio=4)
LAYERS_A_SHARD = 7


def vision_shapes(vision, hidden):
    e, m = vision["embed_dim"], vision["embed_dim"] * vision["mlp_ratio"]
    yield "visual.patch_embed.proj.weight", (e, 3, 2, 14, 14)
    for i in range(vision["depth"]):
        p = f"visual.blocks.{i}."
        for name, shape in [("norm1.weight", (e,)), ("norm1.bias", (e,)), ("norm2.weight", (e,)), ("norm2.bias", (e,)),
                            ("attn.qkv.weight", (3 * e, e)), ("attn.qkv.bias", (3 * e,)), ("attn.proj.weight", (e, e)),
                            ("attn.proj.bias", (e,)), ("mlp.fc1.weight", (m, e)), ("mlp.fc1.bias", (m,)),
                            ("mlp.fc2.weight", (e, m)), ("mlp.fc2.bias", (e,))]:
            yield p + name, shape
    yield "visual.merger.ln_q.weight", (e,)
    yield "visual.merger.ln_q.bias", (e,)
    yield "visual.merger.mlp.0.weight", (4 * e, 4 * e)
    yield "visual.merger.mlp.0.bias", (4 * e,)
    yield "visual.merger.mlp.2.weight", (hidden, 4 * e)
    yield "visual.merger.mlp.2.bias", (hidden,)


def layer_shapes(text, i):
    c, f = text["hidden_size"], text["intermediate_size"]
    kv = c // text["num_attention_heads"] * text["num_key_value_heads"]
    p = f"model.layers.{i}."
    for name, out in (("q", c), ("k", kv), ("v", kv)):
        yield f"{p}self_attn.{name}_proj.weight", (out, c)
        yield f"{p}self_attn.{name}_proj.bias", (out,)
    yield p + "self_attn.o_proj.weight", (c, c)
    yield p + "mlp.gate_proj.weight", (f, c)
    yield p + "mlp.up_proj.weight", (f, c)
    yield p + "mlp.down_proj.weight", (c, f)
    yield p + "input_layernorm.weight", (c,)
    yield p + "post_attention_layernorm.weight", (c,)


def draw(shapes, seed):
    """Norms' gains are 1, all else is normal with the deviation the model was initialised with."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in shapes:
        t = torch.empty(shape, dtype=torch.bfloat16)
        gain = name.endswith("weight") and len(shape) == 1
        tensors[name] = t.fill_(1) if gain else t.normal_(0, 0.02, generator=generator)
    return tensors


def write_checkpoint(out, size="2b", layers=None, depth=None, seed=0):
    import make_tiny_qwen2vl
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    text = SIZES[size] | ({"num_hidden_layers": layers} if layers else {})
    vision = VISION | ({"depth": depth} if depth else {})
    n = text["num_hidden_layers"]
    ends = [("model.embed_tokens.weight", (text["vocab_size"], text["hidden_size"])), ("model.norm.weight", (text["hidden_size"],))]
    if not text["tie_word_embeddings"]:
        ends.append(("lm_head.weight", ends[0][1]))
    shards = [ends, list(vision_shapes(vision, text["hidden_size"]))] + [
        [s for i in range(first, min(first + LAYERS_A_SHARD, n)) for s in layer_shapes(text, i)]
        for first in range(0, n, LAYERS_A_SHARD)]
    published.write_shards(out, [lambda i=i, shapes=shapes: draw(shapes, seed * 1000 + i) for i, shapes in enumerate(shards)])

    tokenizer = make_tiny_qwen2vl.tokenizer()
    if len(tokenizer) < 100_000:
        print("dashscope is missing: a small vocabulary stands in for the real one", file=sys.stderr)
    tokenizer.save_pretrained(out)
    ids = {s: tokenizer.convert_tokens_to_ids(s) for s in make_tiny_qwen2vl.SPECIALS}
    published.write_json(out / "config.json", published.flat_config(text, vision, ids, "bfloat16"))
    published.write_json(out / "preprocessor_config.json", published.preprocessor_config())
    published.write_json(out / "chat_template.json", {"chat_template": published.CHAT_TEMPLATE})


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out", type=Path)
    p.add_argument("--size", choices=SIZES, default="2b")
    p.add_argument("--layers", type=int, help="fewer decoder layers than the real model")
    p.add_argument("--depth", type=int, help="fewer vision layers")
    p.add_argument("--seed", type=int, default=0)
    a = p.parse_args()
    start = time.time()
    write_checkpoint(a.out, a.size, a.layers, a.depth, a.seed)
    total = sum(f.stat().st_size for f in a.out.glob("*.safetensors"))
    print(f"{a.out}: {total / 1e9:.2f} GB of weights, {time.time() - start:.0f} s")


if __name__ == "__main__":
    main()
