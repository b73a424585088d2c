"""Equality with numpy and scipy over axes, orders, dtypes, blocks and threads."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import ndimage

from thunderlike import arrays

SHAPES = {1: (37,), 2: (9, 7), 3: (5, 4, 6), 4: (3, 4, 2, 5), 5: (2, 3, 2, 2, 3)}
ORDERS = ("C", "F", "strided", "negative", "broadcast")
INTEGERS = ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", ">i2")
FLOATS = ("f2", "f4", "f8", ">f4", "g")
BLOCKS, PROCESSES = (1, 3, 1000), (1, 2, 5)


def sample(ndim, order, dtype, high=40):
    """Numbers of which about half are 0, arranged in memory as asked."""
    rng = np.random.default_rng(ndim)
    shape = SHAPES[ndim]
    wide = tuple(2 * n for n in shape) if order == "strided" else shape
    values = rng.integers(0, high, wide) * rng.integers(0, 2, wide)
    values = values.astype(dtype)
    if order == "F":
        return np.asfortranarray(values)
    if order == "strided":
        return values[(slice(None, None, 2),) * ndim]
    if order == "negative":
        return values[(slice(None, None, -1),) * ndim]
    if order == "broadcast":
        return np.broadcast_to(values[:1], shape)
    return values


def combinations(dtypes):
    """Every two of axes, order and dtype meet, in a fifth of what there is; the rest in turns."""
    turns = itertools.cycle(itertools.product(BLOCKS, PROCESSES))
    squares = itertools.product(range(5), enumerate(ORDERS), enumerate(dtypes))
    few = len(dtypes) < 5
    pairs = [
        (n + 1, order, dtype)
        for n, (o, order), (d, dtype) in squares
        if few or (n + o + d) % 5 == 0
    ]
    return [(*each, *next(turns)) for each in pairs]


def chosen(form, dtypes):
    """Dtypes to test; numba compiles the loops for each, which takes seconds."""
    return [d for d in dtypes if d in ("?", "i2", "f4")] if form == "numba" else dtypes


def test_apply_lut(form):
    table = np.arange(100, dtype="f4") * 1.5
    for ndim, order, dtype, blocks, processes in combinations(chosen(form, INTEGERS)):
        source = sample(ndim, order, dtype)
        found = arrays.apply_lut(source, table, blocks=blocks, processes=processes)
        np.testing.assert_array_equal(found, table[source.astype(int)], strict=True)


def test_where(form):
    for ndim, order, dtype, blocks, processes in combinations(chosen(form, INTEGERS + FLOATS)):
        source = sample(ndim, order, dtype)
        expected = np.argwhere(source)
        expected = expected[:, 0] if ndim == 1 else expected
        for cutoff in (0, 10**6):
            options = {"cutoff": cutoff, "blocks": blocks, "processes": processes}
            found = arrays.where(source, **options)
            np.testing.assert_array_equal(found, expected, strict=True)


KERNELS = ([3], [1, 2], [1, -2, 1], [1, 0, -1], [4, 3, 2, 1], list(range(1, 9)))


def test_correlate1d_of_whole_numbers(form):
    kernels = itertools.cycle(KERNELS)
    for ndim, order, dtype, _, processes in combinations(chosen(form, INTEGERS)):
        source, kernel, axis = sample(ndim, order, dtype), next(kernels), ndim // 2
        # Into int64: each dtype of a result is another compilation.
        sink = np.empty(source.shape, "i8") if form == "numba" else None
        found = arrays.correlate1d(source, kernel, sink, axis=axis, processes=processes)
        expected = ndimage.correlate1d(source.astype("i8"), kernel, axis=axis, mode="constant")
        np.testing.assert_array_equal(found, expected)


def test_correlate1d_of_floats_to_the_last_bit(form):
    kernels = itertools.cycle(KERNELS)
    for ndim, order, dtype, _, processes in combinations(chosen(form, ("f2", "f4", "f8", ">f4"))):
        source, kernel = sample(ndim, order, dtype) / dtype_of(dtype).type(7), next(kernels)
        weights = np.array(kernel, dtype_of(dtype)) / dtype_of(dtype).type(3)
        axis = -1 - (ndim // 2)
        found = arrays.correlate1d(source, weights, axis=axis, processes=processes)
        expected = ndimage.correlate1d(
            source.astype("f8"), weights.astype("f8"), axis=axis, mode="constant"
        )
        np.testing.assert_array_equal(found, expected.astype(found.dtype))
        assert found.dtype == np.result_type(source, weights)


def dtype_of(name):
    return np.dtype(name).newbyteorder("=")


@pytest.mark.parametrize("mode", ["constant", "nearest", "reflect", "mirror", "wrap"])
def test_correlate1d_at_the_ends(form, mode):
    rng = np.random.default_rng(0)
    for n, taps in itertools.product((1, 2, 5, 30), (1, 2, 3, 4, 7, 12)):
        source, kernel = rng.normal(size=(3, n, 2)), rng.normal(size=taps)
        for origin in {0, -(taps // 2), (taps - 1) // 2}:
            options = {"axis": 1, "mode": mode, "cval": 2.5, "origin": origin}
            found = arrays.correlate1d(source, kernel, **options)
            np.testing.assert_array_equal(found, ndimage.correlate1d(source, kernel, **options))


def test_apply_lut_to_index(form):
    rng = np.random.default_rng(1)
    for ndim, order, dtype, _, processes in combinations(chosen(form, INTEGERS)):
        source = sample(ndim, order, dtype, high=3)
        kernel = rng.integers(0, 3, [[1, 2, 3, 4][(axis + ndim) % 4] for axis in range(ndim)])
        table = rng.integers(0, 255, 8000).astype("u1")
        expected = table[ndimage.correlate(source.astype("i8"), kernel, mode="constant")]
        found = arrays.apply_lut_to_index(source, kernel, table, processes=processes)
        np.testing.assert_array_equal(found, expected, strict=True)


def test_block_sums(form):
    for ndim, order, dtype, blocks, processes in combinations(chosen(form, INTEGERS + FLOATS)):
        source = sample(ndim, order, dtype)
        fortran = source.flags.f_contiguous and not source.flags.c_contiguous
        flat = source.ravel("F" if fortran else "C")
        ends = arrays.block_ranges(source, blocks, processes)
        assert ends.tolist() == [i * flat.size // (len(ends) - 1) for i in range(len(ends))]
        found = arrays.block_sums(source, blocks, processes)
        runs = [flat[a:b].astype("f8") for a, b in itertools.pairwise(ends)]
        np.testing.assert_allclose(found, [run.sum() for run in runs], rtol=1e-12)
        assert found.dtype == {"b": "i8", "i": "i8", "u": "u8", "f": "f8"}[source.dtype.kind]
        for op, numpy in (("count", np.count_nonzero), ("min", np.min), ("any", np.any)):
            found = arrays.block_sums(source, blocks, processes, op=op)
            np.testing.assert_array_equal(found, [numpy(run) for run in runs])


def test_read_and_write(tmp_path):
    for ndim, order, dtype, blocks, processes in combinations(("u1", "i2", "f4", ">i2", "?")):
        source = sample(ndim, order, dtype)
        path = tmp_path / "x.npy"
        options = {"blocks": blocks, "processes": processes}
        written = arrays.write(path, source, **options)
        np.testing.assert_array_equal(written, source, strict=True)
        np.testing.assert_array_equal(np.load(path), source, strict=True)
        found = arrays.read(path, **options)
        np.testing.assert_array_equal(found, source, strict=True)
        assert found.flags.f_contiguous == written.flags.f_contiguous


@pytest.mark.parametrize("offset", [-7, -1, 0, 1, 3, 1000])
def test_neighbours(form, offset):
    rng = np.random.default_rng(2)
    for indices in (
        np.unique(rng.integers(0, 60, 40)),
        np.sort(rng.integers(-20, 20, 50)),
        rng.integers(-30, 30, 45).astype("i2"),
    ):
        i, j = np.nonzero(indices[None, :] == indices[:, None].astype(int) + offset)
        for processes in PROCESSES:
            found = arrays.neighbours(indices, offset, processes)
            np.testing.assert_array_equal(found, np.stack([i, j], axis=1))
