"""Parallel kernels for arrays too big for one thread, or for memory.

Numpy's own speed limit is one thread and one array in memory. The functions of this package cut an
array in blocks and work on them in threads, which release the interpreter lock; sources and sinks
may be arrays, or mapped, TIFF, HDF5 and Zarr files, wherever they are. Installed with the extra
``fast`` they run loops that numba compiles, without it the same in numpy and scipy.

Three settings of the package may be assigned: ``tl.arrays.default_processes = 4``.
"""

from __future__ import annotations

from thunderlike.arrays.blockwise import finalize_processing, initialize_processing
from thunderlike.arrays.correlate import correlate1d
from thunderlike.arrays.io import initialize_sink, initialize_source, read, write
from thunderlike.arrays.lookup import apply_lut, apply_lut_to_index
from thunderlike.arrays.neighbors import index_neighbours, neighbours
from thunderlike.arrays.reductions import block_ranges, block_sums, where

__all__ = [
    "apply_lut",
    "apply_lut_to_index",
    "block_ranges",
    "block_sums",
    "correlate1d",
    "default_blocks_per_process",
    "default_cutoff",
    "default_processes",
    "finalize_processing",
    "index_neighbours",
    "initialize_processing",
    "initialize_sink",
    "initialize_source",
    "neighbours",
    "read",
    "where",
    "write",
]

default_blocks_per_process = 10
default_cutoff = 20_000_000
"""Elements below which `where` is one plain numpy call: threads would not repay themselves."""


def __getattr__(name: str) -> int:
    # Computed at each access, so that `with tl.config(workers=2)` applies. Assignment overrides it.
    if name == "default_processes":
        from thunderlike.config import current

        return current().nworkers()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
