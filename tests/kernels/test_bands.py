"""Gaussian filters by banded matrices, against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thunderlike.errors import SpecError
from thunderlike.kernels import bands, filters


@given(
    shape=st.lists(st.integers(1, 150), min_size=1, max_size=2),
    sigma=st.just(0) | st.floats(0.3, 12),
    order=st.integers(0, 2),
    dtype=st.sampled_from(["float64", "float32", "complex64"]),
)
def test_it_is_scipys_but_for_rounding(shape, sigma, order, dtype):
    block = np.random.default_rng(0).normal(size=(2, *shape)).astype(dtype)
    found, expected = bands.gaussian(block, sigma, order), filters.gaussian(block, sigma, order)
    assert found.dtype == block.dtype
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(
        found,
        expected,
        rtol=0,
        atol=200 * eps * max(1, np.abs(block).max(), np.abs(expected).max()),
    )


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32"])
def test_whole_numbers_differ_by_one_at_most(dtype):
    block = np.random.default_rng(0).integers(0, 250, (2, 70, 90)).astype(dtype)
    found = bands.gaussian(block, 2).astype(int)
    assert found.dtype == int
    assert np.abs(found - filters.gaussian(block, 2)).max() <= 1


def test_volumes_and_a_sigma_for_each_axis():
    block = np.random.default_rng(0).normal(size=(2, 5, 80, 70))
    for sigma in ((0, 3, 1.5), (2, 0, 0), 1):
        np.testing.assert_allclose(
            bands.gaussian(block, sigma), filters.gaussian(block, sigma), atol=1e-12
        )


def test_no_images_and_images_of_nothing():
    assert bands.gaussian(np.zeros((0, 4, 5), "int16"), 1).shape == (0, 4, 5)
    assert bands.gaussian(np.zeros((3, 0, 5), "int16"), 1).shape == (3, 0, 5)


@pytest.mark.parametrize("wrong", [{"sigma": -1}, {"sigma": (1, 2, 3)}, {"order": 0.5}])
def test_wrong_arguments_are_the_same_errors(wrong):
    with pytest.raises(SpecError, match=r"sigma|order"):
        bands.gaussian(np.zeros((1, 4, 4)), **wrong)
