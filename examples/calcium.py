# %% [markdown]
# # Calcium imaging, end to end
# From a movie with motion artefacts to traces: register images, detect cells by correlation, plot.

# %%
import matplotlib.pyplot as plt
import numpy as np
from scipy import ndimage

import thunderlike as tl
from thunderlike.images.examples import calcium

recording = calcium(frames=300)
shaking = np.random.default_rng(0).integers(-3, 4, (300, 2))
frames = [np.roll(f, s, axis=(0, 1)) for f, s in zip(recording.images(), shaking, strict=True)]
movie = tl.images.fromlist(frames)  # yours: tl.images.fromtif("folder")

# %% [markdown]
# Register each frame to a reference that is built from a sample of the movie.

# %%
steady = tl.registration.Rigid().fit_and_transform(movie)

# %% [markdown]
# Pixels of one cell are correlated. Remove the bleaching trend first, which all pixels share.

# %%
together = steady.toseries().detrend().toimages().localcorr(3)
labels, count = ndimage.label(ndimage.binary_opening(together > 0.45, iterations=2))
print(f"{count} cells found; there are {len(recording.cells)}")

dff = steady.gaussian_filter(1).toseries().normalize("percentile", perc=20).flatten()
traces = [dff[np.flatnonzero(labels == n)].toarray().mean(axis=0) for n in range(1, count + 1)]

# %%
figure, axes = plt.subplots(2, 2, figsize=(9, 8), layout="constrained")
movie.plot("mean", ax=axes[0, 0]).set_title("mean, shaken")
steady.plot("mean", ax=axes[0, 1]).set_title("mean, steady")
tl.viz.picture(together, ax=axes[1, 0]).set_title("correlation with the neighbours")
busiest = sorted(traces, key=np.std)[-12:]
for place, trace in enumerate(busiest):
    axes[1, 1].plot(recording.seconds, trace + 0.4 * place, lw=0.8)
axes[1, 1].set(title="ΔF/F of the twelve busiest", xlabel="seconds", yticks=[])
plt.show()
