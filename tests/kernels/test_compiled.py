"""The gate to numba: which form is chosen, and that nothing is imported for small work."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import thunderlike
from thunderlike.kernels import compiled
from thunderlike.kernels.compiled import REPAYS, Compiled, compilable

HOME = Path(thunderlike.__file__).parent


def _twin(x):
    return x.sum()


def _loops(x):
    total = 0
    for value in x:
        total += value
    return total


def imported(code):
    ran = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print('numba' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout.split()[-1] == "True"


def test_small_work_imports_no_numba():
    assert not imported(
        "import thunderlike as tl\n"
        "tl.arrays.apply_lut([0, 1], [1, 2]), tl.arrays.correlate1d([1, 2], [1])\n"
        "tl.arrays.where([0, 1], cutoff=0), tl.arrays.neighbours([1, 2], 1)\n"
        "tl.arrays.apply_lut_to_index([0, 1], [1], [1, 2]), tl.arrays.block_sums([1])"
    )


def test_work_that_repays_it_is_compiled():
    pytest.importorskip("numba")
    both = Compiled(_loops, _twin, saves=2)
    fast = both.form(REPAYS / 2)
    assert fast is not _twin
    assert fast(np.arange(10)) == 45
    assert fast is both.form(1, np.dtype("u1"))


def test_small_work_done_often_is_compiled_in_the_end():
    pytest.importorskip("numba")
    both = Compiled(_loops, _twin, saves=1)
    forms = [both.form(REPAYS / 4) for _ in range(5)]
    assert [form is _twin for form in forms] == [True, True, True, False, False]


def test_the_environment_can_ask_for_it_at_once(monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setenv("THUNDERLIKE_NUMBA", "always")
    assert Compiled(_loops, _twin).form(1) is not _twin


def test_loops_may_call_functions_of_ours():
    numba = pytest.importorskip("numba")

    def doubled(x):
        return 2 * x

    def loops(x):
        return doubled(x) + 1

    def teach():
        numba.extending.register_jitable(doubled)

    assert Compiled(loops, None, needs=(teach,)).form(REPAYS)(3) == 7


def test_dtypes_that_numba_does_not_know_are_the_twins():
    both = Compiled(_loops, _twin)
    for dtype in ("f2", ">i4", "g", "c16"):
        assert not compilable(np.dtype(dtype))
        assert both.form(1e12, np.dtype("u1"), np.dtype(dtype)) is _twin


def test_without_numba_there_is_the_twin(monkeypatch):
    monkeypatch.setattr(compiled, "_found", lambda: False)
    assert Compiled(_loops, _twin).form(1e12) is _twin


def test_the_environment_can_do_without_numba(monkeypatch):
    monkeypatch.setenv("THUNDERLIKE_NUMBA", "0")
    assert Compiled(_loops, _twin).form(1e12) is _twin


def test_a_place_where_nothing_can_be_kept_is_no_failure():
    numba = pytest.importorskip("numba")
    namespace = {}
    exec("def loops(x):\n    return x + 1", namespace)
    assert compiled._jit(namespace["loops"], ())(1) == 2
    assert isinstance(compiled._jit(_loops, ()), numba.core.dispatcher.Dispatcher)


def test_numba_is_imported_where_it_is_needed_alone_and_never_runs_in_parallel():
    places = {HOME / "kernels" / "compiled.py", HOME / "kernels" / "lanes.py"}
    for path in HOME.rglob("*.py"):
        text = path.read_text("utf-8")
        names = {
            name.name.partition(".")[0]
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in (
                node.names if isinstance(node, ast.Import) else [ast.alias(node.module or "")]
            )
        }
        assert ("numba" in names) == (path in places), path
        assert "njit(parallel" not in text
