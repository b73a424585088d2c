# %% [markdown]
# # Components of a movie
# Find what varies in a movie: principal components, nonnegative parts, independent time courses.

# %%
import matplotlib.pyplot as plt
import numpy as np

import thunderlike as tl
from thunderlike.images.examples import calcium

# %% [markdown]
# A synthetic two-photon recording of 42 neurons. Give `engine="spark"` or `engine="disk"` for one
# that does not fit in memory: the results are the same, to the bit.

# %%
recording = calcium(frames=300)
movie = recording.images().gaussian_filter(1)
series = movie.toseries()
print(movie)

# %% [markdown]
# Pixels are the rows of the matrix, so that components are time courses, and scores are maps.
# One pass over the movie.

# %%
pca = series.detrend().pca(k=12)
maps = pca.transform(series.detrend())
print(f"{pca.explained_variance_ratio_.sum():.0%} of the variance in {pca.k} components")

# %% [markdown]
# Independent components separate what principal components mix: each map shows one neuron, or
# several with one time course.

# %%
ica = tl.factorization.ICA(k=8, k_pca=12).fit_model(series.detrend())
sources = ica.transform(series.detrend())

# %% [markdown]
# Frames are the rows here, and components are nonnegative images.

# %%
nmf = tl.factorization.NMF(k=6, tol=1e-3).fit_model(movie)
print(f"relative error {nmf.errors_[-1]:.3f} after {nmf.n_passes_} passes")

# %%
figure, axes = plt.subplots(2, 2, figsize=(11, 9), layout="constrained")
pca.plot("variance", ax=axes[0, 0])
tl.viz.picture(maps[..., 0], ax=axes[0, 1], title="scores of the first principal component")
tl.viz.picture(np.abs(sources).max(axis=-1), ax=axes[1, 0], title="independent components")
nmf.plot(ax=axes[1, 1])
plt.show()
