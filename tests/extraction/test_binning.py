from __future__ import annotations

import itertools

import numpy as np
import pytest

from thunderlike.data.blocks import Grid
from thunderlike.engines.base import Spec
from thunderlike.extraction.binning import BinnedBlocks


def put_together(frames, size, cuts, order=None):
    """Blocks made of pieces between cuts, in some order of arrival."""
    grid = Grid(frames.shape[1:], (4, 5), (1, 2))
    exchange = BinnedBlocks(Spec(len(frames), frames.shape[1:], frames.dtype), grid, size)
    pieces = [exchange.cut(a, frames[a:b], 0, grid.count) for a, b in itertools.pairwise(cuts)]
    out = exchange.spec.empty()
    for number in range(len(pieces)) if order is None else order:
        exchange.place(out, 0, pieces[number])
    return grid, out


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
def test_every_division_of_the_frames_gives_the_same_bits(dtype):
    rng = np.random.default_rng(0)
    frames = (rng.normal(90, 20, (47, 9, 8)) * (1 if dtype[0] != "f" else np.pi)).astype(dtype)
    grid, whole = put_together(frames, 5, [0, 47])
    for cuts in ([0, 3, 4, 21, 22, 47], [0, 10, 20, 46, 47], list(range(48))):
        for order in (None, rng.permutation(len(cuts) - 1)):
            _, parts = put_together(frames, 5, cuts, order)
            for one, other in zip(whole, parts, strict=True):
                np.testing.assert_array_equal(one.values, other.values)
                assert not other.pending
    means = frames[:45].reshape(9, 5, 9, 8).mean(axis=1, dtype=float)
    for number, block in enumerate(whole):
        expected = means[(slice(None), *grid.outer(number))].astype("float32")
        np.testing.assert_allclose(block.values, expected, rtol=1e-6)
        assert (block.values.dtype, block.frames) == (np.float32, 45)


def test_frames_of_nan_are_left_out_and_pixels_stay_nan():
    frames = np.arange(6.0)[:, None, None] * np.ones((6, 4, 5))
    frames[1] = np.nan
    frames[3:] = np.nan
    frames[0, 2, 2] = np.nan
    _, (block,) = put_together(frames, 3, [0, 2, 6])
    assert block.values[0, 0, 0] == 1
    assert np.isnan(block.values[0, 2, 2])
    assert np.isnan(block.values[1]).all()


def test_saturated_frames_are_counted():
    frames = np.zeros((10, 4, 5), "uint8")
    frames[2:7, 1, 1] = 255
    _, (block,) = put_together(frames, 5, [0, 3, 10])
    assert block.saturated[1, 1] == 5
    assert block.saturated.sum() == 5
