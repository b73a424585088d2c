"""What tests of jobs share."""

from __future__ import annotations

import pytest

from thunderlike.progress import _Lines


@pytest.fixture(autouse=True)
def no_lines_of_progress(monkeypatch):
    """Leave out the lines that work of ten seconds prints, as it does on a busy machine."""
    monkeypatch.setattr(_Lines, "every", float("inf"))


@pytest.fixture
def undrawn(monkeypatch):
    """Leave out the drawing, which takes longer than everything else that a small job does."""
    for module in ("jobs.activity_map", "jobs.demo", "jobs.register", "jobs.regress"):
        monkeypatch.setattr(f"thunderlike.{module}.png_of", lambda figure: b"a picture")
    monkeypatch.setattr("thunderlike.calcium.report.can_draw", lambda: False)
