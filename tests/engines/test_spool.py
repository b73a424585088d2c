"""Arrays that workers read from a file of the driver's."""

from __future__ import annotations

import errno

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.engines import ArraySource, Spec, shared_memory
from thunderlike.engines.shared_memory import SpooledSource, spool
from thunderlike.errors import EngineError


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(shared_memory, "MIN_SPOOLED_BYTES", 2**20)


class Context:
    """As much of a SparkContext as is asked."""

    master = "local[2]"

    def __init__(self, folder):
        self._temp_dir = str(folder)


@pytest.mark.parametrize("dtype", ["int16", "complex64", "bool", "datetime64[s]"])
def test_records_come_back(tmp_path, dtype):
    array = np.arange(2**20).reshape(64, 128, 128).astype(dtype)[:, ::-1]
    found = spool(ArraySource(array), Context(tmp_path))
    assert isinstance(found, SpooledSource)
    out = found.spec.empty(5)
    found.part(3, 8).read(3, 8, out)
    np.testing.assert_array_equal(out, array[3:8])


def test_small_arrays_objects_and_clusters_go_by_spark(tmp_path):
    context = Context(tmp_path)
    assert not isinstance(spool(ArraySource(np.zeros((2, 3))), context), SpooledSource)
    objects = ArraySource(np.full((2**18, 1), None))
    assert spool(objects, context) is objects
    context.master = "spark://node:7077"
    large = ArraySource(np.zeros((2**18, 1)))
    assert spool(large, context) is large
    assert not list(tmp_path.iterdir())


def test_a_file_that_was_cut_is_reported(tmp_path):
    (tmp_path / "short").write_bytes(b"123")
    short = SpooledSource(str(tmp_path / "short"), Spec(3, (2,), np.dtype("int16")))
    with pytest.raises(EngineError, match="short ends before record 3"):
        short.read(0, 3, short.spec.empty())


def test_a_disk_that_is_full(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "ascontiguousarray", full)
    with pytest.raises(EngineError, match=r"no room for an array of 2 MB.*SPARK_LOCAL_DIRS"):
        spool(ArraySource(np.zeros((2**18, 1))), Context(tmp_path))
    assert not list(tmp_path.iterdir())


@pytest.mark.spark
def test_a_large_array_and_its_pixels_on_spark(spark_context):
    array = np.random.default_rng(0).normal(size=(40, 100, 90))
    movie = tl.images.fromarray(array, engine=spark_context, npartitions=3)
    np.testing.assert_array_equal(movie.toseries().toarray(), np.moveaxis(array, 0, -1))
    np.testing.assert_array_equal(movie[5:7].toarray(), array[5:7])
