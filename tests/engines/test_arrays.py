"""`values`: a numpy array, or on Spark what can be used as one."""

from __future__ import annotations

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.engines import ArraySource, DistributedArray
from thunderlike.errors import BadIndexError, SpecError


@pytest.fixture
def array():
    return np.arange(2 * 5 * 10, dtype=np.int16).reshape(2, 5, 10)


@pytest.fixture
def values(engine, array):
    return tl.series.fromarray(array, engine=engine).values


def test_it_is_the_array_to_numpy(values, array):
    np.testing.assert_array_equal(np.asarray(values), array, strict=True)
    assert (values.shape, values.ndim, len(values), values.dtype) == ((2, 5, 10), 3, 2, array.dtype)


ITEMS = [
    (1, 3),
    1,
    (-1, -1),
    (0, 4, 7),
    slice(1, None),
    (slice(None), [3, 0]),
    (..., 2),
    (1, ..., slice(2, 4)),
    ([True, False],),
    (slice(0, 0),),
    (),
]


@pytest.mark.parametrize("item", ITEMS, ids=str)
def test_an_index_gives_what_numpy_gives(values, array, item):
    np.testing.assert_array_equal(values[item], array[item], strict=True)


def test_a_key_outside_is_an_index_error(values):
    with pytest.raises(IndexError):
        values[2, 0]


@pytest.mark.parametrize("shape", [(10, 10), (10, 2, 5), (2, 5, 10), (2, 5, 5, 2), (5, 2, 10)])
def test_reshape_of_whole_records(values, array, shape):
    expected = array.reshape(shape)
    np.testing.assert_array_equal(np.asarray(values.reshape(*shape)), expected, strict=True)
    np.testing.assert_array_equal(np.asarray(values.reshape(shape)), expected, strict=True)
    np.testing.assert_array_equal(np.asarray(values.reshape(shape)[1]), expected[1], strict=True)


def test_series_and_images_are_made_of_it(values, array):
    series = tl.series.fromarray(values)
    assert (series.shape, series.baseshape) == ((2, 5, 10), (2, 5))
    assert tl.Series(values).shape == (2, 5, 10)
    images = tl.images.fromarray(values.reshape(10, 2, 5))
    np.testing.assert_array_equal(images.toarray(), array.reshape(10, 2, 5), strict=True)
    assert images.mode == series.mode == tl.Images(images.values).mode


def test_values_of_images_whose_records_are_flat(engine):
    flat = tl.images.fromrandom((4, 2, 3), engine=engine).map(np.ravel)
    assert flat.values.shape == (4, 6)
    assert tl.Series(flat.values).shape == (4, 6)


@pytest.mark.spark
class TestDistributed:
    @pytest.fixture
    def far(self, spark_context, array):
        return tl.series.fromarray(array, engine=spark_context).values

    def test_what_it_is(self, far):
        assert type(far) is DistributedArray
        assert repr(far) == "DistributedArray(shape=(2, 5, 10), dtype=int16)"

    def test_pairs(self, far, array):
        pairs = far.reshape(10, 10).tordd().collect()
        assert [key for key, _ in pairs] == [(i,) for i in range(10)]
        np.testing.assert_array_equal([value for _, value in pairs], array.reshape(10, 10))

    def test_a_record_stays_in_one_piece(self, far):
        with pytest.raises(SpecError, match="toarray"):
            far.reshape(20, 5)
        with pytest.raises(SpecError, match="toarray"):
            far.reshape(2, 5, 11)

    def test_keys_outside_are_named(self, far):
        with pytest.raises(BadIndexError, match=r"shape \(2, 5\)"):
            far[2, 0]

    def test_images_want_one_axis_of_keys(self, far):
        with pytest.raises(SpecError, match="one piece"):
            tl.Images(far)


def test_nothing_is_computed_until_asked():
    from thunderlike.testing.engines import ComputedError, LazyEngine

    records = LazyEngine().load(ArraySource(np.zeros((6, 4))))
    far = records.array((2, 3)).reshape(6, 2, 2)
    assert far.shape == (6, 2, 2)
    with pytest.raises(ComputedError):
        far.toarray()
