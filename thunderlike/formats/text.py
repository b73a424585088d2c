"""Text: a record on each line, its numbers apart by spaces, tabs or commas."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.errors import FormatError

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

__all__ = ["as_text", "decode", "encode", "shape"]


def as_text(data: bytes, path: object) -> str:
    """Decode the text of a file.

    Raises
    ------
    FormatError
        For bytes that are not UTF-8, with the path and the position.

    Examples
    --------
    >>> as_text(b"cat", "labels.txt")
    'cat'
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(
            f"{path}: not text in UTF-8: {error.reason} at byte {error.start}"
        ) from error


def decode(data: bytes, dtype: DTypeLike = "float64", skip: int = 0) -> NDArray[Any]:
    r"""Read a table of numbers.

    Parameters
    ----------
    data : bytes
        UTF-8. Blank lines, and text after a ``#``, are ignored.
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
        For a line with another number of columns or without a number; names the line.

    Examples
    --------
    >>> decode(b"# x y\n1 2, 3\n\n4\t5 6", skip=1)
    array([[2., 3.],
           [5., 6.]])
    """
    if not _ROW.search(data):
        return np.empty((0, 0), dtype)
    rows = _parsed(data, np.dtype(dtype))
    _left(rows.shape[1], skip)
    return rows[:, skip:]


def shape(data: bytes, skip: int = 0) -> tuple[int, int]:
    r"""Count rows, and the columns of the first one that `decode` returns; parses no number.

    Examples
    --------
    >>> shape(b"# x y\n1 2, 3\n\n4\t5 6", skip=1)
    (2, 2)
    """
    first = _ROW.search(data)
    if first is None:
        return 0, 0
    line = data[first.start() :].lstrip().partition(b"\n")[0]
    return sum(1 for _ in _ROW.finditer(data)), _left(len(_bare(line).split()), skip)


def encode(array: NDArray[Any]) -> bytes:
    r"""Write a table of numbers, each in the shortest form that reads back as the same.

    Examples
    --------
    >>> encode(np.array([[1.5, 2], [0.1, -3]]))
    b'1.5 2.0\n0.1 -3.0\n'
    """
    return "".join(" ".join(map(repr, row)) + "\n" for row in array.tolist()).encode()


_ROW = re.compile(rb"^[^\S\r\n]*(?:\xef\xbb\xbf)?[^#\s]", re.MULTILINE)  # the beginning of one


def _left(columns: int, skip: int) -> int:
    if columns <= skip:
        raise FormatError(f"{columns} columns, of which {skip} are left out: none is left")
    return columns - skip


def _bare(line: bytes) -> bytes:
    return line.partition(b"#")[0].replace(b",", b" ")


def _parsed(data: bytes, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Parse all columns with numpy; if that fails, find the line with the error."""
    # By way of float64, so that 5.0 is an integer too; but not for long integers.
    whole = dtype.kind in "iu" and not set(data) & set(b".eEnN")
    stream = io.BytesIO(data.replace(b",", b" ") if b"," in data else data)
    kind = np.int64 if whole else np.float64
    try:
        rows = np.loadtxt(stream, kind, comments="#", ndmin=2, encoding="utf-8-sig")
    except ValueError as error:
        raise FormatError(_wrong(data) or f"cannot be read as {dtype}: {error}") from None
    return rows.astype(dtype, copy=False)


def _wrong(data: bytes) -> str | None:
    """Return the error of a text, with its line."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"not text in UTF-8: {error.reason} at byte {error.start}"
    width, begin = 0, 0
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        words = _bare(line).split()
        width, begin = (width or len(words)), (begin or (number if words else 0))
        if words and len(words) != width:
            return f"line {number} has {len(words)} columns, line {begin} has {width}"
        if (odd := next((word for word in words if not _is_number(word)), None)) is not None:
            return f"line {number}: {odd.decode()!r:.40} is not a number"
    return None


def _is_number(word: bytes) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
