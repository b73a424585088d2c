"""Run one pipeline on a cluster for each stage named, pausing in it until somebody was killed.

python driver.py MASTER RECORDING OUT STAGE ...
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

import thunderlike as tl


def pausing(marker):
    """A function that leaves its executor's pid in the marker and waits for its end, once."""

    def look(x):
        if marker is None or marker.exists():
            return x
        daemon = os.getppid()  # of this worker; its parent is the executor
        executor = Path(f"/proc/{daemon}/stat").read_text().rpartition(")")[2].split()[1]
        with suppress(FileExistsError), marker.open("x") as file:
            file.write(f"{executor}\n")
            file.flush()
            while os.getppid() == daemon:
                time.sleep(0.05)
        return x

    return look


def pipeline(context, recording, out, stage):
    """Load, filter, shuffle, reduce and write; what came out, as arrays."""

    def pause(name):
        return pausing(out / f"{stage}.pid" if name == stage else None)

    def through(records, name):
        # With both told, nothing is tried on the driver, which nobody shall kill.
        return records.map(pause(name), value_shape=records.value_shape, dtype=records.dtype)

    movie = through(tl.images.fromtif(recording, engine=context, npartitions=6), "load")
    look = pause("filter")
    bright = movie.filter(lambda x: look(x).sum() > 0)
    series = through(bright.gaussian_filter(1).toseries(), "shuffle").detrend()
    means = through(series, "reduce").mean().toarray()
    correlation = series.correlate(np.arange(bright.count())).toarray()
    through(bright, "write").totif(out / f"{stage}-images")
    return {"count": bright.count(), "means": means, "correlation": correlation}


def main(master, recording, out, *stages):
    context = tl.spark.context(master, spark__executor__memory="512m", spark__cores__max="2")
    for stage in stages:
        found = pipeline(context, recording, Path(out), stage)
        np.savez(Path(out) / f"{stage}.npz", **found)
    context.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
