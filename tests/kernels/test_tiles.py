"""Tiles of a block, and deviations from means."""

from __future__ import annotations

import numpy as np
import pytest

from thunderlike.kernels import linalg, series
from thunderlike.kernels._tiles import centered, deviations, norm, row_products, tiles
from thunderlike.kernels.gaussian import fast_gaussian


@pytest.mark.parametrize(("count", "length"), [(0, 3), (1, 5), (3, 100_000), (1000, 700), (4, 0)])
def test_tiles_cover_the_block_once_and_in_order(count, length):
    block = np.arange(count * length).reshape(count, length)
    seen = [(rows, tile.copy()) for rows, tile in tiles(block)]
    assert [row for rows, _ in seen for row in range(rows.start, rows.stop)] == list(range(count))
    if seen:
        np.testing.assert_array_equal(np.concatenate([tile for _, tile in seen]), block)


def test_tiles_are_small_unless_more_records_are_wanted():
    block = np.zeros((1000, 1000), "int16")
    assert {tile.shape[0] for _, tile in tiles(block)} == {65, 25}
    assert {tile.shape[0] for _, tile in tiles(block, width=30_000)} == {2}
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
    rounding = 2**-52 if dtype == "float32" else 0  # its deviations are taken from another origin
    for rows, tile, norms in deviations(block):
        np.testing.assert_allclose(tile, expected[rows], rtol=0, atol=rounding)
        np.testing.assert_allclose(norms, norm(expected[rows]), rtol=1e-14)


def test_deviations_of_constant_records_of_float32_are_zero():
    block = np.random.default_rng(0).normal(scale=1e20, size=(50, 1)).astype("float32")
    for length in (1, 7, 300, 5000):
        for _, tile, norms in deviations(np.repeat(block, length, axis=1)):
            assert not tile.any()
            assert not norms.any()


def test_centered_and_norm_know_what_is_constant():
    records = np.array([[0.1] * 7, [1e12 + 1, 1e12 - 1, *[1e12] * 5]])
    tile = centered(records, np.empty_like(records))
    assert (tile[0] == 0).all()
    np.testing.assert_allclose(tile[1, :2], [1, -1])
    np.testing.assert_allclose(norm(tile), [[0], [np.sqrt(2)]])


RNG = np.random.default_rng(3)
BY_PRODUCTS = {
    "detrend": lambda block: series.detrend(block),
    "detrend 4": lambda block: series.detrend(block, "nonlinear", 4),
    "correlate": lambda block: series.correlate(block, np.arange(3)[:, None] ** SAMPLES / 3),
    "crosscorr": lambda block: series.crosscorr(block, SAMPLES % 7, 5),
    "times": lambda block: linalg.times(block, np.sin(np.outer(SAMPLES, [1, 2, 3, 4, 5.0]))),
    "gaussian of images": lambda block: fast_gaussian(block.reshape(-1, 9, 5), 2),
    "gaussian of lines": lambda block: fast_gaussian(block, 2),
}
SAMPLES = np.arange(45)


@pytest.mark.parametrize("dtype", ["int16", "float32", "float64"])
@pytest.mark.parametrize("name", BY_PRODUCTS)
def test_the_bits_of_a_record_do_not_depend_on_those_next_to_it(name, dtype):
    block = (RNG.normal(size=(1100, 45)) * 1000).astype(dtype)
    whole = BY_PRODUCTS[name](block)
    for cuts in ([1], [3, 8], [64, 130, 513], [511, 1024], range(97, 1100, 97)):
        parts = [BY_PRODUCTS[name](part) for part in np.split(block, cuts)]
        np.testing.assert_array_equal(np.concatenate(parts), whole, strict=True)


def test_a_product_into_a_view_and_of_no_rows():
    out = np.zeros((3, 4))
    rows, matrix = RNG.normal(size=(3, 5)), RNG.normal(size=(5, 2))
    row_products(rows, matrix, out=out[:, ::2])
    np.testing.assert_allclose(out[:, ::2], rows @ matrix)
    assert not out[:, 1::2].any()
    assert row_products(rows[:0], matrix).shape == (0, 2)
    assert row_products(np.array([[1, 2]]), np.array([[3], [4]])).tolist() == [[11]]
