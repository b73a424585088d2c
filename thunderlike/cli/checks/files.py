"""Whether images survive each format of files."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

from thunderlike.cli.checks.finding import SEE_ALL, Finding

if TYPE_CHECKING:
    from collections.abc import Callable

    from thunderlike.data.images import Images

__all__ = ["FORMATS", "round_trip"]

FORMATS = ("raw", "tiff", "png", "npy", "hdf5", "samples")


def round_trip(format: str) -> Finding:
    """Whether images come back from files of a format as they were.

    Parameters
    ----------
    format : str
        One of `FORMATS`.
    """
    import numpy as np

    from thunderlike import images

    write, read = _calls(format)
    sent = images.fromarray(np.arange(4 * 6 * 8, dtype="uint16").reshape(4, 6, 8))
    with tempfile.TemporaryDirectory() as folder:
        write(sent, f"{folder}/out.{format}")
        came = read(f"{folder}/out.{format}").toarray()
    if came.dtype == sent.dtype and np.array_equal(came, sent.toarray()):
        return Finding(format, "ok", "4 images were written and read back")
    return Finding(format, "FAIL", "images came back changed", SEE_ALL)


def _calls(format: str) -> tuple[Callable[[Images, str], None], Callable[[str], Images]]:
    """How to write and read a format."""
    from thunderlike import images
    from thunderlike.data.images import Images

    calls: dict[str, Any] = {
        "raw": (Images.tobinary, images.frombinary),
        "tiff": (Images.totif, images.fromtif),
        "png": (Images.topng, images.frompng),
        "npy": (Images.tonpy, images.fromnpy),
        "hdf5": (Images.tohdf5, images.fromhdf5),
        "samples": (Images.tomsgpack, images.frommsgpack),
    }
    write, read = calls[format]
    return write, read
