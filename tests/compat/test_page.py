"""docs/compat.md: its lines run, its tables are true."""

from __future__ import annotations

import doctest
import importlib
import re
from pathlib import Path

from thunderlike.compat.thunder import MODULES

PAGE = Path(__file__).parents[2] / "docs" / "compat.md"
TEXT = PAGE.read_text("utf-8")
ROWS = [re.findall(r"`([\w.]+)`", line) for line in TEXT.splitlines() if line.startswith("| `")]


def test_its_lines_run():
    result = doctest.testfile(str(PAGE), module_relative=False)
    assert (result.failed, result.attempted) == (0, 5)


def test_every_module_is_in_the_table():
    named = {name for row in ROWS for name in row if name in MODULES}
    inner = {name for name in MODULES if any(other.startswith(f"{name}.") for other in MODULES)}
    assert named >= set(MODULES) - inner


def test_every_name_of_the_table_is_there():
    for row in ROWS:
        modules = [importlib.import_module(name) for name in row if name in MODULES]
        names = [name for name in row if name.isidentifier() and name not in MODULES]
        assert modules
        assert [n for n in names for m in modules if not hasattr(m, n)] == []


def test_every_file_that_it_names_is_there():
    (named,) = set(re.findall(r"`(tests/[\w/.]+)`", TEXT))
    assert (PAGE.parents[1] / named).is_file()
