"""Arrays of 100 to 500 MB, against one call of numpy or scipy; and ours without numba.

python benchmarks/arrays.py [NAME ...]
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from harness import Row, main
from scipy import ndimage

from thunderlike import arrays

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Call = Callable[[], object]

MIB = 2**20


def plain(function: Call) -> Call:
    """Run as if numba were not installed."""

    def run() -> object:
        os.environ["THUNDERLIKE_NUMBA"] = "0"
        try:
            return function()
        finally:
            del os.environ["THUNDERLIKE_NUMBA"]

    return run


def both(name: str, ours: Call, rivals: dict[str, Call]) -> Row:
    """A row with ours without numba among the rivals."""
    return Row(name, ours, {"no numba": plain(ours), **rivals})


def rows() -> Iterator[Row]:
    """One array after the other, so that not all are in memory at once."""
    yield from luts()
    yield from positions()
    yield from correlations()
    yield from neighbourhoods()
    yield from pairs()
    yield from sums()
    with tempfile.TemporaryDirectory() as folder:
        yield from files(Path(folder))


def luts() -> Iterator[Row]:
    """67 million elements: tables of every value that there can be, and int64 into one of 1000."""
    rng = np.random.default_rng(0)
    for dtype in ("uint8", "uint16", "int64"):
        high = min(np.iinfo(dtype).max + 1, 1000 if dtype == "int64" else 2**16)
        source = rng.integers(0, high, (256, 512, 512), dtype)
        table = rng.normal(size=high).astype(np.float32)
        out = np.empty(source.shape, np.float32)
        yield both(
            f"apply_lut {dtype}",
            lambda s=source, t=table, o=out: arrays.apply_lut(s, t, o),
            {
                "take clip": lambda s=source, t=table, o=out: np.take(t, s, mode="clip", out=o),
                "take": lambda s=source, t=table, o=out: np.take(t, s, out=o),
                "lut[src]": lambda s=source, t=table: t[s],
                "1 thread": lambda s=source, t=table, o=out: arrays.apply_lut(s, t, o, None, 1),
            },
        )


def positions() -> Iterator[Row]:
    """A volume of 128 MB, with ever more of it not 0."""
    rng = np.random.default_rng(1)
    for density in (0.001, 0.1, 0.5):
        volume = (rng.random((128, 1024, 1024), np.float32) < density).astype(np.uint8)
        yield both(
            f"where {density}",
            lambda v=volume: arrays.where(v),
            {"argwhere": lambda v=volume: np.argwhere(v)},
        )


def correlations() -> Iterator[Row]:
    """A float32 volume of 128 MB with nine weights, along each axis; and a uint8 one."""
    rng = np.random.default_rng(2)
    volume = rng.random((128, 512, 512), np.float32)
    weights, out = rng.random(9, np.float32), np.empty((128, 512, 512), np.float32)
    for axis in range(3):
        yield both(
            f"correlate1d axis {axis}",
            lambda a=axis: arrays.correlate1d(volume, weights, out, axis=a),
            {
                "scipy": lambda a=axis: ndimage.correlate1d(
                    volume, weights, a, output=out, mode="constant"
                ),
                "1 thread": lambda a=axis: arrays.correlate1d(volume, weights, out, a, 1),
            },
        )


def neighbourhoods() -> Iterator[Row]:
    """The 27 bits around each voxel."""
    volume = np.random.default_rng(3).random((128, 256, 512)) < 0.3
    kernel = 2 ** np.arange(27).reshape(3, 3, 3)
    table = np.arange(2**27).astype(np.uint8)
    yield both(
        "apply_lut_to_index",
        lambda: arrays.apply_lut_to_index(volume, kernel, table),
        {
            "scipy": lambda: table[
                ndimage.correlate(volume.astype(np.int64), kernel, mode="constant")
            ]
        },
    )


def pairs() -> Iterator[Row]:
    """14 million indices, a tenth of a volume's, with the offsets of its three axes."""
    rng = np.random.default_rng(4)
    indices = np.flatnonzero(rng.random(144_000_000, np.float32) < 0.1)
    for offset in (1, 1200, 120_000):
        yield both(
            f"neighbours {offset}",
            lambda o=offset: arrays.neighbours(indices, o),
            {"searchsorted": lambda o=offset: searched(indices, o)},
        )


def searched(indices: np.ndarray, offset: int) -> np.ndarray:
    """Pairs in plain numpy, for sorted indices that are unique."""
    found = np.searchsorted(indices, indices + offset)
    found[found == indices.size] = 0
    hits = np.flatnonzero(indices[found] == indices + offset)
    return np.stack([hits, found[hits]], axis=1)


def sums() -> Iterator[Row]:
    """256 MB in 20 runs."""
    for dtype in ("uint8", "uint16", "float32", "float64"):
        source = np.ones(256 * MIB // np.dtype(dtype).itemsize, dtype)
        other = np.empty_like(source)
        ends = arrays.block_ranges(source)
        yield both(
            f"block_sums {dtype}",
            lambda s=source: arrays.block_sums(s),
            {
                "copyto": lambda s=source, o=other: np.copyto(o, s),
                "reduceat": lambda s=source, e=ends: np.add.reduceat(s, e[:-1]),
            },
        )
        yield Row(
            f"block counts {dtype}",
            lambda s=source: arrays.block_sums(s, op="count"),
            {
                "copyto": lambda s=source, o=other: np.copyto(o, s),
                "count_nonzero": lambda s=source: np.count_nonzero(s),
            },
        )


def files(folder: Path) -> Iterator[Row]:
    """256 MB to and from a file in the page cache, and kernels from one mapped file to another."""
    values = np.random.default_rng(5).integers(0, 4096, (128, 1024, 1024), np.uint16)
    source, mapped = folder / "x.npy", folder / "z.npy"
    # Each replaces a file of its own: what is not on the disk yet is replaced for less.
    ours, left, synced = (folder / name for name in ("ours.npy", "left.npy", "synced.npy"))
    np.save(source, values)
    yield Row("read", lambda: arrays.read(source), {"np.load": lambda: np.load(source)})
    yield Row(
        "write",
        lambda: arrays.write(ours, values),
        {
            "np.save": lambda: np.save(left, values),
            "np.save and fsync": lambda: saved(synced, values),
        },
    )
    table = np.arange(4096, dtype=np.uint8)
    yield both(
        "apply_lut of files",
        lambda: arrays.apply_lut(source, table, mapped),
        {"numpy on memmaps": lambda: np.save(mapped, table[np.load(source, mmap_mode="r")])},
    )
    yield both(
        "correlate1d of files",
        lambda: arrays.correlate1d(source, [1, 2, 4, 2, 1], mapped),
        {
            "scipy on memmaps": lambda: np.save(
                mapped,
                ndimage.correlate1d(
                    np.load(source, mmap_mode="r"), [1, 2, 4, 2, 1], 0, np.uint32, "constant"
                ),
            )
        },
    )
    yield both(
        "block_sums of a file",
        lambda: arrays.block_sums(source),
        {"numpy": lambda: np.load(source, mmap_mode="r").sum(dtype=np.uint64)},
    )


def saved(path: Path, values: np.ndarray) -> None:
    """Save as safely as we do."""
    with path.open("wb") as file:
        np.save(file, values)
        file.flush()
        os.fsync(file.fileno())


if __name__ == "__main__":
    main(rows, __doc__ or "")
