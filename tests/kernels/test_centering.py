"""Records less their means."""

from __future__ import annotations

import numpy as np
import pytest

from thunderlike.kernels.centering import centered, deviations, norm


@pytest.mark.parametrize("dtype", ["bool", "int16", "uint64", "float16", "float32", "longdouble"])
def test_deviations_are_those_of_a_copy_in_float64(dtype):
    block = np.random.default_rng(0).integers(0, 2, (300, 1000)).astype(dtype)
    expected = centered(copy := block.astype(float), copy)
    for rows, tile, norms in deviations(block):
        np.testing.assert_array_equal(tile, expected[rows])
        np.testing.assert_allclose(norms, norm(expected[rows]), rtol=1e-14)


def test_centered_and_norm_know_what_is_constant():
    records = np.array([[0.1] * 7, [1e12 + 1, 1e12 - 1, *[1e12] * 5]])
    tile = centered(records, np.empty_like(records))
    assert (tile[0] == 0).all()
    np.testing.assert_allclose(tile[1, :2], [1, -1])
    np.testing.assert_allclose(norm(tile), [[0], [np.sqrt(2)]])
