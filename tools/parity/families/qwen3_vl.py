"""Qwen3-VL's cases of tools/parity/run.py and training.py."""

ATTENTION = "q_proj,k_proj,v_proj,o_proj"
CASES = {
    # As many heads and layers of the tower as the decoder has not; queries twice as wide as the stream.
    "qwen3_vl, wide heads, bf16": dict(
        options=dict(family="qwen3_vl", layers=5, heads=8, kv_heads=2, hidden=96, head_dim=24, intermediate=160, vision_dim=48,
                     vision_depth=4, vision_heads=4, position_side=12, max_pixels=100 * 1024, scale=0.11, shards=2),
        data="coco", ranks=2, bf16=True),
    # Sections that are not equal, the published side of the position table, every layer but the last with an addition.
    "qwen3_vl, 5 heads, untied, f32": dict(
        options=dict(family="qwen3_vl", layers=4, heads=5, kv_heads=5, hidden=80, head_dim=16, intermediate=101, vision_dim=36,
                     vision_depth=3, vision_heads=3, position_side=48, max_pixels=60 * 1024, untied=True, scale=0.13, dtype="float32"),
        data="shapes", ranks=3),
    # One addition, behind the first of two layers; a single key/value head.
    "qwen3_vl, shallow tower, f16": dict(
        options=dict(family="qwen3_vl", layers=2, heads=6, kv_heads=1, hidden=60, head_dim=36, vision_dim=24, vision_depth=1,
                     vision_heads=2, position_side=3, max_pixels=40 * 1024, scale=0.15, dtype="float16"), data="drawn", system="You are terse.\n Answer in one word."),
}
TRAINING = {
    "qwen3_vl, wide heads, bf16": dict(layers="2,4", targets=ATTENTION, rank=4, alpha=8, batch=4, lr=1e-3, decay=0.0, ranks=(1, 2)),
    "qwen3_vl, 5 heads, untied, f32": dict(layers="0,3", targets=ATTENTION + ",gate_proj,up_proj,down_proj", rank=3, alpha=5, batch=3,
                                           lr=1e-3, decay=0.01, ranks=(1, 3)),
}
