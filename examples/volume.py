# %% [markdown]
# # Count the spots of a volume
# Process a stack of planes end to end: smooth, threshold, label, measure, and plot projections.

# %%
import matplotlib.pyplot as plt
import numpy as np
from scipy import ndimage

import thunderlike as tl

# %% [markdown]
# A synthetic stack of 48 planes with 60 blurred spots, in place of `tl.images.fromtif(path)`.

# %%
rng = np.random.default_rng(3)
spots = np.zeros((48, 160, 160))
spots[tuple(rng.integers(6, side - 6, 60) for side in spots.shape)] = 4000
light = ndimage.gaussian_filter(spots, (1.5, 3, 3)) + 2
planes = tl.images.fromarray(rng.poisson(light).astype("uint16"))
print(planes)

# %% [markdown]
# Filter planes in parallel; along the stack, `correlate1d` processes the whole array.

# %%
across = planes.astype("float32").gaussian_filter(2).toarray()
smooth = tl.arrays.correlate1d(across, np.array([1, 2, 1]) / 4, axis=0)
bright = smooth > smooth.mean() + 3 * smooth.std()
labels, count = ndimage.label(bright)
print(f"{count} spots; 60 were put there, some of them touch")

# %%
inside = tl.arrays.where(bright)
sizes = np.bincount(labels[tuple(inside.T)])[1:]
print(f"{len(inside)} voxels; a spot has {np.median(sizes):.0f}, the largest {sizes.max()}")

# %%
figure, axes = plt.subplots(1, 3, figsize=(11, 3.8), layout="constrained")
for axis, (name, ax) in enumerate(zip(("above", "the front", "the side"), axes, strict=True)):
    tl.viz.picture(smooth.max(axis=axis), ax=ax).set_title(f"from {name}")
for _, row, column in ndimage.center_of_mass(bright, labels, range(1, count + 1)):
    axes[0].plot(column, row, "o", mfc="none", mec="tab:red", ms=9)
plt.show()
