"""Tiles of a block, and deviations from means."""

from __future__ import annotations

import numpy as np
import pytest

from thunderlike.kernels._tiles import centered, deviations, norm, tiles


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
