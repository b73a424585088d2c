"""The gate and its maps in one process; tests/parallel/test_mpi.py has them under mpirun."""

from __future__ import annotations

import subprocess
import sys

import pytest

from thunderlike import parallel
from thunderlike.errors import ConfigError
from thunderlike.parallel import launcher


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    for name in (*launcher.mpi.LAUNCHERS, launcher.VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(launcher, "_passed", [])


def test_the_gate_lets_the_script_through_and_modules_not():
    assert parallel.main("__main__")
    assert parallel.main()
    assert not parallel.main("some.module")
    assert parallel.rank() == 0


@pytest.mark.parametrize("choice", ["serial", "processes"])
def test_the_maps_give_the_same_wherever_they_run(monkeypatch, choice):
    monkeypatch.setenv(launcher.VARIABLE, choice)
    assert parallel.main("__main__")
    assert list(parallel.imap(abs, [-1, -2])) == [1, 2]
    assert sorted(parallel.imap_unordered(abs, [-1, -2])) == [1, 2]
    assert list(parallel.starmap(pow, [(2, 3), (3, 2)])) == [8, 9]
    assert sorted(parallel.starmap_unordered(pow, [(2, 3), (3, 2)])) == [8, 9]
    assert list(parallel.imap(lambda x: x, [1, None])) == [1, None]


@pytest.mark.parametrize("choice", ["serial", "processes"])
def test_nothing_starts_before_the_first_next(monkeypatch, choice):
    monkeypatch.setenv(launcher.VARIABLE, choice)
    parallel.main("__main__")
    taken = []
    found = parallel.imap(abs, (taken.append(i) or i for i in range(5)))
    assert taken == []
    assert next(found) == 0
    found.close()


def test_an_unknown_choice_is_refused(monkeypatch):
    monkeypatch.setenv(launcher.VARIABLE, "gpu")
    with pytest.raises(ConfigError, match="THUNDERLIKE_PARALLEL is one of serial"):
        parallel.main("__main__")


def test_mpi_is_not_imported_without_mpirun():
    code = (
        "import sys; from thunderlike.parallel import main, imap; main('__main__'); "
        "list(imap(abs, [1])); sys.exit('mpi4py' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
