"""Encoder and decoder of Images and Series: one array of values, written a chunk at a time.

They are loaded on the local engine, on whichever they were; ``tospark()`` moves them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.errors import Hdf5Error
from thunderlike.hdf5 import _attributes, _datasets, arrays
from thunderlike.hdf5._codec import decodes, new_group, selects_encoder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from thunderlike.data.images import Images
    from thunderlike.data.series import Series
    from thunderlike.hdf5._codec import Destination, Encoder, Group, Reader, Task, Writer

__all__: list[str] = []


@selects_encoder("thunderlike.data.images")
@selects_encoder("thunderlike.data.series")
def _encoder_of(_kind: type) -> Encoder:
    return _encode


def _encode(writer: Writer, dest: Destination, value: Images | Series) -> Task:
    """Write a collection as a stream of records: they are never all in memory of the driver."""
    parts = {"labels": value.labels, "index": getattr(value, "index", None), "attrs": value.attrs}
    # Labels and index are arrays, which have no truth value; attrs are a dictionary, never None.
    parts = {name: p for name, p in parts.items() if p is not None and (name != "attrs" or p)}
    group = new_group(dest, f"dict:{len(parts) + 1}")
    _write_values(dest.within(group, "values"), value)
    metadata = {"kind": "records", "of": type(value).__name__, "base": len(value.baseshape)}
    yield writer.encode_mapping(dest, group, parts, **metadata)


def _write_values(dest: Destination, value: Images | Series) -> None:
    if not value.size:
        arrays.write(dest.parent, dest.name, np.empty(value.shape, value.dtype), dest.filters)
        return
    blocks = _blocks(value)
    start, block = next(blocks)
    first = arrays.encode(block)
    shape, dtype = (value.shape[0], *first.values.shape[1:]), first.values.dtype
    dataset = _datasets.create(dest.parent, dest.name, shape, dtype, dest.filters)
    # The memory order of one block says nothing about that of the whole array.
    metadata = {name: v for name, v in first.metadata.items() if name != "order"}
    _attributes.write_metadata(dataset, metadata)
    _datasets.write_part(dataset, first.values, start)
    for start, block in blocks:
        _datasets.write_part(dataset, arrays.encode(block).values, start)


def _blocks(value: Images | Series) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield blocks along the first axis, each with its position."""
    if len(value.baseshape) == 1:
        for start, block in value._records.stream():
            yield start, np.asarray(block)
    else:
        for start, part in enumerate(value):
            yield start, np.asarray(part)[np.newaxis]


@decodes("records", selectable=True)
def _decode(reader: Reader, group: Group, _address: int, sel: object) -> Task:
    """Read a collection; with `sel`, that part of its values as an array."""
    from thunderlike.data.images import Images
    from thunderlike.data.series import Series

    values = yield reader.decode_child(group, "values", sel)
    if sel is not None:
        return values
    parts = yield reader.decode_entries(group)
    arguments = {name: parts[name] for name in ("labels", "index") if name in parts}
    collection: Images | Series
    if group.metadata.get("of") == "Images":
        collection = Images(values, **arguments)
    elif group.metadata.get("of") == "Series":
        collection = Series(values, **arguments)
    else:
        raise Hdf5Error("is of an unknown class of records")
    collection.attrs = parts.get("attrs")
    return collection
