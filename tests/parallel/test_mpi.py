"""The maps under a real mpirun: nothing hangs, nothing is lost, errors come home."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

MPIRUN = shutil.which(
    "mpirun", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
)
MEMORY = Path("/dev/shm")
pytest.importorskip("mpi4py")
pytestmark = [
    pytest.mark.mpi,
    pytest.mark.skipif(MPIRUN is None, reason="no mpirun: MPI IS NOT TESTED"),
]

HEAD = """
import os, sys, time
import numpy as np
from thunderlike.parallel import imap, imap_unordered, main, pmap, rank, starmap

def double(x):
    return None if x is None else 2 * x

def third_fails(x):
    if x == 3:
        raise ValueError("boom")
    return x

def nested(n):
    return list(imap(double, range(n)))

def ones(n):
    return np.ones(n, np.uint8)

def sleep(seconds):
    time.sleep(seconds)
    return rank()

"""


def command(tmp_path, body, ranks):
    path = tmp_path / "script.py"
    path.write_text(HEAD + "if main(__name__):\n" + textwrap.indent(textwrap.dedent(body), "    "))
    # Open MPI wants these said aloud; MPICH does not look.
    extra = ("--oversubscribe", "--allow-run-as-root") if "ompi" in MPIRUN else ()
    return [MPIRUN, *extra, "-n", str(ranks), sys.executable, str(path)]


@pytest.fixture(autouse=True)
def _tidy():
    """Remove the memory and topology files that MPICH leaves after a killed job."""
    before = set(_of_mpich())
    yield
    for left in set(_of_mpich()) - before:
        left.unlink(missing_ok=True)


def _of_mpich():
    yield from MEMORY.glob("mpich_shm_*")
    yield from Path("/tmp").glob("hydra_hwloc_xmlfile_*")  # MPICH has no setting for this folder


def started(tmp_path, body, ranks):
    """Start a job, and wait until its ranks have found each other.

    MPICH hangs at times while they do, before any line of ours runs: seen in one start of fifty
    where cores were taken, all ranks inside of MPI_Init. Such a job is ended, and another started,
    with twice the time: on a busy machine Python alone may take as long.
    """
    begun = tmp_path / "begun"
    body = f"open({str(begun)!r}, 'w').close()\n{textwrap.dedent(body)}"
    for patience in (12, 24, 48, 96):
        job = subprocess.Popen(
            command(tmp_path, body, ranks), stdin=subprocess.DEVNULL, stdout=-1, stderr=-1,
            text=True, start_new_session=True,
        )  # fmt: skip
        deadline = time.monotonic() + patience
        while job.poll() is None and not begun.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        if begun.exists() or job.poll() is not None:
            return job
        job.terminate()
        job.communicate(timeout=300)
    return pytest.fail("the ranks did not find each other in four starts")


@pytest.fixture
def under(tmp_path):
    def run(body, ranks=3):
        with started(tmp_path, body, ranks) as job:
            out, err = job.communicate(timeout=300)
        return job.returncode, out, err

    return run


# Several tests look at one job, as starting ranks takes longer than what they do.
PARTS = {
    "results": """
        print(list(imap(double, range(20))) == list(range(0, 40, 2)))
        print(list(imap(double, [1, None, 2])), list(imap(double, [None, 5])))
        print(sorted(imap_unordered(double, range(9))) == list(range(0, 18, 2)))
        print(list(starmap(pow, [(2, 3), (3, 2)])), list(imap(double, [])))
        print([a.nbytes for a in imap(ones, [0, 10, 32767, 32768, 40000, 2**20])])
        print(list(imap(nested, range(4))))
        print(sorted(set(imap(sleep, [0.05] * 6))))
    """,
    "streams": """
        for one in (imap, imap_unordered):
            taken = []
            found = one(double, (taken.append(i) or i for i in range(1000)))
            print(len(taken), end=" ")
            next(found)
            print(len(taken))
            found.close()
    """,
    "sent": """
        def below(x):
            return -x
        print(list(imap(below, [1, 2])), list(imap(lambda x: x + 1, [1, 2])))
    """,
    "after": """
        try:
            list(imap(third_fails, range(10)))
        except ValueError as error:
            print(error)
        for value in imap_unordered(double, range(100)):
            break
        print(list(imap(double, range(4))))
        one = imap(double, range(9))
        next(one)
        try:
            next(imap(double, range(9)))
        except RuntimeError as error:
            print(error)
    """,
}


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """The lines that each of the parts printed, all run by one job of four ranks."""
    bodies = [f"print('part {name}')\n{textwrap.dedent(body)}" for name, body in PARTS.items()]
    with started(tmp_path_factory.mktemp("parts"), "\n".join(bodies), 4) as job:
        out, err = job.communicate(timeout=300)
    assert (job.returncode, err) == (0, "")
    found = {name: lines for name, *lines in map(str.splitlines, out.split("part ")[1:])}
    assert found.keys() == PARTS.keys()
    return found


def test_results_order_and_none_and_every_shape_of_item(parts):
    assert parts["results"] == [
        "True",
        "[2, None, 4] [None, 10]",
        "True",
        "[8, 9] []",
        "[0, 10, 32767, 32768, 40000, 1048576]",
        "[[], [0], [0, 2], [0, 2, 4]]",
        "[1, 2, 3]",
    ]


def test_input_streams_two_ahead_for_each_worker(parts):
    assert parts["streams"] == ["0 6", "0 6"]


def test_functions_below_the_gate_and_lambdas_are_sent(parts):
    assert parts["sent"] == ["[-1, -2] [2, 3]"]


def test_after_an_error_or_a_break_the_next_map_works(parts):
    assert parts["after"][:2] == ["boom", "[0, 2, 4, 6]"]
    assert parts["after"][2].startswith("another map is open on these ranks")


def test_an_error_comes_home_and_ends_the_job(under):
    code, _, err = under("list(imap(third_fails, range(10)))")
    assert code == 1
    assert "in third_fails" in err
    assert "ValueError: boom" in err
    assert "raised for item 3" in err


def test_without_cloudpickle_they_are_named(under):
    code, _, err = under("""
        sys.modules["cloudpickle"] = None
        def below(x):
            return -x
        try:
            list(imap(lambda x: x, [1]))
        except ValueError as error:
            sys.stderr.write(f"{error}\\n")
        list(imap(below, [1, 2]))
    """)
    assert code == 1
    assert "<lambda> cannot be sent to another process" in err
    assert "below is defined below tl.parallel.main" in err


def test_an_error_on_rank_0_ends_the_job_though_others_are_at_work(under):
    code, _, err = under("""
        for _ in imap(sleep, [0, 50, 50]):
            raise LookupError("mine")
    """)
    assert code != 0
    assert "LookupError: mine" in err


def test_a_rank_that_is_killed_ends_the_job(under):
    code, out, _ = under("""
        list(imap(lambda _: os.kill(os.getpid(), 9), range(4)))
        print("never")
    """)
    assert code != 0
    assert "never" not in out


def test_an_interrupt_ends_the_job_with_one_line(tmp_path):
    body = "found = imap(sleep, [0, 50, 50]); next(found); print('ready', flush=True); next(found)"
    with started(tmp_path, body, 3) as ran:
        assert ran.stdout.readline() == "ready\n"
        ran.send_signal(signal.SIGINT)
        out, err = ran.communicate(timeout=300)
    assert ran.returncode == 130
    assert (out + err).count("interrupted: all ranks end") == 1
    assert "Traceback" not in out + err


def test_one_rank_runs_serially(under):
    code, out, _ = under("print(list(imap(lambda x: rank(), range(3))))", ranks=1)
    assert (code, out) == (0, "[0, 0, 0]\n")


def test_without_the_gate_every_rank_runs_its_own(tmp_path):
    path = tmp_path / "ungated.py"
    path.write_text("from thunderlike.parallel import imap\nprint(list(imap(abs, [-1, 2])))\n")
    line = [*command(tmp_path, "pass", 2)[:-1], str(path)]
    ran = subprocess.run(line, capture_output=True, text=True, timeout=300, check=True)
    assert ran.stdout.count("[1, 2]") == 2  # in whatever order mpirun puts their ends of lines
