"""Small valid files of every kind that we read, and what reads them."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import h5py
import numpy as np
import tifffile
import zarr
from numcodecs import Zlib
from PIL import Image
from zarr.codecs import GzipCodec

import thunderlike as tl
from thunderlike.datasets import (
    FileWriter,
    MsgpackReader,
    ShardedReader,
    ShardWriter,
    TarReader,
    ZipFileReader,
    check,
)
from thunderlike.formats import hdf5, msgpack, npy, png, safe_pickle, tiff
from thunderlike.jobs.contents import look
from thunderlike.jobs.signals import read_signal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MOVIE = (np.arange(4 * 12 * 10) * 37 % 251).reshape(4, 12, 10)
BOUND = 2**28  # bytes that a file may announce: more than any of these, far less than there are


class Seed(NamedTuple):
    """What makes valid files in a folder, and what reads them there."""

    make: Callable[[Path], object]
    readers: tuple[Callable[[Path], object], ...]


def whole(collection):
    """All values, whose shape must be what was announced."""
    values = collection.toarray(squeeze=False)
    assert values.dtype == collection.dtype
    return values


def images(kind, name=".", **options):
    read = getattr(tl.images, f"from{kind}")
    return lambda folder: whole(read(folder / name, **options))


def series(kind, name=".", **options):
    read = getattr(tl.series, f"from{kind}")
    return lambda folder: whole(read(folder / name, **options))


def array(name):
    return lambda folder: np.asarray(tl.arrays.read(folder / name)).sum()


def info(name="."):
    return lambda folder: look(str(folder / name)).description()


# HDF5


def structure(folder, **options):
    tl.save(
        folder / "x.h5",
        {"a": MOVIE, "b": [1, 2.5, None, "text", (b"x", True)], "c": {"d": {1: 2}}},
        **options,
    )


def frame(folder):
    import pandas

    tl.save(folder / "x.h5", pandas.DataFrame({"x": [1.0, 2.0], "y": ["a", "b"]}))


def plain_hdf5(folder, **options):
    with h5py.File(folder / "x.h5", "w", libver="latest") as file:
        file.create_dataset("data", data=MOVIE.astype("i2"), **options)


LOADED = (
    lambda folder: tl.load(folder / "x.h5", max_bytes=BOUND),
    lambda folder: tl.load(folder / "x.h5", pickle="restricted", max_bytes=BOUND),
    lambda folder: str(tl.hdf5.ls(folder / "x.h5")),
    info("x.h5"),
)
ARRAYS = (images("hdf5", "x.h5"), series("hdf5", "x.h5"), array("x.h5"), info("x.h5"))
HDF5 = [
    Seed(structure, LOADED),
    Seed(partial(structure, compression="blosc2:lz4"), LOADED),
    Seed(partial(structure, compression=None, compat=False), LOADED),
    Seed(frame, LOADED[:3]),
    Seed(plain_hdf5, (*ARRAYS, *LOADED)),
    Seed(partial(plain_hdf5, chunks=(2, 5, 5), compression="gzip", shuffle=True), ARRAYS),
    Seed(partial(plain_hdf5, chunks=(2, 5, 5), fletcher32=True, compression="lzf"), ARRAYS),
]

# Datasets


def samples():
    for number in range(4):
        image = MOVIE[number, :3, :4].astype("u1")
        yield {"key": f"k{number}", "image": image, "label": number, "name": "x" * number}


def dataset(folder):
    with FileWriter(folder / "x.msgpack") as writer:
        for sample in samples():
            writer.write(sample)


def shards(folder):
    with ShardWriter(folder / "x-{}.msgpack", max_samples=2) as writer:
        for sample in samples():
            writer.write(sample)


def every_sample(folder):
    with MsgpackReader(folder / "x.msgpack") as reader:
        found = list(reader)
        reader.find_key(1), reader.find_index("k2"), "k3" in reader
    return found


def every_shard(folder):
    with ShardedReader(folder) as reader:
        return list(reader), reader.find_index("k2")


DATASETS = [
    Seed(
        dataset,
        (
            every_sample,
            lambda folder: check(folder / "x.msgpack", samples=True),
            images("msgpack", "x.msgpack", field="image"),
        ),
    ),
    Seed(shards, (every_shard, images("msgpack", field="image"))),
    Seed(
        lambda folder: (folder / "x").write_bytes(msgpack.packb(next(samples()))),
        (lambda folder: msgpack.unpackb((folder / "x").read_bytes()),),
    ),
]

# Images


def tif(folder, values=MOVIE, dtype="u2", **options):
    tifffile.imwrite(folder / "x.tif", values.astype(dtype), **options)


TIF = (
    images("tif", "x.tif"),
    images("tif", "x.tif", nplanes=1),
    lambda folder: tiff.decode((folder / "x.tif").read_bytes()),
    lambda folder: tiff.header((folder / "x.tif").read_bytes()),
    array("x.tif"),
    info("x.tif"),
)
TIFF = [
    Seed(made, TIF)
    for made in (
        tif,
        partial(tif, byteorder=">", photometric="minisblack", metadata=None),
        partial(tif, bigtiff=True, compression="zlib", predictor=True),
        partial(tif, compression="lzw"),
        partial(tif, dtype="u1", compression="packbits"),
        partial(tif, imagej=True, metadata={"unit": "um", "spacing": 2.0}),
        partial(tif, ome=True, metadata={"PhysicalSizeX": 0.5, "axes": "TYX"}),
        partial(tif, tile=(16, 16), dtype="f4"),
        partial(tif, metadata={"axes": "TYX"}, truncate=True),
        partial(tif, values=MOVIE.reshape(4, 2, 6, 10), metadata={"axes": "ZTYX"}, imagej=False),
        partial(tif, values=MOVIE[0] > 100, dtype=bool),
        lambda folder: tl.images.fromarray(MOVIE.astype("u2")).totif(folder / "out"),
    )
]
TIFF[-1] = Seed(TIFF[-1].make, (images("tif", "out"), info("out")))


def picture(folder, values, mode=None):
    Image.fromarray(values, mode).save(folder / "x.png")


def palette(folder):
    Image.fromarray(MOVIE[0].astype("u1")).convert("P").save(folder / "x.png", transparency=3)


GREY = MOVIE[0].astype("u1")
PNG = [
    Seed(
        made,
        (
            images("png", "x.png"),
            info("x.png"),
            lambda folder: png.decode((folder / "x.png").read_bytes()),
            lambda folder: tl.util.images.load(folder / "x.png"),
        ),
    )
    for made in (
        partial(picture, values=GREY),
        partial(picture, values=MOVIE[0].astype("u2")),
        partial(picture, values=GREY > 100),
        partial(picture, values=np.stack([GREY] * 3, -1)),
        palette,
    )
]

# Arrays


def npz(folder):
    batch = tl.batches.Batch(range(4)).load({"x": MOVIE}, dst="x")
    batch.dump(str(folder / "x.npz"), fmt="npz")


def saved(folder, order):
    np.save(folder / "x.npy", np.asarray(MOVIE, ">i4", order=order))


def batch_of(fmt, name):
    def read(folder):
        batch = tl.batches.Batch(range(4))
        loaded = batch.load(str(folder / name), fmt=fmt)
        return [getattr(loaded, each) for each in loaded.components or ()]

    def make(folder):
        batch = tl.batches.Batch(range(4)).load({"x": MOVIE[:, 0, 0]}, dst="x")
        batch.dump(str(folder / name), fmt=fmt)

    return Seed(make, (read,))


NPY = [
    Seed(
        partial(saved, order=order),
        (
            images("npy", "x.npy"),
            series("npy", "x.npy"),
            lambda folder: npy.decode((folder / "x.npy").read_bytes()),
            lambda folder: tl.arrays.initialize_source(folder / "x.npy"),
            array("x.npy"),
            info("x.npy"),
        ),
    )
    for order in "CF"
]
BATCHES = [
    batch_of("npz", "x.npz"),
    batch_of("csv", "x.csv"),
    batch_of("feather", "x.feather"),
    batch_of("hdf5", "x.h5"),
    batch_of("msgpack", "x.msgpack"),
    batch_of("zarr", "x.zarr"),
    batch_of("blosc", "x"),
]


def zarr_folder(folder, version=3, **options):
    array = zarr.create_array(
        folder / "x.zarr", shape=MOVIE.shape, chunks=(2, 12, 5), dtype="i2", zarr_format=version,
        **options,
    )  # fmt: skip
    array[...] = MOVIE


ZARR = [
    Seed(
        made, (images("zarr", "x.zarr"), series("zarr", "x.zarr"), array("x.zarr"), info("x.zarr"))
    )
    for made in (
        zarr_folder,
        partial(zarr_folder, version=2),
        partial(zarr_folder, compressors=GzipCodec()),
        partial(zarr_folder, version=2, compressors=Zlib()),
        partial(zarr_folder, shards=(4, 12, 10)),
        partial(zarr_folder, compressors=None),
    )
]

# Text


def conf(folder):
    tl.images.fromarray(MOVIE.astype("u2")).tobinary(folder / "images")
    tl.series.fromarray(MOVIE.astype("u2")).tobinary(folder / "series")


def words(name, text):
    return lambda folder: (folder / name).write_bytes(text)


TEXT = [
    Seed(conf, (images("binary", "images"), series("binary", "series"), info("images"))),
    Seed(
        words("x.txt", b"# a b\n1 2.5, 3e2\n4 5 -6\n\n7\t8 9\n"),
        (series("text", "x.txt"), series("text", "x.txt", skip=1), info("x.txt")),
    ),
    Seed(
        words("x.csv", b"time,speed\n0,1.5\n1,2.5\n2,2.0\n3,-1e3\n"),
        (lambda folder: read_signal(f"{folder}/x.csv:speed"),),
    ),
    Seed(
        words("x.json", json.dumps([{"name": "a", "value": [1, 2.5, 3]}]).encode()),
        (lambda folder: read_signal(f"{folder}/x.json:a"),),
    ),
]

# Archives, and files of other programs


def members(reader, name):
    def read(folder):
        with reader(folder / name) as opened:
            return list(opened)

    return read


def tarred(folder, mode="w"):
    with tarfile.open(folder / "x.tar", mode) as archive:
        for number in range(3):
            member = tarfile.TarInfo(f"cat/{number}.txt")
            member.size = 5
            archive.addfile(member, io.BytesIO(b"bytes"))


def zipped(folder):
    with zipfile.ZipFile(folder / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            archive.writestr(f"cat/{number}.txt", b"bytes" * number)


def mat(folder):
    from scipy.io import savemat

    savemat(folder / "x.mat", {"s": [[1.0, 2.0]], "t": {"u": ["a", "b"]}}, do_compression=True)


def pickled(folder):
    import pickle

    data = pickle.dumps({"x": np.arange(4), "y": ["a", 1]}, 2)
    (folder / "x.pkl").write_bytes(data)
    with zipfile.ZipFile(folder / "x.pt", "w") as archive:
        archive.writestr("archive/data.pkl", data)


ARCHIVES = [
    Seed(tarred, (members(TarReader, "x.tar"),)),
    Seed(partial(tarred, mode="w:gz"), (members(TarReader, "x.tar"),)),
    Seed(zipped, (members(ZipFileReader, "x.zip"),)),
    Seed(mat, (lambda folder: hdf5.variable((folder / "x.mat").read_bytes(), "s"),)),
    Seed(
        pickled,
        (
            lambda folder: safe_pickle.load((folder / "x.pkl").read_bytes(), "x.pkl"),
            lambda folder: safe_pickle.checkpoint((folder / "x.pt").read_bytes(), "x.pt"),
        ),
    ),
]

SEEDS = {
    "hdf5": HDF5,
    "datasets": DATASETS,
    "tiff": TIFF,
    "png": PNG,
    "npy": NPY,
    "batches": BATCHES,
    "zarr": ZARR,
    "text": TEXT,
    "archives": ARCHIVES,
}
