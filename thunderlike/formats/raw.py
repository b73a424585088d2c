"""Flat binary: the numbers one after the other and nothing else, described by a ``conf.json``."""

from __future__ import annotations

import json
import math
import operator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from thunderlike.errors import FormatError, SpecError
from thunderlike.formats.base import native, numbers
from thunderlike.formats.metadata import as_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import DTypeLike, NDArray

__all__ = ["Conf", "decode", "describe", "encode", "parse_conf"]


def decode(
    data: bytes | memoryview, shape: Sequence[int], dtype: DTypeLike, order: Literal["C", "F"] = "C"
) -> NDArray[Any]:
    """Read an array of known shape.

    Parameters
    ----------
    data : bytes
        Exactly the numbers of one array.
    shape : sequence of int
    dtype : dtype
        As stored, with its byte order; native when it names none.
    order : 'C' or 'F'
        Whether the last or the first index runs fastest in the file.

    Returns
    -------
    ndarray
        C-contiguous, in native byte order. A view of `data`, which may not be written to, when
        the file is so already; else one copy.

    Raises
    ------
    FormatError
        When `data` is longer or shorter.
    SpecError
        For a shape, dtype or order that no file can have.

    Examples
    --------
    >>> decode(bytes([1, 2, 3, 4, 5, 6]), (2, 3), "uint8", order="F")
    array([[1, 3, 5],
           [2, 4, 6]], dtype=uint8)
    """
    sizes, kind = _sizes(shape), numbers(dtype)
    if order not in ("C", "F"):
        raise SpecError(f"order must be 'C' or 'F', not {order!r}")
    expected, found = math.prod(sizes) * kind.itemsize, len(data)
    if found != expected:
        raise FormatError(f"expected {expected} bytes for shape {sizes} of {kind}, found {found}")
    # On the buffer itself: `native` copies only for another order of axes or bytes.
    return native(np.ndarray(sizes, kind, data, order=order))


def encode(array: NDArray[Any]) -> bytes:
    r"""Write the numbers of an array in C order and native byte order; one copy.

    Examples
    --------
    >>> encode(np.array([[1, 2], [3, 4]], "uint8"))
    b'\x01\x02\x03\x04'
    """
    numbers(array.dtype)
    return native(array).tobytes()


@dataclass(frozen=True)
class Conf:
    """Content of a ``conf.json``, which describes the files of its folder; None if unknown.

    Parameters
    ----------
    shape : tuple of int or None
        Of one image, or of a whole set of series.
    dtype : numpy.dtype or None
        Of the values; older files call it ``valuetype`` or ``format``.
    nkeys : int
        Numbers of a key that stand before the values of each record, in older files.
    nvalues : int or None
        Values of a record, in older files.
    keytype : numpy.dtype or None
        Of the numbers of a key.
    attrs : dict
        What else was known of the data when they were written.
    """

    shape: tuple[int, ...] | None = None
    dtype: np.dtype[Any] | None = None
    nkeys: int = 0
    nvalues: int | None = None
    keytype: np.dtype[Any] | None = None
    attrs: Mapping[str, Any] = field(default_factory=dict)


def describe(
    shape: Sequence[int], dtype: DTypeLike, attrs: Mapping[str, Any] | None = None
) -> bytes:
    r"""Write the ``conf.json`` of files that `encode` wrote.

    Examples
    --------
    >>> describe((64, 64), "int16")
    b'{"shape": [64, 64], "dtype": "int16"}\n'
    """
    stated = {"shape": list(_sizes(shape)), "dtype": numbers(dtype).name}
    known = as_json(attrs)
    text = json.dumps({**stated, "attrs": known} if known else stated)
    return text.encode() + b"\n"


def parse_conf(data: bytes) -> Conf:
    """Read a ``conf.json``, by the names of every generation; others are left alone.

    Raises
    ------
    FormatError
        For data that are not a JSON object, and for an invalid shape or dtype.

    Examples
    --------
    >>> parse_conf(b'{"dims": [64, 64], "dtype": "int16", "input": "elsewhere"}')
    Conf(shape=(64, 64), dtype=dtype('int16'), nkeys=0, nvalues=None, keytype=None, attrs={})
    """
    entries = _object(data)
    # The first names are those that `describe` writes, the others those of older files.
    shape = _first(entries, "shape", "dims")
    dtype = _first(entries, "dtype", "valuetype", "format")
    keytype = _first(entries, "keytype", "keyformat")
    nvalues, attrs = entries.get("nvalues"), entries.get("attrs")
    try:
        return Conf(
            shape=None if shape is None else _sizes(shape),
            dtype=None if dtype is None else numbers(dtype),
            nkeys=_sizes([entries.get("nkeys", 0)])[0],
            nvalues=None if nvalues is None else _sizes([nvalues])[0],
            keytype=None if keytype is None else numbers(keytype),
            # Metadata must not prevent the data from being read.
            attrs=attrs if isinstance(attrs, dict) else {},
        )
    except SpecError as error:
        raise FormatError(str(error)) from error


def _first(entries: dict[str, Any], *names: str) -> Any:
    """Return the entry of the first of these names that there is."""
    return next((entries[name] for name in names if name in entries), None)


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"not JSON: {error}") from error
    if not isinstance(found, dict):
        raise FormatError(f"not a JSON object with shape and dtype, but {found!r:.40}")
    return found


def _sizes(shape: Sequence[int]) -> tuple[int, ...]:
    try:
        sizes = tuple(operator.index(size) for size in shape)
    except TypeError:
        sizes = (-1,)
    if min(sizes, default=0) < 0:
        raise SpecError(f"a shape is a list of whole numbers such as [64, 64], not {shape!r:.40}")
    return sizes
