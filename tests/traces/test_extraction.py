"""Traces from movies: weighted means, rings, pixels and frames without values, overlap."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

import thunderlike as tl
from thunderlike.config import config
from thunderlike.errors import SpecError, WrongTypeError
from thunderlike.kernels.weighted_sums import SparseRows, weighted_sums
from thunderlike.traces import extraction
from thunderlike.traces.demixing import demixing
from thunderlike.traces.weights import rings

SHAPE, FRAMES = (40, 48), 120


def disc(centre, radius=4.0, shape=SHAPE):
    """Weights that fall off from the centre, 0 outside the radius."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    far = np.hypot(y - centre[0], x - centre[1])
    return np.where(far <= radius, 1.5 - far / radius, 0)


CELLS = np.stack([disc((12, 12)), disc((14, 16)), disc((28, 33)), disc((2, 46))])


def movie(dtype="uint16", seed=0):
    """Frames of noise with a signal in each cell."""
    rng = np.random.default_rng(seed)
    signals = rng.gamma(1, 30, (len(CELLS), FRAMES))
    frames = 100 + np.tensordot(signals.T, CELLS, 1) + rng.normal(0, 3, (FRAMES, *SHAPE))
    return np.clip(frames, 0, None).astype(dtype)


def plain_means(frames, weights):
    flat = weights.reshape(len(weights), -1)
    return (flat / flat.sum(axis=1, keepdims=True)) @ frames.reshape(len(frames), -1).T


def test_traces_are_weighted_means_less_the_ring(engine):
    frames = movie()
    images = tl.images.fromarray(frames, engine=engine, labels=np.arange(FRAMES) / 15)
    traces = tl.traces.extract(images, CELLS, SHAPE, coefficient=0.7, demix=False, fs=15)
    around = rings(csr_array(CELLS.reshape(len(CELLS), -1)), SHAPE).toarray()
    assert traces.F.shape == traces.corrected.shape == (4, FRAMES)
    assert traces.F.dtype == np.float32
    np.testing.assert_allclose(traces.F.toarray(), plain_means(frames, CELLS), rtol=1e-6)
    np.testing.assert_allclose(traces.neuropil.toarray(), plain_means(frames, around), rtol=1e-6)
    expected = plain_means(frames, CELLS) - 0.7 * plain_means(frames, around)
    np.testing.assert_allclose(traces.corrected.toarray(), expected, rtol=1e-5)
    assert traces.F.index[1] == 1 / 15
    assert traces.fs == traces.F.attrs["fs"] == 15


def test_bits_do_not_depend_on_the_division_or_the_engine(engine):
    frames = movie()
    expected = tl.traces.extract(frames, CELLS)
    images = tl.images.fromarray(frames, engine=engine, npartitions=5)
    with config(chunk_bytes=7 * frames[0].nbytes):
        found = tl.traces.extract(images, CELLS)
    for name in ("F", "neuropil", "corrected"):
        assert np.array_equal(getattr(found, name).toarray(), getattr(expected, name).toarray())


def test_series_of_pixels_have_the_same_traces(engine, monkeypatch):
    frames = movie()
    series = tl.images.fromarray(frames, engine=engine).toseries()
    expected = tl.traces.extract(frames, CELLS)
    found = tl.traces.extract(series, csr_array(CELLS.reshape(4, -1)))
    np.testing.assert_allclose(found.F.toarray(), expected.F.toarray(), rtol=1e-6)
    np.testing.assert_allclose(found.corrected.toarray(), expected.corrected.toarray(), rtol=1e-5)
    monkeypatch.setattr(extraction, "_MOST_PARTIAL", 0)
    turned = tl.traces.extract(series, CELLS)
    assert np.array_equal(turned.F.toarray(), expected.F.toarray())


def test_traces_too_large_for_the_driver_stay_on_the_engine(engine, monkeypatch):
    frames = movie("float32")
    frames[3] = np.nan
    frames[:, :, :2] = np.nan
    expected = tl.traces.extract(frames, CELLS, fs=15)
    monkeypatch.setattr(extraction, "_MOST_BYTES", 0)
    images = tl.images.fromarray(frames, engine=engine)
    found = tl.traces.extract(images, CELLS, fs=15)
    assert found.F.mode == images.mode
    assert np.array_equal(found.coefficient, expected.coefficient)
    for name in ("F", "neuropil", "corrected"):
        values = getattr(expected, name).toarray()
        assert np.array_equal(getattr(found, name).toarray(), values, equal_nan=True)


@pytest.mark.parametrize("dtype", ["uint16", "float32", "bool"])
def test_compiled_sums_equal_those_of_scipy_to_the_bit(dtype):
    frames = movie("float64")[:7] > 130 if dtype == "bool" else movie(dtype)[:7]
    rows = SparseRows.of(csr_array(np.vstack([CELLS.reshape(4, -1), np.zeros((1, 40 * 48))])))
    plain = weighted_sums(frames, rows, compiled=False)
    pytest.importorskip("numba")
    assert np.array_equal(weighted_sums(frames, rows, compiled=True), plain, equal_nan=True)
    assert np.isnan(plain[:, -1]).all()
    assert not np.isnan(plain[:, :-1]).any()


# pixels and frames without values


def test_pixels_that_are_nan_in_any_frame_are_left_out_of_cells_and_rings():
    frames = movie("float32")
    frames[5, :, :10] = np.nan
    frames[9, :, 46:] = np.inf
    found = tl.traces.extract(frames, CELLS)
    valid = np.ones(SHAPE, bool)
    valid[:, :10] = valid[:, 46:] = False
    expected = tl.traces.extract(movie("float32"), CELLS, valid=valid)
    for name in ("F", "neuropil", "corrected"):
        values = getattr(expected, name).toarray()
        assert np.array_equal(getattr(found, name).toarray(), values, equal_nan=True)
    assert np.isfinite(found.F.toarray()[:3]).all()
    series = tl.traces.extract(tl.images.fromarray(frames).toseries(), CELLS)
    np.testing.assert_allclose(series.F.toarray(), expected.F.toarray(), rtol=1e-6)


def test_a_cell_without_pixels_is_nan_and_flagged():
    valid = np.ones(SHAPE, bool)
    valid[:8, 40:] = False
    traces = tl.traces.extract(movie(), CELLS, valid=valid)
    assert np.isnan(traces.F.toarray()[3]).all()
    assert traces.flags["no_pixels"].tolist() == [False, False, False, True]


def test_a_frame_without_values_is_nan_in_all_traces():
    frames = movie("float32")
    frames[5] = np.nan
    traces = tl.traces.extract(frames, CELLS)
    lost = np.isnan(traces.corrected.toarray())
    assert lost[:, 5].all()
    assert lost.sum() == len(CELLS)
    assert np.array_equal(
        np.delete(traces.F.toarray(), 5, axis=1),
        np.delete(tl.traces.extract(movie("float32"), CELLS).F.toarray(), 5, axis=1),
    )


# rings


def test_rings_are_around_cells_and_in_none():
    matrix = csr_array(CELLS.reshape(4, -1))
    found = rings(matrix, SHAPE, min_pixels=150).toarray().reshape(4, *SHAPE) > 0
    inside = (CELLS > 0).any(axis=0)
    assert not (found & inside).any()
    assert (found.sum(axis=(1, 2)) >= 150).all()
    assert (found.sum(axis=(1, 2)) < 300).all()
    y, x = np.nonzero(found[2])
    assert np.hypot(y - 28, x - 33).min() > 5.5  # 2 px from the nearest pixel of the cell


def test_a_ring_grows_past_the_first_crop():
    frame = np.zeros((1, 120, 120))
    frame[0, 60, 60] = 1
    found = rings(csr_array(frame.reshape(1, -1)), (120, 120), min_pixels=3000)
    assert 3000 <= found.nnz < 3600


def test_an_exhausted_ring_is_flagged_and_nothing_is_subtracted():
    grid = np.zeros((9, 30, 30))
    for number in range(9):
        y, x = divmod(number, 3)
        grid[number, 10 * y : 10 * y + 10, 10 * x : 10 * x + 10] = 1
    frames = np.random.default_rng(0).poisson(40, (20, 30, 30))
    traces = tl.traces.extract(frames, grid)
    assert traces.flags["no_neuropil"].all()
    assert np.isnan(traces.neuropil.toarray()).all()
    assert np.array_equal(traces.corrected.toarray(), traces.F.toarray())
    assert (traces.coefficient == 0).all()


def test_rings_in_volumes():
    cell = np.zeros((1, 9, 30, 30))
    cell[0, 4, 14:17, 14:17] = 1
    ring = rings(csr_array(cell.reshape(1, -1)), (9, 30, 30)).toarray().reshape(9, 30, 30)
    assert (ring > 0).sum() >= 350
    assert (ring[0] > 0).any()


# overlap


def mixture(shift, count=600, seed=3):
    """Two cells at a distance along x, with sparse signals; frames with a little noise."""
    rng = np.random.default_rng(seed)
    cells = np.stack([disc((20, 20), 5), disc((20, 20 + shift), 5)])
    signals = rng.gamma(0.3, 40, (2, count))
    frames = 50 + np.tensordot(signals.T, cells, 1) + rng.normal(0, 1, (count, *SHAPE))
    return frames, cells, signals


def agreement(traces, signals):
    return np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(traces, signals, strict=True)])


def test_signals_of_overlapping_cells_are_separated():
    frames, cells, signals = mixture(3)
    plain = tl.traces.extract(frames, cells, demix=False).corrected.toarray()
    separate = tl.traces.extract(frames, cells).corrected.toarray()
    assert (agreement(plain, signals) < 0.9).all()
    assert (agreement(separate, signals) > 0.99).all()


def test_two_copies_of_a_cell_keep_their_traces():
    frames, cells, signals = mixture(7)
    copies = np.stack([cells[0], cells[0], cells[1]])
    traces = tl.traces.extract(frames, copies)
    found = traces.corrected.toarray()
    assert traces.flags["ambiguous"].tolist() == [False, True, False]
    np.testing.assert_allclose(found[0], found[1], rtol=1e-4)
    assert (agreement(found, signals[[0, 0, 1]]) > 0.99).all()


def test_rejected_components_do_not_take_signal_from_cells():
    frames, cells, signals = mixture(12)
    patch = disc((20, 26), 9)[np.newaxis]
    three = np.concatenate([cells, patch])
    kept = tl.traces.extract(frames, three, accepted=[True, True, False]).corrected.toarray()
    expected = tl.traces.extract(frames, three, demix=False).corrected.toarray()
    np.testing.assert_allclose(kept[2], expected[2])
    assert (agreement(kept[:2], signals) > 0.99).all()


def test_large_groups_are_solved_as_small_ones(monkeypatch):
    row = [disc((20, 6 + 5 * k), 5) for k in range(8)]
    weights = np.stack(row).reshape(8, -1)
    weights = csr_array(weights / weights.sum(axis=1, keepdims=True))
    dense, flagged = demixing(weights)
    monkeypatch.setattr("thunderlike.traces.demixing._DENSE", 3)
    sparse, also = demixing(weights)
    np.testing.assert_allclose(sparse.toarray(), dense.toarray(), atol=1e-6)
    assert flagged.tolist() == also.tolist() == [False] * 8


# coefficient


def test_the_coefficient_is_recovered():
    rng = np.random.default_rng(4)
    cells = np.stack([disc((y, x)) for y in (8, 22, 34) for x in (8, 20, 32, 42)])
    glow = np.convolve(rng.normal(0, 6, 1500), np.exp(-np.arange(60) / 10), "same")
    active = (rng.random((12, 1500)) < 0.02) * rng.gamma(2, 30, (12, 1500))
    calcium = np.apply_along_axis(np.convolve, 1, active, np.exp(-np.arange(60) / 10))[:, :1500]
    share = np.where((cells > 0).any(axis=0), 0.6, 1)
    scene = 60 + glow[:, None, None] * share + np.tensordot(calcium.T, cells, 1)
    frames = scene + rng.normal(0, 4, scene.shape)
    traces = tl.traces.extract(frames, cells, fs=15)
    assert np.abs(traces.coefficient - 0.6).max() < 0.1
    unknown_rate = tl.traces.extract(frames, cells)
    assert np.abs(unknown_rate.coefficient - 0.6).max() < 0.1


def test_the_usual_coefficient_is_taken_where_a_movie_is_too_short():
    assert (tl.traces.extract(movie()[:10], CELLS).coefficient == 0.7).all()


# arguments


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"coefficient": "best"}, "auto"),
        ({"coefficient": [0.1, 0.2]}, "4 cells"),
        ({"coefficient": -1}, "0 to 2"),
        ({"neuropil": "disc"}, "ring"),
        ({"inner": -1}, "inner"),
        ({"min_pixels": 0.5}, "min_pixels"),
        ({"accepted": [1, 0, 1, 1]}, "bool"),
        ({"valid": np.ones((2, 2))}, "bool mask"),
        ({"fs": 0}, "fs=0"),
        ({"tau": -1}, "tau=-1"),
        ({"shape": (48, 40)}, "shape"),
    ],
)
def test_arguments_are_checked(arguments, words):
    with pytest.raises(SpecError, match=words):
        tl.traces.extract(movie(), CELLS, **arguments)


def test_weights_and_movies_are_checked():
    with pytest.raises(SpecError, match="cell 1"):
        tl.traces.extract(movie(), np.stack([CELLS[0], -CELLS[1]]))
    with pytest.raises(SpecError, match="pixels"):
        tl.traces.extract(movie(), np.ones((2, 7)))
    with pytest.raises(WrongTypeError, match="complex"):
        tl.traces.extract(movie().astype("complex64"), CELLS)
    with pytest.raises(SpecError, match="no frames"):
        tl.traces.extract(movie()[:0], CELLS)


def test_no_cells_have_empty_traces():
    with pytest.warns(UserWarning, match="no cells"):
        traces = tl.traces.extract(movie(), CELLS[:0])
    assert traces.F.shape == (0, FRAMES)
    assert len(traces) == 0


@pytest.mark.parametrize("suffix", ["h5", "json"])
def test_traces_are_saved_and_loaded(tmp_path, suffix):
    images = tl.images.fromarray(movie()[:20], labels=np.arange(20) / 15)
    traces = tl.traces.extract(images, CELLS, fs=15)
    traces.save(tmp_path / f"traces.{suffix}")
    loaded = tl.traces.load(tmp_path / f"traces.{suffix}")
    assert repr(loaded) == repr(traces)
    for name in ("F", "neuropil", "corrected"):
        assert np.array_equal(getattr(loaded, name).toarray(), getattr(traces, name).toarray())
    assert np.array_equal(loaded.F.index, traces.F.index)
    assert loaded.F.attrs == {"fs": 15}
    assert {name: rows.tolist() for name, rows in loaded.flags.items()} == {
        name: rows.tolist() for name, rows in traces.flags.items()
    }
