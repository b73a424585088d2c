"""Run the scripts of examples/ and the tutorial in Jupyter, and check their output."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

pytest.importorskip("jupytext")
pytest.importorskip("nbclient")

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "examples").glob("*.py"))


@pytest.fixture(scope="module")
def gallery():
    """Return the namespace of docs/make_gallery.py."""
    spec = importlib.util.spec_from_file_location("make_gallery", ROOT / "docs/make_gallery.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def run(gallery, tmp_path_factory):
    """Share one kernel in an empty folder."""
    with gallery.kernel(tmp_path_factory.mktemp("notebooks")) as run:
        yield run


def printed(book):
    """Return the printed output of an executed notebook."""
    outputs = [output for cell in book.cells for output in cell.get("outputs", ())]
    return "".join(output.get("text", "") for output in outputs)


def test_every_script_is_in_the_gallery(gallery):
    assert sorted(gallery.ORDER) == [script.stem for script in SCRIPTS]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_is_short_and_begins_with_a_summary(gallery, script):
    assert len(script.read_text("utf-8").splitlines()) < 60
    first = gallery.notebook(script).cells[0]
    assert first.cell_type == "markdown"
    heading, _, sentence = first.source.partition("\n")
    assert heading.startswith("# ")
    assert sentence.strip()


@pytest.mark.xdist_group("jupyter")
def test_every_script_runs_in_jupyter(gallery, run):
    books = {script.stem: run(gallery.notebook(script)) for script in SCRIPTS}
    assert all(gallery.pictures(book) for book in books.values())
    lines = printed(books["quickstart"]).splitlines()
    found, truth = (line.partition(": ")[2] for line in lines[-2:])
    assert found == truth
    assert "size of the batch: True" in printed(books["batches"])
    cells, there = map(int, re.findall(r"\d+", printed(books["calcium"])))
    assert abs(cells - there) < 4


@pytest.mark.xdist_group("jupyter")
def test_the_tutorial_runs_in_jupyter(gallery, run):
    book = run(gallery.notebook(ROOT / "docs" / "tutorial.md"))
    assert len(gallery.pictures(book)) > 2
