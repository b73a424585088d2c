"""Steps of the local engine that wait for the first verb that needs their values."""

from __future__ import annotations

import pickle
import sys
import threading

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.engines import Spec
from thunderlike.engines.base import SourceDefaults
from thunderlike.engines.local import LocalEngine

SHAPE = (40, 12, 10)
VALUES = np.random.default_rng(0).integers(0, 1000, SHAPE).astype("int16")


class Numbers(SourceDefaults):
    """Records that are read, and so are not an array of the caller."""

    spec = Spec(SHAPE[0], SHAPE[1:], np.dtype("int16"))

    def read(self, start, stop, out):
        out[...] = VALUES[start:stop]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Have results of a few bytes wait, and compute them in several tiles."""
    monkeypatch.setattr(sys.modules["thunderlike.engines.local"], "_LARGE", 1000)
    with tl.config(chunk_bytes=2000, tile_bytes=1000):
        yield


@pytest.fixture
def steps(monkeypatch):
    """Numbers of the records that a built-in step has computed."""
    seen, original = [], np.clip

    def clip(block, *, a_min, a_max):
        seen.append(len(block))
        return original(block, a_min=a_min, a_max=a_max)

    monkeypatch.setattr(np, "clip", clip)
    return seen


def movie():
    return tl.images.Images(LocalEngine().load(Numbers()))


def test_the_first_verb_streams_and_the_second_makes_an_array_that_is_kept(steps):
    clipped = movie().clip(10, 500)
    assert sum(steps) == 0  # one call of no records, for shape and dtype
    expected = VALUES.clip(10, 500)
    np.testing.assert_array_equal(clipped.max().toarray(), expected.max(axis=0))
    assert (sum(steps), clipped._records.in_memory) == (40, False)
    np.testing.assert_array_equal(clipped.min().toarray(), expected.min(axis=0))
    assert (sum(steps), clipped._records.in_memory) == (80, True)
    np.testing.assert_array_equal(clipped.toseries().toarray(), np.moveaxis(expected, 0, -1))
    assert sum(steps) == 80


@pytest.mark.parametrize(
    "make",
    [
        lambda x: x.toarray(),
        lambda x: x.values,
        lambda x: np.asarray(x),
        lambda x: pickle.loads(pickle.dumps(x)).toarray(),
    ],
    ids=["toarray", "values", "numpy", "pickle"],
)
def test_asking_for_the_array_makes_it_at_once(make, steps):
    clipped = movie().clip(10, 500)
    np.testing.assert_array_equal(make(clipped), VALUES.clip(10, 500))
    clipped.std()
    clipped.std()
    assert sum(steps) == 40


def test_parts_are_computed_alone_until_they_add_up_to_two_passes(steps):
    clipped = movie().clip(10, 500)
    for first in range(0, 40, 4):
        part = clipped[first : first + 4].toarray()
        np.testing.assert_array_equal(part, VALUES[first : first + 4].clip(10, 500))
    assert (sum(steps), clipped._records.in_memory) == (40, False)
    np.testing.assert_array_equal(clipped.first(), VALUES[0].clip(10, 500))
    assert (sum(steps), clipped._records.in_memory) == (41, False)
    np.testing.assert_array_equal(clipped[1:].toarray(), VALUES[1:].clip(10, 500))
    assert (sum(steps), clipped._records.in_memory) == (81, True)


def test_a_part_after_a_pass_is_computed_alone(steps):
    clipped = movie().clip(10, 500)
    clipped.std()
    np.testing.assert_array_equal(clipped[7].toarray(), VALUES[7].clip(10, 500))
    assert (sum(steps), clipped._records.in_memory) == (41, False)


def test_steps_below_an_array_that_is_made_are_not_made(steps):
    clipped = movie().clip(10, 500)
    doubled = clipped * 2
    for _ in range(3):
        np.testing.assert_array_equal(doubled.max().toarray(), VALUES.clip(10, 500).max(0) * 2)
    assert (doubled._records.in_memory, clipped._records.in_memory) == (True, False)
    assert sum(steps) == 80
    clipped.max()  # the second branch that computes it
    assert clipped._records.in_memory


def test_cached_records_are_made_by_the_first_verb(steps):
    clipped = movie().clip(10, 500).cache()
    clipped.max()
    clipped.min()
    assert sum(steps) == 40


def test_a_function_of_a_user_runs_at_once_and_once_for_each_record():
    seen = []
    brighter = movie().clip(10, 500).map(lambda x: (seen.append(1), x + 1)[1])
    assert len(seen) == 41  # and the first, for shape and dtype
    stacked = movie().map(lambda x: (seen.append(len(x)), x * 2)[1], block=True)
    assert sum(seen) == 41 + 41
    for _ in range(3):
        brighter.max()
        stacked.max()
    assert sum(seen) == 82
    np.testing.assert_array_equal(brighter.toarray(), VALUES.clip(10, 500) + 1)


def test_steps_on_an_array_of_the_caller_are_computed_at_once(steps):
    array = VALUES.copy()
    images = tl.images.fromarray(array)
    clipped, part = images.clip(10, 500), images[3:30]
    assert sum(steps) == 40
    rows = part.clip(10, 500)
    joined = tl.images.concatenate([movie(), images])
    array[...] = 0
    np.testing.assert_array_equal(clipped.toarray(), VALUES.clip(10, 500))
    np.testing.assert_array_equal(rows.toarray(), VALUES[3:30].clip(10, 500))
    np.testing.assert_array_equal(joined.toarray(), np.concatenate([VALUES, VALUES]))
    assert (images.toarray() == 0).all()  # as before: the array is not copied


def test_arguments_may_change_after_the_call():
    background, signal = VALUES.mean(axis=0), np.sin(np.arange(40.0))
    expected = VALUES - background.copy()
    flat = movie() - background
    lagged = movie().toseries().crosscorr(signal.copy(), 5)
    other = movie().toseries().crosscorr(signal, 5)
    background[...], signal[...] = 0, 1
    np.testing.assert_array_equal(flat.toarray(), expected)
    np.testing.assert_array_equal(other.toarray(), lagged.toarray())


def test_errors_of_arguments_stay_where_the_method_is_called():
    waiting = movie().clip(10, 500)
    for wrong in (
        lambda: waiting.gaussian_filter(-1),
        lambda: waiting + np.zeros(3),
        lambda: waiting[50],
        lambda: waiting.toseries().detrend("curved"),
    ):
        with pytest.raises(tl.ThunderlikeError):
            wrong()


def test_two_threads_compute_one_plan(steps):
    clipped = movie().clip(10, 500)
    doubled, results = clipped * 2, []

    def run():
        results.append((clipped.std().toarray(), doubled.toarray(), doubled.toseries().sum()))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    for std, values, _ in results:
        np.testing.assert_array_equal(std, results[0][0])
        np.testing.assert_array_equal(values, VALUES.clip(10, 500) * 2)
    assert sum(steps) <= 5 * 40


def test_values_have_the_bits_of_those_that_are_computed_at_once(monkeypatch):
    def run():
        series = movie().gaussian_filter(1).toseries().detrend()
        found = [series.toarray(), series.zscore().std().toarray(), (series + series).toarray()]
        found += [series[:, ::2, :7].mean().toarray(), series[::-1].toarray()]
        return [*found, tl.series.concatenate([series, series]).toarray()]

    waiting = run()
    monkeypatch.setattr(sys.modules["thunderlike.engines.local"], "_LARGE", 2**40)
    for one, other in zip(waiting, run(), strict=True):
        assert one.tobytes() == other.tobytes()


def test_a_writer_streams(tmp_path, steps):
    clipped = movie().clip(10, 500)
    clipped.tobinary(tmp_path / "binary")
    assert not clipped._records.in_memory
    clipped = movie().clip(10, 500)
    clipped.tonpy(tmp_path / "a.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), VALUES.clip(10, 500))
    assert (sum(steps), clipped._records.in_memory) == (80, False)
