"""The Agreement table of docs/measures.md, as figures with limits."""
from dataclasses import dataclass

import h5py
import numpy as np

TABLES = ("hi", "hi_stderr", "hi_chance", "hi_corrected", "hi_corrected_stderr", "hi_nosink", "image_difference", "sink_share")


@dataclass
class Figure:
    what: str
    value: float
    limit: float
    relation: str = "<="

    @property
    def ok(self):  # NaN holds to no limit
        return bool(self.value <= self.limit if self.relation == "<=" else self.value >= self.limit)


def _scores(f):
    """AS of each sample, [layer, head, visual]: ours are [token, layer, head] over all samples, the reference's apart."""
    if isinstance(f["scores"], h5py.Group):
        return {int(k): f["scores"][k][()].astype(np.float64) for k in f["scores"]}
    ends = np.cumsum(f["visual_tokens"][()])[:-1]
    parts = np.split(f["scores"][()].astype(np.float64), ends)
    return {int(i): np.moveaxis(part, 0, -1) for i, part in zip(f["sample"][()], parts)}


def _masks(f):
    """The token mask of each sample, in either layout; None in a file without."""
    if "token_mask" not in f:
        return None
    if isinstance(f["token_mask"], h5py.Group):
        return {int(k): f["token_mask"][k][()].astype(bool) for k in f["token_mask"]}
    parts = np.split(f["token_mask"][()].astype(bool), np.cumsum(f["visual_tokens"][()])[:-1])
    return {int(i): part for i, part in zip(f["sample"][()], parts)}


def _equal_counts(a, b):
    """How many samples differ in their ids or their numbers of tokens."""
    differing = [Figure("annotation ids that differ", float(not np.array_equal(a["sample"][()], b["sample"][()])), 0)]
    for name in ("sequence_tokens", "visual_tokens", "caption_tokens", "mask_tokens"):
        x, y = a[name][()], b[name][()]
        differing.append(Figure(f"samples whose {name.replace('_', ' ')} differ",
                                float((x != y).sum()) if x.shape == y.shape else float("inf"), 0))
    ours, theirs = _masks(a), _masks(b)
    if ours is not None and theirs is not None:
        differing.append(Figure("samples whose token masks differ", float(sum(
            k not in ours or not np.array_equal(ours[k], mask) for k, mask in theirs.items())), 0))
    return differing


def heads_apart(actual, expected):
    """The relative L2 difference of each head's scores; of a head that sees nothing of the image, 0 where both are 0."""
    apart, norm = np.linalg.norm(actual - expected, axis=2), np.linalg.norm(expected, axis=2)
    return np.divide(apart, norm, out=np.where(apart > 0, np.inf, 0.0), where=norm > 0)


def relative_l2(actual, expected):
    return float(np.linalg.norm(actual - expected) / np.linalg.norm(expected))


def _greatest(a, b):
    """The largest |a - b|; NaN where only one is NaN, zero where both are (hi_stderr of a single sample)."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape:
        return float("inf")
    both = np.isnan(a) & np.isnan(b)
    return float(np.abs(np.where(both, 0, a) - np.where(both, 0, b)).max())


def ranks(x):
    """Ranks from 0, ties sharing their mean."""
    _, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts + 1) / 2)[inverse]


def spearman(x, y):
    return float(np.corrcoef(ranks(x.ravel()), ranks(y.ravel()))[0, 1])


def equal_share(a, b):
    """The share of per-sample measures of two open files that are equal to 1e-6."""
    x, y = a["sample_hi"][()].astype(np.float64), b["sample_hi"][()].astype(np.float64)
    return float((np.abs(x - y) <= 1e-6).mean()) if x.shape == y.shape else 0.0


def compare_f32(ours, reference, float64=None):
    """ours, reference: HDF5 paths.

    float64: the reference computed in float64, for a checkpoint so peaky that float32 is not exact to 1e-6: there the
    share is held to what the float32 reference itself reaches against float64.
    """
    with h5py.File(ours) as a, h5py.File(reference) as b:
        figures = _equal_counts(a, b)
        sa, sb = _scores(a), _scores(b)
        same = sa.keys() == sb.keys() and all(sa[k].shape == sb[k].shape for k in sb)
        figures.append(Figure("AS: samples missing or of another shape", float(not same), 0))
        if not same:
            return figures
        figures += [
            # np.max, not max: it passes NaN on.
            Figure("AS: max difference", float(np.max([np.abs(sa[k] - sb[k]).max() for k in sb])), 2e-5),
            Figure("AS: relative L2 (worst sample, layer and head)", float(np.max(
                [heads_apart(sa[k], sb[k]).max() for k in sb])), 1e-4),
        ]
        if float64 is None:
            figures.append(Figure("per-sample measures equal to 1e-6 (share)", equal_share(a, b), 0.995, ">="))
        else:
            with h5py.File(float64) as exact:
                figures.append(Figure("per-sample measures equal to float64's to 1e-6 (share)", equal_share(a, exact),
                                      min(0.995, equal_share(b, exact) - 0.02), ">="))
        for name in TABLES:
            figures.append(Figure(f"{name}: max difference", _greatest(a[name][()], b[name][()]), 2e-3))
        # Other random flips, and a near-tie in one image of a few: not every p-value can be the same.
        equal = np.abs(a["p_value"][()] - b["p_value"][()]) <= 0.04
        figures.append(Figure("p_value: equal to 0.04 (share)", float(equal.mean()), 0.99, ">="))
    return figures


def compare_adapted(adapted, plain):
    """The adapter must matter, or agreement with it says nothing."""
    with h5py.File(adapted) as a, h5py.File(plain) as b:
        return [Figure("hi that the adapter changes (largest)", _greatest(a["hi"][()], b["hi"][()]), 1e-3, ">=")]


def compare_bf16(ours, reference_bf16, reference_f32):
    """Both bfloat16 runs against the float32 reference."""
    with h5py.File(ours) as a, h5py.File(reference_bf16) as b, h5py.File(reference_f32) as f:
        figures = [Figure(f"bf16: {x.what}", x.value, x.limit) for x in _equal_counts(a, f)]
        sa, sb, sf = _scores(a), _scores(b), _scores(f)
        if not (sa.keys() == sf.keys() and all(sa[k].shape == sf[k].shape for k in sf)):
            return figures + [Figure("bf16: AS: samples missing or of another shape", 1, 0)]
        join = lambda s: np.concatenate([s[k].ravel() for k in sorted(s)])
        figures += [
            Figure("bf16: AS: relative L2 to the f32 reference",
                   relative_l2(join(sa), join(sf)), relative_l2(join(sb), join(sf))),
        ]
        for i, measure in ((0, "matched"), (4, "mass")):
            own = spearman(b["hi"][i], f["hi"][i])
            # Among heads that hardly differ, rounding alone reorders more than 0.99 allows: the bf16 reference says how much.
            figures.append(Figure(f"bf16: Spearman of HI ({measure}); the reference's own {own:.4f}",
                                  spearman(a["hi"][i], f["hi"][i]), 0.99 if own >= 0.995 else own - 0.02, ">="))
    return figures
