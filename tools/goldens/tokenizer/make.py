#!/usr/bin/env python3
"""Builds the real Qwen2 tokenizer and records what the tokenizers library makes of some 2,500 texts.

    python make.py --cache DIR                  only the vocabulary: DIR/tokenizer.json (about 11 MB, not committed)
    python make.py --cache DIR --goldens DIR    the expected ids and offsets too, and those of every stage
                                                for a small tokenizer with its stages changed

The vocabulary is that of PyPI's dashscope package (qwen.tiktoken); nothing is fetched. With the same package
versions (see manifest.json) the same files come out, byte for byte.
"""
import argparse
import base64
import hashlib
import json
import random
from importlib.metadata import version
from pathlib import Path

SEED = 20240913
PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
           r"|\s*[\r\n]+|\s+(?!\S)|\s+")
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>",
            "<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>",
            "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"]


def bytes_to_unicode():
    """The byte-level alphabet (GPT-2's)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    alphabet = {b: chr(b) for b in printable}
    for b in range(256):
        alphabet.setdefault(b, chr(256 + len(alphabet) - len(printable)))
    return alphabet


def qwen_ranks():
    import dashscope
    lines = (Path(dashscope.__file__).parent / "resources/qwen.tiktoken").read_bytes().splitlines()
    return {base64.b64decode(t): int(r) for t, r in (line.split() for line in lines if line)}


def bpe_from_ranks(ranks):
    """Vocabulary and merges of a byte-level BPE from tiktoken ranks."""
    alphabet = bytes_to_unicode()
    text = lambda token: "".join(alphabet[b] for b in token)
    merges = []
    for token, rank in ranks.items():
        if len(token) == 1:
            continue
        parts = [bytes([b]) for b in token]
        while len(parts) > 2:
            best = min(range(len(parts) - 1), key=lambda i: ranks.get(parts[i] + parts[i + 1], 1 << 60))
            parts[best:best + 2] = [parts[best] + parts[best + 1]]
        merges.append((rank, text(parts[0]), text(parts[1])))
    merges.sort()
    return {text(t): r for t, r in ranks.items()}, [(x, y) for _, x, y in merges]


def tokenizer():
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    vocab, merges = bpe_from_ranks(qwen_ranks())
    t = Tokenizer(models.BPE(vocab=vocab, merges=merges, byte_fallback=False))
    t.normalizer = normalizers.NFC()
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), behavior="isolated", invert=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)])
    t.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    t.decoder = decoders.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    t.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in SPECIALS])
    return t


SENTENCES = """a photo of a large red circle next to a small blue square on the left of the image
The quick brown fox jumps over the lazy dog.
A man riding a wave on top of a surfboard, 3.5 metres high!
Ein großer, überfüllter Zug fährt über die Brücke nach Österreich – „schön“.
L'été dernier, l'élève a mangé des crêpes près de l'église où naquit sa grand-mère.
El niño comió piñas y jalapeños en México, ¿verdad? ¡Sí!
Zażółć gęślą jaźń. Příliš žluťoučký kůň úpěl ďábelské ódy.
Tiếng Việt có nhiều dấu: ắ ằ ẳ ẵ ặ ế ề ể ễ ệ ố ồ ổ ỗ ộ ớ ờ ở ỡ ợ
Съешь же ещё этих мягких французских булок, да выпей чаю. Ёжик й Їжак
Θέλω να δω τη θάλασσα· ὁ ἄνθρωπος ᾄδει ᾧ ΐ ΰ.
一只猫坐在红色的沙发上,旁边有一个蓝色的球。你好,世界!
日本語の文章です。がぎぐげご、ぱぴぷぺぽ、ヴァイオリン、㍿と①②③。
안녕하세요 세계! 큰 빨간 원이 작은 파란 사각형 옆에 있습니다. 뷁쀍
مرحبا بالعالم! هذه صورة لقطة تجلس على السرير. الْعَرَبِيَّةُ ١٢٣٤
שלום עולם! זוהי תמונה של כלב. בְּרֵאשִׁית בָּרָא
नमस्ते दुनिया! यह एक बड़े लाल वृत्त की तस्वीर है। क़ ख़ ग़ ज़ १२३
สวัสดีชาวโลก นี่คือภาพของแมวสีดำ กำลังนอนหลับ น้ำ ๑๒๓
বাংলা ভাষা খুব সুন্দর। কো কৌ ড় ঢ় য়
தமிழ் மொழி கொ கோ கௌ. ಕನ್ನಡ ಕೊ. മലയാളം കൊ. తెలుగు
བོད་སྐད་ཀྱི་ཡི་གེ། ཱི ཱུ ྲྀ
မြန်မာဘာသာ ဦး។ ខ្មែរ ភាសា។ ລາວ. አማርኛ ቋንቋ። ქართული ენა. Հայերեն լեզու։
👩‍👩‍👧‍👦 family, 👍🏽 thumbs, 🏳️‍🌈 flag, 🇩🇪🇫🇷 flags, ❤️‍🔥, 1️⃣ 🫨🪿 🧑🏿‍🚀
def f(x):\n    return {"a": [x**2 for _ in range(10)], 'b': None}  # comment\n\n\nif __name__ == '__main__':\n\tmain()
for (int i = 0; i < n; ++i) { sum += a[i] * b[i]; } // C++\r\n#include <vector>\r\n
<html><body class="x">&nbsp;&amp;</body></html>\t\t\n\n   \n
SELECT * FROM t WHERE a >= 10 AND b <> 'it''s';
https://example.org/path?q=1&r=%20#frag user.name+tag@mail.example.co.uk C:\\Users\\me
I'm you're he's we've they'll I'd don't IT'S WE'VE I'M YOU'RE THEY'LL HE'D CAN'T 'S'T'RE'VE
it'ſ 'ſ x'ſe ’s don’t rock'n'roll 'tis o'clock ''s '' 'll'll'LL'lL'rE'Ve'K
3.14159 1,000,000 12345678901234567890 ½ ⅔ Ⅷ ² ³ ① ٣ ३ 𝟘𝟙 Ⅻ 1st 2nd 0x1F 1e-9 +49-30-123456
H₂O x² E=mc² ∑∫√∞≈≠ ℝ ℕ α β Å Å Ω Ω K ™ © ® € £ ¥ ﷼ ﬁ ﬂ ﬀ
""".strip().splitlines()

SPACES = [" ", "  ", "\t", "\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u00a0", "\u1680", "\u180e", "\u2000", "\u2003",
          "\u2009", "\u200a", "\u200b", "\u200c", "\u200d", "\u2028", "\u2029", "\u202f", "\u205f", "\u2060",
          "\u3000", "\ufeff", "\u00ad", "\0", "\x7f"]
MARKS = [chr(c) for c in [*range(0x300, 0x346), 0x591, 0x5AE, 0x5B0, 0x64B, 0x651, 0x670, 0x93C, 0x94D, 0x9BE, 0x9D7,
                          0xB3E, 0xB57, 0xDCF, 0xDDF, 0xF71, 0xF72, 0xF74, 0xF80, 0x1039, 0x1DC0, 0x1DFF, 0x20D0,
                          0x302A, 0x3099, 0x309A, 0xFE20, 0x8D3, 0x9FE, 0x1DF6, 0xEBA, 0x1ABF, 0x1133B, 0x11357,
                          0x110BA, 0x11127, 0x1D165, 0x1D16E, 0x1E8D0, 0x11930, 0x10D24]]
BASES = [*"aAeEiIoOuUyYnNsScCzZdDkKqx", *"αεηιουωΑ", *"иеИ", *"かきはウク", "ا", "ي", "क", "ज", "ড", "কে", "ொ", "ෙ", "ᄀ",
         "\u1161", "\u11a8", "가", "각", "\u1025", "\u0f40", "\u212b", "\u2126", "\u0344", "\u0340", "\u0f73", "\u0958",
         "\ufb2c", "\ufa10", "\u2f800", "\U0002f800", "\U0001d15e", "\u1e9b", "\u01d5", "\u1fb7", "\u2adc", "\u0374",
         "\u037e", "\u0387", "\u1ffd", "\u2000", "\U00011099", "\U00011935", "\U00011347"]
# What Unicode 15 to 16 added: older libraries don't know these letters and numbers.
LATE = ["\u1c89", "\ua7cb", "\ua7dc", "\U0001e4f0", "\U0001d2c0", "\U00031350", "\U0002ebf0", "\U00010d40", "\U00010d4a",
        "\U00011f50", "\U0001e030", "\U00016d70", "\U0001fae8", "\U000116d0", "\U0002b739", "\U000323af"]


def texts():
    """Some 2,500 texts, the same each time."""
    import unicodedata
    r = random.Random(SEED)
    sentences = [s.replace("\\n", "\n").replace("\\t", "\t").replace("\\r", "\r") for s in SENTENCES]
    out = ["", " ", "  ", "\n", "\n\n", " \n", "\n ", "\t", "\r\n\r\n", "   \n   x", "x   ", "   x", "a  b   c    d"]
    out += SPACES + ["a" + s + "b" for s in SPACES] + [s + s + "a" + s for s in SPACES] + [" " + s + "\n" for s in SPACES]
    out += sentences
    for form in ("NFD", "NFC", "NFKC", "NFKD"):
        out += [unicodedata.normalize(form, s) for s in sentences]
    out += [s.upper() for s in sentences] + [s.title() for s in sentences]
    words = [w for s in sentences for w in s.split(" ")]
    for _ in range(300):  # sentences mixed
        out.append(r.choice(["", " ", "\n"]).join(r.choices(words, k=r.randint(2, 12))))
    for _ in range(150):  # odd white space between words
        out.append("".join(r.choice(words) + "".join(r.choices(SPACES, k=r.randint(1, 4))) for _ in range(r.randint(1, 6))))
    for _ in range(500):  # combining marks, in any order
        out.append("".join(r.choice(BASES) + "".join(r.choices(MARKS, k=r.choice([0, 1, 1, 2, 3, 5])))
                           + r.choice(["", "", " ", "x"]) for _ in range(r.randint(1, 6))))
    for _ in range(100):  # Hangul in pieces
        out.append("".join(chr(r.choice([r.randint(0x1100, 0x1113), r.randint(0x1160, 0x1176), r.randint(0x11A6, 0x11C3),
                                         0xAC00 + 28 * r.randint(0, 398), r.randint(0xAC00, 0xD7A3)]))
                           for _ in range(r.randint(2, 10))))
    contractions = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'ſ", "’s", "'"]
    for _ in range(100):
        c = "".join(x.upper() if r.random() < .4 else x for x in r.choice(contractions))
        out.append(r.choice(words) + c + r.choice(["", " ", "x", "'", "\n", "1", "é"]) + r.choice(contractions))
    pieces = SPECIALS + ["<|im_start", "|>", "<|", "<", ">", "<|unknown|>", "<|IM_END|>"]
    for _ in range(200):  # special tokens inside text
        out.append("".join(r.choice([r.choice(pieces), r.choice(words), " ", "\n", "e\u0301"])
                           for _ in range(r.randint(2, 10))))
    out.append("<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<|vision_start|>"
               + "<|image_pad|>" * 12 + "<|vision_end|>Describe the image.<|im_end|>\n<|im_start|>assistant\n")
    assigned = [c for c in range(0x20, 0x30000) if unicodedata.category(chr(c)) not in ("Cs", "Cn", "Co")]
    scalar = lambda top: chr(r.choice([c for c in (r.randint(0, top - 1) for _ in range(8)) if not 0xD800 <= c < 0xE000]))
    for _ in range(350):  # random characters, assigned and not
        k = r.randint(1, 14)
        out.append("".join(chr(r.choice(assigned)) for _ in range(k)) if r.random() < .6 else
                   "".join(scalar(r.choice([0x80, 0x3000, 0x10000, 0x110000])) for _ in range(k)))
    for c in LATE:
        out += ["x" + c + "y", " " + c, c + c + "1", "!" + c + "\n"]
    for _ in range(60):  # numbers
        out.append(r.choice(["", " ", "$", "-", "v"]) + str(r.randint(0, 10 ** r.randint(1, 18)))
                   + r.choice(["", ".5", "%", " km", "e10", "٣", "²"]))
    out += ["a" * 3000, "ab" * 1500, "é" * 800, "e\u0301" * 500, "中" * 700, " " * 2000, " " * 500 + "x", "\n" * 700, "=" * 900,
            "👍🏽" * 200, "hello" * 400, "a\u0323\u0307" * 300, "q" + "\u0301\u0323" * 400, "x" * 257, "supercalifragilistic" * 20,
            "".join(r.choices("abcdefghijklmnopqrstuvwxyz", k=4000)), "".join(r.choices("etaoin", k=2000))]
    return list(dict.fromkeys(out))


def small_tokenizer():
    """A few hundred tokens, small enough to commit."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    t.decoder = decoders.ByteLevel()
    corpus = ["a large red circle next to a small blue square", "größer élève crêpes naïve", "привет мир", "你好,世界", "안녕하세요"] * 20
    t.train_from_iterator(corpus, trainers.BpeTrainer(
        vocab_size=420, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False))
    return t


def stage_variants(n):
    """What is put in place of the stages of the small tokenizer of n tokens, by name."""
    level = lambda space=False, trim=False, regex=False: {
        "type": "ByteLevel", "add_prefix_space": space, "trim_offsets": trim, "use_regex": regex}
    sequence = lambda *stages: {"type": "Sequence", "pretokenizers": list(stages)}
    split = lambda pattern, behavior, invert=False, kind="Regex": sequence(
        {"type": "Split", "pattern": {kind: pattern}, "behavior": behavior, "invert": invert}, level())
    token = lambda id, content, **flags: {"id": id, "content": content, "single_word": False, "lstrip": False,
                                          "rstrip": False, "normalized": False, "special": False, **flags}
    yield "bare", {}
    yield "no pre-tokenizer but bytes", {"pre_tokenizer": level()}
    yield "prefix space", {"pre_tokenizer": level(space=True, regex=True)}
    yield "prefix space after digits", {"pre_tokenizer": sequence({"type": "Digits", "individual_digits": True}, level(space=True))}
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        yield form, {"normalizer": {"type": form}, "pre_tokenizer": level(regex=True)}
    yield "NFD then NFC", {"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "NFC"}]}}
    yield "NFKD then NFC", {"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKD"}, {"type": "NFC"}]}}
    for behavior in ("Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"):
        yield f"{behavior} blanks", {"pre_tokenizer": split(r"\s", behavior)}
        yield f"{behavior} all but words", {"pre_tokenizer": split(r"\w+", behavior, invert=True)}
        yield f"{behavior} string", {"pre_tokenizer": split("l", behavior, kind="String")}
    yield "string of pattern signs", {"pre_tokenizer": split("a.b*[c](d)-#", "Isolated", kind="String")}
    yield "empty string", {"pre_tokenizer": split("", "Isolated", kind="String")}
    for pattern in (r"\d+", r"\D+", r"\W+", r"[\w'-]+", r"\S+", r"[^\S]+", r"\h+", r"\H+", r"x*", r"^a|b$", r"(?m:a.b)", r"a.b", r"(?i)CIRCLE|k|s",
                    r"\p{Han}+", r"[\p{Han}\p{P}]+", r"\P{L}+", r"\p{^L}+", r"[^\P{L}a]+", r"\p{Letter}+", r"\p{Lu}?\p{Ll}+", r"\u0061+",
                    r"\p{N}{1,3}", r"\p{N}{,2}x", r"(?<=a)b", r"(?=b)", r"\b", r"(?>a+)b", r"a++b", r"\R", r"[[:alpha:]]+", r"\x{e9}+", r"[]a]+",
                    r"\p{Alphabetic}+", r"\p{Cyrillic}+"):
        yield f"pattern {pattern}", {"pre_tokenizer": split(pattern, "Isolated")}
    yield "digits together", {"pre_tokenizer": sequence({"type": "Digits", "individual_digits": False}, level())}
    yield "digits apart", {"pre_tokenizer": sequence({"type": "Digits", "individual_digits": True}, level())}
    yield "trimmed offsets", {"post_processor": level(trim=True)}
    yield "trimmed offsets, prefix space", {"pre_tokenizer": level(space=True, regex=True), "post_processor": level(space=True, trim=True)}
    yield "trimmed in a sequence", {"post_processor": {"type": "Sequence", "processors": [level(trim=True), level(space=True, trim=True)]}}
    flags = {"strips": {"lstrip": True, "rstrip": True}, "strips left": {"lstrip": True}, "strips right": {"rstrip": True},
             "single word": {"single_word": True}, "strips single word": {"lstrip": True, "rstrip": True, "single_word": True},
             "normalized": {"normalized": True}, "special": {"special": True}}
    for name, chosen in flags.items():
        yield f"added token, {name}", {"normalizer": {"type": "NFC"}, "added_tokens": [
            token(n, "<m>", **chosen), token(n + 1, "<m>>", **chosen), token(n + 2, "e\u0301", **chosen), token(n + 3, " q", **chosen)]}
    yield "added token, trimmed", {"post_processor": level(trim=True), "added_tokens": [
        token(n, "<m>", lstrip=True, rstrip=True), token(n + 1, " <s> ")]}
    yield "added over the vocabulary", {"added_tokens": [token(64, "a", special=True), token(n, "a large")]}
    yield "no decoder", {"decoder": None}


def stage_texts():
    r = random.Random(SEED)
    fixed = ["", " ", "a large red circle", "  a  large\n\nred\tcircle ", "hello <m> world<m>x <m><m>> <m>", "<m>", " <m> ", "x<m>y", "a <m>\u3000<m>",
             "caf\u0065\u0301 e\u0301 \u00e9 \u00e9<m>\u0301<m>", "A1B22C333 ٣٤ ½Ⅷ²", "a.b*[c](d)-# a\nb", "STRASSE straße Kk\u212a ſs", "你好,世界 안녕 привет",
             "ﬁ ﬀ\u0301 Ω Å ㍿ ①", "\u1e9b\u0323 \u0344 a\u0315\u0300\u05ae\u0300b", "don't I'll WE'VE it's", "aaab ab b ba xxx axb", "\u180e\u00a0\u2028\u0085",
             "q q  q <s>  <s> x", "]a] é éé deadBEEF 0x1F\r\n\x0b", "a\u0301 <m>\u0301 ै<m>", "👍🏽👩‍👩‍👧 🫨", "naïve größer Élève crêpes", "\U00031350\ua7cb\U0001e4f0 x"]
    parts = ["a", "b", "l", "red", " ", "  ", "\n", "1", "23", "é", "e\u0301", "\u0323", "ß", "S", "<m>", " q", "<s>", "你", "안", "ﬁ", "!", "'s", "_", "-", "x"]
    return fixed + ["".join(r.choices(parts, k=r.randint(1, 12))) for _ in range(25)]


def write_stages(folder):
    from tokenizers import Tokenizer
    base = json.loads(small_tokenizer().to_str())
    (folder / "small-tokenizer.json").write_text(json.dumps(base, ensure_ascii=False, indent=1) + "\n")
    out, all_texts = [], stage_texts()
    for name, change in stage_variants(len(base["model"]["vocab"])):
        t = Tokenizer.from_str(json.dumps({**base, **change}))
        cases = []
        for text in all_texts:
            e = t.encode(text, add_special_tokens=False)
            cases.append([e.ids, [x for pair in e.offsets for x in pair], t.decode(e.ids, skip_special_tokens=True)])
        out.append({"name": name, "change": change, "cases": cases})
    lines = ",\n".join(json.dumps(x, separators=(",", ":")) for x in out)
    (folder / "stages.json").write_text('{"texts":' + json.dumps(all_texts) + ',\n"variants":[\n' + lines + "\n]}\n")
    print(f"{len(out)} variants of the stages, {len(all_texts)} texts each")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--cache", type=Path, required=True)
    p.add_argument("--goldens", type=Path)
    a = p.parse_args()
    a.cache.mkdir(parents=True, exist_ok=True)
    t = tokenizer()
    file = a.cache / "tokenizer.json"
    part = a.cache / "tokenizer.json.part"
    t.save(str(part), pretty=True)  # as published: with line breaks
    part.replace(file)
    print(f"{file}: {file.stat().st_size} bytes, {t.get_vocab_size()} tokens")
    if not a.goldens:
        return
    a.goldens.mkdir(parents=True, exist_ok=True)
    entries = []
    for text in texts():
        e = t.encode(text, add_special_tokens=False)
        decoded = t.decode(e.ids, skip_special_tokens=True)
        # Offsets flat: start, end, start, end …; the decoded text only where it isn't the text.
        entry = [text, e.ids, [x for pair in e.offsets for x in pair]]
        entries.append(entry if decoded == text else entry + [decoded])
    strings = a.goldens / "qwen2-strings.json"
    strings.write_text("[\n" + ",\n".join(json.dumps(x, separators=(",", ":")) for x in entries) + "\n]\n")
    write_stages(a.goldens)
    digest = lambda path: hashlib.sha256(path.read_bytes()).hexdigest()
    manifest = {"made_by": "tools/goldens/tokenizer/make.py", "seed": SEED, "strings": len(entries),
                "packages": {name: version(name) for name in ("tokenizers", "dashscope")},
                "sha256": {"tokenizer.json": digest(file), **{name: digest(a.goldens / name) for name in (
                    "qwen2-strings.json", "small-tokenizer.json", "stages.json")}}}
    (a.goldens / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    print(f"{strings}: {strings.stat().st_size} bytes, {len(entries)} strings")


if __name__ == "__main__":
    main()
