"""What images are called: a column of a table, or a list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.errors import SpecError
from thunderlike.jobs.signals import read_column

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["read_labels"]


def read_labels(text: str, count: int) -> NDArray[Any]:
    r"""Read ``FILE`` or ``FILE:NAME``, as :func:`~thunderlike.jobs.signals.read_signal` does.

    Parameters
    ----------
    text : str
        A file and, of several columns, the name of one.
    count : int
        How many there must be.

    Returns
    -------
    ndarray, shape (count,)
        Of int64 if all are whole numbers, else of float64 if all are numbers, else of text.

    Raises
    ------
    ThunderlikeError
        As ``read_signal``, but that labels may be anything, and all equal.
    SpecError
        For another number of them, and for empty ones; names the file.

    Examples
    --------
    >>> from thunderlike import storage
    >>> storage.write("memory://cells.csv", b"file,kind\na.tif,round\nb.tif,star\n")
    >>> read_labels("memory://cells.csv:kind", 2)
    array(['round', 'star'], dtype='<U5')
    >>> storage.delete("memory://cells.csv")
    """
    path, name, values = read_column(text, "column")
    if len(values) != count:
        raise SpecError(
            f"{path}: {name!r} has {len(values)} labels, for {count} records; a first line of text "
            "counts as the names of columns"
        )
    texts = [str(value) for value in values]
    if missing := [number for number, text in enumerate(texts) if not text.strip()]:
        raise SpecError(
            f"{path}: {name!r} has no label for record {missing[0]}, and {len(missing)} such in "
            "all: give them one, or leave those records out"
        )
    for kind in (int, float):
        try:
            return np.array([kind(text) for text in texts])
        except ValueError:
            continue
    return np.array(texts)
