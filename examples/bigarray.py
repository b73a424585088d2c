# %% [markdown]
# # Arrays larger than memory
# Process arrays from file to file on all cores, with a few blocks in memory at a time.

# %%
import tempfile

import matplotlib.pyplot as plt
import numpy as np

import thunderlike as tl

folder = tempfile.mkdtemp()

# %% [markdown]
# Write a volume plane by plane, like an instrument; 8 MB here, for speed.

# %%
volume = np.lib.format.open_memmap(f"{folder}/volume.npy", "w+", "uint16", (64, 256, 256))
y, x = np.mgrid[-1:1:256j, -1:1:256j]
for z, plane in enumerate(volume):
    plane[:] = 900 + 800 * np.sin(12 * np.hypot(y, x + z / 100) + z / 4)
volume.flush()

# %%
path = f"{folder}/volume.npy"
gamma = (255 * (np.arange(65536) / 1700).clip(0, 1) ** 0.7).astype("uint8")
eight = tl.arrays.apply_lut(path, gamma, f"{folder}/eight.npy")
smooth = tl.arrays.correlate1d(f"{folder}/eight.npy", [1, 4, 6, 4, 1], f"{folder}/smooth.npy")
total = tl.arrays.block_sums(f"{folder}/smooth.npy", blocks=8)
print(smooth.dtype, smooth.shape, "in", type(smooth).__name__)
print("sums of eight parts:", total)

# %% [markdown]
# Process the same file as images. Slicing reads nothing; values are read on demand.

# %%
movie = tl.images.fromnpy(f"{folder}/smooth.npy")
print(movie[28:36].mean(squeeze=True).shape)

# %%
figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
for ax, title, picture in zip(
    axes, ("plane 32", "looked up", "smoothed"), (volume, eight, smooth), strict=True
):
    tl.viz.picture(np.asarray(picture[32]), ax=ax).set_title(title)
plt.show()
