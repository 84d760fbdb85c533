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

# %% HI of every head, and HI corrected for chance.
figure, axes = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
hi.hi.plot(ax=axes[0], yincrease=False, cmap="viridis", vmin=0)
hi.hi_corrected.plot(ax=axes[1], yincrease=False, cmap="BrBG", center=0)
figure.savefig(folder / "heads.png", dpi=150)


# %% Averages by layer, with the regression line and its standard-error band.
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
    ax.set(xlabel=mean.dims[0], ylabel="mean corrected HI")
    return line, band


figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
by_layer = hi.hi_corrected.mean("head")
layer_error = hi.hi_corrected.std("head", ddof=1) / np.sqrt(hi.sizes["head"])
layer_line, layer_band = trend(by_layer, layer_error, ax)
figure.savefig(folder / "trends.png", dpi=150)


# %% Agreement between the measures' rankings: Kendall's tau-b.
def kendall(x, y):
    """By its definition; scipy.stats.kendalltau is faster."""
    x, y = (np.sign(v[:, None] - v[None, :]) for v in (x, y))
    return (x * y).sum() / np.sqrt((x * x).sum() * (y * y).sum())


measures = list(everything.measure.values)
ranked = {measure: everything.hi_corrected.sel(measure=measure).values.ravel() for measure in measures}
agreement = np.array([[kendall(ranked[a], ranked[b]) for b in measures] for a in measures])
figure, ax = plt.subplots(figsize=(5, 4), layout="constrained")
figure.colorbar(ax.imshow(agreement, vmin=-1, vmax=1, cmap="BrBG"), label="Kendall's tau-b")
ax.set_xticks(range(len(measures)), measures, rotation=45)
ax.set_yticks(range(len(measures)), measures)
figure.savefig(folder / "agreement.png", dpi=150)

# %% Each sample's values, corrected for chance, and their means over images.
chance = hi.sample_chance.astype(float)
corrected = (hi.sample_hi.astype(float) - chance) / (1 - chance)
by_image = corrected.groupby(everything.image_id).mean().values.reshape(-1, hi.sizes["layer"] * hi.sizes["head"])

# %% Reliability: how far two random halves of the images rank the heads alike.
random = np.random.default_rng(0)
ranks = lambda values: np.argsort(np.argsort(values))
agreements = []
for _ in range(200):
    order = random.permutation(len(by_image))
    halves = [by_image[order[i::2][:len(order) // 2]].mean(0) for i in range(2)]
    agreements.append(np.corrcoef(*map(ranks, halves))[0, 1])
figure, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.hist(agreements, bins=30)
ax.set(xlabel="rank correlation of two halves", ylabel="halvings")
figure.savefig(folder / "reliability.png", dpi=150)

# %% The best head in each sample, and by category.
place = int(hi.hi_corrected.values.argmax())
best_layer, best_head = divmod(place, hi.sizes["head"])
names = dict(zip(everything.category.values, everything.category_name.values))
category = [names.get(i, "none" if i == -1 else str(i)) for i in everything.category_id.values]
values = corrected.sel(layer=best_layer, head=best_head).assign_coords(object=("sample", category))
by_category = values.groupby("object").mean()
print(f"Head {best_layer}.{best_head}: corrected HI {float(hi.hi_corrected.max()):.3f}")
print(by_category.to_series().sort_values(ascending=False).head(10).to_string())
