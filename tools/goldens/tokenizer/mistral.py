"""Writes .cache/mistral-tokenizer: the real tokenizer of Mistral 7B (LLaVA-NeXT's; of Llama 2's kind) as a tokenizer.json, and what the tokenizers
library makes of 4,000 texts with it. The tests of the tokenizer compare with them where they are there.

    .venv/bin/python tools/goldens/tokenizer/mistral.py

The vocabulary comes from PyPI's mistral-common (Apache 2.0), which is downloaded, not installed.
"""
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import make
import pipelines

PACKAGE = "mistral-common==1.13.1"
FILE = "mistral_common/data/tokenizer.model.v1"
CACHE = Path(__file__).resolve().parents[3] / ".cache/mistral-tokenizer"


def sentencepiece_model():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, PACKAGE], check=True)
        return zipfile.ZipFile(next(Path(folder).glob("*.whl"))).read(FILE)


def fields(data):
    """The fields of a protocol buffer: number and value, bytes where it has a length."""
    def varint(at):
        value = shift = 0
        while True:
            value |= (data[at] & 0x7F) << shift
            shift, at = shift + 7, at + 1
            if data[at - 1] < 0x80:
                return value, at

    at = 0
    while at < len(data):
        key, at = varint(at)
        if key & 7 == 0:
            value, at = varint(at)
        else:
            length, at = varint(at) if key & 7 == 2 else ({1: 8, 5: 4}[key & 7], at)
            value, at = data[at:at + length], at + length
        yield key >> 3, value


def tokenizer():
    """As transformers converts a SentencePiece model of this kind."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors
    from transformers.tokenization_utils_base import generate_merges
    vocab, scores = {}, {}
    for number, value in fields(sentencepiece_model()):
        if number == 1:
            piece = dict(fields(value))
            name = piece[1].decode()
            vocab[name], scores[name] = len(vocab), struct.unpack("<f", piece[2])[0] if 2 in piece else 0.0
    t = Tokenizer(models.BPE(vocab=vocab, merges=generate_merges(vocab, scores), unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(content=" ", left=1, right=0)])
    t.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in ["<unk>", "<s>", "</s>", "<image>", "<pad>"]])
    t.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)])
    return t


def main():
    CACHE.mkdir(parents=True, exist_ok=True)
    pipelines.GOLDENS = CACHE
    t = tokenizer()
    pipelines.write("mistral-tokenizer.json", t.to_str() + "\n")
    pipelines.write_strings("mistral", t, list(dict.fromkeys(pipelines.texts(pipelines.ADDED["llama"]) + make.texts())))


if __name__ == "__main__":
    main()
