# %% [markdown]
# # Calcium imaging, end to end
# From a recording that moves to cells, traces and spikes, in one call, and compared with the truth.

# %%
import tempfile

import matplotlib.pyplot as plt
import numpy as np

import thunderlike as tl
from thunderlike.images.cell_movies import cell_movie

truth = cell_movie((96, 96), count=600, cells=16, texture=0.3, kind="rigid", seed=1)
movie = truth.toimages()  # yours: tl.images.fromtif("folder"), engine="disk" for any size

# %% [markdown]
# Register, detect, extract, deconvolve. The folder also has a report for the browser.

# %%
folder = tempfile.mkdtemp()
result = tl.calcium.run(movie, f"{folder}/session", fs=15, tau=0.7, diameter=12)
plane = result.plane
print(f"{plane.cells.accepted.sum()} cells found; there are {len(truth.masks)}")

# %% [markdown]
# Everything is an array or a Series: here the cell with most events, and the cells on the mean.

# %%
figure, axes = plt.subplots(2, 1, figsize=(7, 9), height_ratios=(3, 1), layout="constrained")
plane.cells.plot(plane.images["mean"], ax=axes[0])
busiest = np.argmax(np.where(plane.cells.accepted, plane.events.counts, -1))
seconds = np.arange(len(movie)) / 15
axes[1].plot(seconds, plane.activity["dff"][busiest], lw=0.8, label="dF/F")
axes[1].plot(seconds, plane.activity["spikes"][busiest] - 1, lw=0.8, label="spikes")
axes[1].set(title=f"cell {busiest}", xlabel="seconds")
axes[1].legend(loc="upper right")
plt.show()
