"""Compare docs/reference.md with the output of docs/make_reference.py."""

from __future__ import annotations

import importlib.util
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_up_to_date():
    spec = importlib.util.spec_from_file_location("make_reference", DOCS / "make_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (DOCS / "reference.md").read_text("utf-8") == module.page(), (
        "docs/reference.md is out of date: run python docs/make_reference.py"
    )
