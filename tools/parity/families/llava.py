"""LLaVA-OneVision, LLaVA-NeXT and LLaVA-1.5: see run.py's CASES and training.py's."""
ATTENTION = "q_proj,k_proj,v_proj,o_proj"

CASES = {
    # The raster of an image of 640 x 480 pixels is sampled to fewer rows and columns; the strip of each tile is unseen.
    "llava_onevision, sampled rasters, f16": dict(
        options=dict(family="llava_onevision", layers=4, heads=8, kv_heads=2, hidden=128, intermediate=192, vision_dim=48, vision_heads=4,
                     vision_depth=3, scale=0.09, shards=2), data="coco", ranks=2, bf16=True),
    "llava_onevision, odd shapes, untied, f32": dict(
        options=dict(family="llava_onevision", layers=3, heads=7, kv_heads=7, hidden=84, intermediate=99, vision_dim=36, vision_heads=3,
                     tile=72, anyres_max=3, scale=0.13, dtype="float32", untied=True), data="shapes", ranks=3),
    "llava_onevision, bf16 weights": dict(
        options=dict(family="llava_onevision", layers=3, heads=5, kv_heads=1, hidden=80, intermediate=112, vision_dim=32, tile=56,
                     scale=0.13, dtype="bfloat16"), data="drawn", system="You are terse.\n Answer in one word."),
    "llava_next, bf16 weights": dict(
        options=dict(family="llava_next", layers=4, heads=8, kv_heads=2, hidden=128, intermediate=224, vision_dim=64, vision_heads=4,
                     vision_depth=4, scale=0.09, dtype="bfloat16"), data="coco", ranks=2, bf16=True),
    "llava_next, odd shapes, f16": dict(
        options=dict(family="llava_next", layers=3, heads=6, kv_heads=3, hidden=96, intermediate=101, vision_dim=36, vision_heads=3,
                     vision_depth=3, tile=73, scale=0.12, shards=3), data="shapes", ranks=3),
    "llava_next, f32": dict(
        options=dict(family="llava_next", layers=3, heads=5, kv_heads=1, hidden=80, vision_dim=40, vision_heads=2, tile=60, scale=0.13,
                     dtype="float32"), data="drawn", system="You are terse.\n Answer in one word."),
    "llava, crops, f16": dict(
        options=dict(family="llava", layers=4, heads=8, kv_heads=8, hidden=128, intermediate=192, vision_dim=64, vision_heads=4,
                     vision_depth=4, tile=112, scale=0.09), data="coco", ranks=2, bf16=True),
    "llava, odd shapes, f32": dict(
        options=dict(family="llava", layers=3, heads=6, kv_heads=2, hidden=96, intermediate=107, vision_dim=36, vision_heads=3, tile=89,
                     scale=0.12, dtype="float32"), data="shapes", ranks=3),
    "llava, bf16 weights": dict(
        options=dict(family="llava", layers=3, heads=5, kv_heads=5, hidden=80, vision_dim=40, vision_heads=2, scale=0.13,
                     dtype="bfloat16", shards=2), data="drawn", system="You are terse.\n Answer in one word."),
}

TRAINING = {
    "llava_onevision, sampled rasters, f16": dict(layers="1,3", targets=ATTENTION, rank=4, alpha=8, batch=4, lr=1e-3, decay=0.0,
                                                  ranks=(1, 2)),
    "llava_onevision, odd shapes, untied, f32": dict(layers="0,2", targets=ATTENTION + ",gate_proj,up_proj,down_proj", rank=3, alpha=5,
                                                     batch=3, lr=1e-3, decay=0.01, ranks=(1, 3)),
    "llava_next, odd shapes, f16": dict(layers="0,2", targets=ATTENTION + ",down_proj", rank=3, alpha=5, batch=3, lr=1e-3, decay=0.01,
                                        ranks=(1, 2)),
    "llava, crops, f16": dict(layers="1,2", targets=ATTENTION, rank=4, alpha=8, batch=4, lr=1e-3, decay=0.0, ranks=(1, 2)),
}
