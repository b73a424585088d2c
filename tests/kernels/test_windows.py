"""Window sizes and mirrored borders, against scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from thunderlike.errors import SpecError
from thunderlike.kernels.filters import Windows, per_axis, shifts, window_sizes


@given(
    shape=st.lists(st.integers(1, 7), min_size=1, max_size=3).map(tuple),
    sizes=st.lists(st.integers(1, 9), min_size=3, max_size=3),
    target=st.integers(1, 50),
)
def test_windows_hold_the_pixels_that_scipys_do(shape, sizes, target):
    windows = Windows(shape, tuple(sizes[: len(shape)]))
    images = np.random.default_rng(0).integers(0, 1000, (2, *shape))
    pixels = windows.lay_out(images)
    found = np.zeros_like(pixels)
    for start, stop in windows.stretches(pixels.shape[1], target):
        lowest = pixels[:, start : stop + windows.halo]
        for step, size in windows.reach:
            lowest = np.min(shifts(lowest, step, size), axis=0)
        found[:, start:stop] = lowest
    expected = [ndimage.minimum_filter(image, windows.sizes) for image in images]
    np.testing.assert_array_equal(windows.cut(found), expected)


@given(
    shape=st.lists(st.integers(1, 7), min_size=1, max_size=3).map(tuple),
    sizes=st.lists(st.integers(1, 9), min_size=3, max_size=3),
)
def test_the_centre_of_a_window_is_its_own_pixel(shape, sizes):
    windows = Windows(shape, tuple(sizes[: len(shape)]))
    images = np.arange(math.prod(shape)).reshape(1, *shape)
    own = np.roll(windows.lay_out(images), -windows.centre, axis=1)
    np.testing.assert_array_equal(windows.cut(own), images)


@pytest.mark.parametrize("size", [-1, 2.5, (3, 3), (3, 3, 3, 3), np.nan, np.inf])
def test_a_size_that_is_no_window_is_refused(size):
    with pytest.raises(SpecError, match="size"):
        window_sizes(size, 3)


def test_one_number_stands_for_every_axis():
    assert per_axis(np.float64(1.5), 3, "sigma") == (1.5, 1.5, 1.5)
    assert window_sizes(np.array([3, 0]), 2) == (3, 1)
