"""Run the examples of docs/interop.md, and check the names in its tables."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

import thunderlike as tl

PAGE = Path(__file__).parents[2] / "docs" / "interop.md"
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def test_examples_of_the_page_run():
    for name in ("xarray", "pynwb", "zarr"):
        pytest.importorskip(name)
    ran = doctest.testfile(str(PAGE), module_relative=False, optionflags=OPTIONS)
    assert ran.attempted > 20
    assert ran.failed == 0


def test_readers_and_methods_in_the_table_exist():
    rows = [row for row in PAGE.read_text("utf-8").splitlines() if row.startswith("| ")]
    named = set(re.findall(r"\b((?:from|to)[a-z0-9]{3,})\b", " ".join(rows)))
    known = {*dir(tl.images), *dir(tl.series), *dir(tl.Images), *dir(tl.Series)}
    assert named - known - {"from_dlpack", "torch"} == set()
