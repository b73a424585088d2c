"""Run the examples of docs/datasets.md."""

from __future__ import annotations

import doctest
from pathlib import Path

from thunderlike import storage

PAGE = Path(__file__).parents[2] / "docs" / "datasets.md"


def test_examples_of_the_page_run():
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    result = doctest.testfile(str(PAGE), module_relative=False, optionflags=flags)
    for name in ("animals.msgpack", "animal-shards", "frames"):
        storage.delete(f"memory://{name}")
    assert result.attempted > 25
    assert result.failed == 0
