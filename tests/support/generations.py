"""Readers in a loop while another process overwrites what they read: one generation or an error.

python generations.py PLACE [--seconds 60] [--spark] [FORMAT ...] prints the counts of each format.
PLACE is a folder or ``bucket``, which starts a server of buckets.

The writer replaces the path by our own writers, again and again; all numbers of generation k are k,
and its shape depends on k too. A read has to be of one generation, which was there after the read
began, or raise an error of ours.

The formats of `OTHERS` are written as other programs do, in place and file by file: in between the
folder itself holds two generations, and a read during which no file changes gives these two.
"""

from __future__ import annotations

import argparse
import mmap
import os
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tifffile
import zarr
from PIL import Image

import thunderlike as tl

CYCLE = 250  # generations after which values come again: they are bytes in a PNG


@dataclass(frozen=True)
class Format:
    """How generations of a format are written and read.

    Parameters
    ----------
    write : callable
        Of a path and a value.
    read : callable
        Of a path; returns an array, or several, all of whose numbers are that value.
    name : str
        Of what is written in the folder of the test.
    """

    write: object
    read: object
    name: str


def movie(value, dtype="u2", size=40):
    return tl.images.fromarray(np.full((5 + value % 3, size, size + value % 2), value, dtype))


def traces(value):
    return tl.series.fromarray(np.full((6 + value % 3, 20 + value % 2), value, "f4"))


def samples(value):
    for number in range(40 + value % 3):
        yield {"key": f"k{value}-{number}", "x": np.full(300 + value % 2, value, "u2")}


def write_file(path, value):
    with tl.datasets.FileWriter(path, overwrite=True) as writer:
        writer.write_many(samples(value))


def write_shards(path, value):
    with tl.datasets.ShardWriter(f"{path}/{{}}.msgpack", max_samples=20, overwrite=True) as writer:
        writer.write_many(samples(value))


def read_samples(reader):
    """The values of all samples, and those that their keys name."""
    with reader:
        keys = [int(key[1:].partition("-")[0]) for key in reader.keys()]  # noqa: SIM118  # not of samples
        found = list(reader)
    held = [int(sample["key"][1:].partition("-")[0]) for sample in found]
    assert len(found) == len(keys), "keys and samples are not as many"
    assert len(found) == 40 + keys[0] % 3, f"{len(found)} samples of generation {keys[0]}"
    return [np.array(keys), np.array(held), *(sample["x"] for sample in found)]


def read_structure(found):
    assert found["n"] == found["a"].shape[0]
    return [found["a"], found["b"]["c"], np.array(found["value"])]


def write_structure(path, value):
    shape = (200 + value % 3, 100)
    tree = {"a": np.full(shape, value, "u2"), "n": shape[0], "value": value}
    tree["b"] = {"c": np.full(50, value, "f8")}
    tl.save(path, tree)


ENGINE = {}  # keywords of the readers
PAUSE = [0.0]  # seconds between two generations


def _images(read):
    return lambda path: [read(path, **ENGINE).toarray(squeeze=False)]


def rewrite_npy(path, value):
    np.save(path, np.full((5, 300, 300), value, "u2"))


def rewrite_files(path, value, ext="tif", count=12):
    """Write each file in place, one after the other."""
    Path(path).mkdir(exist_ok=True)
    for number in range(count):
        image = np.full((40, 40), value, "u2" if ext == "tif" else "u1")
        if ext == "tif":
            tifffile.imwrite(f"{path}/{number:02d}.tif", image)
        else:
            Image.fromarray(image).save(f"{path}/{number:02d}.png")


def rewrite_zarr(path, value):
    """Write each chunk, one after the other."""
    if not Path(path).exists():
        zarr.create_array(path, shape=(12, 40, 40), chunks=(1, 40, 40), dtype="u2")
    array = zarr.open_array(path, mode="r+")
    for number in range(12):
        array[number] = np.full((40, 40), value, "u2")


FORMATS = {
    "npy": Format(
        lambda p, v: movie(v, size=300).tonpy(p, overwrite=True),
        _images(tl.images.fromnpy),
        "a.npy",
    ),
    "raw": Format(
        lambda p, v: movie(v).tobinary(p, overwrite=True), _images(tl.images.frombinary), "raw"
    ),
    "tif": Format(
        lambda p, v: movie(v).totif(p, overwrite=True), _images(tl.images.fromtif), "tif"
    ),
    "png": Format(
        lambda p, v: movie(v, "u1").topng(p, overwrite=True), _images(tl.images.frompng), "png"
    ),
    "text": Format(
        lambda p, v: traces(v).totext(p, overwrite=True), _images(tl.series.fromtext), "text"
    ),
    "series": Format(
        lambda p, v: traces(v).tobinary(p, overwrite=True), _images(tl.series.frombinary), "series"
    ),
    "zarr": Format(
        lambda p, v: movie(v).tozarr(p, overwrite=True), _images(tl.images.fromzarr), "a.zarr"
    ),
    "ome-zarr": Format(
        lambda p, v: movie(v).tozarr(p, ome=True, overwrite=True),
        _images(tl.images.fromzarr),
        "o.zarr",
    ),
    "hdf5": Format(
        lambda p, v: movie(v, size=300).tohdf5(p, overwrite=True),
        _images(tl.images.fromhdf5),
        "a.h5",
    ),
    "load": Format(write_structure, lambda path: read_structure(tl.load(path)), "b.h5"),
    "dataset": Format(
        write_file, lambda path: read_samples(tl.datasets.MsgpackReader(path)), "a.msgpack"
    ),
    "images of a dataset": Format(
        write_file,
        _images(lambda path, **o: tl.images.frommsgpack(path, field="x", **o)),
        "b.msgpack",
    ),
    "shards": Format(
        write_shards, lambda path: read_samples(tl.datasets.ShardedReader(path)), "shards"
    ),
    "samples": Format(
        lambda p, v: movie(v).tomsgpack(p, overwrite=True), _images(tl.images.frommsgpack), "m"
    ),
}

OTHERS = {
    "npy of others": Format(rewrite_npy, _images(tl.images.fromnpy), "x.npy"),
    "tif of others": Format(rewrite_files, _images(tl.images.fromtif), "x"),
    "png of others": Format(
        lambda p, v: rewrite_files(p, v, "png"), _images(tl.images.frompng), "y"
    ),
    "zarr of others": Format(rewrite_zarr, _images(tl.images.fromzarr), "x.zarr"),
}
EVERY = FORMATS | OTHERS


@dataclass
class Counts:
    """The outcomes of the reads of one format."""

    old: int = 0
    new: int = 0
    at_rest: int = 0
    written: int = 0
    errors: Counter = field(default_factory=Counter)
    mixtures: list = field(default_factory=list)
    untyped: list = field(default_factory=list)

    @property
    def reads(self):
        """All of them."""
        failed = sum(self.errors.values()) + len(self.mixtures) + len(self.untyped)
        return self.old + self.new + self.at_rest + failed

    def __str__(self):
        kinds = ", ".join(f"{count} {text}" for text, count in self.errors.most_common(6))
        return (
            f"{self.reads} reads of {self.written} generations: {self.old} old, {self.new} new, "
            f"{self.at_rest} of a folder that held two, "
            f"{sum(self.errors.values())} typed errors, {len(self.mixtures)} mixtures, "
            f"{len(self.untyped)} untyped errors" + (f" ({kinds})" if kinds else "")
        )


def read_while_written(name, folder, seconds):
    """Read a format for so long while another process overwrites it."""
    form = EVERY[name]
    path = f"{folder}/{form.name}"
    form.write(path, 1)
    with tempfile.NamedTemporaryFile() as state:
        state.write(struct.pack("qq", 1, 1))
        state.flush()
        command = [sys.executable, __file__, "--write", name, path, state.name, str(PAUSE[0])]
        with (
            subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as writer,
            mmap.mmap(state.fileno(), 16) as shared,
        ):
            try:
                while shared[:8] == struct.pack("q", 1) and writer.poll() is None:
                    time.sleep(0.1)  # it imports the package
                end = time.monotonic() + seconds
                counts = _read(form, path, shared, lambda: time.monotonic() > end)
                assert writer.poll() is None, writer.stderr.read()
            finally:
                writer.terminate()
                writer.stderr.close()
    return counts


def read_during(name, folder, overwrites):
    """Read a format until another thread has overwritten it so many times."""
    form = EVERY[name]
    path = f"{folder}/{form.name}"
    form.write(path, 1)
    shared = bytearray(struct.pack("qq", 1, 1))
    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(_overwrite, form, path, shared, lambda number: number <= overwrites)
        counts = _read(form, path, shared, writer.done)
        writer.result()
    return counts


def _read(form, path, shared, over):
    counts = Counts()
    while not over():
        _, finished = struct.unpack("qq", shared[:16])
        try:
            found = {int(v) for array in form.read(path) for v in np.unique(array)}
        except tl.ThunderlikeError as error:
            counts.errors[_short(error)] += 1
            continue
        except Exception:  # counted, and shown by who asked
            counts.untyped.append(traceback.format_exc())
            continue
        begun, _ = struct.unpack("qq", shared[:16])
        allowed = {_value(k): k for k in range(finished, begun + 1)}
        two = set(allowed) | {_value(finished)}
        if form in OTHERS.values() and len(found) == 2 and found <= two:
            counts.at_rest += 1
        elif len(found) != 1 or not found <= set(allowed):
            counts.mixtures.append((sorted(found), finished, begun))
        elif allowed[found.pop()] == finished:
            counts.old += 1
        else:
            counts.new += 1
    counts.written = struct.unpack("qq", shared[:16])[1]
    return counts


def _value(generation):
    return generation % CYCLE + 1 if generation > 1 else 1


def _short(error):
    """The class of an error and its message, less names that are never the same."""
    text = str(error).partition(": ")[2] or str(error)
    text = "".join(c for c in text if not c.isdigit())
    return f"{type(error).__name__} {text[:60]!r}"


def _overwrite(form, path, shared, go_on):
    """Overwrite the path, generation after generation."""
    generation = 1
    while go_on(generation):
        generation += 1
        shared[0:8] = struct.pack("q", generation)
        form.write(path, _value(generation))
        shared[8:16] = struct.pack("q", generation)


def write_on(name, path, state, pause):
    """Overwrite the path until the reader is gone."""
    with Path(state).open("r+b") as file, mmap.mmap(file.fileno(), 16) as shared:
        _overwrite(EVERY[name], path, shared, lambda _: _go_on(float(pause)))


def _go_on(pause):
    time.sleep(pause)
    return os.getppid() != 1


def main():
    if sys.argv[1] == "--write":
        write_on(*sys.argv[2:])
        return 0
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("place")
    parser.add_argument("formats", nargs="*", default=list(FORMATS))
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--pause", type=float, default=0.0, help="between two generations, seconds")
    parser.add_argument("--spark", action="store_true", help="read on local[2]")
    given = parser.parse_args()
    if given.spark:
        ENGINE["engine"] = _spark()
    PAUSE[0] = given.pause
    wrong = 0
    with _place(given.place) as folder:
        for name in given.formats or FORMATS:
            counts = read_while_written(name, folder, given.seconds)
            print(f"{name}: {counts}", flush=True)
            for one in [*counts.mixtures[:5], *counts.untyped[:3]]:
                print(f"    {one}", flush=True)
            wrong += len(counts.mixtures) + len(counts.untyped)
    return wrong > 0


def _spark():
    from pyspark import SparkContext

    return SparkContext("local[2]", "generations")


def _place(place):
    if place != "bucket":
        return nullcontext(place)
    from bucket_server import new_bucket

    return new_bucket()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main())
