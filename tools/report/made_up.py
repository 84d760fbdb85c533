"""A results file of any size with made-up values, laid out as `headimpact score` writes it."""
import h5py
import numpy as np

MEASURES = ["matched", "mean", "otsu", "soft", "mass", "pointing"]
CUBE = ("measure", "layer", "head")
ATTRIBUTES = {
    "title": "Head Impact of a model with rather a long name, 72B-Instruct", "Conventions": "CF-1.8", "source": "made up",
    "model_name": "made-up", "model_type": "qwen2_vl", "model_sha256": "ab" * 32, "dataset_sha256": "cd" * 32,
    "prompt": "Describe the main object in the image.", "precision": "bf16", "limit": 0, "coverage": 0.5, "query": "token",
    "normalize": "none", "views": "all", "sink_factor": 10.0, "bootstrap_resamples": 1000, "seed": 0, "top_layers": 3,
    "program_version": "0", "created": "2026-01-01T00:00:00Z", "ranks": 4, "samples_skipped": 2, "seconds_scoring": 5123.25,
}


def write(path, layers, heads, samples, categories=90):
    """A few heads that look at the object, most of them in the deeper middle."""
    random = np.random.default_rng(7)
    depth = np.exp(-(((np.arange(layers) - 0.6 * layers) / (0.18 * layers + 0.1)) ** 2))
    best = (random.random((layers, heads)) < 12 / (layers * heads)) * random.random((layers, heads))
    level = 0.04 + 0.25 * depth[:, None] * random.beta(1.2, 3, (layers, heads)) + 0.3 * best
    scale = np.array([1, 0.7, 0.9, 0.5, 0.6, 1.3])[:, None, None]
    hi = np.clip(level * scale * (1 + 0.15 * random.standard_normal((6, layers, heads))), 0.003, 0.95)
    noise = 0.2 * random.standard_normal((samples, 6, layers, heads)) * np.sqrt(hi)
    rows = np.clip(hi + noise, 0, 1).astype("f4")
    hi = rows.mean(0, dtype="f8")
    error = rows.std(0, ddof=1, dtype="f8") / samples ** 0.5 if samples > 1 else np.full(hi.shape, np.nan)
    top = random.random((6, layers))
    with h5py.File(path, "w") as f:
        def describe(name):
            f[name].attrs["long_name"] = name
            f[name].attrs["units"] = "1"

        def dimension(name, values):
            f[name] = values
            f[name].make_scale(name)
            describe(name)

        def table(name, values, axes, **storage):
            f.create_dataset(name, data=values, **storage)
            for axis, dimension_name in enumerate(axes):
                f[name].dims[axis].attach_scale(f[dimension_name])
            describe(name)

        dimension("measure", np.array(MEASURES, dtype=h5py.string_dtype()))
        dimension("layer", np.arange(layers, dtype="i4"))
        dimension("head", np.arange(heads, dtype="i4"))
        dimension("sample", 3 * np.arange(1, samples + 1, dtype="i8"))
        dimension("bound", np.array([2.5, 97.5]))
        table("hi", hi, CUBE)
        table("hi_stderr", error, CUBE)
        table("hi_chance", np.full(hi.shape, 0.07) * scale, CUBE)
        table("hi_nosink", hi * 1.02, CUBE)
        table("hi_interval", np.stack([hi - 2 * error, hi + 2 * error]), ("bound",) + CUBE)
        table("sink_share", 0.5 * depth[::-1, None] * random.random((layers, heads)), ("layer", "head"))
        table("layer_top_frequency", 3 * top / top.sum(1, keepdims=True), ("measure", "layer"))
        table("sample_hi", rows, ("sample",) + CUBE, compression="gzip", shuffle=True)
        table("image_id", np.arange(samples) // 2, ("sample",))
        table("category_id", random.integers(1, categories + 1, samples), ("sample",))
        for name, count in (("sequence", 430), ("visual", 391), ("caption", 12), ("mask", 40)):
            table(f"{name}_tokens", np.full(samples, count, "i4"), ("sample",))
        f["skipped/id"] = np.array([5, 9])
        f["skipped/reason"] = np.array(["it has no description", "139.jpg is 640x426 pixels; the dataset says 640x480"],
                                       dtype=h5py.string_dtype())
        f.attrs.update(ATTRIBUTES)
