"""Maps give the same values, errors and bounds on every backend."""

from __future__ import annotations

import itertools
import threading

import numpy as np
import pytest

import thunderlike as tl
from thunderlike.errors import EngineError, SpecError
from thunderlike.parallel import Failure, pmap, seeded
from thunderlike.progress import subscribe

HERE = ["serial", "threads", "processes"]
everywhere = pytest.mark.parametrize("backend", HERE)


@everywhere
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_results_come_in_the_order_of_the_items(backend, workers):
    found = pmap(lambda i: i * i, range(40), backend=backend, workers=workers)
    assert list(found) == [i * i for i in range(40)]


@everywhere
def test_unordered_results_are_the_same_ones(backend):
    found = pmap(lambda i: -i, range(40), backend=backend, workers=2, ordered=False)
    assert sorted(found) == sorted(-i for i in range(40))


@everywhere
@pytest.mark.parametrize("ordered", [True, False])
def test_nothing_is_taken_in_before_it_is_asked_for_and_little_ahead_of_it(backend, ordered):
    taken = []
    items = (taken.append(i) or i for i in itertools.count())
    found = pmap(lambda i: i, items, backend=backend, workers=2, ordered=ordered, window=3)
    assert taken == []
    for given in range(1, 20):
        next(found)
        assert len(taken) <= given + 3
    found.close()


def test_a_slow_first_item_blocks_the_input_once_the_window_is_full():
    taken, go = [], threading.Event()

    def slow_first(i):
        if i == 0:
            go.wait(20)
        return i

    def items():
        for i in range(50):
            taken.append(i)
            if len(taken) == 8:
                go.set()
            yield i

    assert list(pmap(slow_first, items(), workers=2, window=8)) == list(range(50))
    assert go.is_set()


@everywhere
@pytest.mark.parametrize("ordered", [True, False])
def test_none_is_an_item_and_a_result_like_any_other(backend, ordered):
    found = pmap(lambda x: x, [1, None, 2, None], backend=backend, ordered=ordered)
    assert sorted(found, key=str) == [1, 2, None, None]


def _third_fails(i):
    if i == 3:
        raise KeyError("three")
    return i


@everywhere
def test_an_error_keeps_its_type_and_names_its_place(backend):
    found = pmap(lambda i: _third_fails(i), range(9), backend=backend, workers=2)
    assert [next(found) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(KeyError, match="three") as caught:
        next(found)
    assert caught.value.__notes__ == ["raised for item 3 of a map, counted from 0"]


@pytest.fixture(autouse=True)
def _functions_of_this_file_go_by_value():
    """No worker can import a test file."""
    import sys

    cloudpickle = pytest.importorskip("cloudpickle")
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def test_an_error_of_a_process_has_the_traceback_there_as_its_cause():
    with pytest.raises(KeyError) as caught:
        list(pmap(_third_fails, range(9), backend="processes"))
    assert "in _third_fails" in str(caught.value.__cause__)


@everywhere
def test_errors_may_be_collected_or_left_out(backend):
    found = list(pmap(_third_fails, range(5), backend=backend, on_error="collect"))
    assert found[:3] == [0, 1, 2]
    assert isinstance(found[3], Failure)
    assert found[3].position == 3
    assert isinstance(found[3].error, KeyError)
    assert found[4] == 4
    assert list(pmap(_third_fails, range(5), backend=backend, on_error="skip")) == [0, 1, 2, 4]


@everywhere
def test_an_error_of_the_input_is_raised_after_what_came_before_it(backend):
    def items():
        yield from range(5)
        raise OSError("the disk is gone")

    found = pmap(lambda i: i, items(), backend=backend, workers=2)
    assert [next(found) for _ in range(5)] == list(range(5))
    with pytest.raises(OSError, match="the disk is gone"):
        next(found)


@everywhere
def test_a_map_that_is_left_does_not_disturb_the_next(backend):
    for value in pmap(lambda i: i, itertools.count(), backend=backend, workers=2):
        if value == 5:
            break
    assert list(pmap(lambda i: -i, range(9), backend=backend, workers=2)) == [-i for i in range(9)]


@everywhere
def test_maps_may_be_open_side_by_side_and_within_one_another(backend):
    one = pmap(lambda i: i, range(9), backend=backend, workers=2)
    other = pmap(lambda i: -i, range(9), backend=backend, workers=2)
    assert list(zip(one, other, strict=True)) == [(i, -i) for i in range(9)]
    nested = pmap(lambda n: sum(pmap(abs, range(n), backend=backend)), range(5), backend=backend)
    assert list(nested) == [0, 0, 1, 3, 6]


@everywhere
def test_arrays_go_and_come_whole_and_may_be_written(backend):
    rng = np.random.default_rng(1)
    items = [rng.random((50, 300)), np.asfortranarray(rng.random((90, 80))), np.zeros((0, 7))]
    items += [rng.random(40_000)[::2], np.array(5), {"a": rng.random(9000), "b": [1, None]}]
    for sent, came in zip(items, pmap(lambda x: x, items, backend=backend), strict=True):
        np.testing.assert_equal(came, sent)
    (came,) = pmap(lambda n: np.arange(n), [20_000], backend=backend)
    came += 1


@everywhere
def test_settings_go_along(backend):
    with tl.config(tile_bytes=77):
        found = pmap(lambda _: tl.config().__enter__().tile_bytes, range(3), backend=backend)
        assert list(found) == [77] * 3


@everywhere
def test_random_streams_belong_to_the_place_of_an_item(backend):
    def draw(item):
        value, rng = item
        return value + rng.random()

    alone = [draw(pair) for pair in seeded(range(6), seed=3)]
    assert list(pmap(draw, seeded(range(6), seed=3), backend=backend, workers=2)) == alone
    assert alone != [draw(pair) for pair in seeded(range(6), seed=4)]
    assert len({value % 1 for value in alone}) == 6


@everywhere
def test_each_item_is_an_event(backend):
    events = []
    with subscribe(events.append):
        list(pmap(abs, [1, 2, 3], backend=backend, progress="making absolute"))
    assert [(e.label, e.done, e.total) for e in events][-1] == ("making absolute", 3, 3)
    assert events[-1].finished


@pytest.mark.parametrize(
    "wrong", [{"backend": "gpu"}, {"on_error": "ignore"}, {"workers": 0}, {"window": 0}]
)
def test_a_wrong_choice_is_refused_at_once(wrong):
    with pytest.raises(SpecError, match=next(iter(wrong))):
        pmap(abs, [1], **wrong)


def test_ranks_serve_below_the_gate_alone():
    with pytest.raises(EngineError, match="mpirun"):
        list(pmap(abs, [1], backend="mpi"))
