"""What tests of jobs share."""

from __future__ import annotations

import pytest


@pytest.fixture
def undrawn(monkeypatch):
    """Leave out the drawing, which takes longer than everything else that a small job does."""
    for module in ("activity_map", "demo"):
        monkeypatch.setattr(f"thunderlike.jobs.{module}.png_of", lambda figure: b"a picture")
