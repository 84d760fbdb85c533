"""Checkpoints of InternVL3 and InternVL3.5 for run.py and training.py: their CASES' form."""
import json

ATTENTION = "q_proj,k_proj,v_proj,o_proj"


def as_saved_by_transformers_5(folder):
    """Sizes that are numbers, keys left out that have the class's default, and the image processor in processor_config.json."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    vision = config["vision_config"]
    for key in ("image_size", "patch_size"):
        vision[key] = vision[key][0]
    for key in ("norm_type", "num_channels", "layer_norm_eps", "use_qk_norm", "use_mean_pooling", "hidden_act"):
        del vision[key]
    for key in ("downsample_ratio", "projector_hidden_act", "vision_feature_layer", "vision_feature_select_strategy"):
        del config[key]
    path.write_text(json.dumps(config))
    own, nested = folder / "preprocessor_config.json", folder / "processor_config.json"
    values = json.loads(nested.read_text())
    values["image_processor"] = json.loads(own.read_text())
    nested.write_text(json.dumps(values))
    own.unlink()


CASES = {
    "internvl, Qwen2, 13 views, bf16": dict(
        options=dict(family="internvl", layers=4, heads=8, kv_heads=2, hidden=128, intermediate=192, vision_dim=64, vision_heads=4,
                     vision_depth=3, scale=0.08, shards=2), data="coco", ranks=2, bf16=True),
    "internvl, Qwen3, odd shapes, f32, untied": dict(
        options=dict(family="internvl3_5", layers=3, heads=6, kv_heads=3, hidden=72, head_dim=20, intermediate=101, vision_dim=36,
                     vision_heads=3, tile=84, max_tiles=7, scale=0.12, dtype="float32", untied=True), data="shapes", ranks=3,
        layout=as_saved_by_transformers_5),
    "internvl, one tile, f16": dict(
        options=dict(family="internvl", layers=3, heads=5, kv_heads=1, hidden=80, intermediate=120, vision_dim=48, tile=168,
                     max_tiles=1, scale=0.13, dtype="float16"), data="drawn", system="You are terse.\n Answer in one word."),
}
TRAINING = {
    "internvl, Qwen2, 13 views, bf16": dict(layers="1,3", targets=ATTENTION, rank=4, alpha=8, batch=4, lr=1e-3, decay=0.0,
                                            ranks=(1, 2)),
    "internvl, Qwen3, odd shapes, f32, untied": dict(layers="0,2", targets=ATTENTION + ",gate_proj,up_proj,down_proj", rank=3,
                                                     alpha=5, batch=3, lr=1e-3, decay=0.01, ranks=(1, 3)),
}
