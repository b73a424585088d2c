"""Images and Series: their values are one array of a group, written a chunk at a time.

They come back on the local engine, whichever they were on: ``tospark()`` sends them on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.data.images import Images
from thunderlike.data.series import Series
from thunderlike.errors import Hdf5Error
from thunderlike.hdf5 import _attributes, _datasets, arrays
from thunderlike.hdf5._codec import new_group

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from thunderlike.hdf5._codec import Group, Place, Task
    from thunderlike.hdf5.decoder import Reader
    from thunderlike.hdf5.encoder import Writer

__all__ = ["get", "put"]

_KINDS: dict[str, Any] = {"Images": Images, "Series": Series}


def put(writer: Writer, place: Place, value: Any) -> Task:
    """Write one, streaming its records: they are never all in memory here."""
    parts = {"labels": value.labels, "index": getattr(value, "index", None), "attrs": value.attrs}
    told = {name: part for name, part in parts.items() if _says_something(part)}
    group = new_group(place, f"dict:{len(told) + 1}")
    _stream(place.within(group, "values"), value)
    known = {"kind": "records", "of": type(value).__name__, "base": len(value.baseshape)}
    yield writer.dictionary(place, group, told, **known)


def _says_something(part: Any) -> bool:
    return part is not None and (len(part) > 0 if isinstance(part, dict) else True)


def _stream(place: Place, value: Any) -> None:
    if not value.size:
        empty = np.empty(value.shape, value.dtype)
        arrays.write(place.parent, place.name, empty, place.filters)
        return
    pieces = _pieces(value)
    start, piece = next(pieces)
    first = arrays.encode(piece)
    shape = (value.shape[0], *first.values.shape[1:])
    dataset = _datasets.create(place.parent, place.name, shape, first.values.dtype, place.filters)
    _attributes.write_metadata(
        dataset, {name: v for name, v in first.known.items() if name != "order"}
    )
    _datasets.write_part(dataset, first.values, start)
    for start, piece in pieces:
        _datasets.write_part(dataset, arrays.encode(piece).values, start)


def _pieces(value: Any) -> Iterator[tuple[int, NDArray[Any]]]:
    """Parts along the first axis, each with where it begins."""
    if len(value.baseshape) == 1:
        for start, block in value._records.stream():
            yield start, np.asarray(block)
    else:
        for start, part in enumerate(value):
            yield start, np.asarray(part)[np.newaxis]


def get(reader: Reader, group: Group, sel: Any) -> Task:
    """Read one; with `sel`, that part of its values as an array."""
    values = yield reader.child(group, "values", sel)
    if sel is not None:
        return values
    parts = yield reader.entries(group)
    kind = _KINDS.get(str(group.known.get("of")))
    if kind is None:
        raise Hdf5Error("is of an unknown class of records")
    told = {name: parts[name] for name in ("labels", "index") if name in parts}
    made = kind(values, **told)
    made.attrs = parts.get("attrs")
    return made
