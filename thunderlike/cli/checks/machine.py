"""Memory, and room for temporary files."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from pathlib import Path

from thunderlike.cli.checks.finding import Finding
from thunderlike.config import home
from thunderlike.util.memory import available as _free

__all__ = ["memory", "spark_temp", "temp"]

MIB, GIB = 2**20, 2**30
_PROBE_BYTES = 16 * MIB


def memory(driver_memory: str | None = None) -> Finding:
    """Whether there is memory to work in, and for Spark's driver if its size was set.

    Parameters
    ----------
    driver_memory : str, optional
        As Spark writes it: ``8g``, ``512m``.
    """
    free = _free()
    details = {"free": free, "driver_memory": driver_memory}
    found = f"{free / GIB:.1f} GiB are free"
    if driver_memory and _as_bytes(driver_memory) > free:
        fix = f"spark-submit --driver-memory {max(1, free // GIB // 2)}g"
        found += f", spark.driver.memory asks for {driver_memory}"
        return Finding("memory", "warn", found, fix, details)
    if free < GIB:
        return Finding("memory", "warn", found, "ps -eo rss,args | sort -n | tail", details)
    return Finding("memory", "ok", found, details=details)


def temp() -> Finding:
    """Whether temporary files can be written, where ``TMPDIR`` says."""
    try:
        folder = tempfile.gettempdir()
    except FileNotFoundError as error:
        return Finding("temp", "FAIL", f"{error}", "df -h .")
    given = os.environ.get("TMPDIR")
    if given and not Path(given).is_dir():
        found = f"TMPDIR={given} is no folder, {folder} is used instead"
        return Finding("temp", "warn", found, f"mkdir -p {given}")
    if given and not Path(given).samefile(folder):
        found = f"TMPDIR={given} cannot be written, {folder} is used instead"
        return Finding("temp", "warn", found, f"export TMPDIR={folder}")
    return _room("temp", folder, "TMPDIR")


def spark_temp(local_dir: str | None = None) -> Finding:
    """Whether Spark can write what it shuffles.

    Parameters
    ----------
    local_dir : str, optional
        Folders that ``spark.local.dir`` names; ``SPARK_LOCAL_DIRS`` goes before, ``/tmp`` behind.
    """
    given = os.environ.get("SPARK_LOCAL_DIRS") or local_dir or "/tmp"  # noqa: S108  # as Java has it
    rooms = [_room("spark temp", folder, "SPARK_LOCAL_DIRS") for folder in given.split(",")]
    return next((room for room in rooms if room.level != "ok"), rooms[0])


def _room(name: str, folder: str, variable: str) -> Finding:
    """Write and remove a file of some size; the variable names another folder."""
    fix = f"export {variable}={_roomiest()}"
    try:
        place = _existing(Path(folder))
        seconds, free = _written(place), shutil.disk_usage(place).free
    except OSError as error:
        return Finding(name, "FAIL", f"{folder} cannot be written, {error}", fix)
    details = {"folder": folder, "free": free, "bytes_per_second": _PROBE_BYTES / seconds}
    found = f"{free / GIB:.1f} GiB are free in {folder}"
    if free < GIB:
        return Finding(name, "warn", found, fix, details)
    return Finding(name, "ok", f"{found}, {_PROBE_BYTES / seconds / 1e6:.0f} MB/s", details=details)


def _existing(folder: Path) -> Path:
    """The folder, or the one it would be made in: Spark makes its own, and we leave no trace."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())


def _written(folder: Path) -> float:
    """Seconds that it takes to bring some bytes to the disk."""
    began = time.perf_counter()
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(_PROBE_BYTES))
        file.flush()
        os.fsync(file.fileno())
    return time.perf_counter() - began


def _roomiest() -> str:
    """The folder with most room among those that people put such files in."""
    places = ("/tmp", "/var/tmp", home() or "/tmp", ".")  # noqa: S108
    usable = [f for f in map(Path, places) if f.is_dir() and os.access(f, os.W_OK)] or [Path("/")]
    return str(max(usable, key=lambda folder: shutil.disk_usage(folder).free))


def _as_bytes(text: str) -> int:
    """Read a size as Spark writes it.

    Examples
    --------
    >>> _as_bytes("8g") // 2**20, _as_bytes("512mb") // 2**20
    (8192, 512)
    """
    units = {"k": 2**10, "m": MIB, "g": GIB, "t": 2**40}
    found = re.match(r"(\d+)\s*([kmgt]?)", text.lower())
    return int(found.group(1)) * units.get(found.group(2), MIB) if found else 0
