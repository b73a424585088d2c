"""The report: one file with everything in it, which is safe for names and opens anywhere."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest

from thunderlike.calcium import figures, report
from thunderlike.calcium.report import html
from thunderlike.calcium.results import Plane

VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """Checks that elements are closed, and collects text, images and addresses."""

    def __init__(self, data):
        super().__init__()
        self.open, self.text, self.images, self.addresses = [], [], [], []
        self.feed(data.decode())
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        self.addresses += [named[name] for name in ("src", "href") if name in named]
        if tag == "img":
            self.images.append(named["alt"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.text.append(data)


@pytest.fixture
def unencoded(monkeypatch):
    """Leave out the encoding of figures, which takes longest."""
    monkeypatch.setattr(report, "png_of", lambda figure: b"a picture")


@pytest.fixture
def page(whole, unencoded):
    return Page(html(whole.summary, whole.planes))


def test_it_has_all_sections_and_figures(page, whole):
    text = " ".join(page.text)
    for heading in ("Motion", "Cells", "Traces and quality", "Run"):
        assert heading in text
    assert len(page.images) == 5
    for name in ("diameter", "tau", "registration", "numpy", "register", "total"):
        assert name in text
    assert f"{whole.summary['planes'][0]['cells']['accepted']} of " in text


def test_it_needs_no_other_file_and_no_script(page, whole):
    assert all(address.startswith("data:image/png;base64,") for address in page.addresses)
    data = html(whole.summary, whole.planes).decode()
    assert "<script" not in data
    assert not re.search(r"(src|href)=.http", data)


def test_names_are_escaped(whole, unencoded):
    summary = whole.summary | {"output": "/data/<b>day & night", "command": "<script>"}
    page = Page(html(summary, whole.planes))
    assert "<b>day & night" in page.text
    assert "<script>" in " ".join(page.text)


def test_without_matplotlib_it_says_so(whole, monkeypatch):
    monkeypatch.setattr(report, "can_draw", lambda: False)
    page = Page(html(whole.summary, whole.planes))
    assert page.images == []
    assert "matplotlib is not installed" in " ".join(page.text)


def test_figures_are_drawn(whole):
    plane = whole.plane
    drawn = [
        figures.motion(plane.motion, 15.0),
        figures.cells(plane, "mean"),
        figures.traces(plane, 15.0),
        figures.quality(plane.cells),
        figures.overview(plane, 15.0),
    ]
    for figure in drawn:
        figure.canvas.draw()
    ticks = [text.get_text() for text in drawn[2].axes[0].get_yticklabels()]
    assert [int(number) for number in ticks] == figures.clearest(plane.cells).tolist()


def test_components_of_which_none_is_accepted_are_drawn(whole, tmp_path):
    shutil.copytree(whole.plane.folder, tmp_path / "session")
    cells = whole.plane.cells
    cells.select(np.zeros(cells.count, bool)).save(tmp_path / "session/cells.h5")
    figures.overview(Plane(str(tmp_path / "session")), 15.0).canvas.draw()


def test_the_clearest_cells_are_accepted_ones(whole):
    cells = whole.plane.cells
    chosen = figures.clearest(cells, 3)
    assert cells.accepted[chosen].all()
    assert (np.diff(chosen) > 0).all()
    rest = np.setdiff1d(np.flatnonzero(cells.accepted), chosen)
    assert cells.quality["snr"][chosen].min() >= cells.quality["snr"][rest].max()
