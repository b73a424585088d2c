"""Compiled and numpy implementations: equal results, and the choice between them."""

from __future__ import annotations

import ast
import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import thunderlike
import thunderlike as tl
from thunderlike.errors import MissingExtraError
from thunderlike.kernels import _numba, _tiles
from thunderlike.kernels._numba import THRESHOLD, Compiled, compilable, use_compiled
from thunderlike.kernels._tiles import deviations, projected
from thunderlike.kernels.local_correlation import LocalCorrelation
from thunderlike.kernels.moments import Mean, Moments, Total
from thunderlike.kernels.series import center, correlate, crosscorr, fourier, standardize, zscore

HOME = Path(thunderlike.__file__).parent
DTYPES = ["u2", "f4", "f8"]
LENGTHS = [1, 2, 7, 9, 63, 127, 128, 129, 300, 1023, 1025, 2048, 4097, 128 * 1024 + 700]
SHAPES = [(1, 1), (70, 3000), (33, 8200), (600, 500), (2, 20_000), (3, 7)]


def block(shape, dtype):
    """Numbers with cancellation, constant and two-valued records, zeros, and NaN and inf."""
    rng = np.random.default_rng(3)
    values = np.abs(rng.normal(size=shape) * 100 + 1000)
    values[shape[0] // 2] = 0.1
    values[-1, ...] = rng.choice([0.1, 0.7], shape[1:])
    if len(values) > 3:
        values[1] = 0
    values = values.astype(dtype)
    if values.dtype.kind == "f" and len(values) > 4:
        values[2].flat[0], values[3].flat[-1] = np.nan, np.inf
    return values


def both(function, *arguments):
    """Results of both implementations."""
    pytest.importorskip("numba")
    with np.errstate(all="ignore"):
        return [function(*arguments, compiled=choice) for choice in (True, False)]


def assert_same(loops, plain, dtype="f8"):
    """Assert equality to the bit of the value, or of an ulp for series of float32."""
    for one, other in zip(loops, plain, strict=True):
        if dtype == "f4":
            size = np.abs(one[np.isfinite(one)]).max(initial=0)
            np.testing.assert_allclose(one, other, rtol=2**-23, atol=2**-40 * size)
        else:
            np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype


def all_deviations(values, *, compiled):
    parts = [(tile.copy(), norms) for _, tile, norms in deviations(values, compiled=compiled)]
    return [np.concatenate(part) for part in zip(*parts, strict=True)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("length", LENGTHS)
def test_deviations_and_projections(length, dtype):
    values = block((6, length), dtype)
    assert_same(*both(all_deviations, values), dtype)
    assert_same(*both(projected, values, np.random.default_rng(1).normal(size=length)), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_functions_of_series(dtype):
    values, signal = block((50, 301), dtype), np.random.default_rng(1).normal(size=301)
    for function in (center, standardize, zscore):
        assert_same(*both(function, values), dtype)
    for function, argument in ((correlate, signal), (crosscorr, signal), (fourier, 3)):
        assert_same(*both(function, values, argument), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [*SHAPES, (4, 3, 5), (4,)])
def test_statistics_over_records(shape, dtype):
    values = block(shape, dtype)
    for partial in (Moments, Total, Mean):
        assert_same(*(vars(one).values() for one in both(_parts(partial), values)))


def _parts(partial):
    def of(values, *, compiled):
        return _Arrays(partial.of(values, compiled=compiled))

    return of


class _Arrays:
    """The arrays of a partial."""

    def __init__(self, partial):
        for name, value in vars(partial).items():
            if name != "dtype":
                setattr(self, name, np.asarray(value))


@pytest.mark.parametrize(
    ("shape", "size", "dtype"),
    [*(((40, 90, 110), 3, dtype) for dtype in DTYPES), ((3, 9, 8, 7), (2, 1, 4), "f4")],
)
def test_local_correlation(shape, size, dtype):
    loops, plain = both(LocalCorrelation.of, block(shape, dtype), size)
    assert_same((loops.comoment, loops.window.m2), (plain.comoment, plain.window.m2))


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("kind", ["normal", "two values", "wide"])
def test_sums_along_a_record_are_as_exact_as_those_of_numpy(length, kind):
    rng = np.random.default_rng(0)
    values = {
        "normal": rng.normal(size=(4, length)),
        "two values": rng.choice([0.1, 0.7], (4, length)),
        "wide": rng.lognormal(0, 3, (4, length)),
    }[kind]
    exact = values.astype(np.longdouble).sum(axis=1)
    ulp = np.spacing(np.abs(values).sum(axis=1))  # sums that cancel have no digits to compare
    error = np.abs(_tiles._sums(values)[:, 0] - exact)
    assert (error <= 8 * ulp).all()


@pytest.mark.parametrize("layout", ["F", "read only", "empty", "swapped", "half"])
def test_blocks_of_any_layout(layout):
    given = block((40, 300), {"swapped": ">f8", "half": "f2"}.get(layout, "f8"))
    given = {"F": np.asfortranarray(given), "empty": given[:, :0]}.get(layout, given)
    given.flags.writeable = layout != "read only"
    expected = zscore(np.array(given, order="C"), compiled=False)
    assert_same(both(zscore, given), [expected, expected])
    assert_same(*both(correlate, given, np.arange(given.shape[1])))
    assert_same(*(vars(one).values() for one in both(_parts(Moments), given)))
    contiguous = _Arrays(Total.of(np.array(given, order="C"), compiled=False))
    assert_same(vars(_Arrays(Total.of(given))).values(), vars(contiguous).values())


# Which implementation runs


def test_the_size_of_a_call_decides(monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.delenv("THUNDERLIKE_NUMBA", raising=False)
    for _ in range(20):  # whatever ran before
        assert [use_compiled(size) for size in (0, THRESHOLD - 1, THRESHOLD)] == [
            False,
            False,
            True,
        ]


def test_all_blocks_of_a_collection_count(engine, monkeypatch):
    pytest.importorskip("numba")
    series = tl.series.fromarray(np.zeros((10, 20)), engine=engine, npartitions=5)
    images = tl.images.fromarray(np.zeros((10, 4, 5)), engine=engine, npartitions=5)
    for threshold, answer in ((200, True), (201, False)):
        monkeypatch.setattr(_numba, "THRESHOLD", threshold)
        assert series._compiled is images._compiled is answer


CALLS = """
import hashlib, numpy as np, thunderlike as tl
from thunderlike.kernels import _numba
def digests(engine):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(40, 301)) + 1000
    values[3, 5], values[4, 6] = np.nan, np.inf
    series = tl.series.fromarray(values, engine=engine, npartitions=3)
    signal = rng.normal(size=301)
    results = [
        series.center(), series.standardize(), series.zscore(), series.fourier(3),
        series.correlate(signal), series.crosscorr(signal, 2),
    ]
    return [hashlib.sha256(result.toarray().tobytes()).hexdigest() for result in results]
"""


@pytest.mark.parametrize("threshold", [0, 10**9])
def test_same_call_same_data_same_bits(engine, threshold, monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setattr(_numba, "THRESHOLD", threshold)
    namespace: dict = {"hashlib": hashlib}
    exec(CALLS, namespace)
    expected = namespace["digests"](engine)
    for _ in range(20 if engine == "local" else 2):
        assert namespace["digests"](engine) == expected
    # crosscorr is a matrix product: its bits depend on the number of rows in a tile.
    assert namespace["digests"]("local")[:5] == expected[:5]


def test_a_new_process_gives_the_same_bits(monkeypatch):
    pytest.importorskip("numba")
    namespace: dict = {}
    exec(CALLS, namespace)
    expected = namespace["digests"]("local")
    code = f"{CALLS}\nfor _numba.THRESHOLD in (10**9, 0): print(*digests('local'))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [line.split() for line in ran.stdout.splitlines()] == [expected, expected]


# numba


def _plain(x):
    return x.sum()


def _loops(x):
    total = 0
    for value in x:
        total += value
    return total


def imported(code):
    ran = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print('numba' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout.split()[-1] == "True"


def test_small_calls_import_no_numba():
    assert not imported(
        "import thunderlike as tl\n"
        "tl.arrays.apply_lut([0, 1], [1, 2]), tl.arrays.correlate1d([1, 2], [1])\n"
        "tl.arrays.where([0, 1], cutoff=0), tl.arrays.neighbours([1, 2], 1)\n"
        "tl.arrays.apply_lut_to_index([0, 1], [1], [1, 2]), tl.arrays.block_sums([1])\n"
        "tl.series.fromarray([[1, 2, 4]]).zscore().toarray()"
    )


def test_loops_are_compiled_once():
    pytest.importorskip("numba")
    two = Compiled(_loops, _plain)
    loops = two.choose(True)
    assert loops is not _plain
    assert loops(np.arange(10)) == 45
    assert loops is two.choose(True, np.dtype("u1"))
    assert two.choose(False) is _plain


def test_the_environment_asks_for_compiled_loops(monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setenv("THUNDERLIKE_NUMBA", "always")
    assert use_compiled(1)


def test_loops_may_call_helpers():
    pytest.importorskip("numba")

    def doubled(x):
        return 2 * x

    def loops(x):
        return doubled(x) + 1

    assert Compiled(loops, _plain, (doubled,)).choose(True)(3) == 7


def test_numpy_takes_dtypes_that_numba_does_not_support():
    two = Compiled(_loops, _plain)
    for dtype in ("f2", ">i4", "g", "c16"):
        assert not compilable(np.dtype(dtype))
        assert two.choose(True, np.dtype("u1"), np.dtype(dtype)) is _plain


def test_without_numba_numpy_does_everything(monkeypatch):
    monkeypatch.setattr(_numba, "_found", lambda: False)
    assert not use_compiled(10**12)


def test_a_worker_without_numba_says_so(monkeypatch):
    monkeypatch.setattr(_numba, "_found", lambda: False)
    with pytest.raises(MissingExtraError, match="on the driver"):
        Compiled(_loops, _plain).choose(True)


def test_the_environment_disables_numba(monkeypatch):
    monkeypatch.setenv("THUNDERLIKE_NUMBA", "0")
    assert not use_compiled(10**12)


def test_a_place_without_a_cache_is_no_failure():
    numba = pytest.importorskip("numba")
    namespace = {}
    exec("def loops(x):\n    return x + 1", namespace)
    assert _numba._jit(namespace["loops"], ())(1) == 2
    assert isinstance(_numba._jit(_loops, ()), numba.core.dispatcher.Dispatcher)


def test_numba_is_imported_in_one_place_and_never_runs_in_parallel():
    for path in HOME.rglob("*.py"):
        text = path.read_text("utf-8")
        names = {
            name.name.partition(".")[0]
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in (
                node.names if isinstance(node, ast.Import) else [ast.alias(node.module or "")]
            )
        }
        assert ("numba" in names) == (path == HOME / "kernels" / "_numba.py"), path
        assert "njit(parallel" not in text
