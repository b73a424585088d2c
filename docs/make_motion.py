"""Plot docs/images/motion.png: a movie before and after motion correction, and its shifts.

python docs/make_motion.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import thunderlike as tl
from thunderlike.images.examples import moving_cells
from thunderlike.viz.plots import contrast, png_of

TARGET = Path(__file__).parent / "images" / "motion.png"


def main() -> None:
    """Create the figure."""
    from matplotlib.figure import Figure

    recording = moving_cells((128, 192), count=200, seed=4)
    model = tl.registration.Rigid().fit(recording.images)
    after = model.transform(recording.images).toarray().mean(axis=0)
    figure = Figure(figsize=(9, 5.6), layout="constrained")
    axes = figure.subplot_mosaic([["before", "after"], ["shifts", "shifts"]], height_ratios=(2, 1))
    limits = contrast(after)
    for name, image in (("before", recording.images.mean(axis=0)), ("after", after)):
        axes[name].imshow(image, cmap="gray", vmin=limits[0], vmax=limits[1])
        axes[name].set(title=f"mean {name}", xticks=[], yticks=[])
    apart = np.median(model.shifts - recording.shifts, axis=0)
    truth = recording.shifts + apart
    axes["shifts"].plot(truth, color="0.75", lw=3)
    model.plot(axes["shifts"])
    rms = np.sqrt(np.square(model.shifts - truth).mean())
    axes["shifts"].set(
        title=f"estimated shifts, and true ones in grey: rms difference {rms:.2f} pixels",
        xlabel="frame",
    )
    TARGET.write_bytes(png_of(figure))


if __name__ == "__main__":
    main()
