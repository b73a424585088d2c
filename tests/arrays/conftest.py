"""Every kernel in both implementations: compiled loops, and numpy."""

import pytest

from thunderlike.kernels import _numba


@pytest.fixture(params=["numba", "numpy"])
def form(request, monkeypatch):
    """Make every call choose this implementation, whatever its size."""
    if request.param == "numba":
        pytest.importorskip("numba")
        monkeypatch.setattr(_numba, "THRESHOLD", 0)
    else:
        monkeypatch.setenv("THUNDERLIKE_NUMBA", "0")
    return request.param
