# %% [markdown]
# # Correlate pixels with a behaviour
# From a movie to a map of the neurons that follow a behaviour, in ten lines and without Java.

# %%
import matplotlib.pyplot as plt
import numpy as np

from thunderlike.images.examples import calcium

recording = calcium()  # or your own files: tl.images.fromtif("folder")
movie = recording.images()  # engine="spark" runs on a cluster
print(movie)

# %%
smooth = movie.astype("float32").gaussian_filter(1)
series = smooth.toseries().detrend().zscore()
correlation = series.correlate(recording.behaviour).toarray()

row, column = np.unravel_index(correlation.argmax(), correlation.shape)
print(f"pixel ({row}, {column}) follows the running speed best: r = {correlation.max():.2f}")

# %% [markdown]
# Compare with the ground truth of the synthetic movie:

# %%
cells = [correlation[pixels].mean() for pixels in recording.masks()]
print("cells that do:", np.flatnonzero(np.array(cells) > 0.35).tolist())
print("and the truth:", np.flatnonzero(recording.cells.follows).tolist())

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
left.imshow(movie.mean(squeeze=True), cmap="gray")
left.set_title("the mean of the movie")
shown = right.imshow(correlation, cmap="RdBu_r", vmin=-0.8, vmax=0.8)
right.set_title("correlation with the speed")
figure.colorbar(shown, shrink=0.8)
plt.show()
