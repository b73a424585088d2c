from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from thunderlike.kernels.box_sums import box_sums

CASES = [
    ((9, 12), (3, 5)),
    ((9, 12), (1, 25)),
    ((11,), (3,)),
    ((6, 7, 8), (3, 5, 7)),
    ((4, 5), (1, 1)),
]


def summed(values, sizes, compiled):
    out = np.full_like(values, np.nan)
    box_sums(values, sizes, weights_of(values), out, compiled=compiled)
    return out


def weights_of(values):
    return np.arange(values[..., 0].size, dtype="f4").reshape(values.shape[:-1])


@pytest.mark.parametrize("compiled", [False, True], ids=["plain", "compiled"])
@pytest.mark.parametrize(("shape", "sizes"), CASES)
def test_sums_are_those_of_boxes(shape, sizes, compiled):
    values = np.random.default_rng(0).integers(-9, 9, (*shape, 4)).astype("f4")
    expected = ndimage.convolve(values, np.ones((*sizes, 1)), mode="constant")
    expected *= weights_of(values)[..., np.newaxis]
    before = values.copy()
    np.testing.assert_array_equal(summed(values, sizes, compiled), expected)
    np.testing.assert_array_equal(values, before)


def test_loops_give_the_bits_of_numpy():
    values = np.random.default_rng(1).normal(size=(13, 17, 31)).astype("f4")
    plain, loops = (summed(values, (5, 7), compiled) for compiled in (False, True))
    np.testing.assert_array_equal(plain, loops)
