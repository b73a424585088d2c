"""Run the examples of docs/formats.md, and compare its tables with the code."""

from __future__ import annotations

import doctest
import re
from inspect import signature
from pathlib import Path

import thunderlike as tl

PAGE = Path(__file__).parents[2] / "docs" / "formats.md"
HEAD = "| format | images | series |"


def test_examples_of_the_page_run():
    result = doctest.testfile(str(PAGE), module_relative=False)
    assert (result.failed, result.attempted > 8) == (0, True)


def test_every_reader_and_writer_is_in_the_table():
    text = PAGE.read_text("utf-8")
    rows = [line.split("|") for line in text[text.index(HEAD) :].split("\n\n")[0].splitlines()]
    named = [set(re.findall(r"`(\w+)`", " ".join(row[i] for row in rows))) for i in (2, 3)]
    elsewhere = {"fromarray", "fromlist", "fromrdd", "fromrandom", "fromexample", "fromdataset"}
    elsewhere |= {"fromdask", "fromxarray"}  # no files: docs/interop.md
    for room, kind, found in ((tl.images, tl.Images, named[0]), (tl.series, tl.Series, named[1])):
        readers = {name for name in room.__all__ if name.startswith("from")} - elsewhere
        assert {name for name in found if name.startswith("from")} == readers
        writers = {name for name in found if name.startswith("to")}
        methods = {name: getattr(kind, name) for name in dir(kind) if name.startswith("to")}
        takes = {name for name in methods if "overwrite" in signature(methods[name]).parameters}
        assert writers == takes
