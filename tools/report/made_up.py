"""A results file of any size with made-up values, laid out as `headimpact score` writes it."""
import h5py
import numpy as np

MEASURES = ["matched", "mean", "otsu", "soft", "mass", "pointing"]
CUBE = ("measure", "layer", "head")
# Rows and columns of every sample's visual tokens.
GRID = (17, 23)
ATTRIBUTES = {
    "title": "Head Impact of a model with rather a long name, 72B-Instruct", "Conventions": "CF-1.8", "format_version": 2,
    "source": "made up", "dataset_name": "keyobjects.json",
    "model_name": "made-up", "model_type": "qwen2_vl", "model_sha256": "ab" * 32, "dataset_sha256": "cd" * 32,
    "prompt": "Describe the main object in the image.", "precision": "bf16", "limit": 0, "coverage": 0.5, "query": "token",
    "normalize": "none", "views": "all", "sink_factor": 10.0, "bootstrap_resamples": 1000, "seed": 0, "top_layers": 3,
    "program_version": "0", "created": "2026-01-01T00:00:00Z", "ranks": 4, "samples_skipped": 2, "seconds_scoring": 5123.25,
}


def sample_values(random, layers, heads, samples):
    """A few heads that look at the object, most of them in the deeper middle: values and chances [sample, measure, layer, head]."""
    depth = np.exp(-(((np.arange(layers) - 0.6 * layers) / (0.18 * layers + 0.1)) ** 2))
    best = (random.random((layers, heads)) < 12 / (layers * heads)) * random.random((layers, heads))
    level = 0.04 + 0.25 * depth[:, None] * random.beta(1.2, 3, (layers, heads)) + 0.3 * best
    scale = np.array([1, 0.7, 0.9, 0.5, 0.6, 1.3])[:, None, None]
    hi = np.clip(level * scale * (1 + 0.15 * random.standard_normal((6, layers, heads))), 0.003, 0.95)
    noise = 0.2 * random.standard_normal((samples, 6, layers, heads)) * np.sqrt(hi)
    rows = np.clip(hi + noise, 0, 1).astype("f4")
    return rows, np.broadcast_to((0.07 * scale).astype("f4"), rows.shape), depth


def mean_and_error(rows):
    """Over samples, in float64."""
    error = rows.std(0, ddof=1, dtype="f8") / len(rows) ** 0.5 if len(rows) > 1 else np.full(rows.shape[1:], np.nan)
    return rows.mean(0, dtype="f8"), error


def write(path, layers, heads, samples, categories=90):
    """A file of `samples` samples of a model of `layers` layers of `heads` heads."""
    random = np.random.default_rng(7)
    rows, chance, depth = sample_values(random, layers, heads, samples)
    hi, error = mean_and_error(rows)
    corrected, corrected_error = mean_and_error((rows - chance.astype("f8")) / (1 - chance))
    p_value, p_holm, p_bh = made_up_tests(random, hi - chance[0], error)
    top, top_corrected = random.random((2, 6, layers))
    with h5py.File(path, "w") as f:
        def describe(name):
            f[name].attrs["long_name"] = np.bytes_(name)
            f[name].attrs["units"] = np.bytes_("1")
            if f[name].dtype.kind == "S":
                f[name].attrs["_Encoding"] = np.bytes_("utf-8")

        def strings(values):
            return np.array([value.encode() for value in values])

        def dimension(name, values):
            f[name] = values
            f[name].make_scale(name)
            describe(name)

        def table(name, values, axes, **storage):
            f.create_dataset(name, data=values, **storage)
            for axis, dimension_name in enumerate(axes):
                f[name].dims[axis].attach_scale(f[dimension_name])
            describe(name)

        dimension("measure", strings(MEASURES))
        dimension("layer", np.arange(layers, dtype="i4"))
        dimension("head", np.arange(heads, dtype="i4"))
        dimension("sample", 3 * np.arange(1, samples + 1, dtype="i8"))
        dimension("bound", np.array([2.5, 97.5]))
        dimension("category", np.arange(1, categories + 1))
        dimension("token", np.zeros(samples * GRID[0] * GRID[1], "f4"))
        table("category_name", strings(f"category {i}" for i in range(1, categories + 1)), ("category",))
        table("hi", hi, CUBE)
        table("hi_stderr", error, CUBE)
        table("hi_chance", chance.mean(0, dtype="f8"), CUBE)
        table("hi_corrected", corrected, CUBE)
        table("hi_corrected_stderr", corrected_error, CUBE)
        table("hi_corrected_samples", np.full(hi.shape, samples, "i4"), CUBE)
        table("hi_corrected_interval", corrected + np.stack([-2 * corrected_error, 2 * corrected_error]), ("bound",) + CUBE)
        table("p_value", p_value, CUBE)
        table("p_holm", p_holm, CUBE)
        table("p_bh", p_bh, CUBE)
        table("hi_nosink", hi * 1.02, CUBE)
        table("hi_interval", np.stack([hi - 2 * error, hi + 2 * error]), ("bound",) + CUBE)
        table("sink_share", 0.5 * depth[::-1, None] * random.random((layers, heads)), ("layer", "head"))
        for name, share in (("layer_top_frequency", top), ("layer_top_frequency_corrected", top_corrected)):
            table(name, 3 * share / share.sum(1, keepdims=True), ("measure", "layer"))
        table("sample_hi", rows, ("sample",) + CUBE, compression="gzip", shuffle=True)
        table("sample_chance", chance, ("sample",) + CUBE, compression="gzip", shuffle=True)
        table("image_id", np.arange(samples) // 2, ("sample",))
        table("category_id", random.integers(1, categories + 1, samples), ("sample",))
        table("description", strings(f"the object no. {i}" for i in range(samples)), ("sample",))
        table("file_name", strings(f"{i // 2:012}.jpg" for i in range(samples)), ("sample",))
        table("image_width", np.full(samples, 640, "i4"), ("sample",))
        table("image_height", np.full(samples, 480, "i4"), ("sample",))
        tokens, covered = GRID[0] * GRID[1], 1 + np.arange(samples) * 37 % 200
        for name, count in (("sequence", tokens + 39), ("visual", tokens), ("caption", 12), ("mask", covered)):
            table(f"{name}_tokens", np.broadcast_to(np.int32(count), samples), ("sample",))
        table("token_mask", (np.arange(tokens) < covered[:, None]).astype("u1").ravel(), ("token",), compression="gzip")
        dimension("view", np.arange(samples, dtype="i4"))
        dimension("corner", strings(["x0", "y0", "x1", "y1"]))
        table("view_sample", f["sample"][()], ("view",))
        table("view_kind", strings(["global"] * samples), ("view",))
        table("view_rows", np.full(samples, GRID[0], "i4"), ("view",))
        table("view_columns", np.full(samples, GRID[1], "i4"), ("view",))
        table("view_offset", np.arange(samples) * tokens, ("view",))
        table("view_box", np.tile([0.0, 0, 640, 480], (samples, 1)), ("view", "corner"))
        dimension("skipped/skipped", np.zeros(2, "f4"))
        table("skipped/id", np.array([5, 9]), ("skipped/skipped",))
        table("skipped/kind", strings(["text", "picture"]), ("skipped/skipped",))
        table("skipped/reason", strings(["it has no description", "139.jpg is 640x426 pixels; the dataset says 640x480"]),
              ("skipped/skipped",))
        for name, value in ATTRIBUTES.items():
            f.attrs[name] = np.bytes_(value) if isinstance(value, str) else value


def made_up_tests(random, above, error):
    """p-values of values so far above chance, as they are, by Holm, and by Benjamini and Hochberg."""
    p = np.where(above > 3 * np.nan_to_num(error, nan=1), 1 / 10001, random.random(above.shape)).clip(1 / 10001, 1)
    return p, *(np.stack([correct(m.ravel()).reshape(m.shape) for m in p]) for correct in (holm, benjamini_hochberg))


def holm(p):
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order]).clip(max=1)
    return steps[np.argsort(order, kind="stable")]


def benjamini_hochberg(p):
    order = np.argsort(p, kind="stable")
    steps = np.minimum.accumulate((p[order] * len(p) / np.arange(1, len(p) + 1))[::-1])[::-1].clip(max=1)
    return steps[np.argsort(order, kind="stable")]
