# %% [markdown]
# # Datasets for machine learning
# Write images to a dataset in one file; shuffle, split and read it in batches.

# %%
import tempfile

import matplotlib.pyplot as plt
import numpy as np
from skimage.draw import disk, polygon

import thunderlike as tl
from thunderlike.batches import Dataset

# %% [markdown]
# Generate images of three classes.

# %%
rng = np.random.default_rng(0)


def draw(kind):
    image = rng.normal(60, 12, (40, 40))
    y, x = rng.integers(12, 28, 2)
    corners = np.array([[-9, 0], [7, -9], [7, 9]]), np.array([[-8, -8], [-8, 8], [8, 8], [8, -8]])
    shape = disk((y, x), 9) if kind == 0 else polygon(*(corners[kind - 1] + (y, x)).T)
    image[shape] += 90
    return image.clip(0, 255).astype("uint8")


# %%
path = f"{tempfile.mkdtemp()}/shapes.msgpack"
with tl.datasets.FileWriter(path) as writer:
    for number in range(300):
        kind = int(rng.integers(3))
        writer.write({"key": f"{number:03d}", "image": draw(kind), "label": kind})

reader = tl.datasets.MsgpackReader(path)
train, valid = reader.select(range(240)), reader.select(range(240, 300))
print(len(train), "to train with,", len(valid), "to check with")

# %% [markdown]
# Read batches in a new order each epoch, with random augmentation of each image.

# %%
pipeline = Dataset(train).p.apply_parallel(np.fliplr, src="image", p=0.5)
batch = next(iter(pipeline.gen_batch(12, shuffle=True, seed=1)))

figure, axes = plt.subplots(3, 4, figsize=(7, 5.6), layout="constrained")
for ax, image, label in zip(axes.flat, batch.image, batch.label, strict=True):
    ax.imshow(image, cmap="gray")
    ax.set_title(("disk", "triangle", "square")[label])
    ax.axis("off")
plt.show()
