"""Writers on a disk that is too small: an error with the path, no leftovers, and the old data."""

from __future__ import annotations

import datetime
import subprocess

import numpy as np
import pytest

import thunderlike as tl
from thunderlike import storage
from thunderlike.batches import Batch
from thunderlike.errors import StorageError

LARGE = np.random.default_rng(0).integers(0, 255, (40, 256, 512)).astype("u1")
SMALL = LARGE[:2, :16, :16]
START = datetime.datetime(2026, 5, 4, tzinfo=datetime.UTC)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 3 MiB, if we may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", place]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk takes root")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def samples(path, values, **options):
    with tl.datasets.FileWriter(path, **options) as writer:
        for number, value in enumerate(values):
            writer.write({"key": f"{len(values)} {number}", "x": value})


def shards(path, values, **options):
    with tl.datasets.ShardWriter(f"{path}/{{}}.msgpack", max_samples=8, **options) as writer:
        for number, value in enumerate(values):
            writer.write({"key": str(number), "x": value})


def collected(kind, method, **options):
    """A writer of images or series."""

    def write(path, values):
        found = tl.images.fromarray(values)
        found = found.toseries() if kind == "series" else found
        getattr(found, method)(path, overwrite=True, **options)

    return write


def dumped(fmt):
    return lambda path, values: Batch.from_data(data={"x": values}).dump(str(path), fmt)


WRITERS = {
    "save": lambda path, values: tl.save(path, {"x": values}),
    "save to a file": lambda path, values: tl.save(path, {str(len(values)): values}, mode="a"),
    "append": lambda path, values: tl.hdf5.append(path, "/x", values.reshape(-1, 16, 16), None),
    "FileWriter": lambda path, values: samples(path, values, overwrite=True),
    "ShardWriter": lambda path, values: shards(path, values, overwrite=True),
    "npz": dumped("npz"),
    "csv": lambda path, values: dumped("csv")(path, values.reshape(len(values), -1)[:, :40_000]),
    # Each position is a column: few of them, which take a second in place of twenty.
    "feather": lambda path, values: dumped("feather")(path, values.reshape(-1, 128)),
    "batches' hdf5": dumped("hdf5"),
    "blosc": dumped("blosc"),
    "image": lambda path, values: tl.util.images.save(f"{path}.png", values.reshape(-1, 16)),
    "storage": lambda path, values: storage.write(path, values.tobytes()),
    **{
        f"{kind} {method}": collected(kind, method)
        for kind, method in (
            *(("images", f"to{form}") for form in ("tif", "png", "binary", "npy", "hdf5", "zarr")),
            *(("series", f"to{form}") for form in ("binary", "npy", "hdf5", "text")),
            ("images", "tomsgpack"),
        )
    },
    "series tonwb": collected("series", "tonwb", name="x", rate=30, session_start_time=START),
    **{
        f"arrays {ext}": lambda path, values, ext=ext: tl.arrays.write(f"{path}.{ext}", values)
        for ext in ("npy", "tif", "h5", "zarr")
    },
}


def contents(folder):
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("there", [False, True], ids=["new", "there"])
@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_an_error_with_the_path_and_leaves_what_was_there(small_disk, name, there):
    path = small_disk / "x"
    if there:
        WRITERS[name](path, SMALL)
    before = contents(small_disk)
    with pytest.raises(StorageError, match=str(path)):
        WRITERS[name](path, LARGE)
    assert contents(small_disk) == before
