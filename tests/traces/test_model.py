"""Traces from a movie of known cells: dF/F, spikes, events, quality, plots."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import BadIndexError, SpecError
from thunderlike.images.cell_movies import cell_movie


@functools.cache
def known():
    """A small movie of cells, its traces; nothing of it may be changed."""
    movie = cell_movie((64, 64), count=600, cells=12, amplitude=14.0, seed=11)
    return movie, tl.traces.extract(movie.images, movie.footprints, fs=15)


def agreement(found, truth):
    return [np.corrcoef(a, b)[0, 1] for a, b in zip(found, truth, strict=True)]


def test_traces_follow_the_known_calcium():
    movie, traces = known()
    assert np.median(agreement(traces.corrected.toarray(), movie.calcium)) > 0.9  # with bleaching
    assert np.median(agreement(traces.dff.toarray(), movie.calcium)) > 0.96
    assert np.median(agreement(traces.calcium.toarray(), movie.calcium)) > 0.97
    window = np.ones(3)
    smooth = [np.convolve(row, window, "same") for row in traces.spikes.toarray()]
    spikes = [np.convolve(row, window, "same") for row in movie.spikes]
    assert np.median(agreement(smooth, spikes)) > 0.9


def test_the_raw_mean_does_not():
    movie, _ = known()
    plain = tl.traces.extract(movie.images, movie.footprints, neuropil="none", demix=False)
    assert np.median(agreement(plain.corrected.toarray(), movie.calcium)) < 0.9
    assert not plain.flags["no_neuropil"].any()


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_an_estimated_coefficient_is_better_than_a_fixed_one(share):
    movie = cell_movie((64, 64), 900, cells=12, coefficient=share, seed=5)
    fixed, estimated = (
        tl.traces.extract(movie.images, movie.footprints, fs=15, **given)
        for given in ({"coefficient": 0.7}, {})
    )
    assert np.abs(np.median(estimated.coefficient) - share) < 0.1
    before, after = (
        np.median(agreement(one.dff.toarray(), movie.calcium)) for one in (fixed, estimated)
    )
    assert after > before + 0.005


def test_quality_orders_cells():
    movie, traces = known()
    quality = traces.quality
    assert set(quality) >= {"noise", "snr", "skew", "exceptionality", "n_events", "sensitivity"}
    assert all(values.shape == (12,) for values in quality.values())
    silent = tl.traces.extract(
        np.random.default_rng(0).poisson(50, (600, 64, 64)), movie.footprints, fs=15
    ).quality
    assert silent["snr"].max() < quality["snr"].min()
    assert silent["exceptionality"].min() > quality["exceptionality"].max()


def test_derived_traces_need_the_sampling_rate():
    movie, _ = known()
    traces = tl.traces.extract(movie.images, movie.footprints)
    assert traces.fs is None
    with pytest.raises(SpecError, match="fs="):
        traces.dff  # noqa: B018
    images = tl.images.fromarray(movie.images)
    images.attrs["frame_interval"] = 1 / 15
    assert tl.traces.extract(images, movie.footprints).fs == pytest.approx(15)


def test_tau_is_estimated_once_for_all_cells():
    movie, _ = known()
    traces = tl.traces.extract(movie.images, movie.footprints, fs=15, tau="auto")
    g = traces.deconvolved.g.toarray()[:, 0]
    assert np.ptp(g) == 0
    assert 0.4 < -1 / (15 * np.log(g[0])) < 1.2


def test_a_dark_baseline_is_counted_in_a_warning():
    movie, _ = known()
    dark = movie.images.astype("float32") - 200
    traces = tl.traces.extract(dark, movie.footprints, fs=15)
    with pytest.warns(UserWarning, match="12 of 12 cells"):
        assert np.isnan(traces.dff.toarray()).all()


def test_loaded_traces_have_the_same_spikes(tmp_path):
    _, traces = known()
    traces.save(tmp_path / "traces.h5")
    loaded = tl.traces.load(tmp_path / "traces.h5")
    assert np.array_equal(loaded.spikes.toarray(), traces.spikes.toarray())
    assert np.array_equal(loaded.events.times, traces.events.times)


def test_traces_are_plotted_with_events():
    pytest.importorskip("matplotlib")
    _, traces = known()
    ax = traces.plot(4)
    assert len(ax.get_yticklabels()) == 4
    lines = [line for line in ax.lines if len(line.get_xdata()) == 600]
    assert len(lines) == 4
    ticks = [line for line in ax.lines if line.get_marker() == "|"]
    shown = [int(label.get_text()) for label in ax.get_yticklabels()]
    assert [len(line.get_xdata()) for line in ticks] == traces.events.counts[shown].tolist()
    assert any(text.get_text().endswith(" s") for text in ax.texts)
    assert len(traces.plot([3], start=10, stop=20, events=False).lines) == 2
    with pytest.raises(BadIndexError, match="cell 12"):
        traces.plot([12])
    with pytest.raises(SpecError, match="no frames"):
        traces.plot(2, start=100)
