"""Qwen2.5-VL's cases for run.py and training.py: see CASES there."""
from published import to_nested_names
from qwen_layouts import edit_vision, to_transformers_5

LIMIT_ON_VISUAL_TOKENS = 100
ATTENTION = "q_proj,k_proj,v_proj,o_proj"


def in_memory_names(folder):
    """Windows that are no multiple of a token, none of the blocks full, and the names that transformers has in memory."""
    edit_vision(folder, window_size=75, fullatt_block_indexes=[])
    to_nested_names(folder)


CASES = {
    # Grids of up to 100 tokens: several windows of 4 x 4, smaller ones at the edges; a full block first and last.
    "qwen2_5_vl, windows, bf16": dict(
        options=dict(family="qwen2_5_vl", layers=4, heads=8, kv_heads=2, hidden=128, intermediate=192, vision_dim=64, vision_heads=4,
                     vision_depth=4, scale=0.09, shards=2, max_pixels=LIMIT_ON_VISUAL_TOKENS * 28 * 28),
        layout=lambda folder: edit_vision(folder, fullatt_block_indexes=[0, 3]), data="coco", ranks=2, bf16=True),
    "qwen2_5_vl, odd shapes, nested, f32": dict(
        options=dict(family="qwen2_5_vl", layers=3, heads=7, kv_heads=1, hidden=112, intermediate=101, vision_dim=36, vision_heads=3,
                     scale=0.12, dtype="float32", untied=True, max_pixels=LIMIT_ON_VISUAL_TOKENS * 28 * 28),
        layout=to_transformers_5, data="shapes", ranks=3),
    "qwen2_5_vl, no full block, f16": dict(
        options=dict(family="qwen2_5_vl", layers=3, heads=4, kv_heads=4, hidden=96, intermediate=144, vision_dim=40, vision_heads=2,
                     vision_depth=2, scale=0.13, dtype="float16", max_pixels=LIMIT_ON_VISUAL_TOKENS * 28 * 28),
        layout=in_memory_names, data="drawn", system="You are terse.\n Answer in one word."),
}
TRAINING = {
    "qwen2_5_vl, windows, bf16": dict(layers="1,3", targets=ATTENTION, rank=4, alpha=8, batch=4, lr=1e-3, decay=0.0, ranks=(1, 2)),
    # The vision tower's MLPs have modules of these names too.
    "qwen2_5_vl, odd shapes, nested, f32": dict(layers="0,2", targets=ATTENTION + ",gate_proj,up_proj,down_proj", rank=3, alpha=5,
                                                batch=3, lr=1e-3, decay=0.01, ranks=(1, 3)),
}
