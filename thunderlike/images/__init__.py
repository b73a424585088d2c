"""Making :class:`~thunderlike.data.images.Images` from arrays, lists, RDDs and files.

Readers list files once, here, and read them where the engine runs, many at a time.
"""

from __future__ import annotations

from thunderlike.data.array_functions import concatenate
from thunderlike.data.images import Images
from thunderlike.images.arrays import (
    fromdask,
    fromdataset,
    fromhdf5,
    frommsgpack,
    fromnpy,
    fromnwb,
    frompath,
    fromsuite2p,
    fromxarray,
    fromzarr,
)
from thunderlike.images.creation import fromarray, fromlist, fromrandom, fromrdd
from thunderlike.images.examples import fromexample
from thunderlike.images.readers import frombinary, frompng, fromtif

__all__ = [
    "Images",
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
    "frompng",
    "fromrandom",
    "fromrdd",
    "fromsuite2p",
    "fromtif",
    "fromxarray",
    "fromzarr",
]
