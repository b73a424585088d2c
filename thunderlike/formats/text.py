"""Text: a record on each line, its numbers apart by spaces, tabs or commas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.errors import FormatError

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

__all__ = ["decode", "encode"]


def decode(data: bytes, dtype: DTypeLike = "float64", skip: int = 0) -> NDArray[Any]:
    r"""Read a table of numbers.

    Parameters
    ----------
    data : bytes
        UTF-8. Blank lines, and what follows a ``#``, say nothing.
    dtype : dtype
    skip : int
        Columns to leave out at the beginning: keys, for example.

    Returns
    -------
    ndarray
        Of shape ``(rows, columns - skip)``.

    Raises
    ------
    FormatError
        For a line of another number of columns, or what is no number; says which line.

    Examples
    --------
    >>> decode(b"# x y\n1 2, 3\n\n4\t5 6", skip=1)
    array([[2., 3.],
           [5., 6.]])
    """
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise FormatError(f"not text in UTF-8: {error.reason} at byte {error.start}") from None
    rows = [
        (number, words)
        for number, line in enumerate(lines, 1)
        if (words := line.partition("#")[0].replace(",", " ").split())
    ]
    _check_columns(rows, skip)
    return _numbers(rows, np.dtype(dtype))[:, skip:]


def encode(array: NDArray[Any]) -> bytes:
    r"""Write a table of numbers, each in the shortest form that reads back as the same.

    Examples
    --------
    >>> encode(np.array([[1.5, 2], [0.1, -3]]))
    b'1.5 2.0\n0.1 -3.0\n'
    """
    return "".join(" ".join(map(repr, row)) + "\n" for row in array.tolist()).encode()


def _check_columns(rows: list[tuple[int, list[str]]], skip: int) -> None:
    for number, words in rows:
        if len(words) != len(rows[0][1]):
            raise FormatError(
                f"line {number} has {len(words)} columns, line {rows[0][0]} has {len(rows[0][1])}"
            )
    if rows and len(rows[0][1]) <= skip:
        raise FormatError(f"{len(rows[0][1])} columns, of which {skip} are left out: none is left")


def _numbers(rows: list[tuple[int, list[str]]], dtype: np.dtype[Any]) -> NDArray[Any]:
    if not rows:
        return np.empty((0, 0), dtype)
    try:
        # By way of float64, so that 5.0 is an integer too; but not for long integers.
        kind = np.dtype(np.int64) if dtype.kind in "iu" and _whole(rows) else np.dtype(np.float64)
        return np.array([words for _, words in rows]).astype(kind).astype(dtype)
    except ValueError:
        raise FormatError(_no_number(rows)) from None


def _whole(rows: list[tuple[int, list[str]]]) -> bool:
    return not any(set(word) & set(".eEnN") for _, words in rows for word in words)


def _no_number(rows: list[tuple[int, list[str]]]) -> str:
    for number, words in rows:
        for word in words:
            try:
                float(word)
            except ValueError:
                return f"line {number}: {word!r:.40} is no number"
    return "numbers too large for the dtype"
