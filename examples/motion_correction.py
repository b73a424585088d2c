# %% [markdown]
# # Motion correction
# From a movie that moves and bends to a steady one: shifts, fields, and what is left of the motion.

# %%
import matplotlib.pyplot as plt
import numpy as np

import thunderlike as tl
from thunderlike.images.examples import moving_cells

recording = moving_cells((128, 128), count=60, kind="smooth", seed=1)
movie = recording.toimages()  # yours: tl.images.fromtif("folder"), engine="disk" for any size

# %% [markdown]
# Shifts of whole frames first, then smooth fields of shifts.

# %%
rigid = tl.registration.Rigid().fit(movie)
fields = tl.registration.PiecewiseRigid().fit(movie)
truth = np.stack([recording.motion.at(t, fields.nodes) for t in range(len(fields))])
for name, found in (("no", 0), ("rigid", rigid.shifts[..., None, None]), ("fields", fields.fields)):
    error = truth - found
    error -= np.median(error, axis=0)
    print(f"{name} correction: {np.sqrt((error**2).mean()):.2f} pixels from the truth")

# %%
figure, axes = plt.subplots(2, 2, figsize=(9, 8), layout="constrained")
steady = fields.transform(movie)
for ax, images, title in ((axes[0, 0], movie, "before"), (axes[0, 1], steady, "after")):
    images.plot("mean", ax=ax).set_title(f"mean {title}")
rigid.plot(axes[1, 0])
axes[1, 0].set(title="shifts", xlabel="frame")
left = tl.registration.residual_motion(steady)
axes[1, 1].plot(rigid.shifts[:, 0] - rigid.shifts[:, 0].mean(), color="0.7", label="before")
axes[1, 1].plot(left[:, 0], label="after")
axes[1, 1].set(title="motion along y that is found", xlabel="frame", ylabel="pixels")
axes[1, 1].legend()
plt.show()
