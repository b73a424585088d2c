"""Filters and projections of blocks, against scipy and numpy image by image."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from thunderlike.errors import SpecError
from thunderlike.kernels import filters

DTYPES = ["bool", "uint8", "int16", "uint16", "int64", "float32", "float64"]


def images(shape, dtype):
    return (np.random.default_rng(0).random(shape) * 3000).astype(dtype)


def each(function, block):
    return np.stack([function(image) for image in block])


@pytest.mark.parametrize("dtype", DTYPES)
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
def test_gaussian_is_scipys_to_the_bit(shape, sigma, dtype):
    block = images(shape, dtype)
    expected = each(lambda image: ndimage.gaussian_filter(image, sigma), block)
    np.testing.assert_array_equal(filters.gaussian(block, sigma), expected, strict=True)


@pytest.mark.parametrize("order", [1, (0, 2)])
def test_gaussian_derivatives_are_scipys(order):
    block = images((3, 17, 12), "float32")
    expected = each(lambda image: ndimage.gaussian_filter(image, 2, order=order), block)
    np.testing.assert_array_equal(filters.gaussian(block, 2, order), expected, strict=True)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("shape", "size"), [((3, 17, 12), 3), ((3, 17, 12), (0, 4)), ((2, 9, 8, 5), (2, 2, 0))]
)
def test_uniform_is_scipys_to_the_bit(shape, size, dtype):
    block = images(shape, dtype)
    expected = each(lambda image: ndimage.uniform_filter(image, size), block)
    np.testing.assert_array_equal(filters.uniform(block, size), expected, strict=True)


@pytest.mark.parametrize("name", ["gaussian", "uniform"])
@pytest.mark.parametrize("dtype", ["float16", "object", "datetime64[s]"])
def test_a_filter_says_which_dtype_it_cannot_work_on(name, dtype):
    with pytest.raises(SpecError, match=rf"{name} filter .*{dtype.replace('[', '.')[:8]}"):
        getattr(filters, name)(np.zeros((1, 3, 3), dtype))


def test_linear_filters_work_on_complex_images():
    block = images((1, 5, 5), "complex64")
    assert filters.gaussian(block).dtype == filters.uniform(block).dtype == block.dtype


@pytest.mark.parametrize("sigma", [-1, (1, 2, 3), (1, -2), np.nan, np.inf])
def test_gaussian_refuses_an_invalid_sigma(sigma):
    with pytest.raises(SpecError, match="sigma"):
        filters.gaussian(np.zeros((1, 3, 3)), sigma)


@pytest.mark.parametrize("order", [-1, 1.5, (0, 1, 0)])
def test_gaussian_refuses_an_invalid_order(order):
    with pytest.raises(SpecError, match="order"):
        filters.gaussian(np.zeros((1, 3, 3)), 1, order)


@pytest.mark.parametrize("factor", [1, 2, 3, (2, 1), (5, 100)])
def test_subsampling_keeps_the_first_pixel_of_each_stride(factor):
    block = images((3, 7, 8), "int16")
    a, b = np.broadcast_to(factor, 2)
    found = filters.subsample(block, factor)
    np.testing.assert_array_equal(found, block[:, ::a, ::b], strict=True)
    assert found.shape[1:] == (-(-7 // a), -(-8 // b))
    assert found.flags.c_contiguous
    assert not np.shares_memory(found, block)


@pytest.mark.parametrize("factor", [0, -1, 1.5, (2, 0), (2, 2, 2), (2,)])
def test_subsampling_refuses_an_invalid_factor(factor):
    with pytest.raises(SpecError, match="factor"):
        filters.subsample(np.zeros((1, 4, 4)), factor)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_projections_along_every_axis(axis, dtype):
    block = images((3, 4, 5, 6), dtype)
    along = axis + 1 if axis >= 0 else axis
    shape = tuple(np.delete((3, 4, 5, 6), along))
    highest = filters.max_projection(block, axis)
    np.testing.assert_array_equal(highest, block.max(axis=along), strict=True)
    both = filters.max_min_projection(block, axis)
    expected = block.max(axis=along).astype("float64") + block.min(axis=along)
    np.testing.assert_allclose(both, expected)
    assert highest.shape == both.shape == shape
    assert both.dtype == filters.wider(block.dtype)


@pytest.mark.parametrize(
    ("dtype", "longer"),
    [
        ("bool", "uint8"),
        ("int8", "int16"),
        ("uint16", "uint32"),
        ("int32", "int64"),
        ("int64", "int64"),
        ("float32", "float32"),
    ],
)
def test_the_sum_of_two_has_room(dtype, longer):
    assert filters.wider(np.dtype(dtype)) == np.dtype(longer)


def test_a_projection_feels_a_nan():
    block = np.array([[[1.0, np.nan], [2.0, 3.0]]])
    np.testing.assert_array_equal(filters.max_projection(block), [[np.nan, 3]])
    np.testing.assert_array_equal(filters.max_min_projection(block), [[np.nan, 5]])


@pytest.mark.parametrize("axis", [2, -3])
def test_there_is_no_projection_along_an_axis_that_is_not_there(axis):
    with pytest.raises(SpecError, match="axes 0 to 1"):
        filters.max_projection(np.zeros((1, 4, 5)), axis)


@given(
    shape=st.lists(st.integers(1, 150), min_size=1, max_size=2),
    sigma=st.just(0) | st.floats(0.3, 12),
    order=st.integers(0, 2),
    dtype=st.sampled_from(["float64", "float32", "complex64"]),
)
def test_fast_gaussian_is_that_of_scipy_up_to_rounding(shape, sigma, order, dtype):
    block = np.random.default_rng(0).normal(size=(2, *shape)).astype(dtype)
    found, expected = (
        filters.fast_gaussian(block, sigma, order),
        filters.gaussian(block, sigma, order),
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
    found = filters.fast_gaussian(block, 2).astype(int)
    assert found.dtype == int
    assert np.abs(found - filters.gaussian(block, 2)).max() <= 1


def test_fast_gaussian_of_volumes_and_a_sigma_for_each_axis():
    block = np.random.default_rng(0).normal(size=(2, 5, 80, 70))
    for sigma in ((0, 3, 1.5), (2, 0, 0), 1):
        np.testing.assert_allclose(
            filters.fast_gaussian(block, sigma), filters.gaussian(block, sigma), atol=1e-12
        )


def test_fast_gaussian_of_no_images_and_images_of_nothing():
    assert filters.fast_gaussian(np.zeros((0, 4, 5), "int16"), 1).shape == (0, 4, 5)
    assert filters.fast_gaussian(np.zeros((3, 0, 5), "int16"), 1).shape == (3, 0, 5)


@pytest.mark.parametrize("wrong", [{"sigma": -1}, {"sigma": (1, 2, 3)}, {"order": 0.5}])
def test_wrong_arguments_are_the_same_errors(wrong):
    with pytest.raises(SpecError, match=r"sigma|order"):
        filters.fast_gaussian(np.zeros((1, 4, 4)), **wrong)
