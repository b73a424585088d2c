"""Memory that this process may still take."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["available"]

_GROUPS = Path("/sys/fs/cgroup")
# Limit, use and statistics of a control group, and what of the use can be given up, by version.
_V2 = ("memory.max", "memory.current", "inactive_file")
_V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def available() -> int:
    """Bytes that are free or can be freed: of the machine, and of what its container may take.

    Returns
    -------
    int
        The least of what Linux calls available and what is left below the limit of each control
        group that this process is in; the memory of the machine where neither is known.

    Examples
    --------
    >>> available() > 0
    True
    """
    found = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError):
        matched = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text("ascii"))
        found = int(matched[1]) * 1024 if matched else found
    return min([found, *_left()])


def _left() -> Iterator[int]:
    """What is left below the limits of this process' control groups and those around them."""
    for top, path, files in _groups():
        group = top / path.lstrip("/")
        # In a container its own group is the top, whatever the path says.
        for folder in {top, group, *(p for p in group.parents if top in p.parents)}:
            limit, use = (_number(folder / name) for name in files[:2])
            if limit is not None:
                yield max(0, limit - max(0, (use or 0) - _unused(folder, files[2])))


def _groups() -> Iterator[tuple[Path, str, tuple[str, str, str]]]:
    """The control groups that count memory: where they are, the path in there, names of files."""
    found = ""
    with suppress(OSError):
        found = Path("/proc/self/cgroup").read_text()
    yield from ((_GROUPS, path, _V2) for path in re.findall(r"^0::(.*)$", found, re.M) or ["/"])
    for path in re.findall(r"^\d+:[^:]*\bmemory\b[^:]*:(.*)$", found, re.M):
        yield _GROUPS / "memory", path, _V1


def _number(file: Path) -> int | None:
    with suppress(OSError, ValueError):  # there is none, or "max"
        return int(file.read_text())
    return None


def _unused(folder: Path, name: str) -> int:
    """Pages of files that Linux gives up when memory is short."""
    with suppress(OSError):
        matched = re.search(rf"^{name} (\d+)$", (folder / "memory.stat").read_text(), re.M)
        return int(matched[1]) if matched else 0
    return 0
