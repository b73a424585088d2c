"""The pages on maps and batches run as they stand."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


@pytest.mark.parametrize("page", ["parallel.md", "batches.md"])
def test_what_the_page_shows_is_so(page):
    ran = doctest.testfile(str(DOCS / page), module_relative=False, optionflags=OPTIONS)
    assert ran.attempted > 5
    assert ran.failed == 0
