"""Making :class:`~thunderlike.data.series.Series` from arrays, lists, RDDs and files."""

from __future__ import annotations

from thunderlike.data.joining import concatenate
from thunderlike.data.series import Series
from thunderlike.series.construct import fromarray, fromlist, fromrandom, fromrdd
from thunderlike.series.readers import frombinary, fromtext

__all__ = [
    "Series",
    "concatenate",
    "fromarray",
    "frombinary",
    "fromlist",
    "fromrandom",
    "fromrdd",
    "fromtext",
]
