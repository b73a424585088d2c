"""Reading and writing files, against the libraries that one would call oneself.

python benchmarks/formats.py [row ...] [--rounds N]
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np
import tifffile
from harness import Row, main

import thunderlike as tl

if TYPE_CHECKING:
    from collections.abc import Iterator

SHAPE = (256, 512, 512)  # 128 MiB of uint16


def rows() -> Iterator[Row]:
    """Make the files in a temporary folder, and yield the rows."""
    folder = Path(tempfile.mkdtemp(prefix="thunderlike-formats-"))
    try:
        yield from _rows(folder, np.random.default_rng(0).poisson(200, SHAPE).astype("u2"))
    finally:
        shutil.rmtree(folder)


def _rows(folder: Path, movie: np.ndarray) -> Iterator[Row]:
    many, packed, frames = folder / "many.tif", folder / "packed.tif", folder / "frames"
    tifffile.imwrite(many, movie, photometric="minisblack")
    tifffile.imwrite(packed, movie, photometric="minisblack", compression="deflate")
    frames.mkdir()
    for number, frame in enumerate(movie):
        tifffile.imwrite(frames / f"{number:04d}.tif", frame)
    files = sorted(frames.iterdir())
    images = tl.images.fromarray(movie)
    images.tohdf5(folder / "all.h5")

    def write_by_h5py() -> None:
        with h5py.File(folder / "theirs.h5", "w") as file:
            file.create_dataset(
                "data", data=movie, chunks=(32, 91, 91), compression=1, shuffle=True
            )

    def read_by_h5py() -> np.ndarray:
        with h5py.File(folder / "all.h5") as file:
            return file["data"][:]

    yield Row(
        "one TIFF of 256 pages",
        lambda: tl.images.fromtif(many, nplanes=1),
        {"tifffile": lambda: tifffile.imread(many)},
    )
    yield Row(
        "the same, deflated",
        lambda: tl.images.fromtif(packed, nplanes=1),
        {"tifffile": lambda: tifffile.imread(packed)},
    )
    yield Row(
        "256 TIFFs",
        lambda: tl.images.fromtif(frames),
        {"tifffile": lambda: tifffile.imread(files)},
    )
    yield Row(
        "write HDF5", lambda: images.tohdf5(folder / "ours.h5", overwrite=True),
        {"h5py": write_by_h5py},
    )  # fmt: skip
    yield Row("read HDF5", lambda: tl.images.fromhdf5(folder / "all.h5"), {"h5py": read_by_h5py})
    yield Row(
        "256 TIFFs out",
        lambda: images.totif(folder / "out", overwrite=True),
        {"tifffile": lambda: [tifffile.imwrite(folder / "one.tif", frame) for frame in movie]},
    )


if __name__ == "__main__":
    main(rows, __doc__ or "")
