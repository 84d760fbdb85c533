"""Parity cases of PaliGemma (Gemma) and PaliGemma 2 (Gemma 2)."""
import json

import published
from training import ATTENTION


def edit_text_config(folder, **values):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["text_config"] |= values
    path.write_text(json.dumps(config, indent=2) + "\n")


def bent(folder):
    """Softcaps that random scores and logits reach, and a score scale of its own."""
    edit_text_config(folder, attn_logit_softcapping=4.0, final_logit_softcapping=6.0, query_pre_attn_scalar=40)


def untied(folder):
    """An output head of its own, under the old name; names of before 4.52 beside it."""
    import torch
    from safetensors.torch import load_file, save_file
    path = folder / "model.safetensors"
    tensors = load_file(path)
    table = tensors["language_model.model.embed_tokens.weight"]
    generator = torch.Generator().manual_seed(1)
    tensors["language_model.lm_head.weight"] = (torch.randn(table.shape, generator=generator) * 0.1).to(table.dtype)
    save_file(tensors, path, metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text()) | {"tie_word_embeddings": False}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


CASES = {
    "paligemma, 8 heads on 1, bf16": dict(
        options=dict(family="paligemma", layers=4, heads=8, kv_heads=1, hidden=128, head_dim=32, intermediate=224, vision_dim=64,
                     vision_heads=4, vision_depth=3, tile=126, scale=0.09), data="coco", ranks=2, bf16=True),
    "paligemma2, a window, softcaps, f32, shards": dict(
        options=dict(family="paligemma2", layers=5, heads=6, kv_heads=3, hidden=96, head_dim=20, intermediate=131, vision_dim=48,
                     vision_heads=3, tile=98, scale=0.12, dtype="float32", shards=3, sliding_window=30), data="shapes", ranks=3,
        layout=bent),
    "paligemma, untied, odd sizes, f16": dict(
        options=dict(family="paligemma", layers=3, heads=5, kv_heads=5, hidden=80, head_dim=14, intermediate=99, vision_dim=36,
                     vision_heads=3, tile=70, scale=0.13, dtype="float16"), data="drawn", layout=untied),
    "paligemma2, saved by transformers 5, bf16": dict(
        options=dict(family="paligemma2", layers=4, heads=4, kv_heads=2, hidden=112, head_dim=32, intermediate=160, vision_dim=32,
                     tile=112, scale=0.1), data="coco", ranks=2, layout=published.to_saved_layout, bf16=True),
}
TRAINING = {
    "paligemma, 8 heads on 1, bf16": dict(layers="1,3", targets=ATTENTION, rank=4, alpha=8, batch=4, lr=1e-3, decay=0.0,
                                          ranks=(1, 2)),
    "paligemma2, a window, softcaps, f32, shards": dict(layers="0,3,4", targets=ATTENTION + ",gate_proj,up_proj,down_proj", rank=3,
                                                        alpha=5, batch=3, lr=1e-3, decay=0.01, ranks=(1, 3),
                                                        # With some seeds it says the same texts with the adapter.
                                                        changes_texts=False),
    "paligemma, untied, odd sizes, f16": dict(layers="0,2", targets=ATTENTION, rank=2, alpha=4, batch=5, lr=1e-3, decay=0.0,
                                              ranks=(2,), samples=3),
}
