"""What tests of the pipeline share."""

from __future__ import annotations

import pytest

import thunderlike as tl
from thunderlike.images.cell_movies import cell_movie

FS = 15.0


@pytest.fixture(scope="session")
def truth():
    return cell_movie(
        (64, 64), 400, cells=8, amplitude=14.0, spacing=14.0, texture=0.3, kind="rigid", seed=1
    )


@pytest.fixture(scope="session")
def movie(truth):
    return tl.images.fromarray(truth.images)


@pytest.fixture(scope="session")
def whole(movie, tmp_path_factory):
    """The result of a run that nothing interrupted, on the local engine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("thunderlike.calcium.report.can_draw", lambda: False)
        output = tmp_path_factory.mktemp("whole") / "session"
        return tl.calcium.run(movie, output, fs=FS, nwb=False)


@pytest.fixture
def undrawn(monkeypatch):
    """Leave out the figures, which take longer than the rest of a small run."""
    monkeypatch.setattr("thunderlike.calcium.report.can_draw", lambda: False)
