"""The bounded, ordered map over threads."""

from __future__ import annotations

import threading
import time

import pytest

import thunderlike as tl
from thunderlike.parallel.threads import tmap


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(workers):
    started = threading.Event()

    def late_first(i):
        if i == 0 and workers > 1:
            started.wait(5)
        started.set()
        return i * i

    assert list(tmap(late_first, range(20), workers=workers)) == [i * i for i in range(20)]


def test_items_are_taken_in_as_results_are_taken_out():
    taken = []
    results = tmap(lambda i: i, (taken.append(i) or i for i in range(1000)), workers=2)
    next(results)
    assert len(taken) < 10


@pytest.mark.parametrize("workers", [1, 3])
def test_an_error_is_raised_at_its_place_and_nothing_more_is_started(workers):
    ran = []

    def fail(i):
        ran.append(i)
        if i == 3:
            raise KeyError(i)
        return i

    results = tmap(fail, range(1000), workers=workers)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(KeyError):
        next(results)
    assert max(ran) < 3 + 2 * workers + 1


def test_a_map_within_a_map_does_not_wait_for_itself():
    found = tmap(lambda i: sum(tmap(lambda j: i * j, range(5), workers=2)), range(8), workers=2)
    assert list(found) == [10 * i for i in range(8)]


def test_settings_go_along_into_the_threads():
    with tl.config(tile_bytes=77):
        found = list(tmap(lambda _: tl.config().__enter__().tile_bytes, range(3), workers=2))
    assert found == [77] * 3


def test_nothing_runs_on_when_an_item_has_failed():
    begun, running = threading.Event(), []

    def work(item):
        if item == 0:
            begun.wait(10)
            raise ValueError("no")
        running.append(item)
        begun.set()
        time.sleep(0.2)
        running.remove(item)

    with pytest.raises(ValueError, match="no"):
        list(tmap(work, range(8), workers=2))
    assert running == []
