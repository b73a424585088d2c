"""Collections to dask arrays and back, by the real dask."""

from __future__ import annotations

import pickle
import sys
import threading

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import MissingExtraError, SpecError
from thunderlike.testing import LazyEngine

da = pytest.importorskip("dask.array")

VALUES = np.random.default_rng(0).normal(size=(9, 4, 5))


def test_a_dask_array_has_the_values_in_chunks_of_records(engine):
    movie = tl.images.fromarray(VALUES, engine=engine)
    array = movie.todask(chunks=4)
    assert array.chunks == ((4, 4, 1), (4,), (5,))
    np.testing.assert_array_equal(array.compute(), VALUES, strict=True)
    np.testing.assert_allclose((array[2:7] * 2).mean(axis=0).compute(), 2 * VALUES[2:7].mean(0))
    series = movie.toseries().todask(chunks=(3))
    assert series.chunks == ((3, 1), (3, 2), (9,))
    np.testing.assert_array_equal(series[1, 2].compute(), VALUES[:, 1, 2])


def test_images_and_series_are_read_from_chunks(engine):
    turned = VALUES.transpose(1, 2, 0)
    array = da.from_array(VALUES.astype(">f8"), chunks=(4, 2, 5)) + 1
    movie = tl.images.fromdask(array, labels=range(9), engine=engine)
    np.testing.assert_array_equal(movie.toarray(), VALUES + 1, strict=True)
    assert movie.labels.tolist() == list(range(9))
    series = tl.series.fromdask(da.from_array(turned, chunks=(3, 2, 4)), engine=engine)
    np.testing.assert_array_equal(series.toarray(), turned)


def test_nothing_is_computed_to_make_one_and_nothing_copied_here():
    lazy = tl.images.fromrandom((10, 4, 6), engine=LazyEngine())
    assert lazy.gaussian_filter(1).todask().shape == (10, 4, 6)
    array = tl.images.fromarray(VALUES).todask(chunks=4)
    shared = array.map_blocks(
        lambda part: np.full((len(part), 1, 1), np.shares_memory(part, VALUES))
    )
    assert shared.compute(scheduler="synchronous").all()


@pytest.mark.spark
def test_on_spark_only_the_chunk_asked_for_is_computed(spark_context, tmp_path):
    def seen(pair):
        (number,), image = pair
        (tmp_path / str(number)).touch()
        return image

    movie = tl.images.fromarray(VALUES, engine=spark_context, npartitions=9)
    array = movie.map(seen, (4, 5), float, with_keys=True).todask(chunks=1)
    np.testing.assert_array_equal(array[3].compute(), VALUES[3])
    assert [path.name for path in tmp_path.iterdir()] == ["3"]


def test_a_chunk_is_computed_once_on_the_engines_threads():
    lock, calls = threading.Lock(), []

    def counted(block):
        with lock:
            calls.append(block.shape)
        return block

    array = da.from_array(VALUES, chunks=(2, -1, -1)).map_blocks(counted, dtype=float)
    calls.clear()
    tl.images.fromdask(array)
    assert sorted(calls) == [(1, 4, 5), *[(2, 4, 5)] * 4]


def test_a_single_image_and_a_single_series_are_one():
    assert tl.images.fromdask(da.zeros((4, 5))).shape == (1, 4, 5)
    assert tl.series.fromdask(da.zeros(7)).shape == (1, 7)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 3, 4)), "not a dask array but ndarray: fromarray takes arrays"),
        (da.zeros(3), r"an image has at least 2 axes, the array has shape \(3,\)"),
        (da.zeros((6, 4, 5))[da.zeros(6) == 0], r"call its compute_chunk_sizes\(\) before"),
    ],
)
def test_unreadable_arrays_are_reported(array, message):
    with pytest.raises(SpecError, match=message):
        tl.images.fromdask(array)


def test_without_dask_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "dask.array", None)
    with pytest.raises(MissingExtraError, match=r"dask is not installed: .*thunderlike\[interop\]"):
        tl.images.fromarray(VALUES).todask()


@pytest.mark.spark
def test_what_is_on_spark_already_does_not_go_through_dask_to_other_processes(spark_context):
    array = tl.images.fromarray(VALUES, engine=spark_context).todask(chunks=4)
    np.testing.assert_array_equal(tl.images.fromdask(array).toarray(), VALUES)
    with pytest.raises(pickle.PicklingError, match="leave out engine=, or use the collection"):
        tl.images.fromdask(array, engine=spark_context).toarray()
