#!/usr/bin/env python3
"""Golden values for HeadImpactTests: what is said of heads beyond their means, worked out by numpy the slow and plain way.

    python tools/goldens/statistics/make.py

Writes Tests/HeadImpactTests/Goldens/statistics.json. Where scipy is installed, its tests and corrections are asked too, and must agree.
"""
import itertools
import json
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[3]
OUT = ROOT / "Tests/HeadImpactTests/Goldens/statistics.json"
sys.path.insert(0, str(ROOT / "tools/goldens/measures"))
from make import split_mix  # noqa: E402

try:
    from scipy import stats
except ImportError:
    stats = None
STREAM = int.from_bytes(b"signflip", "big")
LEAST_FLIPS, HALVINGS = 10_000, 7


def fixed(rng, *shape):
    """Numbers of three decimal places: the file holds what the program reads."""
    return np.round(rng.random(shape), 3)


# ---------------------------------------------------------------- corrected for chance
def corrected_case(rng, samples):
    """One measure's value and chance of some samples; the last two have chance 1."""
    hi, chance = fixed(rng, samples), np.round(0.8 * rng.random(samples), 3)
    hi[-2:], chance[-2:] = 1, 1
    values = ((hi - chance) / np.where(chance < 1, 1 - chance, np.nan))[:-2]
    return {"hi": hi.tolist(), "chance": chance.tolist(), "corrected": values.mean(),
            "stderr": values.std(ddof=1) / np.sqrt(len(values)), "samples": len(values)}


def corrected_bootstrap(rng, images, resamples, seed):
    """Two heads; image i has 1 or 2 samples; some of the second head have no corrected value."""
    samples = rng.integers(1, 3, images)
    sums = fixed(rng, images, 2) * samples[:, None]
    left_out = np.zeros((images, 2), int)
    left_out[1::3, 1] = 1
    sums[samples <= left_out[:, 1], 1] = 0
    replicates = []
    for r in range(resamples):
        drawn = [split_mix(seed, r * images + j) * images >> 64 for j in range(images)]
        replicates.append(sums[drawn].sum(0) / (samples[drawn, None] - left_out[drawn]).sum(0))
    bounds = np.percentile(np.array(replicates), [2.5, 97.5], axis=0)
    return {"samples": samples.tolist(), "sums": sums.tolist(), "left_out": left_out.tolist(), "resamples": resamples, "seed": seed,
            "interval": bounds.tolist()}


# ---------------------------------------------------------------- sign-flip test
def sign_flip(differences, seed, tests):
    images = len(differences)
    observed = np.abs(differences.sum(0)) - 1e-9 * images
    if images <= 20:
        signs = np.array(list(itertools.product((1, -1), repeat=images)))
        return (np.abs(signs @ differences) >= observed).mean(0)
    blocks, flips = -(-images // 64), max(LEAST_FLIPS, 20 * tests)
    signs = np.array([[1 - 2 * (split_mix(seed ^ STREAM, flip * blocks + i // 64) >> i % 64 & 1) for i in range(images)]
                      for flip in range(flips)])
    return (1 + (np.abs(signs @ differences) >= observed).sum(0)) / (1 + flips)


def sign_flip_case(rng, images, heads, seed, tests=None):
    differences = np.round(rng.normal(np.linspace(0, 0.2, heads), 0.2, (images, heads)).clip(-1, 1), 3)
    tests = tests or heads
    p = sign_flip(differences, seed, tests)
    if stats and 2 <= images <= 12:
        ours = stats.permutation_test((differences,), lambda x, axis: x.mean(axis), permutation_type="samples", n_resamples=np.inf)
        assert np.allclose(p, ours.pvalue), (p, ours.pvalue)
    return {"differences": differences.tolist(), "seed": seed, "tests": tests, "p": p.tolist()}


def holm(p):
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.maximum.accumulate(np.minimum(1, p[order] * np.arange(len(p), 0, -1)))
    return adjusted


def benjamini_hochberg(p):
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum.accumulate(np.minimum(1, p[order] * len(p) / np.arange(1, len(p) + 1))[::-1])[::-1]
    return adjusted


def corrections(p):
    p = np.array(p)
    if stats:
        assert np.allclose(benjamini_hochberg(p), stats.false_discovery_control(p))
    return {"p": p.tolist(), "holm": holm(p).tolist(), "benjamini_hochberg": benjamini_hochberg(p).tolist()}


# ---------------------------------------------------------------- reliability
def ranks(x):
    return np.array([(x < v).sum() + ((x == v).sum() + 1) / 2 for v in x])


def spearman(a, b):
    value = np.corrcoef(ranks(a), ranks(b))[0, 1]
    if stats:
        assert np.isclose(value, stats.spearmanr(a, b).statistic)
    return value


def shuffled(count, take, number):
    """The order of Fisher and Yates; number(i) is the i-th random number of 64 bits."""
    order = list(range(count))
    for i in range(take):
        j = i + (number(i) * (count - i) >> 64)
        order[i], order[j] = order[j], order[i]
    return order


def best(values, top):
    return np.argsort(-values, kind="stable")[:top]


def reliability(rng, images, heads, top, sizes, seed):
    samples = rng.integers(1, 4, images)
    values = [fixed(rng, n, heads) * np.linspace(0.5, 1, heads) for n in samples]
    mask = (1 << 64) - 1
    points = []
    for size in sizes:
        rows = []
        for r in range(HALVINGS):
            order = shuffled(images, images - 1, lambda i: split_mix(seed, r * images + i))
            own_seed = split_mix(~seed & mask, r)
            drawn = shuffled(heads, top, lambda i: split_mix(own_seed, i))[:top]
            a, b = (np.concatenate([values[i] for i in order[half:2 * size:2]]).mean(0) for half in (0, 1))
            in_a, in_b = best(a, top), best(b, top)
            rows.append([spearman(a, b), len(set(in_a) & set(in_b)) / top, (b[in_a].mean() + a[in_b].mean()) / 2,
                         (a[drawn].mean() + b[drawn].mean()) / 2])
        rows = np.array(rows)
        points.append({"images": size, "mean": rows.mean(0).tolist(), "bounds": np.percentile(rows, [2.5, 97.5], axis=0).tolist()})
    return {"values": [[row.tolist() for row in image] for image in values], "top": top, "halvings": HALVINGS, "seed": seed,
            "points": points}


def main():
    rng = np.random.default_rng(20251201)
    cases = {
        "corrected": corrected_case(rng, 9),
        "corrected_bootstrap": corrected_bootstrap(rng, 8, 60, 5),
        "sign_flip": [sign_flip_case(rng, images, heads, seed) for images, heads, seed in
                      ((1, 2, 0), (2, 3, 0), (9, 11, 0), (20, 3, 0), (21, 4, 0), (64, 9, 7), (70, 3, 3))]
        + [sign_flip_case(np.random.default_rng(1), 66, 2, 5, tests=1100)],
        "corrections": [corrections(p) for p in
                        ([0.5], [0.01, 0.04, 0.03, 0.005], [0.2, 0.2, 1, 0.2], np.round(rng.random(12) ** 3, 4) + 1e-4)],
        "spearman": [{"a": a, "b": b, "value": spearman(np.array(a), np.array(b))} for a, b in (
            ([1, 2, 3], [3, 1, 2]),
            ([0.3, 0.1, 0.1, 0.7, 0.5, 0.5, 0.5, 0.2], [0.2, 0.4, 0.1, 0.9, 0.1, 0.6, 0.5, 0.1]))],
        "reliability": reliability(rng, 11, 6, 2, (1, 3, 5), 4),
    }
    text = "{\n" + ",\n".join(f"{json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}" for key, value in cases.items()) + "\n}\n"
    OUT.write_text(text)


if __name__ == "__main__":
    main()
