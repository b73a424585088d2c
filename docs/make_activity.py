"""Plot docs/generated/activity.png, the map of the example on the front page."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from thunderlike.images.examples import calcium
from thunderlike.jobs.activity_map import ActivityMap
from thunderlike.jobs.plots import map_figure
from thunderlike.jobs.signals import Signal
from thunderlike.viz.plots import png_of

TARGET = Path(__file__).parent / "generated" / "activity.png"


def main() -> None:
    """Create the figure unless it exists."""
    if TARGET.exists():
        return
    recording = calcium()
    movie = recording.images()
    pixels = movie.gaussian_filter(1.5).toseries().detrend()
    activity = pixels.correlate(recording.behaviour).toarray()
    best = tuple(int(i) for i in np.unravel_index(activity.argmax(), activity.shape))
    signal = Signal("behaviour", "speed", recording.behaviour)
    trace = pixels[best].zscore().toarray().ravel()
    found = ActivityMap(signal, movie.mean(squeeze=True), activity, best, trace)
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_bytes(png_of(map_figure(found)))


if __name__ == "__main__":
    main()
