"""Checks of memory, temporary folders and file formats."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from thunderlike import _system
from thunderlike.cli.doctor.finding import SEE_ALL, Finding
from thunderlike.config import home
from thunderlike.engines.scratch import memory_limit, scratch_folder
from thunderlike.formats import registry
from thunderlike.util.memory import available as _free

__all__ = ["FORMATS", "memory", "round_trip", "scratch", "spark_temp", "temp"]


MIB, GIB = 2**20, 2**30
_PROBE_BYTES, _PIECE_BYTES = 64 * MIB, 4 * MIB
_PROBE_SECONDS = 0.8  # a slow disk is written until then
_IN_MEMORY = ("tmpfs", "ramfs")  # file systems


def memory(driver_memory: str | None = None) -> Finding:
    """Check the free memory, also against the memory set for Spark's driver.

    Parameters
    ----------
    driver_memory : str, optional
        Size in Spark's notation: ``8g``, ``512m``.
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
    """Check that the temporary folder, ``TMPDIR`` if set, can be written."""
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
    """Check that Spark can write its shuffle files.

    Parameters
    ----------
    local_dir : str, optional
        Folders of ``spark.local.dir``; ``SPARK_LOCAL_DIRS`` has priority, ``/tmp`` is the default.
    """
    given = os.environ.get("SPARK_LOCAL_DIRS") or local_dir or "/tmp"  # noqa: S108  # as Java has it
    rooms = [_room("spark temp", folder, "SPARK_LOCAL_DIRS") for folder in given.split(",")]
    # Spark uses all of its folders, so the worst one counts.
    return next((room for room in rooms if room.level != "ok"), rooms[0])


def scratch() -> Finding:
    """Measure the scratch folder, of the disk engine and of shuffles on Spark, and its memory."""
    folder, limit = scratch_folder(), memory_limit()
    fix = f"export THUNDERLIKE_SCRATCH={_roomiest()}"
    if not folder.is_dir():
        return Finding("scratch", "warn", f"{folder} is no folder", f"mkdir -p {folder}")
    try:
        speed, free = _written(folder), shutil.disk_usage(folder).free
    except OSError as error:
        return Finding("scratch", "warn", f"{folder} cannot be written, {error}", fix)
    kind = _file_system(folder)
    details = {
        "folder": str(folder), "free": free, "bytes_per_second": speed, "memory": limit,
        "file_system": kind,
    }  # fmt: skip
    found = f"{free / GIB:.1f} GiB are free in {folder}"
    if kind in _IN_MEMORY:
        return Finding("scratch", "warn", f"{found}, which is in memory ({kind})", fix, details)
    if free < GIB:
        return Finding("scratch", "warn", found, fix, details)
    found += f", {speed / 1e6:.0f} MB/s; engine='disk' uses up to {limit / GIB:.1f} GiB of memory"
    return Finding("scratch", "ok", found, details=details)


def _room(name: str, folder: str, variable: str) -> Finding:
    """Measure space and speed of a folder; `variable` is the setting that changes it."""
    fix = f"export {variable}={_roomiest()}"
    try:
        # The nearest existing parent: Spark creates its folders, a check must not.
        parents = (Path(folder), *Path(folder).absolute().parents)
        place = next(parent for parent in parents if parent.exists())
        speed, free = _written(place), shutil.disk_usage(place).free
    except OSError as error:
        return Finding(name, "FAIL", f"{folder} cannot be written, {error}", fix)
    details = {"folder": folder, "free": free, "bytes_per_second": speed}
    found = f"{free / GIB:.1f} GiB are free in {folder}"
    if free < GIB:
        return Finding(name, "warn", found, fix, details)
    return Finding(name, "ok", f"{found}, {speed / 1e6:.0f} MB/s", details=details)


def _roomiest() -> Path:
    """Return the usual temporary folder with most free space, on a disk if there is one."""
    usual = ("/tmp", "/var/tmp", home() or "/tmp", ".")  # noqa: S108
    usable = [f for f in map(Path, usual) if f.is_dir() and os.access(f, os.W_OK)] or [Path("/")]
    on_disk = [folder for folder in usable if _file_system(folder) not in _IN_MEMORY]
    return max(on_disk or usable, key=lambda folder: shutil.disk_usage(folder).free)


def _file_system(folder: Path) -> str | None:
    """Return the type of the file system of a folder, None where Linux does not list it."""
    with suppress(OSError):
        device = folder.stat().st_dev
        number = f"{os.major(device)}:{os.minor(device)}"
        for line in _system.files_of_system("self/mountinfo").splitlines():
            mount, _, kind = line.partition(" - ")
            if mount.split()[2] == number:
                return kind.split()[0]
    return None


def _written(folder: Path) -> float:
    """Return the bytes per second of writing and syncing 64 MiB, or what a second allows."""
    began, written, piece = time.perf_counter(), 0, bytes(_PIECE_BYTES)
    # Has no name: nothing is left after a crash.
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        while written < _PROBE_BYTES and time.perf_counter() - began < _PROBE_SECONDS:
            written += file.write(piece)
            os.fsync(file.fileno())
    return written / (time.perf_counter() - began)


def _as_bytes(text: str) -> int:
    """Parse a size in Spark's notation; a plain number counts MiB.

    Examples
    --------
    >>> _as_bytes("8g") // 2**20, _as_bytes("512mb") // 2**20
    (8192, 512)
    """
    units = {"k": 2**10, "m": MIB, "g": GIB, "t": 2**40}
    found = re.match(r"(\d+)\s*([kmgt]?)", text.lower())
    return int(found.group(1)) * units.get(found.group(2), MIB) if found else 0


# Formats of images whose library is no extra.
FORMATS = tuple(
    one.name
    for one in registry.FORMATS.values()
    if "images" in one.kinds and one.writer and not one.extra
)


def round_trip(format: str) -> Finding:
    """Write and read images in a format, and compare them.

    Parameters
    ----------
    format : str
        One of `FORMATS`.
    """
    import numpy as np

    from thunderlike import images
    from thunderlike.data.images import Images

    # Through the package itself: a library may be installed and still not work.
    known = registry.FORMATS[format]
    write = getattr(Images, known.writer or "")
    read = getattr(images, known.reader)
    sent = images.fromarray(np.arange(4 * 6 * 8, dtype="uint16").reshape(4, 6, 8))
    with tempfile.TemporaryDirectory() as folder:
        write(sent, f"{folder}/out.{format}")
        came = read(f"{folder}/out.{format}").toarray()
    if came.dtype == sent.dtype and np.array_equal(came, sent.toarray()):
        return Finding(f"{format} files", "ok", "4 images were written and read back")
    return Finding(f"{format} files", "FAIL", "images came back changed", SEE_ALL)
