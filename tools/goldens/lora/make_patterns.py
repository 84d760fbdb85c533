#!/usr/bin/env python3
"""Generated regular expressions, and what Python's re.fullmatch makes of them.

    .venv/bin/python tools/goldens/lora/make_patterns.py [--count 1500] [--output FILE]

writes Tests/LowRankAdaptationTests/Goldens/python-patterns.json: {"names": […], "patterns": [[pattern, matches]]}, where matches is
a text of one character a name, 1 or 0; or "error" where Python refuses the pattern.
"""
import argparse
import json
import random
import re
import warnings
from pathlib import Path

OUT = Path(__file__).resolve().parents[3] / "Tests/LowRankAdaptationTests/Goldens/python-patterns.json"
NAMES = ["model.language_model.layers.1.self_attn.q_proj", "model.layers.11.mlp.down_proj", "lm_head", "aab{1,2}a[b"]
WORDS = ["model", "layers", "self_attn", "q_proj", "down_proj", "lm_head", ".", "a", "b", "{", "}", "[", "1", "11", "_", "-", ",", " ", "^",
         "$", "|", "{1,2}", "é", "#", "]"]
ESCAPES = [r"\.", r"\d", r"\w", r"\s", r"\D", r"\W", r"\S", r"\b", r"\B", r"\A", r"\Z", r"\x61", r"\_", r"\-", r"\{", r"\n", r"\v", r"\a",
           r"\h", r"\R", r"\K", r"\Q", r"\E", r"\1", r"\0", r"\z", r"\p", r"\N", r"\X", r"\G", r"\u0061", r"\e", r"\07"]
SETS = ["abc", "a-z", "^a-z", "]a", "^]a", "[a", "[:alpha:]", r"\w.", r"\d_", "a-", "-a", r"\]b", r"\b", r"^\W", "&&a", "a||b", "{,}", r"\x61-c"]
GROUPS = ["(", "(?:", "(?=", "(?!", "(?<=", "(?<!", "(?P<n>", "(?>", "(?i:", "(?s:", "(?-i:", "(?i)", "(?#", "(?x:", "(?m:", "(?R", "(?|",
          "(?<n>", "(*F", "(?P=n", "(?1", "(?a:", "(?"]
QUANTIFIERS = ["*", "+", "?", "*?", "+?", "??", "{2}", "{1,}", "{,2}", "{0,3}", "{1,2}?", "{,}", "{2,1}", "*+", "++", "{ 1}", "{1, 2}", "{}"]


def pattern(rng, depth=0):
    parts = []
    for _ in range(rng.randint(1, 4)):
        kind = rng.random()
        if kind < 0.35:
            part = rng.choice(WORDS)
        elif kind < 0.5:
            part = rng.choice([".*", ".*?", ".", r"[\w.]+", ".+"])
        elif kind < 0.62:
            part = rng.choice(ESCAPES[:18] if rng.random() < 0.8 else ESCAPES)
        elif kind < 0.75:
            part = "[" + rng.choice(SETS) + "]"
        elif depth < 3:
            inner = "|".join(pattern(rng, depth + 1) for _ in range(rng.randint(1, 3)))
            part = rng.choice(GROUPS[:11] if rng.random() < 0.85 else GROUPS) + inner + ")"
        else:
            part = "a"
        if rng.random() < 0.2:
            part += rng.choice(QUANTIFIERS)
        parts.append(part)
    # Something that is likely to match as a whole.
    return "".join(parts) if depth or rng.random() < 0.5 else ".*" + "".join(parts) + ".*"


def matches(text):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compiled = re.compile(text)
        return "".join("1" if compiled.fullmatch(name) else "0" for name in NAMES)
    except (re.error, OverflowError, RecursionError):
        return "error"


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--count", type=int, default=1500)
    p.add_argument("--seed", type=int, default=20251127)
    p.add_argument("--output", type=Path, default=OUT)
    a = p.parse_args()
    rng = random.Random(a.seed)
    seen = sorted({pattern(rng) for _ in range(a.count)})
    a.output.write_text(json.dumps({"names": NAMES, "patterns": [[text, matches(text)] for text in seen]},
                                   ensure_ascii=False, separators=(",", ":")).replace('],["', '],\n["') + "\n")
    results = [matches(text) for text in seen]
    print(f"{len(seen)} patterns, {results.count('error')} that Python refuses, "
          f"{sum('1' in r for r in results)} that match a name")


if __name__ == "__main__":
    main()
