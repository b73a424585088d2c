"""How large arrays are cut in files that hold them in chunks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CHUNK_BYTES", "chunk_shape"]

CHUNK_BYTES = 2**20
_SLAB_BYTES = 2**27


def chunk_shape(
    shape: Sequence[int], itemsize: int, time: int, nbytes: int = CHUNK_BYTES
) -> tuple[int, ...]:
    """Choose chunks from which an image and the series of a pixel read equally well.

    Parameters
    ----------
    shape : sequence of int
        Of the whole array.
    itemsize : int
        Bytes of an element.
    time : int
        The axis along which the series of a pixel runs; across all others lies an image.
    nbytes : int
        Of a chunk, about, before it is compressed.

    Returns
    -------
    tuple of int
        With N chunks in all, an image lies in about √N of them, and so does a series: time is cut
        in √N pieces, each image in √N, all axes of it alike. Writers hold a slab of the array, as
        long as a chunk along the first axis: chunks are shorter there where it would pass 128 MiB.

    Examples
    --------
    A movie of 2048 images of 512 x 512 pixels in 1024 chunks, of which an image or a series takes
    36 or 32:

    >>> chunk_shape((2048, 512, 512), 2, time=0)
    (64, 91, 91)

    The series of 512 x 512 pixels, 16 GB of them:

    >>> chunk_shape((512, 512, 16000), 4, time=2)
    (4, 46, 127)
    """
    pieces = max(1.0, math.prod(shape) * itemsize / nbytes)
    along = min(max(shape[time], 1), math.sqrt(pieces))
    each = (pieces / along) ** (1 / max(1, len(shape) - 1))
    chunk = [
        max(1, math.ceil(n / (along if axis == time else min(each, max(n, 1)))))
        for axis, n in enumerate(shape)
    ]
    row = max(1, math.prod(shape[1:]) * itemsize)
    return (max(1, min(chunk[0], _SLAB_BYTES // row)), *chunk[1:])
