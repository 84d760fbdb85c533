#!/usr/bin/env python3
"""What Python's json makes of odd and broken texts, for JSONTests.

    python3 tools/goldens/json/make.py [--count N] [--output FILE]      (standard library alone)

Writes a line for each text: its bytes in hexadecimal, a blank, and its value, or `!` where it is refused. In a value `i7` is an
integer, `d` a double by its bits, `b` a number that neither a 64-bit integer nor a finite double holds, by the nearest double's bits,
`s` a string in hexadecimal, `t`, `f` and `n` are true, false and null; objects keep every member. Half of a surrogate pair is refused
here, where Python keeps it.
"""
import argparse
import json
import random
import struct
from pathlib import Path

SEEDS = [
    '{"a": 1, "b": [true, false, null, "x"], "c": {"d": -0.5e-3, "e": []}, "f": {}}',
    '[0, -0, 1.5, -2e10, 9007199254740993, 9223372036854775807, -9223372036854775808, 18446744073709551615]',
    '[9223372036854775808, 18446744073709551616, -9223372036854775809, 1e400, -1e400, 1e-400, NaN, Infinity, -Infinity]',
    r'["\u00e9", "\ud83d\ude00", "\"\\\/\b\f\n\r\t", "\u0000", "é😀", ""]',
    '{"a": 1, "a": 2, "\\u0061": 3, "é": 4, "e\u0301": 5}',
    ' \n\t[ [ [ ] , { } ] ] \r\n',
    '"a string alone"', "17", "-1.25", "true", "null", '{"long": "' + "x" * 300 + '", "list": [' + ", ".join(map(str, range(90))) + "]}",
    '[{"id": 1, "segmentation": [[1.5, 2.25, 3, 4]], "s": "}]"}, {"id": 2, "t": "[{\\""}]',
]
HAND = [
    "", " ", "{", "[", "]", "}", "[1,]", "[,1]", "[1 2]", "[1,,2]", '{"a"}', '{"a":}', '{"a":1,}', "{,}", '{"a" 1}', "{a: 1}", "{'a': 1}", '{"a": 1]',
    '[1}', "[1] ]", "[1] [2]", "1 2", "01", "-01", "-", "+1", ".5", "1.", "1.e3", "1e", "1e+", "0x10", "1_0", "--1", "tru", "truex", "nul", "True", "nan",
    "-NaN", "+Infinity", "Inf", "infinity", "NaNx", '"', '"\\', '"\\"', '"\\q"', '"\\u12"', '"\\u12g4"', '"\\u+123"', '"\\ud800"', '"\\udc00"', '"\\ud800\\u0041"', '"\\ud800x"',
    '"\\udc00\\ud800"', '"a\nb"', '"a\tb"', '"\x7f"', "[1]\x00", "\ufeff[1]", "[1] // x", "/* x */ [1]", "[\\]", '[\\"]', '["a"b]', '["a""b"]', '[1"a"]', '{"a":1 "b":2}',
    '{"a":1,"b"}', '{1: 2}', '{null: 2}', "[" * 30 + "]" * 30, "[[1],[2}", '{"a":[1,2}', "\u00a0[1]", "[1\u2028]", "1e309", "-1e309", "123456789012345678901234567890", "0.1e-6",
    "4.9406564584124654e-324", "2.2250738585072011e-308", "179769313486231580793e289", "1" * 40 + ".5", "0." + "3" * 400, "1e00000000000000000001", "0e999999", "-0.0", "-0",
]


def canonical(value):
    if value is True: return "t"
    if value is False: return "f"
    if value is None: return "n"
    if isinstance(value, int):
        return f"i{value}" if -2**63 <= value < 2**64 else "b" + bits(float(value))
    if isinstance(value, float): return ("d" if value - value == 0 else "b") + bits(value)
    if isinstance(value, str): return "s" + value.encode().hex()
    if isinstance(value, list): return "[" + ",".join(map(canonical, value)) + "]"
    return "{" + ",".join(canonical(k) + ":" + canonical(v) for k, v in value.pairs) + "}"


def bits(number):
    return "nan" if number != number else struct.pack(">d", number).hex()


class Members:
    def __init__(self, pairs): self.pairs = pairs


def result(text):
    try:
        return canonical(json.loads(text.decode(), object_pairs_hook=Members))
    except (ValueError, OverflowError):  # UnicodeError is one: not UTF-8, or half of a surrogate pair
        return "!"


def mutated(rng):
    text = bytearray(rng.choice(SEEDS).encode())
    for _ in range(rng.choice([1, 1, 1, 2, 3, 6])):
        at = rng.randrange(len(text) + 1)
        what = rng.randrange(6)
        byte = rng.choice(b'{}[]",:\\ \n\t0123456789-+.eEtfnuINa/\x00\x1f\x7f\x80\xc3\xa9\xed\xff')
        if what == 0 and text: del text[at:at + rng.choice([1, 1, 2, 9])]
        elif what == 1: text[at:at] = bytes([byte])
        elif what == 2 and at < len(text): text[at] = byte
        elif what == 3: text = text[:at]
        elif what == 4 and at < len(text): text[at:at] = text[at:at + rng.randrange(1, 12)]
        else: text[at:at] = rng.choice(SEEDS + HAND).encode()
    return bytes(text)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--count", type=int, default=600)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--output", type=Path, default=Path(__file__).resolve().parents[3] / "Tests/JSONTests/Goldens/python.txt")
    a = p.parse_args()
    rng = random.Random(a.seed)
    texts = [t.encode() for t in SEEDS + HAND] + [mutated(rng) for _ in range(a.count)]
    for seed in SEEDS[:5]:
        texts += [seed.encode()[:n] for n in range(len(seed.encode()))]
    lines = dict.fromkeys(f"{text.hex()} {result(text)}" for text in texts)
    a.output.parent.mkdir(parents=True, exist_ok=True)
    a.output.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
