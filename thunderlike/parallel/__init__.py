"""Parallel maps of a function over items.

:func:`pmap` is a bounded map over threads, processes, MPI ranks or Spark. :func:`main` and the maps
:func:`imap` and :func:`starmap` are for scripts that run alone or under ``mpirun``. The package
depends on neither engines nor records; engines and readers use its threads.
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
