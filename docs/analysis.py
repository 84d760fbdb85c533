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

# %% HI of every head, corrected for chance, and as it is; heads that a test tells from chance have a dot.
score = hi.hi_corrected
figure, axes = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
score.plot(ax=axes[0], yincrease=False, cmap="BrBG", center=0)
hi.hi.plot(ax=axes[1], yincrease=False, cmap="viridis", vmin=0)
beyond = (hi.p_holm <= 0.05) & (hi.hi > hi.hi_chance) & (hi.image_difference > 0)
axes[0].plot(*np.nonzero(beyond.transpose("head", "layer").values), "k.")
figure.savefig(folder / "heads.png", dpi=150)

# %% Averages by layer with their standard errors over heads, and the regression line with its standard-error band.
by_layer = score.mean("head")
layer_error = score.std("head", ddof=1) / np.sqrt(score.sizes["head"])
x, y = by_layer.layer.values.astype(float), by_layer.values
slope, intercept = np.polyfit(x, y, 1)
layer_line = intercept + slope * x
left = np.sqrt(((y - layer_line) ** 2).sum() / (len(x) - 2))
layer_band = left * np.sqrt(1 / len(x) + (x - x.mean()) ** 2 / ((x - x.mean()) ** 2).sum())
figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
ax.errorbar(x, y, layer_error.values, fmt="o", markersize=4, linewidth=1)
ax.plot(x, layer_line)
ax.fill_between(x, layer_line - layer_band, layer_line + layer_band, alpha=0.2, color="C1")
ax.set(xlabel="layer", ylabel="mean HI, corrected for chance")
figure.savefig(folder / "layers.png", dpi=150)


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

# %% Each sample's value, corrected for chance.
value, chance = hi.sample_hi.astype(float), hi.sample_chance.astype(float)
corrected = ((value - chance) / (1 - chance)).where(chance < 1)

# %% HI of the best head by category.
best_layer, best_head = divmod(int(score.values.argmax()), score.sizes["head"])
names = dict(zip(everything.category.values, everything.category_name.values))
category = [names.get(i, "none" if i == -1 else str(i)) for i in everything.category_id.values]
of_best = corrected.sel(layer=best_layer, head=best_head).assign_coords(object=("sample", category))
by_category = of_best.groupby("object").mean()
print(f"Head {best_layer}.{best_head}: HI {float(score.max()):.3f}")
print(by_category.to_series().sort_values(ascending=False).head(10).to_string())

# %% HI of the best head by the object's size.
share = (everything.mask_tokens / everything.visual_tokens).values
figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
ax.plot(share, value.sel(layer=best_layer, head=best_head), "o", alpha=0.5, label="HI")
ax.plot(share, of_best, "o", alpha=0.5, label="corrected for chance")
ax.set(xlabel="share of the visual tokens that the object covers", ylabel=f"head {best_layer}.{best_head}")
ax.legend()
figure.savefig(folder / "size.png", dpi=150)
