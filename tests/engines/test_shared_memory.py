"""Arrays that workers of this machine write here themselves."""

from __future__ import annotations

import contextlib
import gc
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.engines import shared_memory
from thunderlike.engines.base import Spec
from thunderlike.engines.shared_memory import SharedArray, can_share, write_bytes

pytestmark = pytest.mark.skipif(
    not can_share("local", 2**30), reason="no memory without a name here"
)

FILES = Path("/proc/self/fd")
MOVIE = np.random.default_rng(0).integers(0, 999, (40, 128, 200)).astype("i2")  # 2 MiB


@pytest.mark.parametrize(
    ("master", "there"),
    [("local", True), ("local[*]", True), ("local[2,3]", True), ("local-cluster[1,1,1024]", False)],
)
def test_only_on_this_machine(master, there):
    assert can_share(master, 2**21) == there


def test_another_process_writes_and_the_array_outlives_the_file():
    with SharedArray(Spec(4, (3,), np.dtype("f8")), 4) as place:
        write_bytes(place.path, 24, np.ones((2, 3)))
        code = f"import os; os.pwrite(os.open({place.path!r}, os.O_WRONLY), bytes([255]) * 24, 0)"
        subprocess.run([sys.executable, "-c", code], check=True)
        path = place.path
    assert not Path(path).exists()
    array = place.array
    assert np.isnan(array[0]).all()
    np.testing.assert_array_equal(array[1:], [[1, 1, 1], [1, 1, 1], [0, 0, 0]])
    array[:] = 7
    assert array.sum() == 84


def test_no_file_stays_open():
    def identity(path):
        found = os.stat(path)  # noqa: PTH116  # of what a link leads to
        return found.st_dev, found.st_ino

    ours = set()
    for _ in range(5):
        with SharedArray(Spec(4, (3,), np.dtype("f8")), 4) as place:
            place.array[0] = 1
            ours.add(identity(place.path))
    del place
    gc.collect()  # the map of an array keeps the file open
    there = set()
    for file in FILES.iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile by another thread
            there.add(identity(file))
    assert ours.isdisjoint(there)


@pytest.mark.spark
@pytest.mark.parametrize("part", [slice(None), slice(7, 33), slice(39, None)], ids=str)
def test_collecting_gives_what_was_there(spark_context, monkeypatch, part):
    monkeypatch.setattr(shared_memory, "MIN_SHARED_BYTES", 1)
    movie = tl.images.fromarray(MOVIE, engine=spark_context, npartitions=3)
    found = movie[part].toarray(squeeze=False)
    np.testing.assert_array_equal(found, MOVIE[part], strict=True)
    found[...] = 0  # it is the caller's own
    np.testing.assert_array_equal(movie[part].toarray(squeeze=False), MOVIE[part])
    series = movie.toseries()
    np.testing.assert_array_equal(series.toarray(), MOVIE.transpose(1, 2, 0), strict=True)


@pytest.mark.spark
def test_what_a_worker_raises_arrives(spark_context):
    movie = tl.images.fromarray(np.zeros((40, 128, 200)), engine=spark_context)
    with pytest.raises(tl.errors.WorkerFailedError, match="ZeroDivisionError"):
        movie.map(lambda image: 1 // 0, value_shape=(128, 200), dtype="f8").toarray()
