"""Sums of steered residuals: compiled loops against numpy, and both against the formula."""

from __future__ import annotations

import numpy as np
import pytest

from thunderlike.kernels.residuals import steered_sums

RNG = np.random.default_rng(0)


def cells(length, nodes):
    """Cell of each pixel, and its position in the cell."""
    places = np.linspace(0, length - 1, nodes)
    pixels = np.arange(length)
    found = np.clip(np.searchsorted(places, pixels, side="right") - 1, 0, nodes - 2)
    weights = (pixels - places[found]) / (places[found + 1] - places[found])
    return found.astype(np.int64), weights.astype(np.float32)


def arguments(shape, scale):
    nd = 3 if shape[0] > 1 else 2
    image, reference = RNG.normal(100, 10, (2, *shape)).astype(np.float32)
    steering = RNG.normal(size=(nd, *shape)).astype(np.float32)
    field = RNG.normal(0, scale, (nd, 4, 3)).astype(np.float32)
    places = (*cells(shape[-2], 4), *cells(shape[-1], 3))
    return image, reference, steering, field, *places, np.array([0.9, 3], np.float32)


@pytest.mark.parametrize("scale", [0, 0.4, 9])
@pytest.mark.parametrize("shape", [(1, 31, 26), (4, 31, 26)])
def test_compiled_loops_give_the_bits_of_numpy(shape, scale, monkeypatch):
    monkeypatch.setenv("THUNDERLIKE_NUMBA", "always")
    for whole in (False, True):  # whole displacements reach the last pixels of an axis
        given = arguments(shape, scale)
        if whole:
            given[3][...] = np.round(given[3][:, :1, :1])
        plain, compiled = np.full((2, len(given[3]), 4, 26), np.nan, np.float32)
        steered_sums.plain(*given, plain)
        steered_sums.choose(True)(*given, compiled)
        np.testing.assert_array_equal(compiled, plain)


def test_a_whole_shift_reads_the_next_pixel():
    image, reference, steering, field, *rest = arguments((1, 31, 26), 0)
    field[1] = 1
    sums = np.empty((2, 4, 26), np.float32)
    steered_sums.plain(image, reference, steering, field, *rest, sums)
    residual = np.zeros((31, 26), np.float32)
    residual[:, :-1] = image[0, :, 1:] * np.float32(0.9) - (reference[0, :, :-1] + np.float32(3))
    found = sums.sum(axis=1)
    expected = (steering[:, 0] * residual).sum(axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-3)
