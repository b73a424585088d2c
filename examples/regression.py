# %% [markdown]
# # Which pixels encode what
# A linear model and a tuning curve of every pixel: coefficients, partial R², preferred directions.

# %%
import matplotlib.pyplot as plt
import numpy as np

import thunderlike as tl
from thunderlike.images.examples import calcium

recording = calcium(frames=400)
series = recording.images().toseries()  # yours: tl.images.fromtif("folder").toseries()

# %% [markdown]
# Regressors: running speed, seen through a calcium indicator, and a slow drift. Residuals of
# neighbouring images are correlated, which `prewhiten` takes into account.

# %%
speed = tl.regression.convolve(recording.behaviour, tau=0.5, fs=30)
drift = tl.regression.splines(recording.seconds, 4)[:, 1:]
model = series.regress({"speed": speed, "drift": drift}, prewhiten="ar1", groups="each")
cells = [(recording.labels == number) for number in np.flatnonzero(recording.cells.follows)]
found = model.tvalues.toarray()[..., 1] > 5
inside = np.any(cells, axis=0)
print(f"|t| > 5: {found[inside].mean():.0%} of the pixels of cells that follow the speed")
print(f"         {found[recording.labels < 0].mean():.0%} of the pixels without a cell")

# %% [markdown]
# Tuning: pixels of a model of visual cortex, which prefer a direction each, see eight directions.

# %%
rng = np.random.default_rng(0)
waves = tl.images.fromarray(rng.normal(size=(2, 96, 96))).gaussian_filter(7).toarray()
preferred = np.arctan2(*waves)
directions = rng.permutation(np.repeat(np.arange(8) * 45, 30)).astype(float)
response = np.exp(2 * np.cos(np.deg2rad(directions) - preferred[..., np.newaxis]) - 2)
cortex = tl.series.fromarray(response + rng.normal(size=response.shape))
tuning = cortex.tuning(directions, circular=360)
away = np.angle(np.exp(1j * (np.deg2rad(tuning.preferred.toarray()) - preferred)))
print(f"the preferred direction is off by {np.rad2deg(np.median(np.abs(away))):.0f} degrees")

# %%
figure, axes = plt.subplots(2, 2, figsize=(10, 8), layout="constrained")
model.plot("speed", axes[0, 0], threshold=5)
speed_alone = model.partial_rsquared.toarray()[..., 0]
tl.viz.picture(speed_alone, axes[0, 1], title="speed, beyond the drift", label="partial R²")
tuning.plot(axes[1, 0])
place = np.unravel_index(tuning.fvalues.toarray().argmax(), preferred.shape)
curve, sem = (one.toarray()[place] for one in (tuning.curve, tuning.sem))
axes[1, 1].errorbar(tuning.centers, curve, sem, marker="o")
axes[1, 1].set(title=f"tuning of pixel {tuple(map(int, place))}", xlabel="direction (degrees)")
plt.show()
