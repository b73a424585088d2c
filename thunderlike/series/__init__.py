"""Making :class:`~thunderlike.data.series.Series` from arrays, lists and RDDs."""

from __future__ import annotations

from thunderlike.data.joining import concatenate
from thunderlike.data.series import Series
from thunderlike.series.construct import fromarray, fromlist, fromrandom, fromrdd

__all__ = ["Series", "concatenate", "fromarray", "fromlist", "fromrandom", "fromrdd"]
