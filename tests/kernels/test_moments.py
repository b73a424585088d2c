"""Moments, totals and extremes, against numpy."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from thunderlike.errors import SpecError
from thunderlike.kernels.moments import Largest, Mean, Moments, Smallest, Total

PARTIALS = (Mean, Moments, Total, Largest, Smallest)


@given(
    arrays(
        st.sampled_from([np.bool_, np.uint8, np.int16, np.uint16, np.int32]),
        array_shapes(min_dims=1, max_dims=4, max_side=6),
    )
)
def test_whole_numbers_are_reduced_as_numpy_does(block):
    moments, total = Moments.of(block), Total.of(block)
    np.testing.assert_allclose(moments.mean, block.mean(axis=0), rtol=1e-14, atol=1e-12)
    np.testing.assert_allclose(moments.var, block.var(axis=0), rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(total.sum, block.sum(axis=0), strict=True)
    np.testing.assert_allclose(Mean.of(block).mean, block.mean(axis=0), rtol=1e-14)
    np.testing.assert_array_equal(Largest.of(block).value, block.max(axis=0), strict=True)
    np.testing.assert_array_equal(Smallest.of(block).value, block.min(axis=0), strict=True)


@pytest.mark.parametrize("shape", [(40, 10_000), (9, 70, 161), (300_000, 1), (3, 2, 8400, 2)])
def test_tiles_of_every_form_add_up_to_the_block(shape):
    block = np.random.default_rng(0).normal(5, 2, shape)
    np.testing.assert_allclose(Moments.of(block).mean, block.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(Moments.of(block).std, block.std(axis=0), rtol=1e-12)


def test_a_view_with_strides_is_a_block():
    block = np.random.default_rng(0).normal(size=(30, 8, 9))[::2, ::-1, 1::3]
    np.testing.assert_allclose(Moments.of(block).var, block.var(axis=0))
    np.testing.assert_allclose(Total.of(block).sum, block.sum(axis=0))


@pytest.mark.parametrize("value", [0.1, -1e6 - 0.3, 1e300, 7])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_constant_records_have_no_deviation_in_any_grouping(value, dtype):
    block = np.full((11, 3), value).astype(dtype)
    block = block[:, np.isfinite(block[0])]
    whole = Moments.of(block)
    merged = Moments.of(block[:4]).merge(Moments.of(block[4:]))
    for moments in (whole, merged):
        np.testing.assert_array_equal(moments.std, np.zeros(block.shape[1]))
        np.testing.assert_array_equal(moments.mean, block[0].astype("float64"))


def test_a_first_record_far_from_the_others_costs_no_digits():
    block = np.random.default_rng(0).normal(size=(1000, 4))
    block[0] = 1e8
    np.testing.assert_allclose(Moments.of(block).var, block.var(axis=0), rtol=1e-10)


NON_FINITE = np.array(
    [[np.nan, np.inf, 1.0, -np.inf, np.inf], [1.0, 2.0, np.inf, -np.inf, -np.inf], [3.0] * 5]
)


@pytest.mark.parametrize("cut", [0, 1, 2, 3])
def test_nan_and_inf_come_out_as_in_numpy(cut):
    def merged(kind):
        return kind.of(NON_FINITE[:cut]).merge(kind.of(NON_FINITE[cut:]))

    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(merged(Moments).mean, NON_FINITE.mean(axis=0))
        np.testing.assert_array_equal(merged(Moments).var, NON_FINITE.var(axis=0))
        np.testing.assert_array_equal(merged(Total).sum, NON_FINITE.sum(axis=0))
        np.testing.assert_array_equal(merged(Mean).mean, NON_FINITE.mean(axis=0))
    np.testing.assert_array_equal(merged(Largest).value, NON_FINITE.max(axis=0))
    np.testing.assert_array_equal(merged(Smallest).value, NON_FINITE.min(axis=0))


def test_one_record_is_its_own_mean():
    record = np.array([[0.1, -3.0]])
    np.testing.assert_array_equal(Moments.of(record).mean, record[0])
    np.testing.assert_array_equal(Moments.of(record).var, [0, 0])


def test_no_records_have_a_sum_and_no_mean():
    nothing = np.empty((0, 2), "int16")
    assert np.isnan(Moments.of(nothing).mean).all()
    assert np.isnan(Moments.of(nothing).std).all()
    assert np.isnan(Mean.of(nothing).mean).all()
    np.testing.assert_array_equal(Total.of(nothing).sum, np.zeros(2, "int64"), strict=True)


def test_sums_of_float32_keep_the_digits_that_float32_would_lose():
    block = np.full((2**14, 1), 0.1, "float32")
    block[0] = 2**20
    exact = block.astype("float64").sum()
    assert Total.of(block).sum.dtype == np.float32
    assert Total.of(block).sum == np.float32(exact)


def test_sums_of_complex_records_are_complex():
    np.testing.assert_array_equal(Mean.of(np.array([[1j], [2]])).mean, [1 + 0.5j])


@pytest.mark.parametrize("dtype", ["complex128", "object", "datetime64[s]"])
def test_only_real_numbers_have_a_variance(dtype):
    with pytest.raises(SpecError, match="no variance"):
        Moments.of(np.zeros((2, 2), dtype))


@pytest.mark.parametrize("kind", PARTIALS)
def test_partials_travel_between_processes(kind):
    block = np.arange(6.0).reshape(3, 2)
    there = pickle.loads(pickle.dumps(kind.of(block)))
    assert there.merge(kind.of(block)).count == 6


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
@pytest.mark.parametrize("compiled", ["0", "always"])
def test_means_of_64_bits_do_not_wrap_and_sums_do(dtype, compiled, monkeypatch):
    monkeypatch.setenv("THUNDERLIKE_NUMBA", compiled)
    block = np.full((50, 2), np.iinfo(dtype).max - 2**40, dtype)
    block[1::2] -= np.asarray(2**50, dtype)
    merged = Mean.of(block[:20]).merge(Mean.of(block[20:]))
    np.testing.assert_allclose(merged.mean, block.mean(axis=0), rtol=1e-15, strict=True)
    np.testing.assert_array_equal(Total.of(block).sum, block.sum(axis=0), strict=True)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16"])
@pytest.mark.parametrize("count", [2**15 - 1, 2**15, 2**17])
def test_sums_of_the_largest_small_numbers_are_exact(dtype, count):
    ends = np.iinfo(dtype)
    block = np.broadcast_to(np.array([ends.min, ends.max], dtype), (count, 2))
    assert Total.of(block).total.tolist() == [count * ends.min, count * ends.max]
    assert Total.of(block).total.itemsize == 8
