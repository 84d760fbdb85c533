#!/usr/bin/env python3
"""Write a tiny RANDOM-weight Qwen2-VL checkpoint in the published folder layout, for agreement tests.

Its tokenizer is the real Qwen2 vocabulary when `pip install dashscope` provides qwen.tiktoken, so
that token ids agree with the published models; otherwise, or with --small-vocabulary, a small byte-level BPE trained on the spot.

    python make_tiny_qwen2vl.py OUT_DIR [--layers 4 --heads 4 --kv-heads 2 --hidden 64 --seed 0]
"""
import argparse
import base64
import json
from pathlib import Path

import torch

import published

PATTERN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>",
            "<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>",
            "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"]
DEFAULTS = dict(layers=4, heads=4, kv_heads=2, hidden=64, intermediate=128, vision_dim=32, vision_depth=2, vision_heads=2,
                vision_mlp_ratio=4, seed=0, max_pixels=28 * 28 * 256, vocab_size=600)
TRAINING_TEXT = [
    "a photo of a large red circle next to a small blue square on the left of the image",
    "Describe the main object in the image. You are a helpful assistant. system user assistant",
    "a person standing near a dog at the top right, two green striped triangles below it",
]


def qwen_ranks():
    try:
        import dashscope
    except ImportError:
        return None
    lines = (Path(dashscope.__file__).parent / "resources/qwen.tiktoken").read_bytes().splitlines()
    return {base64.b64decode(t): int(r) for t, r in (line.split() for line in lines if line)}


def bpe_from_ranks(ranks):
    """vocab and merges of a byte-level BPE from tiktoken ranks."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode
    enc = bytes_to_unicode()
    s = lambda b: "".join(enc[x] for x in b)
    merges = []
    for token, rank in ranks.items():
        if len(token) == 1:
            continue
        parts = [bytes([b]) for b in token]
        while len(parts) > 2:
            best = min(range(len(parts) - 1), key=lambda i: ranks.get(parts[i] + parts[i + 1], 1 << 60))
            parts[best:best + 2] = [parts[best] + parts[best + 1]]
        merges.append((rank, s(parts[0]), s(parts[1])))
    merges.sort()
    return {s(t): r for t, r in ranks.items()}, [(x, y) for _, x, y in merges]


def tokenizer(small=False, vocab_size=600):
    """The real Qwen2 tokenizer, or a small one of the same build."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast
    ranks = None if small else qwen_ranks()
    if ranks:
        vocab, merges = bpe_from_ranks(ranks)
        t = Tokenizer(models.BPE(vocab=vocab, merges=merges, byte_fallback=False))
    else:
        t = Tokenizer(models.BPE())
    t.normalizer = normalizers.NFC()
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), behavior="isolated", invert=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    if not ranks:
        t.train_from_iterator(TRAINING_TEXT * 50, trainers.BpeTrainer(
            vocab_size=vocab_size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    t.add_special_tokens(SPECIALS)  # after the ranks: <|endoftext|> is 151643 with the real vocabulary
    return PreTrainedTokenizerFast(tokenizer_object=t, eos_token="<|im_end|>", pad_token="<|endoftext|>")


def make(out, tok=None, scale=0.2, dtype="bfloat16", untied=False, small_vocabulary=False, **options):
    """Writes the folder; returns the number of parameters and of tokens. `options` as DEFAULTS; `tok` saves time when
    several checkpoints share a tokenizer."""
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    a = argparse.Namespace(**DEFAULTS | options)
    tok = tok or tokenizer(small_vocabulary, a.vocab_size)
    ids = {s: tok.convert_tokens_to_ids(s) for s in SPECIALS}
    head = a.hidden // a.heads
    section = [head // 8, 3 * head // 16, head // 2 - head // 8 - 3 * head // 16]
    config = Qwen2VLConfig(
        text_config=dict(hidden_size=a.hidden, intermediate_size=a.intermediate, num_hidden_layers=a.layers,
                         num_attention_heads=a.heads, num_key_value_heads=a.kv_heads, vocab_size=len(tok),
                         max_position_embeddings=4096, rms_norm_eps=1e-6, tie_word_embeddings=not untied,
                         rope_parameters={"rope_type": "default", "type": "mrope", "mrope_section": section, "rope_theta": 1e6},
                         bos_token_id=ids["<|endoftext|>"], eos_token_id=ids["<|im_end|>"]),
        vision_config=dict(embed_dim=a.vision_dim, depth=a.vision_depth, num_heads=a.vision_heads, hidden_size=a.hidden,
                           mlp_ratio=a.vision_mlp_ratio, patch_size=14, spatial_merge_size=2, temporal_patch_size=2,
                           in_channels=3),
        image_token_id=ids["<|image_pad|>"], video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"], vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=not untied)
    torch.manual_seed(a.seed)
    model = Qwen2VLForConditionalGeneration(config)
    with torch.no_grad():
        for name, w in model.named_parameters():
            w.normal_(1.0, 0.05) if "norm" in name and w.ndim == 1 and "bias" not in name else w.normal_(0.0, scale)
    model = model.to(getattr(torch, dtype))
    out = Path(out)
    model.save_pretrained(out)
    tok.save_pretrained(out)
    (out / "chat_template.jinja").write_text(published.CHAT_TEMPLATE)
    Qwen2VLImageProcessorPil(min_pixels=56 * 56, max_pixels=a.max_pixels).save_pretrained(out)
    return {"parameters": sum(x.numel() for x in model.parameters()), "vocab": len(tok)}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out")
    for name, value in DEFAULTS.items():
        p.add_argument("--" + name.replace("_", "-"), type=int, default=value)
    p.add_argument("--scale", type=float, default=0.2, help="weight std; larger makes attention peakier")
    p.add_argument("--dtype", choices=("float32", "bfloat16", "float16"), default="bfloat16")
    p.add_argument("--untied", action="store_true")
    p.add_argument("--small-vocabulary", action="store_true", help="a small BPE even where the real one is at hand")
    print(json.dumps(make(**vars(p.parse_args()))))


if __name__ == "__main__":
    main()
