"""Sweeps of a factorization of a movie into footprints in windows and their traces."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from thunderlike.kernels._numba import jit

if TYPE_CHECKING:
    from thunderlike._typing import Array

__all__ = ["Pairs", "overlaps", "sweep_traces", "sweep_weights"]


class Pairs(NamedTuple):
    """Pairs of a cell and a neighbour, by cell, and the pixels that both windows have.

    Each pair of cells is in it twice, once from either side.
    """

    ends: Array  # int64, (K + 1): pairs of cell k are from ends[k] to ends[k + 1]
    cells: Array  # int64: the neighbour of each pair
    pixel_ends: Array  # int64, (pairs + 1): likewise, of the shared pixels
    mine: Array  # int64: position of each shared pixel in the window of the cell
    theirs: Array  # int64: and in that of the neighbour


def overlaps(pairs: Pairs, weights: Array, others: Array) -> Array:
    """Products of two footprints in the pixels that their windows share.

    Parameters
    ----------
    pairs : Pairs
    weights, others : ndarray, shape (K, pixels of a window)
        Footprints of the cell and of the neighbour of each pair.

    Returns
    -------
    ndarray of float32, shape (pairs,)

    Examples
    --------
    >>> shared = np.array([0, 1])  # pixel 0 of cell 0 is pixel 1 of cell 1
    >>> pairs = Pairs(np.arange(3), np.array([1, 0]), np.arange(3), shared, shared[::-1])
    >>> weights = np.array([[2.0, 4], [1, 3]])
    >>> overlaps(pairs, weights, weights)
    array([6., 6.], dtype=float32)
    """
    count, size = weights.shape
    cell = np.repeat(np.arange(count), np.diff(pairs.ends))
    pair = np.repeat(np.arange(len(cell)), np.diff(pairs.pixel_ends))
    products = weights.ravel()[pairs.mine + size * cell[pair]]
    products = products * others.ravel()[pairs.theirs + size * pairs.cells[pair]]
    return np.bincount(pair, products, len(cell)).astype(np.float32)


def _sweep_traces_plain(pairs: Pairs, overlap: Array, products: Array, traces: Array) -> None:
    for k in range(len(traces)):
        near = slice(pairs.ends[k], pairs.ends[k + 1])
        # Sums in the order of the loops, which those of BLAS are not.
        others = np.add.reduce(overlap[near, np.newaxis] * traces[pairs.cells[near]], axis=0)
        np.subtract(products[k], others, out=others)
        np.maximum(others, 0, out=traces[k])


@jit(plain=_sweep_traces_plain)
def sweep_traces(pairs: Pairs, overlap: Array, products: Array, traces: Array) -> None:
    """Solve each trace for the others, in turn.

    Parameters
    ----------
    pairs : Pairs
    overlap : ndarray of float32, shape (pairs,)
        Products of the footprints of each pair, relative to the sum of squares of the cell.
    products : ndarray of float32, shape (K, bins)
        Products of the footprint of each cell and the movie, likewise.
    traces : ndarray of float32, shape (K, bins)
        Changed.
    """
    count, bins = traces.shape
    others = np.empty(bins, traces.dtype)
    for k in range(count):
        others[:] = 0
        for pair in range(pairs.ends[k], pairs.ends[k + 1]):
            share, near = overlap[pair], traces[pairs.cells[pair]]
            for t in range(bins):
                others[t] += share * near[t]
        own, product = traces[k], products[k]
        for t in range(bins):
            found = product[t] - others[t]
            own[t] = 0 if found < 0 else found  # NaN stays, as in numpy


def _sweep_weights_plain(pairs: Pairs, gram: Array, products: Array, weights: Array) -> None:
    for k, product in enumerate(products):
        near = slice(pairs.ends[k], pairs.ends[k + 1])
        pixels = slice(pairs.pixel_ends[near.start], pairs.pixel_ends[near.stop])
        counts = np.diff(pairs.pixel_ends[near.start : near.stop + 1])
        factors = np.repeat(gram[near], counts)
        factors *= weights[np.repeat(pairs.cells[near], counts), pairs.theirs[pixels]]
        others = np.bincount(pairs.mine[pixels], factors, len(product)).astype(np.float32)
        np.subtract(product, others, out=others)
        np.maximum(others, 0, out=weights[k])


@jit(plain=_sweep_weights_plain)
def sweep_weights(pairs: Pairs, gram: Array, products: Array, weights: Array) -> None:
    """Solve each footprint for the others, in turn.

    Parameters
    ----------
    pairs : Pairs
    gram : ndarray of float32, shape (pairs,)
        Products of the traces of each pair, relative to the sum of squares of the cell.
    products : ndarray of float32, shape (K, pixels of a window)
        Products of the trace of each cell and the movie, likewise; zero in pixels that the
        footprint may not have.
    weights : ndarray of float32, shape (K, pixels of a window)
        Changed.
    """
    count, size = weights.shape
    others = np.empty(size, np.float64)
    for k in range(count):
        others[:] = 0
        for pair in range(pairs.ends[k], pairs.ends[k + 1]):
            share, near = gram[pair], weights[pairs.cells[pair]]
            for number in range(pairs.pixel_ends[pair], pairs.pixel_ends[pair + 1]):
                others[pairs.mine[number]] += share * near[pairs.theirs[number]]
        own, product = weights[k], products[k]
        for pixel in range(size):
            found = product[pixel] - np.float32(others[pixel])
            own[pixel] = 0 if found < 0 else found
