"""Run the examples of docs/storage.md, and compare its tables with the code."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

from thunderlike import errors
from thunderlike.errors import SpecError
from thunderlike.storage import at
from thunderlike.storage.paths import STORES

PAGE = Path(__file__).parents[2] / "docs" / "storage.md"
TEXT = PAGE.read_text("utf-8")


def table(head):
    """Return the rows of a table, each a list of cells."""
    lines = TEXT[TEXT.index(f"| {head} |") :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_examples_of_the_page_run(monkeypatch):
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    result = doctest.testfile(str(PAGE), module_relative=False, optionflags=doctest.ELLIPSIS)
    assert result.failed == 0
    assert result.attempted > 10


def test_every_scheme_is_in_the_table():
    named = set(re.findall(r"`(\w+)://", " ".join(row[0] for row in table("path | location"))))
    assert named | {"http", ""} == set(STORES)


def test_the_table_of_credentials_has_them_all():
    named = [name for row in table("`credentials=`") for name in re.findall(r"`(\w+)`", row[0])]
    try:
        at("s3://bucket", {"no_such": 1})
    except SpecError as error:
        known = str(error).rpartition("there are ")[2].split(", ")
    assert sorted(named) == sorted(known)


def test_errors_in_the_table_match_the_code():
    for name, also, _ in table("class | also"):
        kind = getattr(errors, name.strip("`").removeprefix("errors."))
        assert also.strip("`") in {base.__name__ for base in kind.__mro__}
