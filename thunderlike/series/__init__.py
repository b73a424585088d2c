"""Making :class:`~thunderlike.data.series.Series` from arrays, lists, RDDs and files."""

from __future__ import annotations

from thunderlike.data.array_functions import concatenate
from thunderlike.data.series import Series
from thunderlike.series.arrays import (
    fromdask,
    fromdataset,
    fromhdf5,
    frommsgpack,
    fromnpy,
    fromnwb,
    frompath,
    fromxarray,
    fromzarr,
)
from thunderlike.series.creation import fromarray, fromlist, fromrandom, fromrdd
from thunderlike.series.examples import fromexample
from thunderlike.series.readers import frombinary, fromtext

__all__ = [
    "Series",
    "concatenate",
    "fromarray",
    "frombinary",
    "fromdask",
    "fromdataset",
    "fromexample",
    "fromhdf5",
    "fromlist",
    "frommsgpack",
    "fromnpy",
    "fromnwb",
    "frompath",
    "fromrandom",
    "fromrdd",
    "fromtext",
    "fromxarray",
    "fromzarr",
]
