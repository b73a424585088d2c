"""Run the examples of the pages that have no test file of their own."""

from __future__ import annotations

import doctest
import importlib
import inspect
import re
import runpy
from pathlib import Path

import pytest

from thunderlike import errors

DOCS = Path(__file__).parents[2] / "docs"
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
ROOMS = ["arrays", "batches", "errors", "hdf5", "index", "parallel", "scaling", "security"]
PAGES = [DOCS / f"{name}.md" for name in ROOMS]
PAGES += [page for folder in ("howto", "coming-from") for page in sorted((DOCS / folder).glob("*"))]
PAGES = [page for page in PAGES if ">>> " in page.read_text("utf-8")]
REFERENCE = runpy.run_path(str(DOCS / "make_api.py"))

# These need a running Spark, which no doctest starts.
WITHOUT_EXAMPLE = {
    "thunderlike.engines.spark.SparkEngine",
    "thunderlike.engines.spark.SparkRecords",
    "thunderlike.engines.spark.context",
    "thunderlike.engines.spark.quiet",
    "thunderlike.images.fromrdd",
    "thunderlike.series.fromrdd",
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_examples_of_the_page_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = doctest.testfile(str(page), module_relative=False, optionflags=OPTIONS)
    assert ran.attempted > 5
    assert ran.failed == 0


def test_every_page_with_examples_is_run_by_a_test():
    tests = [path.read_text("utf-8") for path in Path(__file__).parents[1].rglob("test_*.py")]
    for page in DOCS.rglob("*.md"):
        if "generated" in page.parts or ">>> " not in page.read_text("utf-8"):
            continue
        assert page in PAGES or any(f'"{page.name}"' in text for text in tests), page


GUIDES = runpy.run_path(str(DOCS.parent / "benchmarks" / "howtos.py"))


@pytest.mark.parametrize("page", GUIDES["pages"](), ids=lambda page: page.stem)
def test_every_guide_states_its_time_and_memory(page):
    lines = [line for line in page.read_text("utf-8").splitlines() if GUIDES["LINE"].match(line)]
    assert len(lines) == 1, f"run python benchmarks/howtos.py {page.stem}"
    assert f"\n{page.stem}\n" in (DOCS / "howto" / "index.md").read_text("utf-8")


def test_the_page_of_errors_has_every_class():
    text = (DOCS / "errors.md").read_text("utf-8")
    named = re.findall(r"^## (\w+)$", text, re.MULTILINE)
    classes = {getattr(errors, name).__name__ for name in errors.__all__}  # without aliases
    assert sorted(named) == sorted(classes - {"ThunderlikeError"})
    shown = re.search(r":lines: (\d+)-(\d+)", text)
    lines = Path(errors.__file__).read_text("utf-8").splitlines()
    tree = "\n".join(lines[int(shown[1]) - 1 : int(shown[2])])
    assert all(re.search(rf"\b{name}\b", tree) for name in classes)


def test_every_public_name_has_an_example():
    bare = {name for name, found in public() if ">>> " not in (found.__doc__ or "")}
    assert bare == WITHOUT_EXAMPLE


def public():
    """Yield everything in the reference by name, except errors, which have a page of examples."""
    for room in map(importlib.import_module, REFERENCE["ROOMS"]):
        for name in getattr(room, "__all__", ()):
            found = getattr(room, name)
            an_error = inspect.isclass(found) and issubclass(found, Exception)
            if REFERENCE["is_own"](found) and not an_error:
                yield f"{room.__name__}.{name}", found
