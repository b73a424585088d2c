"""Matrix products over records, against numpy on all records at once."""

from __future__ import annotations

import numpy as np
import pytest

from thunderlike.errors import SpecError
from thunderlike.kernels.linalg import Comoments, gramian, times

DTYPES = ["bool", "uint8", "int16", "float32", "float64", ">i2"]


def block(dtype="float64", shape=(1000, 7)):
    return np.random.default_rng(4).normal(100, 30, shape).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_gramian_is_that_of_float64(dtype):
    values = block(dtype)
    long = values.astype("float64")
    found = gramian(values)
    np.testing.assert_allclose(found, long.T @ long)
    assert found.dtype == "float64"
    assert gramian(values[:0]).tolist() == np.zeros((7, 7)).tolist()


def test_gramian_of_small_integers_does_not_overflow():
    """Thunder gave -7936 for this."""
    assert gramian(np.full((1, 1), 10_000, "int16")).tolist() == [[1e8]]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("edges", [[], [1], [0, 400, 999]])
def test_covariance_is_numpys_however_it_is_cut(dtype, edges):
    values = block(dtype)
    merged = Comoments.of(values[:0])
    for part in np.split(values, edges):
        merged = merged.merge(Comoments.of(part))
    np.testing.assert_allclose(
        merged.cov, np.cov(values.astype("float64"), rowvar=False), rtol=1e-9
    )
    np.testing.assert_allclose(merged.mean, values.mean(0, dtype="float64"))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", ">i2"])
def test_comoments_in_single_precision_are_close_and_need_no_alignment(dtype):
    values = block(dtype, (2500, 9))
    memory = np.empty(values.nbytes + 4 * values.itemsize, "uint8")
    found = []
    for start in (0, values.itemsize, 3 * values.itemsize):
        moved = memory[start : start + values.nbytes].view(dtype).reshape(values.shape)
        moved[...] = values
        found.append(Comoments.of(moved, dtype="float32"))
    expected = np.cov(values.astype("float64"), rowvar=False)
    np.testing.assert_allclose(found[0].cov, expected, atol=2e-6 * expected.max())
    np.testing.assert_allclose(found[0].mean, values.mean(0, dtype="float64"), rtol=1e-6)
    for other in found[1:]:
        np.testing.assert_array_equal(other.products, found[0].products)


def test_covariance_with_a_large_offset_keeps_its_digits():
    values = np.random.default_rng(0).normal(0, 1, (2000, 3))
    found = Comoments.of(values[:700] + 1e8).merge(Comoments.of(values[700:] + 1e8)).cov
    np.testing.assert_allclose(found, np.cov(values, rowvar=False), atol=1e-6)


def test_covariance_of_one_record_is_not_known():
    assert np.isnan(Comoments.of(block()[:1]).cov).all()


def test_nan_stays_at_its_positions():
    values = block()
    values[3, 2] = np.nan
    assert np.isnan(Comoments.of(values).cov).sum() == 13


@pytest.mark.parametrize("function", [gramian, Comoments.of])
def test_what_is_no_real_number_is_refused(function):
    with pytest.raises(SpecError, match="complex128"):
        function(block("complex128"))


@pytest.mark.parametrize(
    ("dtype", "other", "result"),
    [
        ("int16", "int16", "int64"),
        ("uint8", "uint8", "uint64"),
        ("float32", "float32", "float32"),
        ("int16", "float64", "float64"),
        ("bool", "bool", "int64"),
    ],
)
def test_times_is_numpys_product_with_room(dtype, other, result):
    values, matrix = block(dtype), block(other, (7, 3))
    found = times(values, matrix)
    np.testing.assert_allclose(found, values.astype(result) @ matrix.astype(result), rtol=1e-5)
    assert found.dtype == result
    assert (times(values[:0], matrix).shape, times(values[:0], matrix).dtype) == ((0, 3), result)
