# %% [markdown]
# # The same code with and without Spark
# Find pixels that oscillate with a period of eight images, on a laptop or with `spark-submit`.

# %%
import sys

import matplotlib.pyplot as plt
import numpy as np

import thunderlike as tl

engine = "spark" if "spark" in sys.argv else "local"

# %% [markdown]
# A movie of noise with an oscillating ring. Spark workers read files in parallel:
# `tl.images.fromtif("s3://bucket/movie", engine=engine)`.

# %%
frames = np.random.default_rng(0).normal(size=(200, 64, 64))
distance = np.hypot(*np.mgrid[-32:32, -32:32])
beat = np.sin(2 * np.pi * np.arange(200) / 8)
frames[:, (distance > 14) & (distance < 20)] += 0.5 * beat[:, None]
movie = tl.images.fromarray(frames, engine=engine)

# %%
series = movie.gaussian_filter(1).toseries().zscore()
strength = series.fourier(freq=25).toarray()[..., 0]  # 25 periods in 200 images
follows = series.correlate(beat).toarray()
print(movie.mode, f"best r = {follows.max():.6f}, mean strength = {strength.mean():.6f}")

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
tl.viz.picture(follows, ax=left).set_title("correlation with the beat")
tl.viz.picture(strength, ax=right).set_title("strength at eight images a period")
plt.show()
