"""Filters and projections of blocks, against scipy and numpy image by image."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from thunderlike.errors import SpecError
from thunderlike.kernels import filters
from thunderlike.kernels.gaussian import gaussian

DTYPES = ["bool", "uint8", "int16", "uint16", "int64", "float32", "float64"]


def images(shape, dtype):
    return (np.random.default_rng(0).random(shape) * 3000).astype(dtype)


def each(function, block):
    return np.stack([function(image) for image in block])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("shape", "size"), [((3, 17, 12), 3), ((3, 17, 12), (0, 4)), ((2, 9, 8, 5), (2, 2, 0))]
)
def test_uniform_is_scipys_to_the_bit(shape, size, dtype):
    block = images(shape, dtype)
    expected = each(lambda image: ndimage.uniform_filter(image, size), block)
    np.testing.assert_array_equal(filters.uniform(block, size), expected, strict=True)


@pytest.mark.parametrize("function", [gaussian, filters.uniform])
@pytest.mark.parametrize("dtype", ["float16", "object", "datetime64[s]"])
def test_a_filter_says_which_dtype_it_cannot_work_on(function, dtype):
    name = function.__name__
    with pytest.raises(SpecError, match=rf"{name} filter .*{dtype.replace('[', '.')[:8]}"):
        function(np.zeros((1, 3, 3), dtype))


def test_linear_filters_work_on_complex_images():
    block = images((1, 5, 5), "complex64")
    assert gaussian(block).dtype == filters.uniform(block).dtype == block.dtype


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
