"""Writes gemma-tokenizer.json, llama-tokenizer.json and what the tokenizers library makes of 2,000 texts with each, stage by stage,
in decoding, and what transformers' AutoTokenizer makes of folders with these files.

    .venv/bin/python tools/goldens/tokenizer/pipelines.py

The vocabularies are small and are trained here (tools/reference/tiny_tokenizers.py).
"""
import json
import os
import random
import shutil
import sys
import tempfile
import unicodedata
from pathlib import Path

os.environ["TRANSFORMERS_VERBOSITY"] = "error"
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "reference")]
import make  # noqa: E402
import tiny_tokenizers  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

GOLDENS = HERE.parents[2] / "Tests/TokenizationTests/Goldens"
SEED, COUNT = 11, 2000
ADDED = {"gemma": ["<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<image_soft_token>", "\n", "\n\n", "<unk>"],
         "llama": ["<s>", "</s>", "<unk>", "<image>", "<pad>"]}
BLANKS = [" ", "  ", "   ", " " * 7, "\n", "\n\n", "\n\n\n", "\t", "\r\n", " \n", "\n ", "▁", "▁▁", "\u00a0", "\u3000"]
ODD = ["\0", "\x01", "\x1b[0m", "\x7f", "\x85", "\ufeff", "\ufffd", "\ufffe", "\u200d", "\u202e", "<0x0A>", "<0xE2>", "<0xZZ>", "<0x", "\U0010ffff"]
WORDS = [w for line in tiny_tokenizers.TEXT.splitlines()[:7] for w in line.split(" ")]


def texts(added):
    """As many texts as wanted, the same each time."""
    r = random.Random(SEED)
    sentences = [s.replace("\\n", "\n").replace("\\t", "\t") for s in make.SENTENCES]
    foreign = [w for s in sentences for w in s.split(" ")]
    out = ["", " ", "  ", "▁", " ▁", "\n", "\n\n", "\n\n\n\n", " \n ", "a", " a", "a ", "  a  ", "a" * 300, " " * 300, "ab " * 120, "犬" * 60, "🙂" * 40]
    out += added + [a + b for a in added for b in added] + [f" {a} " for a in added] + [f"x{a}\ny" for a in added]
    out += sentences + [unicodedata.normalize("NFD", s) for s in sentences]
    out = list(dict.fromkeys(out))
    while len(out) < COUNT:
        kind = r.random()
        if kind < .35:
            out.append(r.choice(["", " ", "\n"]) + r.choice([" ", "  ", "\n"]).join(r.choices(WORDS, k=r.randint(1, 7))) + r.choice(["", " ", "\n"]))
        elif kind < .75:
            parts = [WORDS, WORDS, BLANKS, BLANKS, added, foreign, ODD, make.MARKS, make.BASES]
            out.append("".join(r.choice(r.choice(parts)) for _ in range(r.randint(1, 8))))
        elif kind < .85:
            out.append("".join(chr(r.choice([c for c in (r.randint(0, 0x10FFFF) for _ in range(6)) if not 0xD800 <= c < 0xE000]))
                               for _ in range(r.randint(1, 6))))
        else:
            out.append("".join(r.choice(["a", "é", "e\u0301", " ", "犬", "<", ">", r.choice(added)]) for _ in range(r.randint(1, 12))))
        if out[-1] in out[:-1]:
            out.pop()
    return out


def encoded(t, text):
    """Ids, and offsets as the gap to the token before and the length."""
    e = t.encode(text, add_special_tokens=False)
    spans, end = [], 0
    for start, stop in e.offsets:
        spans += [start - end, stop - start]
        end = stop
    return [e.ids, spans]


def decoded(t, text):
    """The text of a text's tokens; None where the library gives up (stripping more than there is)."""
    try:
        return t.decode(t.encode(text, add_special_tokens=False).ids, skip_special_tokens=True)
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        return None


def decodings(t):
    """Id sequences and their texts, with special tokens and without."""
    r = random.Random(SEED)
    vocabulary = t.get_vocab(with_added_tokens=True)
    bytes_ = [vocabulary[f"<0x{b:02X}>"] for b in range(256)]
    ids = list(vocabulary.values())
    dog = [vocabulary[f"<0x{b:02X}>"] for b in "犬🙂é".encode()]
    sequences = [[], dog, dog[:2], dog[1:], dog[:-1] + [ids[5]], bytes_[:128], bytes_[126:]]
    for _ in range(300):
        pool = [r.choice(bytes_ if r.random() < .4 else ids) for _ in range(r.randint(1, 12))]
        cut = r.randint(0, len(dog))
        sequences.append(pool + (dog[cut:] if r.random() < .3 else []))
    return [[s, t.decode(s, skip_special_tokens=False), t.decode(s, skip_special_tokens=True)] for s in sequences]


def variants(base):
    """Changes of the Llama tokenizer's stages, by name."""
    replace = lambda pattern, content, kind="String": {"type": "Replace", "pattern": {kind: pattern}, "content": content}
    prepend = lambda text: {"type": "Prepend", "prepend": text}
    normalizers = lambda *steps: {"type": "Sequence", "normalizers": list(steps)}
    decoders = lambda *steps: {"type": "Sequence", "decoders": list(steps)}
    strip = lambda left, right, content=" ": {"type": "Strip", "content": content, "start": left, "stop": right}
    metaspace = lambda scheme, split: {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split}
    blanks, fuse, fallback = replace("▁", " "), {"type": "Fuse"}, {"type": "ByteFallback"}
    token = lambda n, content, **flags: {"id": n, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
                                         "normalized": True, "special": False, **flags}
    first = max(t["id"] for t in base["added_tokens"]) + 1
    for name, step in {"longer": replace("a", "犬bc"), "shorter": replace("th", "é"), "nothing": replace("e", ""), "pattern": replace(r"\s+", "▁", "Regex"),
                       "pattern of nothing": replace(r"x*", "-", "Regex"), "group": replace("[aeiou]{2}", "▁▁", "Regex")}.items():
        yield f"replace by {name}", {"normalizer": step}
        yield f"prepend, replace by {name}", {"normalizer": normalizers(prepend("▁"), step)}
    yield "prepend alone", {"normalizer": prepend("▁a")}
    yield "NFD, prepend, replace", {"normalizer": normalizers({"type": "NFD"}, prepend("ab"), replace("\u0301", "x"))}
    yield "replace, NFC, prepend", {"normalizer": normalizers(replace("e", "e\u0301"), {"type": "NFC"}, prepend("e\u0301"))}
    for scheme in ("first", "always", "never"):
        for split in (False, True):
            yield f"metaspace {scheme}, {'cut' if split else 'whole'}", {
                "normalizer": None, "pre_tokenizer": metaspace(scheme, split), "decoder": metaspace(scheme, split)}
    yield "metaspace after NFKC", {"normalizer": {"type": "NFKC"}, "pre_tokenizer": metaspace("first", True), "decoder": None}
    yield "split at blanks", {"normalizer": None, "pre_tokenizer": {
        "type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}}
    for flags in ({"fuse_unk": False}, {"byte_fallback": False}, {"byte_fallback": False, "fuse_unk": False},
                  {"unk_token": None}, {"byte_fallback": False, "unk_token": None}, {"ignore_merges": True}):
        yield f"model {flags}", {"model": {**base["model"], **flags}}
    missing = {"no " * (k in ("<0xE2>", "<0xC3>")) + k: v for k, v in base["model"]["vocab"].items()}
    yield "some bytes missing", {"model": {**base["model"], "vocab": missing}}
    for name, steps in {"bytes": [fallback], "bytes and blanks": [fallback, blanks], "left": [blanks, fuse, strip(3, 0)], "right": [blanks, fuse, strip(0, 2)],
                        "each": [strip(1, 1, "▁")], "not fused": [blanks, fallback, strip(1, 0)], "all": [blanks, fallback, fuse, strip(9, 9)]}.items():
        yield f"decoder {name}", {"decoder": decoders(*steps)}
    yield "no decoder", {"decoder": None}
    yield "added tokens looked for in normalised text", {"added_tokens": base["added_tokens"] + [
        token(first, "cat"), token(first + 1, " dog"), token(first + 2, "the ", rstrip=True), token(first + 3, "犬", single_word=True)]}


MODELS = ["paligemma", "gemma3", "llava", "llava_next", "llava_onevision", "smolvlm", "idefics3", "internvl", "qwen2_5_vl", "llama", None]
CLASSES = ["GemmaTokenizer", "GemmaTokenizerFast", "LlamaTokenizer", "LlamaTokenizerFast", "PreTrainedTokenizerFast", "TokenizersBackend"]


def folders(bases, count=100):
    """Folders' small files and texts' ids with AutoTokenizer: each base with whatever class and model."""
    from transformers import AutoTokenizer
    r = random.Random(SEED)
    cases = []
    while len(cases) < count:
        kind = r.choice(["gemma", "llama"])
        config, change = json.loads(json.dumps(bases[kind][1])), {}
        config["tokenizer_class"] = r.choice(CLASSES)
        model = r.choice(MODELS)
        if model in ("gemma3", "llava", "smolvlm") and r.random() < .2:
            del config["tokenizer_class"]
        if r.random() < .3:
            config["legacy"] = r.choice([True, False])
        if r.random() < .3:
            config["add_prefix_space"] = r.choice([True, False, None])
        if r.random() < .3:
            config.pop("added_tokens_decoder")
        for key in ("unk_token", "bos_token", "eos_token", "pad_token"):
            if r.random() < .15:
                config.pop(key)
        if r.random() < .2:
            change["post_processor"] = None
        if r.random() < .2:
            change["normalizer"] = r.choice([None, {"type": "NFC"}])
        if r.random() < .1:
            change["decoder"] = {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]}
        strings = r.sample(texts(ADDED[kind]), 12)
        place = Path(tempfile.mkdtemp())
        try:
            (place / "config.json").write_text(json.dumps({"model_type": model} if model else {}))
            (place / "tokenizer_config.json").write_text(json.dumps(config))
            (place / "tokenizer.json").write_text(json.dumps({**bases[kind][0], **change}))
            auto = AutoTokenizer.from_pretrained(place)
            ids = [auto.encode(text, add_special_tokens=False) for text in strings]
            listed = config.pop("added_tokens_decoder", None) is not None
            cases.append({"base": kind, "model_type": model, "config": config, "listed": listed, "change": change, "texts": strings, "ids": ids,
                          "decoded": [auto.decode(i, skip_special_tokens=True) for i in ids],
                          "around": auto.convert_ids_to_tokens(auto.encode("", add_special_tokens=True)), "class": type(auto).__name__})
        finally:
            shutil.rmtree(place)
    return cases


def write(name, value):
    path = GOLDENS / name
    path.write_text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n")
    print(name, path.stat().st_size)


def write_strings(name, t, strings):
    rows = [json.dumps([text, *encoded(t, text)] + ([] if decoded(t, text) == text else [decoded(t, text)]), separators=(",", ":"))
            for text in strings]
    sequences = [json.dumps(d, separators=(",", ":")) for d in decodings(t)]
    write(f"{name}-strings.json", '{"strings":[\n' + ",\n".join(rows) + '],\n"decoded":[\n' + ",\n".join(sequences) + "]}\n")


def main():
    made = {"gemma": tiny_tokenizers.gemma_tokenizer(None, 3), "llama": tiny_tokenizers.llama_tokenizer(None)}
    bases = {}
    for kind, files in made.items():
        t = files.tokenizer
        with tempfile.TemporaryDirectory() as place:
            files.write(Path(place))
            bases[kind] = [json.loads((Path(place) / name).read_text()) for name in ("tokenizer.json", "tokenizer_config.json")]
        write(f"{kind}-tokenizer.json", bases[kind][0])
        write_strings(kind, t, texts(ADDED[kind]))
    base = bases["llama"][0]
    some = random.Random(3).sample(texts(ADDED["llama"]), 40) + ["", " cat  dog", "the  犬 cat<image>cat dog the", "ththe e\u0301 aei  x"]
    out = []
    for name, change in variants(base):
        t = Tokenizer.from_str(json.dumps({**base, **change}))
        if "model" in change:
            renamed = {"renamed": [k for k in base["model"]["vocab"] if k not in change["model"]["vocab"]]}
            change = {"model": {k: v for k, v in change["model"].items() if k not in ("vocab", "merges")} | renamed}
        cases = [encoded(t, text) + [decoded(t, text)] for text in some]
        out.append(json.dumps({"name": name, "change": change, "cases": cases}, separators=(",", ":")))
    write("pipeline-stages.json", '{"texts":' + json.dumps(some) + ',\n"variants":[\n' + ",\n".join(out) + "]}\n")
    write("pipeline-folders.json", folders(bases))


if __name__ == "__main__":
    main()
