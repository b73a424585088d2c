"""Cutting a block into tiles, and what is done to one."""

from __future__ import annotations

import numpy as np
import pytest

from thunderlike.kernels.tiles import tiles


@pytest.mark.parametrize(("count", "length"), [(0, 3), (1, 5), (3, 100_000), (1000, 700), (4, 0)])
def test_tiles_cover_the_block_once_and_in_order(count, length):
    block = np.arange(count * length).reshape(count, length)
    seen = [(rows, tile.copy()) for rows, tile in tiles(block)]
    assert [row for rows, _ in seen for row in range(rows.start, rows.stop)] == list(range(count))
    if seen:
        np.testing.assert_array_equal(np.concatenate([tile for _, tile in seen]), block)


def test_tiles_are_small_unless_more_records_are_wanted():
    block = np.zeros((1000, 1000), "int16")
    assert {tile.shape[0] for _, tile in tiles(block)} == {262, 214}
    assert {tile.shape[0] for _, tile in tiles(block, width=30_000)} == {8}
    assert [tile.shape[0] for _, tile in tiles(block, least=900)] == [900, 100]


def test_tiles_are_copies_in_the_dtype_asked_for():
    block = np.ones((2, 3), "int16")
    for _, tile in tiles(block, np.float32):
        assert tile.dtype == np.float32
        tile[...] = 7
    assert (block == 1).all()
