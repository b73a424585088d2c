"""``deepdish.parallel``: a map over the ranks of MPI, as :mod:`thunderlike.parallel` has it."""

from __future__ import annotations

from thunderlike.parallel import (
    Failure,
    generator,
    imap,
    imap_unordered,
    main,
    pmap,
    rank,
    seeded,
    shutdown,
    starmap,
    starmap_unordered,
)

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
