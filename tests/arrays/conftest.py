"""Every kernel in both forms: the loops that numba compiles, and their twin in numpy."""

import pytest

from thunderlike.kernels import compiled


@pytest.fixture(params=["numba", "numpy"])
def form(request, monkeypatch):
    """Make every call choose this form, however small its work."""
    if request.param == "numba":
        pytest.importorskip("numba")
        monkeypatch.setattr(compiled, "REPAYS", 0)
    else:
        monkeypatch.setenv("THUNDERLIKE_NUMBA", "0")
    return request.param
