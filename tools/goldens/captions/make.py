#!/usr/bin/env python3
"""Golden tokens and scores of captions: what pycocoevalcap 1.2 (the Python 3 edition of coco-caption) makes of them.

    .venv/bin/pip install --no-deps --target DIR pycocoevalcap==1.2
    .venv/bin/python tools/goldens/captions/make.py --pycocoevalcap DIR        (needs Java)

Tests/EvaluationTests/Goldens/tokens.json: [[caption, its tokens joined by spaces], …]: those of strings.txt, and drawn ones, made of
words and signs in all combinations. They go to the tokenizer as one file: what follows a caption can matter to its end.
Tests/EvaluationTests/Goldens/scores.json: captions and references put together from words, with BLEU, ROUGE-L and CIDEr of the set
and of each image. Without Java or pycocoevalcap nothing is made.
"""
import argparse
import contextlib
import io
import json
import platform
import random
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
GOLDENS = ROOT / "Tests/EvaluationTests/Goldens"
sys.path.insert(0, str(ROOT / "tools/reference"))

import published

PIECES = (
    "a man dog The Cat it's don't cannot gonna U.S. p.m. St. Mr. etc. co. no. 5 10 3.5 1/2 12:30 1,000 10-year-old T-shirt o'clock "
    "y'all '90s 'n' rock'n'roll R&B AT&T &amp; &lt; <b> $5 #1 @me a@b.c www.x.com http://x.y/z www x.com :) ;-) ... -- - ' \" ( ) [ "
    "] { } , . ! ? : ; / \\ * + = _ ~ ^ % # @ & | < > ` é café naïve ½ £ € ™ ° “ ” ‘ ’ – — … 😀 ☺ 2x4 5'11\" 6ft 20th 2.x 7-11 "
    "24/7 (555) 555-1234 555-123-4567 O'Neil D'A l'eau ca. fig. Jan. Ill. ill. Ph.D. A. b. I I'm we'd've n't 's 't 'em 'til").split(" ")
JOINTS = ["", "", "", " ", "-", ".", "'", "/"]
SYMBOLS = "< < < > > > \\ \\ ` ` ' \" / | * - _ ^ ~ = + @ # $ % & ( ) [ ] { } ; : , . ! ?".split()
# Parts of tags, which may go over captions; and letters whose full stop depends on what follows, over spaces and captions.
TAGS = ('<p|<p x="|">|x=\'|\'>|a>|</p| >|word <b|<b |x|y="1"|>|="|"|`|\\|<|a|  |.|b.|&lt;a@b|(|no.|5|The|\t|\u3000|\xa0|\'|<q a=1').split("|")
SPACES = ["\t", "\xa0", "\u2003", "\u3000", "\x1d", "  "]
WORDS = ("a a a the the two man woman dog cat is are sitting standing on on in of with and bench table street near red white large small "
         "it's isn't 3 10-year-old").split()


def drawn_strings(seed):
    rnd = random.Random(seed)
    for _ in range(1500):
        yield " ".join(rnd.choice(PIECES) for _ in range(rnd.randint(2, 8)))
    for _ in range(1500):
        yield "".join(rnd.choice(PIECES) + rnd.choice(JOINTS) for _ in range(rnd.randint(2, 5)))


def drawn_symbols(seed):
    rnd = random.Random(seed)
    for _ in range(500):
        yield "".join(rnd.choice(SYMBOLS) for _ in range(rnd.randint(1, 9)))
    for _ in range(500):
        yield " ".join("".join(rnd.choice(SYMBOLS) for _ in range(rnd.randint(1, 3))) if rnd.random() < 0.5 else rnd.choice(PIECES)
                       for _ in range(rnd.randint(2, 8)))
    for _ in range(1000):
        yield "".join(rnd.choice(TAGS) + rnd.choice(["", " "]) for _ in range(rnd.randint(1, 4)))
    for _ in range(500):
        yield "".join(rnd.choice(["b.", "no.", "The", "a", "5", "'99", "x@y", "<b", ">", "a‐", "‑b", "₤", "*³"]) + rnd.choice(SPACES + ["", " "])
                      for _ in range(rnd.randint(1, 5)))


def drawn_images(seed):
    """[{id, caption, references}]: references that are alike, captions that are more or less like them."""
    rnd = random.Random(seed)
    sentence = lambda: [rnd.choice(WORDS) for _ in range(rnd.randint(1, 14))]
    images = []
    for i in range(60):
        first = sentence()
        texts = []
        for _ in range(rnd.randint(1, 6) + 1):
            words = [w if rnd.random() < 0.7 else rnd.choice(WORDS) for w in first]
            texts.append(" ".join(words[:rnd.randint(1, len(words))] + sentence()[:rnd.randint(0, 3)]) + rnd.choice(["", ".", " ."]))
        images.append({"id": 7 * i + 1, "caption": texts[0], "references": texts[1:]})
    images[3]["caption"] = ""
    images[4]["caption"] = "?"
    images[5]["references"] = ["."]
    images[6]["caption"] = images[6]["references"][0]
    images[7] |= {"caption": "1 1/2 cups", "references": ["1 1/2 cups of it", "a cup"]}  # a token with a space inside
    return images


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--pycocoevalcap", type=Path, help="the folder that holds the package")
    a = p.parse_args()
    if a.pycocoevalcap:
        sys.path.insert(0, str(a.pycocoevalcap))
    try:
        from pycocoevalcap.bleu.bleu import Bleu
        from pycocoevalcap.cider.cider import Cider
        from pycocoevalcap.rouge.rouge import Rouge
        from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer
    except ImportError:
        return print("pycocoevalcap isn't here: the golden captions stay as they are (see --help)")
    if not shutil.which("java"):
        return print("Java isn't here: the golden captions stay as they are")

    def tokens(texts):
        """{key: [text]} -> {key: [tokens]}, as one file."""
        return PTBTokenizer().tokenize({k: [{"caption": t} for t in v] for k, v in texts.items()})

    GOLDENS.mkdir(parents=True, exist_ok=True)
    strings = (Path(__file__).parent / "strings.txt").read_text(encoding="utf8").split("\n")[:-1] + list(drawn_strings(7)) + list(drawn_symbols(14))
    tokenized = tokens(dict(enumerate([[s] for s in strings])))
    published.write_json(GOLDENS / "tokens.json", [[s, tokenized[i][0]] for i, s in enumerate(strings)])

    images = drawn_images(11)
    results = tokens({i["id"]: [i["caption"]] for i in images})
    references = tokens({i["id"]: i["references"] for i in images})
    scores = {}
    with contextlib.redirect_stdout(io.StringIO()):
        for scorer, names in ((Bleu(4), ["Bleu_1", "Bleu_2", "Bleu_3", "Bleu_4"]), (Rouge(), "ROUGE_L"), (Cider(), "CIDEr")):
            whole, each = scorer.compute_score(references, results)
            for name, w, e in zip(names, whole, each) if isinstance(names, list) else [(names, whole, each)]:
                scores[name] = {"whole": float(w), "each": [float(x) for x in e]}
    published.write_json(GOLDENS / "scores.json", {"images": images, "scores": scores})
    (GOLDENS / "manifest.json").unlink(missing_ok=True)  # it doesn't list itself
    published.write_json(GOLDENS / "manifest.json", {
        "made_by": "tools/goldens/captions/make.py", "python": platform.python_version(),
        "versions": {"pycocoevalcap": "1.2", "stanford-corenlp": "3.4.1"}, "sha256": published.file_digests(GOLDENS)})
    print(len(strings), "captions' tokens,", len(images), "images' scores")


if __name__ == "__main__":
    main()
