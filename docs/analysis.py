"""Head Impact results in Python: what `headimpact report` draws, from the same file, with xarray and matplotlib.

    python docs/analysis.py hi.h5 figures

Each part begins with `# %%`, so an editor that supports such cells can run them one by one.
"""
# %% The file: every table has named axes.
import sys
from pathlib import Path

import matplotlib

if __name__ == "__main__":
    matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import xarray

path, folder = (sys.argv[1:] + ["hi.h5", "figures"][len(sys.argv) - 1:])[:2]
folder = Path(folder)
folder.mkdir(parents=True, exist_ok=True)
everything = xarray.open_dataset(path, engine="h5netcdf")
hi = everything.sel(measure="matched")

# %% HI of every head, and HI above chance.
figure, axes = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
hi.hi.plot(ax=axes[0], yincrease=False, cmap="viridis", vmin=0)
(hi.hi - hi.hi_chance).rename("HI - chance").plot(ax=axes[1], yincrease=False, cmap="BrBG", center=0)
figure.savefig(folder / "heads.png", dpi=150)


# %% Averages by layer and by head, with the regression line and its standard-error band.
def trend(mean, error, ax):
    """Means with error bars, and the least-squares line with the standard error of its height."""
    x, y = mean[mean.dims[0]].values.astype(float), mean.values
    slope, intercept = np.polyfit(x, y, 1)
    line = intercept + slope * x
    left = np.sqrt(((y - line) ** 2).sum() / (len(x) - 2))
    band = left * np.sqrt(1 / len(x) + (x - x.mean()) ** 2 / ((x - x.mean()) ** 2).sum())
    ax.errorbar(x, y, error.values, fmt="o", markersize=4, linewidth=1)
    ax.plot(x, line)
    ax.fill_between(x, line - band, line + band, alpha=0.2, color="C1")
    ax.set(xlabel=mean.dims[0], ylabel="mean HI")
    return line, band


figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
by_layer, by_head = hi.hi.mean("head"), hi.hi.mean("layer")
layer_error = hi.hi.std("head", ddof=1) / np.sqrt(hi.sizes["head"])
head_error = hi.hi.std("layer", ddof=1) / np.sqrt(hi.sizes["layer"])
layer_line, layer_band = trend(by_layer, layer_error, axes[0])
head_line, head_band = trend(by_head, head_error, axes[1])
figure.savefig(folder / "trends.png", dpi=150)


# %% Agreement between the measures' rankings: Kendall's tau-b.
def kendall(x, y):
    """By its definition; scipy.stats.kendalltau is faster."""
    x, y = (np.sign(v[:, None] - v[None, :]) for v in (x, y))
    return (x * y).sum() / np.sqrt((x * x).sum() * (y * y).sum())


measures = list(everything.measure.values)
ranked = {measure: everything.hi.sel(measure=measure).values.ravel() for measure in measures}
agreement = np.array([[kendall(ranked[a], ranked[b]) for b in measures] for a in measures])
figure, ax = plt.subplots(figsize=(5, 4), layout="constrained")
figure.colorbar(ax.imshow(agreement, vmin=-1, vmax=1, cmap="BrBG"), label="Kendall's tau-b")
ax.set_xticks(range(len(measures)), measures, rotation=45)
ax.set_yticks(range(len(measures)), measures)
figure.savefig(folder / "agreement.png", dpi=150)

# %% Convergence of the best layers with sample size.
k = int(everything.attrs["top_layers"])
counts = np.arange(1, hi.sizes["sample"] + 1)
running = hi.sample_hi.astype(float).mean("head").cumsum("sample").values / counts[:, None]
best = [set(np.argsort(-scores, kind="stable")[:k]) for scores in running]
overlap = np.array([len(now & best[-1]) / k for now in best])
figure, ax = plt.subplots(figsize=(8, 3), layout="constrained")
ax.plot(counts, overlap)
ax.set(xlabel="samples", ylabel=f"share of the final best {k} layers", ylim=(0, 1.05))
figure.savefig(folder / "stability.png", dpi=150)

# %% HI of the best head by category.
place = int(hi.hi.values.argmax())
best_layer, best_head = divmod(place, hi.sizes["head"])
names = dict(zip(everything.category.values, everything.category_name.values))
category = [names.get(i, "none" if i == -1 else str(i)) for i in everything.category_id.values]
values = hi.sample_hi.sel(layer=best_layer, head=best_head).assign_coords(object=("sample", category))
by_category = values.astype(float).groupby("object").mean()
print(f"Head {best_layer}.{best_head}: HI {float(hi.hi.max()):.3f}")
print(by_category.to_series().sort_values(ascending=False).head(10).to_string())
