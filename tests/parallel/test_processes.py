"""Worker processes: deaths, what cannot be sent, and that nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from thunderlike import _system
from thunderlike.errors import SpecError, ThunderlikeError, WorkerFailedError
from thunderlike.parallel import pmap, shutdown

processes = {"backend": "processes", "workers": 2}


def dies_at(bad, how):
    def function(i):
        if i == bad:
            os.kill(os.getpid(), how) if how else os._exit(7)
        return i

    return function


@pytest.mark.parametrize(("death", "text"), [(signal.SIGKILL, "signal 9"), (0, "exit code 7")])
def test_a_worker_that_dies_is_an_error_that_names_its_item(death, text):
    with pytest.raises(WorkerFailedError, match=f"{text} while it ran item 3, 3") as caught:
        list(pmap(dies_at(3, death), range(20), **processes))
    assert caught.value.key == 3


def test_the_other_items_are_not_affected_by_a_death():
    found = list(pmap(dies_at(3, signal.SIGKILL), range(50), on_error="skip", **processes))
    assert found == [i for i in range(50) if i != 3]


def test_who_died_between_two_maps_is_replaced_and_no_item_suffers():
    pids = set(pmap(lambda _: (time.sleep(0.05), os.getpid())[1], range(4), **processes))
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    time.sleep(0.1)
    assert list(pmap(abs, range(6), **processes)) == list(range(6))


def test_processes_are_kept_until_they_are_shut_down():
    def pids():
        return set(pmap(lambda _: (time.sleep(0.05), os.getpid())[1], range(6), **processes))

    shutdown()  # one that a test before has left may still be at work
    # One of the two may be too late for any item of a map: those that ran one are two at most.
    first = pids() | pids() | pids()
    assert len(first) <= 2
    shutdown()
    assert pids().isdisjoint(first)


def test_nothing_is_left_in_memory_or_among_the_processes(tmp_path, monkeypatch):
    monkeypatch.setattr(_system, "MEMORY", tmp_path)
    shutdown()
    pids = set()
    found = pmap(lambda i: (os.getpid(), np.zeros(50_000)), range(30), **processes)
    for pid, _array in found:
        pids.add(pid)
        if len(pids) == 2:
            break
    found.close()
    list(pmap(dies_at(3, signal.SIGKILL), [np.zeros(9000)] * 9, on_error="skip", **processes))
    shutdown()
    assert list(tmp_path.iterdir()) == []
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_what_cannot_be_sent_is_named_with_what_helps():
    with pytest.raises(SpecError, match="cannot be sent"):
        list(pmap(lambda x: x, [(i for i in range(3))], **processes))


def test_without_cloudpickle_a_lambda_is_refused_with_the_extra_that_helps(monkeypatch):
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    monkeypatch.setattr("thunderlike.parallel._protocol.find_spec", lambda _: None)
    with pytest.raises(SpecError, match=r"<lambda>.*top level.*thunderlike\[parallel\]"):
        list(pmap(lambda x: x, [1], **processes))
    assert list(pmap(abs, [-1], **processes)) == [1]


def test_an_error_that_cannot_travel_comes_as_its_text():
    def fail(_):
        class Odd(Exception):
            def __init__(self, one, two):
                super().__init__(f"{one} and {two}")

        raise Odd(1, 2)

    with pytest.raises(WorkerFailedError, match="Odd: 1 and 2") as caught:
        list(pmap(fail, [0], **processes))
    assert "in fail" in caught.value.traceback
    assert isinstance(caught.value, ThunderlikeError)


def test_an_exit_in_a_worker_is_an_exit_here():
    with pytest.raises(SystemExit):
        list(pmap(lambda _: sys.exit(3), [0], on_error="skip", **processes))


SCRIPT = """
    import os, signal, sys, time
    from pathlib import Path
    from thunderlike import _system
    from thunderlike.parallel import main, pmap

    _system.MEMORY = Path(__file__).parent / "memory"

    def pid(_):
        time.sleep(60)

    if main(__name__):
        items = iter(range(9))
        def taken():
            for i in items:
                if i == 3:
                    print("ready", flush=True)
                yield i
        for _ in pmap(pid, taken(), backend="processes", workers=2):
            pass
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(textwrap.dedent(SCRIPT))
    return path


@pytest.fixture
def memory(tmp_path):
    """Folder for the segments of a script in `tmp_path`; other tests use the default one."""
    (tmp_path / "memory").mkdir()
    return tmp_path / "memory"


def test_a_script_that_ends_within_a_map_leaves_nothing(tmp_path, memory):
    path = tmp_path / "script.py"
    path.write_text(
        textwrap.dedent("""
            import time
            from pathlib import Path
            from thunderlike.batches import Batch
            from thunderlike import _system
            from thunderlike.parallel import main, pmap

            _system.MEMORY = Path(__file__).parent / "memory"

            def slow(x):
                time.sleep(x)
                return x

            if main(__name__):
                kept = pmap(slow, [0, 90, 90, 90], backend="processes", workers=2)
                print(next(kept))
                batch = Batch.from_data(data={"x": [0, 90, 90]})
                try:
                    batch.apply_parallel(slow, src="x", target="mpc", n_workers=2, timeout=0.2)
                except TimeoutError:
                    print("late")
        """)
    )
    ran = subprocess.run(
        [sys.executable, path], capture_output=True, text=True, timeout=300, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "0\nlate\n", "")
    assert list(memory.iterdir()) == []


def test_an_interrupt_ends_the_script_and_its_workers_with_one_traceback(script, memory):
    with subprocess.Popen(
        [sys.executable, script], stdout=-1, stderr=-1, text=True, start_new_session=True
    ) as ran:
        assert ran.stdout.readline() == "ready\n"
        time.sleep(0.5)
        os.killpg(ran.pid, signal.SIGINT)
        _, output = ran.communicate(timeout=300)
    assert ran.returncode == -signal.SIGINT
    assert output.count("Traceback") == 1
    assert output.rstrip().endswith("KeyboardInterrupt")
    assert list(memory.iterdir()) == []


def test_workers_of_a_script_that_was_killed_end_and_tidy_up(tmp_path, memory):
    path = tmp_path / "script.py"
    path.write_text(textwrap.dedent(SCRIPT).replace("sleep(60)", "sleep(0.2)"))
    with subprocess.Popen([sys.executable, path], stdout=-1, text=True) as ran:
        assert ran.stdout.readline() == "ready\n"
        ran.kill()
    until = time.monotonic() + 60
    while list(memory.iterdir()):
        assert time.monotonic() < until, "segments are left"
        time.sleep(0.05)


def in_a_fork(run):
    """Run a function in a fork; return its result as text, or the class and text of its error."""
    here, there = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            output = repr(run())
        except BaseException as error:
            output = f"{type(error).__name__}: {error}"
        os.write(there, output.encode())
        os._exit(0)
    os.close(there)
    with os.fdopen(here) as answer:
        output = answer.read()
    os.waitpid(child, 0)
    return output


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_maps_with_processes_of_its_own():
    assert list(pmap(abs, [-1, 2], **processes)) == [1, 2]

    def run():
        twice = [list(pmap(abs, [-1, 2], **processes)) for _ in range(2)]
        shutdown()
        return twice

    assert in_a_fork(run) == "[[1, 2], [1, 2]]"
    assert list(pmap(abs, [-1, 2], **processes)) == [1, 2]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_map_that_was_begun_is_not_continued_in_a_fork():
    found = pmap(abs, range(5), **processes)
    assert next(found) == 0
    assert in_a_fork(lambda: list(found)).startswith("WorkerFailedError: a map of process")
    assert list(found) == [1, 2, 3, 4]


def test_a_map_in_a_worker_runs_there():
    def nested(number):
        return list(pmap(lambda item: (os.getpid(), item), range(number), **processes))

    for found in pmap(nested, [3, 4], **processes):
        assert [item for _, item in found] == list(range(len(found)))
        assert len({process for process, _ in found}) == 1
