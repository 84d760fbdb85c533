#!/usr/bin/env python3
"""Golden values for HeadImpactTests: small cases, computed by the functions of hi_reference.py and by numpy.

    python tools/goldens/measures/make.py --reference ../shared/reference/hi_reference.py

Writes Tests/HeadImpactTests/Goldens/*.json and their manifest. Arrays are base64 of little endian numbers.
"""
import argparse
import base64
import hashlib
import importlib.util
import json
import platform
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np

SEED = 20251128
OUT = Path(__file__).resolve().parents[3] / "Tests/HeadImpactTests/Goldens"


def pack(array, dtype):
    return base64.b64encode(np.ascontiguousarray(array, dtype=dtype).tobytes()).decode()


def bits(array):
    return "".join("1" if x else "0" for x in array)


# ---------------------------------------------------------------- measures
GRIDS = [[(1, 1)], [(1, 7)], [(3, 3)], [(4, 5)], [(5, 4)], [(6, 7)], [(2, 2), (3, 3)], [(3, 4)] * 2, [(2, 3), (2, 3), (1, 2)],
         [(5, 2), (2, 5)]]


def scores_like(kind, rng, heads, v):
    s = rng.random((heads, v))
    if kind == "softmax":
        s = np.exp(3 * rng.standard_normal((heads, v)))
        s /= s.sum(1, keepdims=True) * (1 + rng.random((heads, 1)))
    elif kind == "ties":
        s = rng.integers(0, 4, (heads, v)) / 3
    elif kind == "halves":  # scores on the edges of histogram bins, and at the mean
        s = rng.integers(0, 17, (heads, v)) / 16
    elif kind == "zeros":
        s[0] = 0
        s[1:] *= rng.random((heads - 1, v)) < 0.3
    elif kind == "constant":
        s[:] = rng.random((heads, 1))
    elif kind == "sinks":
        s *= 0.01
        s[:, rng.integers(0, v, max(1, v // 8))] += 0.5
    elif kind == "tiny":
        s *= 1e-42
    return s.astype(np.float32)


def mask_like(kind, rng, v):
    m = np.zeros(v, bool)
    if kind == "one":
        m[rng.integers(v)] = True
    elif kind == "all":
        m[:] = True
    elif kind == "run":
        a = rng.integers(v)
        m[a:a + 1 + rng.integers(v)] = True
    else:
        m = rng.random(v) < rng.random()
        m[rng.integers(v)] = True
    return m


def measure_cases(ref):
    rng = np.random.default_rng(SEED)
    cases = []
    kinds = ["random", "softmax", "ties", "halves", "zeros", "constant", "sinks", "tiny"]
    masks = ["random", "run", "one", "all"]
    combinations = [(g, k, m) for g in GRIDS for k in kinds for m in masks[: 4 if k in ("softmax", "ties") else 2]]
    combinations += [([(17, 23)], k, "run") for k in kinds]
    for views, kind, mask_kind in combinations:
        v, heads = sum(r * c for r, c in views), 2
        scores, target = scores_like(kind, rng, heads, v), mask_like(mask_kind, rng, v)
        factor = float(rng.choice([1.5, 3.0, 10.0]))
        sink = ref.sinks(scores, factor)
        total = scores.astype(np.float64).sum(1)
        taken = scores.astype(np.float64)[:, sink].sum(1)
        with np.errstate(over="ignore"):
            cases.append({
                "name": f"{kind} scores, {mask_kind} mask, {' + '.join(f'{r}x{c}' for r, c in views)}",
                "views": views, "heads": heads, "sink_factor": factor,
                "scores": pack(scores, "<f4"), "mask": bits(target), "sinks": bits(sink),
                "hi": pack(ref.measures(scores, target[:, None])[:, :, 0], "<f8"),
                "chance": pack(ref.measures(scores, ref.shifted(target, views)).mean(2), "<f8"),
                "nosink": pack(ref.measures(np.where(sink, 0, scores), target[:, None])[:, :, 0], "<f8"),
                # the reference divides in float32; a head without attention has no share
                "sink_share": pack(np.divide(taken, total, out=np.zeros(heads), where=total > 0), "<f8"),
            })
    return cases


# ---------------------------------------------------------------- coverage
def exact_coverage(mask, cell):
    """The reference's coverage() in rational numbers."""
    x0, y0, x1, y1 = map(Fraction, cell)

    def weights(a, b, n):
        return {i: w for i in range(n) if (w := min(b, i + 1) - max(a, i)) > 0}

    wy, wx = weights(y0, y1, mask.shape[0]), weights(x0, x1, mask.shape[1])
    covered = sum(w * sum(u for x, u in wx.items() if mask[y, x]) for y, w in wy.items())
    return covered / (sum(wy.values()) * sum(wx.values()))


def coverage_cases(ref):
    rng = np.random.default_rng(SEED + 1)
    cases = []
    sizes = [(480, 640, 17, 23), (427, 640, 15, 23), (31, 20, 3, 2), (224, 224, 8, 8), (7, 9, 12, 10), (100, 90, 7, 9), (1, 1, 2, 2)]
    for number in range(28):
        height, width, rows, cols = sizes[number % len(sizes)]
        rectangles = []
        for _ in range(rng.integers(1, 4)):
            if number % 2:  # edges at the middle of cells: coverage at or near one half
                y = sorted(rng.integers(0, 2 * rows + 1, 2) * height / rows / 2)
                x = sorted(rng.integers(0, 2 * cols + 1, 2) * width / cols / 2)
            else:
                y, x = sorted(rng.integers(0, height + 1, 2)), sorted(rng.integers(0, width + 1, 2))
            rectangles.append([int(round(a)) for a in (y[0], y[1], x[0], x[1])])
        if number >= 21:  # half the image: the cells across its middle are covered to exactly one half
            rectangles = [[0, height // 2, 0, width]] if number % 2 else [[0, height, 0, width // 2]]
        mask = np.zeros((height, width), bool)
        for y0, y1, x0, x1 in rectangles:
            mask[y0:y1, x0:x1] = True
        cells = [(c * width / cols, r * height / rows, (c + 1) * width / cols, (r + 1) * height / rows)
                 for r in range(rows) for c in range(cols)]
        padded = number % 5 == 4 and number < 21
        if padded:  # a padded view: cells reach past the image, some lie outside
            cells = [(x0 * 1.3 - 0.1 * width, y0 * 1.2, x1 * 1.3 - 0.1 * width, y1 * 1.2) for x0, y0, x1, y1 in cells]
        threshold = float(rng.choice([0.5, 0.5, 0.25, 0.9]))
        if number >= 21:
            threshold = 0.5
        covered = np.array([ref.coverage(mask, cell) for cell in cells])
        # At the threshold itself, and among equals where none is over it, the reference's last bit is its BLAS's: the
        # exact value decides instead.
        level = threshold if (covered > threshold + 1e-12).any() else max(covered.max(), 1e-9)
        near = np.flatnonzero((np.abs(covered - threshold) < 1e-12) | (np.abs(covered - level) < 1e-12))
        exact = covered.copy()
        exact[near] = [float(exact_coverage(mask, cells[v])) for v in near]
        target = exact > threshold
        if not target.any():
            target = (exact == exact.max()) & (exact > 0)
        overruled = int((target != ref.token_mask(mask, cells, threshold)).sum())
        cases.append({
            "height": height, "width": width, "rectangles": rectangles, "threshold": threshold,
            "grid": [rows, cols], "padded": padded,
            "coverage": pack(covered, "<f8"),
            "mask": bits(target),
            "at_threshold": len(near), "reference_overruled": overruled,
        })
    return cases


# ---------------------------------------------------------------- bootstrap
def split_mix(seed, counter):
    mask = (1 << 64) - 1
    z = (seed + (counter + 1) * 0x9E3779B97F4A7C15) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return z ^ (z >> 31)


def bootstrap_case(images, layers, heads, resamples, seed, top):
    rng = np.random.default_rng(SEED + 2 + images)
    samples = rng.integers(1, 4, images)
    sums = rng.random((images, 6, layers, heads)) * samples[:, None, None, None]
    replicates = []
    for r in range(resamples):
        drawn = [split_mix(seed, r * images + j) * images >> 64 for j in range(images)]
        replicates.append(sums[drawn].sum(0) / samples[drawn].sum())
    replicates = np.array(replicates)
    scores = replicates.mean(3)  # (resamples, 6, layers)
    best = np.argsort(-scores, axis=2, kind="stable")[:, :, :top]
    frequency = np.array([[(best[:, m] == layer).any(1).mean() for layer in range(layers)] for m in range(6)])
    return {
        "images": images, "layers": layers, "heads": heads, "resamples": resamples, "seed": seed, "top": top,
        "samples": samples.tolist(), "sums": pack(sums, "<f8"),
        "interval": pack(np.percentile(replicates, [2.5, 97.5], axis=0), "<f8"),
        "layer_interval": pack(np.percentile(scores, [2.5, 97.5], axis=0), "<f8"),
        "layer_top_frequency": pack(frequency, "<f8"),
    }


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--reference", type=Path, required=True, help="hi_reference.py")
    a = p.parse_args()
    sys.path.insert(0, str(Path(a.reference).parent))  # for what it imports
    spec = importlib.util.spec_from_file_location("hi_reference", a.reference)
    ref = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(ref)

    OUT.mkdir(parents=True, exist_ok=True)
    files = {
        "measures.json": measure_cases(ref),
        "coverage.json": coverage_cases(ref),
        "bootstrap.json": [bootstrap_case(9, 3, 2, 51, 7, 2), bootstrap_case(70, 2, 3, 40, 0, 1)],
    }
    manifest = {
        "made_by": "tools/goldens/measures/make.py", "seed": SEED, "python": platform.python_version(),
        "numpy": np.__version__,
        "reference_sha256": hashlib.sha256(a.reference.read_bytes()).hexdigest(), "files": {},
    }
    for name, cases in files.items():
        text = "[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]\n"
        (OUT / name).write_text(text)
        manifest["files"][name] = {"cases": len(cases), "sha256": hashlib.sha256(text.encode()).hexdigest()}
    (OUT / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


if __name__ == "__main__":
    main()
