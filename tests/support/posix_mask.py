"""Hide what plain POSIX does not have, for a run of tests: ``pytest --posix``."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

CALLS = (
    "copy_file_range",
    "eventfd",
    "memfd_create",
    "pidfd_open",
    "posix_fadvise",
    "posix_fallocate",
    "preadv",
    "preadv2",
    "pwritev",
    "pwritev2",
    "sched_getaffinity",
    "sched_setaffinity",
    "splice",
    "O_DIRECT",
    "O_TMPFILE",
)

# Of the module that decides: no /proc, no /dev/shm, no forks with threads, no swap of two names.
VALUES = {"PROC": Path("/nowhere"), "MEMORY": Path("/nowhere"), "FORKS": False, "SWAPS": False}


def mask():
    """Remove the calls from `os`, and the folders and forks of Linux from the package."""
    for name in CALLS:
        if hasattr(os, name):
            delattr(os, name)
    tempfile._O_TMPFILE_WORKS = False
    from thunderlike import _system

    for name, value in VALUES.items():
        setattr(_system, name, value)
