"""Gemma 3's cases of run.py and training.py: images pooled by other sizes, windows that end in the image, before it and behind it."""
import published

ATTENTION = "q_proj,k_proj,v_proj,o_proj"
CASES = {
    "gemma3, window within the image, bf16": dict(
        options=dict(family="gemma3", layers=7, heads=8, kv_heads=2, hidden=128, head_dim=24, intermediate=208, vision_dim=48,
                     vision_heads=4, vision_depth=3, tile=128, pool=4, sliding_window=11, scale=0.1, shards=2),
        data="coco", ranks=2, bf16=True),
    "gemma3, window across the image, f32, saved": dict(
        options=dict(family="gemma3", layers=6, heads=6, kv_heads=6, hidden=96, head_dim=10, intermediate=101, vision_dim=36,
                     vision_heads=3, tile=80, pool=2, sliding_window=37, scale=0.12, dtype="float32", untied=True),
        data="shapes", layout=published.to_saved_layout, ranks=3),
    "gemma3, one key/value head, f16": dict(
        options=dict(family="gemma3", layers=4, heads=5, kv_heads=1, hidden=80, intermediate=128, vision_dim=30, vision_heads=5,
                     tile=56, pool=1, sliding_window=500, scale=0.13, dtype="float16"), data="drawn", system="You are terse.\n Answer in one word."),
}
TRAINING = {
    "gemma3, window within the image, bf16": dict(layers="1,2,5", targets=ATTENTION, rank=4, alpha=8, batch=4, lr=1e-3, decay=0.0,
                                                  ranks=(1, 2)),
    "gemma3, window across the image, f32, saved": dict(layers="0,2", targets=ATTENTION + ",gate_proj,up_proj,down_proj", rank=3,
                                                        alpha=5, batch=3, lr=1e-3, decay=0.01, ranks=(1, 3)),
}
