"""Memory available to this process."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from thunderlike import _system

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["available"]

_GROUPS = Path("/sys/fs/cgroup")
# Files with limit and use of a control group, and the name of its reclaimable part, by version.
_V2 = ("memory.max", "memory.current", "inactive_file")
_V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def available() -> int:
    """Return the bytes available to this process, within the limits of its container.

    Returns
    -------
    int
        Minimum of the memory that Linux reports as available and of what remains below the limit
        of each control group of this process; the memory of the machine if neither is known.

    Examples
    --------
    >>> available() > 0
    True
    """
    found = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    matched = re.search(r"MemAvailable:\s+(\d+) kB", _system.files_of_system("meminfo"))
    found = int(matched[1]) * 1024 if matched else found
    return min([found, *_left()])


def _left() -> Iterator[int]:
    """Yield the bytes below the limit of each control group of this process and of its parents."""
    for top, path, files in _groups():
        group = top / path.lstrip("/")
        # In a container its own group is mounted at the top, although the path differs.
        for folder in {top, group, *(p for p in group.parents if top in p.parents)}:
            limit, use = (_number(folder / name) for name in files[:2])
            if limit is not None:
                # The use counts cached files, which Linux reclaims when memory is short.
                cached = _number(folder / "memory.stat", files[2]) or 0
                yield max(0, limit - max(0, (use or 0) - cached))


def _groups() -> Iterator[tuple[Path, str, tuple[str, str, str]]]:
    """Yield mount point, path and file names of the control groups that count memory."""
    found = _system.files_of_system("self/cgroup")
    yield from ((_GROUPS, path, _V2) for path in re.findall(r"^0::(.*)$", found, re.M) or ["/"])
    for path in re.findall(r"^\d+:[^:]*\bmemory\b[^:]*:(.*)$", found, re.M):
        yield _GROUPS / "memory", path, _V1


def _number(file: Path, name: str = "") -> int | None:
    """Return the number in a file, or in its line of that name; None if missing, or "max"."""
    with suppress(OSError, ValueError):
        matched = re.search(rf"^{name}\s*(\d+)$", file.read_text(), re.M)
        return int(matched[1]) if matched else None
    return None
