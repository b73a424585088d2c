"""Events: local maxima, gaps, lists of each trace."""

from __future__ import annotations

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import BadIndexError, SpecError
from thunderlike.traces import Events


def test_events_are_local_maxima_in_order_of_traces(engine):
    traces = np.zeros((40, 60))
    rng = np.random.default_rng(0)
    expected = []
    for row in traces:
        frames = np.sort(rng.choice(np.arange(0, 60, 3), rng.integers(0, 5), replace=False))
        row[frames] = rng.uniform(2, 3, len(frames))
        expected.append(frames / 10)
    series = tl.series.fromarray(traces, engine=engine)
    found = tl.traces.events(series, fs=10, threshold=1, noise=1)
    assert len(found) == 40
    for number, times in enumerate(expected):
        assert np.array_equal(found[number][0], times)
        assert np.array_equal(found[number][1], traces[number, np.round(times * 10).astype(int)])
    assert found.counts.sum() == len(found.times)


def test_of_close_events_the_largest_is_kept():
    trace = [0, 2, 0, 5, 0, 3, 0, 0, 0, 4]
    near = tl.traces.events(trace, fs=1, threshold=1, noise=1, min_gap=3)
    assert near.times.tolist() == [3, 9]
    assert tl.traces.events(trace, fs=1, threshold=1, noise=1).times.tolist() == [1, 3, 5, 9]


@pytest.mark.parametrize(("min_gap", "count"), [(0.2, 2), (0.24, 1), (0.3, 1), (0.1 * 2, 2)])
def test_kept_events_are_not_closer_than_the_gap(min_gap, count):
    trace = [0, 3, 0, 2, 0, 0, 0]
    found = tl.traces.events(trace, fs=10, threshold=0.5, noise=1, min_gap=min_gap)
    assert len(found.times) == count


def test_a_plateau_is_one_event_and_nan_is_none():
    found = tl.traces.events([0, 2, 2, 2, 0, np.nan, 3, np.nan], fs=1, threshold=1, noise=1)
    assert found.times.tolist() == [1, 6]
    rising = tl.traces.events([0, 2, 2, 3, 3, 1], fs=1, threshold=1, noise=1)
    assert rising.times.tolist() == [3]
    lost = tl.traces.events(np.full((2, 9), np.nan), fs=1, threshold=0)
    assert lost.counts.tolist() == [0, 0]


def test_noise_is_estimated_unless_it_is_given():
    trace = np.random.default_rng(0).normal(0, 1, 1000)
    trace[500] = 12
    assert tl.traces.events(trace, fs=10, threshold=8).times.tolist() == [50]


def test_events_are_chosen_by_time_and_saved(tmp_path):
    found = Events(np.array([0, 2, 2, 3]), np.array([1.0, 4, 2]), np.array([5.0, 6, 7]))
    part = found.between(1.5, 5)
    assert part.offsets.tolist() == [0, 1, 1, 2]
    assert part.times.tolist() == [2.5, 0.5]
    found.save(tmp_path / "events.h5")
    loaded = Events.load(tmp_path / "events.h5")
    assert np.array_equal(loaded.times, found.times)
    assert np.array_equal(loaded.offsets, found.offsets)
    with pytest.raises(BadIndexError, match="trace 3"):
        found[3]


def test_arguments_are_checked():
    with pytest.raises(SpecError, match="threshold"):
        tl.traces.events([0, 1], fs=1, threshold=-1)
    with pytest.raises(SpecError, match="min_gap"):
        tl.traces.events([0, 1], fs=1, min_gap="far")
    with pytest.raises(SpecError, match="fs="):
        tl.traces.events([0, 1])
