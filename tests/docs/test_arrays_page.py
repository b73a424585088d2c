"""docs/arrays.md: every example on it runs."""

import doctest
from pathlib import Path

PAGE = Path(__file__).parent.parent.parent / "docs" / "arrays.md"


def test_the_page_runs():
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    failed, tried = doctest.testfile(str(PAGE), module_relative=False, optionflags=flags)
    assert tried > 15
    assert failed == 0
