"""Maps in forks: results, errors, deaths, shared memory."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest

from thunderlike import _system
from thunderlike.errors import EngineError, WorkerFailedError
from thunderlike.parallel.fork import fork_map
from thunderlike.parallel.shared_memory import anonymous_memory

pytestmark = pytest.mark.skipif(not _system.can_fork(), reason="this system does not fork")


@pytest.mark.parametrize(("count", "workers"), [(0, 2), (1, 3), (10, 1), (10, 3)])
def test_every_item_is_done_once(count, workers):
    assert sorted(fork_map(lambda item: -item, range(count), workers)) == sorted(
        -item for item in range(count)
    )


def test_forks_run_at_once():
    pids = set(fork_map(lambda _: os.getpid(), range(4), workers=2))
    assert len(pids) == 2
    assert os.getpid() not in pids


def test_what_forks_write_to_shared_memory_is_here():
    table = np.frombuffer(anonymous_memory(64), np.int64)

    def fill(row):
        table[row] = row

    assert len(list(fork_map(fill, range(8), workers=2))) == 8
    assert table.tolist() == list(range(8))


def test_what_is_raised_there_is_raised_here_and_the_others_end():
    def run(item):
        if item == 1:
            raise LookupError("item 1")
        return os.getpid()

    with pytest.raises(LookupError, match="item 1"):
        list(fork_map(run, range(100), workers=2))


def test_a_fork_that_is_killed():
    with pytest.raises(WorkerFailedError, match="ended with code -9"):
        list(fork_map(lambda _: os.kill(os.getpid(), signal.SIGKILL), range(4), workers=2))


def test_forks_end_with_the_iterator():
    found = fork_map(lambda _: os.getpid(), range(100), workers=2)
    pid = next(found)
    found.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_more_memory_than_there_is():
    with pytest.raises(EngineError, match="of shared memory"):
        anonymous_memory(2**60)


def test_forks_in_a_fork_run_there():
    def nested(number):
        return list(fork_map(lambda item: (os.getpid(), item), range(number), workers=2))

    for found in fork_map(nested, [3, 4], workers=2):
        assert sorted(item for _, item in found) == list(range(len(found)))
        assert len({process for process, _ in found}) == 1
