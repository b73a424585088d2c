"""Loops that numba compiles give what their twins in numpy give, to the last bit."""

import numpy as np
import pytest

from thunderlike.kernels.centering import deviations, projected
from thunderlike.kernels.lanes import halves, product
from thunderlike.kernels.localcorr import LocalCorrelation
from thunderlike.kernels.moments import Moments, Total
from thunderlike.kernels.series import correlate, zscore

DTYPES = ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]
SHAPES = [(1, 1), (70, 3000), (33, 8200), (600, 500), (5, 4097), (2, 20_000), (3, 7), (3, 128)]


@pytest.fixture
def both(monkeypatch):
    """Call something in both forms."""
    pytest.importorskip("numba")

    def run(function, *given):
        with np.errstate(all="ignore"):
            monkeypatch.setenv("THUNDERLIKE_NUMBA", "0")
            twin = function(*given)
            monkeypatch.setenv("THUNDERLIKE_NUMBA", "always")
            return twin, function(*given)

    return run


def block(shape, dtype):
    made = (np.random.default_rng(3).normal(size=shape) * 100).astype(dtype)
    if made.dtype.kind == "f":
        made.flat[0], made.flat[-1] = np.nan, np.inf
        made[len(made) // 2] = 0.1
    return made


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_moments(both, shape, dtype):
    twin, loops = both(Moments.of, block(shape, dtype))
    np.testing.assert_array_equal(loops.mean, twin.mean)
    np.testing.assert_array_equal(loops.m2, twin.m2)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "size"), [((40, 90, 110), 3), ((3, 9, 8, 7), (2, 1, 4))])
def test_local_correlation(both, shape, size, dtype):
    twin, loops = both(LocalCorrelation.of, block(shape, dtype), size)
    np.testing.assert_array_equal(loops.comoment, twin.comoment)
    np.testing.assert_array_equal(loops.window.m2, twin.window.m2)


def all_deviations(given):
    parts = [(tile.copy(), norms) for _, tile, norms in deviations(given)]
    return [np.concatenate(part) for part in zip(*parts, strict=True)]


@pytest.mark.parametrize("dtype", [*DTYPES, "f2", "c8", ">i2"])
@pytest.mark.parametrize("shape", [*SHAPES, (40_000, 3), (4, 3, 5), (4,)])
def test_totals(both, shape, dtype):
    twin, loops = both(Total.of, block(shape, dtype))
    np.testing.assert_array_equal(loops.total, twin.total)
    assert loops.total.dtype == twin.total.dtype


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_deviations(both, shape, dtype):
    twin, loops = both(all_deviations, block(shape, dtype))
    for ours, theirs in zip(loops, twin, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_projections(both, shape, dtype):
    signal = np.random.default_rng(1).normal(size=shape[1])
    for ours, theirs in zip(*both(projected, block(shape, dtype), signal), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 127, 128, 129, 300, 1000, 4097])
def test_lanes_add_up_as_numpy_does(length):
    a, b = np.random.default_rng(0).normal(size=(2, length))
    assert product(a, b, halves(length), np.empty(64)) == (a * b).sum()


@pytest.mark.parametrize("layout", ["C", "F", "read only", "empty", "swapped"])
def test_blocks_of_any_kind(both, layout):
    given = block((40, 300), "f8" if layout != "swapped" else ">f8")
    given = {"F": np.asfortranarray(given), "empty": given[:, :0]}.get(layout, given)
    given.flags.writeable = layout != "read only"
    for function in (zscore, lambda x: correlate(x, np.arange(x.shape[1]))):
        twin, loops = both(function, given)
        np.testing.assert_array_equal(loops, twin)
