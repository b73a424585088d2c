"""Mapping a function over items: every executor of the package lives in this room.

One bounded map, :func:`pmap`, over threads, processes, MPI ranks or Spark; and a gate,
:func:`main`, with the maps of a script that runs alone or under ``mpirun``. It knows neither
engines nor records; the local engine and the readers stand on it.
"""

from __future__ import annotations

from thunderlike.parallel.launcher import (
    imap,
    imap_unordered,
    main,
    rank,
    starmap,
    starmap_unordered,
)
from thunderlike.parallel.map import Failure, pmap
from thunderlike.parallel.processes import shutdown
from thunderlike.parallel.random import generator, seeded

__all__ = [
    "Failure",
    "generator",
    "imap",
    "imap_unordered",
    "main",
    "pmap",
    "rank",
    "seeded",
    "shutdown",
    "starmap",
    "starmap_unordered",
]
