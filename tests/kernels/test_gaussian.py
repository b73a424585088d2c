"""Gaussian filters of blocks, against scipy image by image."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from thunderlike.errors import SpecError
from thunderlike.kernels.gaussian import fast_gaussian, gaussian

DTYPES = ["bool", "uint8", "int16", "uint16", "int64", "float32", "float64"]


def images(shape, dtype):
    return (np.random.default_rng(0).random(shape) * 3000).astype(dtype)


@pytest.mark.parametrize(
    ("dtype", "compiled"),
    [
        *((dtype, False) for dtype in DTYPES),
        *((dtype, True) for dtype in ("bool", "int16", "float32")),
    ],
)
@pytest.mark.parametrize(
    ("shape", "sigma"),
    [
        ((3, 17, 12), 2),
        ((3, 17, 12), (0, 1.5)),
        ((2, 9, 8, 5), (2, 2, 0)),
        ((2, 9, 8, 5), 1),
        ((4, 6), 0),
    ],
)
def test_gaussian_is_scipys_to_the_bit(shape, sigma, dtype, compiled):
    block = images(shape, dtype)
    expected = np.stack([ndimage.gaussian_filter(image, sigma) for image in block])
    found = gaussian(block, sigma, compiled=compiled)
    np.testing.assert_array_equal(found, expected, strict=True)


def test_loops_take_views_read_only_arrays_and_sigmas_larger_than_the_image():
    block = images((2, 9, 140), "float32")
    block[0, 3, 5], block[1, 8, 139] = np.nan, np.inf
    readonly = block.copy()
    readonly.flags.writeable = False
    for values, sigma in ((block[:, ::2, ::-1], 1), (readonly, (7, 0.4))):
        found = gaussian(values, sigma, compiled=True)
        np.testing.assert_array_equal(found, gaussian(values, sigma, compiled=False), strict=True)
    unchanged = gaussian(block, 0, compiled=True)
    np.testing.assert_array_equal(unchanged, block)
    assert not np.shares_memory(unchanged, block)


@pytest.mark.parametrize("order", [1, (0, 2)])
def test_gaussian_derivatives_are_scipys(order):
    block = images((3, 17, 12), "float32")
    expected = np.stack([ndimage.gaussian_filter(image, 2, order=order) for image in block])
    np.testing.assert_array_equal(gaussian(block, 2, order, compiled=True), expected, strict=True)


@pytest.mark.parametrize("sigma", [-1, (1, 2, 3), (1, -2), np.nan, np.inf])
def test_gaussian_refuses_an_invalid_sigma(sigma):
    with pytest.raises(SpecError, match="sigma"):
        gaussian(np.zeros((1, 3, 3)), sigma)


@pytest.mark.parametrize("order", [-1, 1.5, (0, 1, 0)])
def test_gaussian_refuses_an_invalid_order(order):
    with pytest.raises(SpecError, match="order"):
        gaussian(np.zeros((1, 3, 3)), 1, order)


@given(
    shape=st.lists(st.integers(1, 150), min_size=1, max_size=2),
    sigma=st.just(0) | st.floats(0.3, 12),
    order=st.integers(0, 2),
    dtype=st.sampled_from(["float64", "float32", "complex64"]),
)
def test_fast_gaussian_is_that_of_scipy_up_to_rounding(shape, sigma, order, dtype):
    block = np.random.default_rng(0).normal(size=(2, *shape)).astype(dtype)
    found, expected = (
        fast_gaussian(block, sigma, order),
        gaussian(block, sigma, order),
    )
    assert found.dtype == block.dtype
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(
        found,
        expected,
        rtol=0,
        atol=200 * eps * max(1, np.abs(block).max(), np.abs(expected).max()),
    )


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32"])
def test_fast_gaussian_of_whole_numbers_differs_by_one_at_most(dtype):
    block = np.random.default_rng(0).integers(0, 250, (2, 70, 90)).astype(dtype)
    found = fast_gaussian(block, 2).astype(int)
    assert found.dtype == int
    assert np.abs(found - gaussian(block, 2)).max() <= 1


def test_fast_gaussian_of_volumes_and_a_sigma_for_each_axis():
    block = np.random.default_rng(0).normal(size=(2, 5, 80, 70))
    for sigma in ((0, 3, 1.5), (2, 0, 0), 1):
        np.testing.assert_allclose(fast_gaussian(block, sigma), gaussian(block, sigma), atol=1e-12)


def test_fast_gaussian_of_no_images_and_images_of_nothing():
    assert fast_gaussian(np.zeros((0, 4, 5), "int16"), 1).shape == (0, 4, 5)
    assert fast_gaussian(np.zeros((3, 0, 5), "int16"), 1).shape == (3, 0, 5)


@pytest.mark.parametrize("wrong", [{"sigma": -1}, {"sigma": (1, 2, 3)}, {"order": 0.5}])
def test_wrong_arguments_are_the_same_errors(wrong):
    with pytest.raises(SpecError, match=r"sigma|order"):
        fast_gaussian(np.zeros((1, 4, 4)), **wrong)
