"""Writes folders.json: model folders' tokenizer files in many variants, and what transformers' AutoTokenizer makes of texts with them.

    .venv/bin/python tools/goldens/tokenizer/folders.py [COUNT] [SEED]

Vocabulary and merges are those of small-tokenizer.json, with Qwen2's stages; a folder has either tokenizer.json or vocab.json and merges.txt.
"""

import json
import os
import random
import shutil
import sys
import tempfile

os.environ["TRANSFORMERS_VERBOSITY"] = "error"
import tokenizers  # noqa: E402
import transformers  # noqa: E402
from transformers import AutoTokenizer  # noqa: E402
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX  # noqa: E402

GOLDENS = os.path.join(os.path.dirname(__file__), "../../../Tests/TokenizationTests/Goldens")
COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 120
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else 5
rng = random.Random(SEED)

CONTENTS = ["<X>", "<tool>", "é<y>", "circle", "  ", "<|im_end|>", "<|endoftext|>", "e\u0301z", "X", "red", "<im>", "\n"]
PARTS = [
    "A circle", " ", "  ", "<X>", "<tool>", "é", "e\u0301", "<|im_end|>", "<|endoftext|>", "<|im_start|>", "user\n", "don't", "123",
    "\n\n", "X", "a", "red ", "ẞ", "犬", "<im>", "é<y>", "zX", "_X", "\t", "<|image_pad|>", "e\u0301z", "éz", "🙂",
]
CLASSES = ["Qwen2Tokenizer", "Qwen2TokenizerFast", None, "TokenizersBackend", "PreTrainedTokenizerFast"]


def base():
    t = json.load(open(os.path.join(GOLDENS, "small-tokenizer.json")))
    t["normalizer"] = {"type": "NFC"}
    split = {"type": "Split", "pattern": {"Regex": PRETOKENIZE_REGEX}, "behavior": "Isolated", "invert": False}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    t["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [split, level]}
    first = max(t["model"]["vocab"].values()) + 1
    names = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|image_pad|>"]
    t["added_tokens"] = [{"id": first + i, **token(n, True, plain=True)} for i, n in enumerate(names)]
    return t


def token(content, special=None, plain=False):
    def maybe(p):
        return not plain and rng.random() < p

    special = rng.random() < 0.6 if special is None else special
    return {
        "content": content, "lstrip": maybe(0.25), "normalized": maybe(0.3), "rstrip": maybe(0.25), "single_word": maybe(0.2),
        "special": special,
    }


def named(content):
    return content if rng.random() < 0.6 else {**token(content), "__type": "AddedToken"}


def some():
    return rng.choice(CONTENTS)


def folder():
    """The small files of a folder, as JSON values by name, and the added tokens of its tokenizer.json."""
    t, config, files = base(), {}, {}
    after = t["added_tokens"][-1]["id"] + 1
    if rng.random() < 0.2:
        t["added_tokens"].append({"id": after, **token(some())})
    if name := rng.choice(CLASSES):
        config["tokenizer_class"] = name
    if rng.random() < 0.3:
        config["add_prefix_space"] = rng.choice([True, False, None])
    decoder = {str(a["id"]): {k: v for k, v in a.items() if k != "id"} for a in t["added_tokens"]}
    if rng.random() < 0.6:
        if rng.random() < 0.3:
            decoder[str(after)] = token(some())
        config["added_tokens_decoder"] = decoder
    elif rng.random() < 0.5:
        more = {some(): after} if rng.random() < 0.4 else {}
        files["added_tokens.json"] = {**{a["content"]: a["id"] for a in t["added_tokens"]}, **more}
    for name in ("eos_token", "pad_token", "unk_token", "bos_token", "sep_token", "foo_token"):
        if rng.random() < 0.25:
            config[name] = rng.choice([None, named(some()), "<|im_end|>", "<|endoftext|>"])
    if rng.random() < 0.25:
        config["additional_special_tokens"] = [named(some()) for _ in range(rng.randint(0, 3))]
    if rng.random() < 0.15:
        config["extra_special_tokens"] = rng.choice([[named(some())], {"image_token": some()}, {}, []])
    if rng.random() < 0.3:
        files["special_tokens_map.json"] = special_map()
    if rng.random() < 0.2:
        config["add_bos_token"] = True
    if rng.random() < 0.9:
        files["tokenizer_config.json"] = config
    return t, files


def special_map():
    tokens = {}
    for name in ("eos_token", "pad_token", "sep_token", "bar_token"):
        if rng.random() < 0.4:
            value = rng.choice(["<|im_end|>", some(), token(some())])
            if isinstance(value, dict) and rng.random() < 0.5:
                value.pop("special")
            tokens[name] = value
    if rng.random() < 0.3:
        tokens["additional_special_tokens"] = [some()]
    if rng.random() < 0.1:
        tokens["extra_special_tokens"] = [some()]
    return tokens


def write(place, tokenizer, files, is_slow):
    json.dump({"model_type": "qwen2_vl"}, open(place + "/config.json", "w"))
    for name, value in files.items():
        json.dump(value, open(f"{place}/{name}", "w"))
    if is_slow:
        json.dump(tokenizer["model"]["vocab"], open(place + "/vocab.json", "w"))
        lines = [m if isinstance(m, str) else " ".join(m) for m in tokenizer["model"]["merges"]]
        open(place + "/merges.txt", "w").write("#version: 0.2\n" + "".join(line + "\n" for line in lines))
    else:
        json.dump(tokenizer, open(place + "/tokenizer.json", "w"))


def main():
    cases = []
    while len(cases) < COUNT:
        tokenizer, files = folder()
        is_slow = rng.random() < 0.4
        texts = ["".join(rng.choice(PARTS) for _ in range(rng.randint(0, 14))) for _ in range(8)]
        place = tempfile.mkdtemp()
        try:
            write(place, tokenizer, files, is_slow)
            auto = AutoTokenizer.from_pretrained(place)
            ids = [auto.encode(text, add_special_tokens=False) for text in texts]
            decoded = [auto.decode(i, skip_special_tokens=True) for i in ids]
            around = len(auto.encode("", add_special_tokens=True))
        except Exception:
            continue
        finally:
            shutil.rmtree(place)
        # A file that gives an added token another id than the library does is refused.
        given = {a["content"]: a["id"] for a in tokenizer["added_tokens"]} if not is_slow else {}
        given |= {v["content"]: int(k) for k, v in files.get("tokenizer_config.json", {}).get("added_tokens_decoder", {}).items()}
        given |= files.get("added_tokens.json", {})
        if any(auto.get_vocab().get(content) != number for content, number in given.items()):
            continue
        case = {"files": files, "slow": is_slow, "texts": texts, "ids": ids, "decoded": decoded, "around": around}
        if not is_slow:
            case["added_tokens"] = tokenizer["added_tokens"]
        cases.append(case)
    out = {
        "made_by": "tools/goldens/tokenizer/folders.py", "seed": SEED, "tokenizers": tokenizers.__version__,
        "transformers": transformers.__version__, "cases": cases,
    }
    with open(os.path.join(GOLDENS, "folders.json"), "w") as file:
        json.dump(out, file, ensure_ascii=True, separators=(",", ":"))
        file.write("\n")


main()
