"""A program on a cluster: for each line that it is given it runs a function of this file.

python driver.py MASTER CONF; lines are JSON, [number, "name", {"argument": value}], and so
are answers, [number, {"value": ...}] or [number, {"error": [class, message]}].
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

import thunderlike as tl
from thunderlike.jobs.contents import look
from thunderlike.jobs.convert import convert

PATIENCE = 60


def wait_while(condition):
    end = time.monotonic() + PATIENCE
    while condition() and time.monotonic() < end:
        time.sleep(0.05)


def claimed(marker, text=""):
    """Whether we are the first to leave this marker."""
    with contextlib.suppress(FileExistsError), marker.open("x") as file:
        file.write(text)
        return True
    return False


def through(records, function):
    """Records by way of a function that leaves them as they are, on the workers alone."""
    # With both given, nothing is tried on the driver, which nobody shall kill.
    return records.map(function, value_shape=records.value_shape, dtype=records.dtype)


def unchanged(x):
    return x


# ---- A pipeline, with a place to be killed in


def pausing(marker):
    """A function that leaves its executor's pid in the marker and waits for its end, once."""

    def look(x):
        if marker.exists():
            return x
        daemon = os.getppid()  # of this worker; its parent is the executor
        executor = Path(f"/proc/{daemon}/stat").read_text().rpartition(")")[2].split()[1]
        if claimed(marker, f"{executor}\n"):
            wait_while(lambda: os.getppid() == daemon)
        return x

    return look


def pipeline(context, recording, out, stage="", scratch=""):
    """Load, filter, shuffle, reduce and write; pause in one of these."""
    with tl.config(scratch=scratch):
        _pipeline(context, recording, out, stage)


def _pipeline(context, recording, out, stage):

    def pause(name):
        return pausing(Path(out, f"{stage}.pid")) if name == stage else unchanged

    movie = through(tl.images.fromtif(recording, engine=context, npartitions=6), pause("load"))
    look = pause("filter")
    bright = movie.filter(lambda x: look(x).sum() > 0)
    series = through(bright.gaussian_filter(1).toseries(), pause("shuffle")).detrend()
    means = through(series, pause("reduce")).mean().toarray()
    correlation = series.correlate(np.arange(bright.count())).toarray()
    through(bright, pause("write")).totif(f"{out}/images", overwrite=True)
    np.savez(f"{out}/found.npz", count=bright.count(), means=means, correlation=correlation)


def lose(context, recording, out, scratch):
    """Take series and images through files, lose some, and go on; how many files there were."""
    with tl.config(scratch=scratch):
        movie = tl.images.fromtif(recording, engine=context, npartitions=6)
        series = movie.toseries()
        again = series.toimages()
        series.max().toarray()
        files = [file for file in Path(scratch).glob("*/*/*") if file.is_file()]
        for file in files[::2]:
            file.unlink()
        np.save(f"{out}/images.npy", again.toarray())
        np.save(f"{out}/series.npy", series.toarray())
        del series, again
        return len(files), len(list(Path(scratch).iterdir()))


# ---- Writers, and what happens to them


def dying(marker, after):
    """A function that makes its process die while it writes its n-th file, once in all."""
    fsync, written = os.fsync, []

    def dies(number):
        written.append(number)
        if len(written) >= after and claimed(marker):
            os.kill(os.getpid(), signal.SIGKILL)
        return fsync(number)

    def look(x):
        if not marker.exists():
            os.fsync = dies  # called when all bytes are in a file that has no name yet
        return x

    return look


def doubled(folder, total):
    """A function that holds up the image of that sum until a second attempt reaches it too."""
    first, second = folder / "first", folder / "second"

    def look(x):
        if x.sum() == total and not claimed(first):
            claimed(second)
        elif x.sum() == total:
            wait_while(lambda: not second.exists())
        return x

    return look


def slow(folder, seconds):
    """A function that takes its time, and tells by a file that it was called."""

    def look(x):
        claimed(folder / f"called-{os.getpid()}")
        time.sleep(seconds)
        return x

    return look


def limited(size):
    """A function after which its process makes no larger files."""

    def look(x):
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        return x

    return look


WRITERS = {
    "tif": lambda images, out: images.totif(out),
    "png": lambda images, out: images.topng(out),
    "binary": lambda images, out: images.tobinary(out),
    "npy": lambda images, out: images.tonpy(f"{out}.npy"),
    "hdf5": lambda images, out: images.tohdf5(f"{out}.h5"),
    "zarr": lambda images, out: images.tozarr(f"{out}.zarr"),
    "msgpack": lambda images, out: images.tomsgpack(out),
    "series binary": lambda images, out: images.toseries().tobinary(out),
    "series text": lambda images, out: images.toseries().totext(out),
}


def write(context, recording, out, to, fate="", **options):
    """Write a movie in some format, in several files for each task."""
    fates = {"dying": dying, "doubled": doubled, "slow": slow, "limited": limited, "": None}
    options = {
        name: Path(it) if name in ("marker", "folder") else it for name, it in options.items()
    }
    function = fates[fate](**options) if fate else unchanged
    with tl.config(chunk_bytes=20_000):
        movie = tl.images.fromtif(recording, engine=context, npartitions=4)
        WRITERS[to](through(movie, function), out)


def converted(context, recording, out, folder=None, batch=100_000):
    """Convert a movie; how many batches were done already."""
    contents = look(recording)
    if folder is None:
        return convert(contents, out, "tif", engine=context, batch=batch)
    with held_up(Path(folder)):
        return convert(contents, out, "tif", engine=context, batch=batch)


@contextlib.contextmanager
def held_up(folder):
    """Let the third batch wait, with a sign that it began."""
    from thunderlike.jobs import outputs as module

    each_block, calls = module.each_block, []

    def slowly(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            claimed(folder / "third")
            time.sleep(PATIENCE)
        return each_block(*arguments)

    module.each_block = slowly
    try:
        yield
    finally:
        module.each_block = each_block


# ---- Files that do not stay as they were listed


def read(context, recording, out="", remove="", cut="", **options):
    """Read a movie, of which a file is removed or cut short once all were listed."""
    movie = tl.images.fromtif(recording, engine=context, npartitions=4, **options)
    if remove:
        Path(remove).unlink()
    if cut:
        data = Path(cut).read_bytes()
        Path(cut).write_bytes(data[: len(data) // 2])
    found = movie.toarray()
    if out:
        np.save(out, found)


def copied(context, source, target, out, **credentials):
    """Copy a movie from one place in a bucket to another."""
    given = credentials or None
    movie = tl.images.fromtif(source, engine=context, npartitions=4, credentials=given)
    movie.totif(target, credentials=given)
    again = tl.images.fromtif(target, engine=context, npartitions=4, credentials=given)
    np.save(out, again.toarray())


def main(master, conf):
    context = tl.spark.context(
        master, spark__executor__memory="512m", spark__cores__max="2",
        spark__driver__memory="512m", spark__ui__enabled="false", **json.loads(conf),
    )  # fmt: skip
    for line in sys.stdin:
        number, name, arguments = json.loads(line)
        try:
            answer = {"value": globals()[name](context, **arguments)}
        except Exception as error:  # the test looks at it
            answer = {"error": [type(error).__name__, str(error)]}
        sys.stdout.write(json.dumps([number, answer]) + "\n")
        sys.stdout.flush()
    context.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
