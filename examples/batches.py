# %% [markdown]
# # Random crops in batches
# A pipeline of actions on batches. Each item has its own random stream, independent of the backend.

# %%
import matplotlib.pyplot as plt
import numpy as np

import thunderlike as tl
from thunderlike.batches import Batch, Dataset, action, apply_parallel

movie = tl.images.fromexample("calcium")[:120]


class Frames(Batch):
    """A batch of images with three actions."""

    @apply_parallel(src="image", requires_rng=True)
    def crop(self, image, size, rng):
        y, x = rng.integers(0, len(image) - size + 1, 2)
        return image[y : y + size, x : x + size]

    @apply_parallel(src="image", requires_rng=True, p=0.5)
    def turn(self, image, rng):
        return np.rot90(image, rng.integers(1, 4))

    @action
    def stretch(self):
        low, high = self.image.min(), self.image.max()
        self.image = (self.image - low) / (high - low)


# %% [markdown]
# A pipeline is a list of actions, which run when batches are requested.

# %%
dataset = Dataset(len(movie), Frames, preloaded={"image": movie.toarray()})
pipeline = dataset.p.crop(48).turn().stretch()

# %% [markdown]
# Crops do not depend on the backend (threads, processes, Spark) or the size of the batch.

# %%
one = pipeline.next_batch(12, shuffle=True, seed=7)
crops = dataset.p.crop(48)
few, many = (np.concatenate([batch.image for batch in crops.gen_batch(n, seed=7)]) for n in (5, 40))
print("independent of the size of the batch:", np.array_equal(few, many))

# %%
figure, axes = plt.subplots(2, 6, figsize=(10, 3.6), layout="constrained")
for ax, image, number in zip(axes.flat, one.image, one.indices, strict=True):
    ax.imshow(image, cmap="gray", vmin=0, vmax=1)
    ax.set_title(f"image {number}", fontsize=9)
    ax.axis("off")
plt.show()
