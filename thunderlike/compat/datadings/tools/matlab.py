"""``datadings.tools.matlab``: MATLAB files."""

from __future__ import annotations

from thunderlike.datasets.tools import iter_fields, loadmat

__all__ = ["iter_fields", "loadmat"]
