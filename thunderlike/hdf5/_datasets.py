"""HDF5 datasets: creation, and reading by selection."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeAlias

import h5py
import numpy as np
from h5py import h5d, h5s, h5t, h5z

from thunderlike.errors import BadIndexError, Hdf5Error, UnreadableError
from thunderlike.formats._hdf5_chunks import (
    LEVEL,
    Packing,
    check_chunks,
    check_inside,
    read_chunks,
    write_chunks,
)
from thunderlike.hdf5 import _attributes, _limits, compression

if TYPE_CHECKING:
    from types import EllipsisType

    from h5py.h5d import DatasetID
    from h5py.h5g import GroupID
    from h5py.h5p import PropDCID
    from h5py.h5s import SpaceID
    from h5py.h5t import TypeID
    from numpy.typing import NDArray

    from thunderlike.hdf5.compression import Filters

__all__ = [
    "Axis",
    "Index",
    "Plan",
    "append",
    "create",
    "plain_type_of",
    "plan",
    "read",
    "read_pickle",
    "read_rows",
    "shape_of",
    "write_part",
    "write_pickle",
]


_Part: TypeAlias = "SupportsIndex | slice | EllipsisType | list[Any] | NDArray[Any] | None"
Index: TypeAlias = "_Part | tuple[_Part, ...]"  # as numpy takes it

_MOST_SLABS = 1000  # more of them cost HDF5 longer than reading the gaps between them


@dataclass(frozen=True)
class Axis:
    """Selection along one axis: `count` positions from `start`, or the slabs in `runs`."""

    start: int
    step: int
    count: int
    runs: tuple[tuple[int, int], ...] = ()

    def places(self) -> NDArray[np.intp]:
        """Return the positions, in order."""
        if self.runs:
            return np.concatenate([np.arange(start, start + n) for start, n in self.runs])
        return self.start + max(1, self.step) * np.arange(self.count)


@dataclass(frozen=True)
class Plan:
    """Selection to read as a block, and the index that is applied to the block."""

    axes: tuple[Axis, ...]
    after: tuple[Any, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the block that is read."""
        return tuple(axis.count for axis in self.axes)

    def box(self, unit: int = 1) -> list[tuple[int, int]]:
        """Return the bounds of the block along each axis, in elements of the file."""
        ends = []
        for number, axis in enumerate(self.axes):
            scale = unit if number == len(self.axes) - 1 else 1
            last = axis.start + max(1, axis.step) * max(0, axis.count - 1) + 1
            spans = [(axis.start, last)] if not axis.runs else [(a, a + n) for a, n in axis.runs]
            ends.append((spans[0][0] * scale, spans[-1][1] * scale))
        return ends

    def select(self, space: SpaceID, unit: int = 1) -> None:
        """Select in a dataspace; an element of the last axis is `unit` elements of the file."""
        scale = (*(1 for _ in self.axes[1:]), unit)
        slabs = next((number for number, axis in enumerate(self.axes) if axis.runs), None)
        runs = ((0, 0),) if slabs is None else self.axes[slabs].runs
        for position, (start, count) in enumerate(runs):
            boxes = [
                Axis(start, 1, count) if number == slabs else axis
                for number, axis in enumerate(self.axes)
            ]
            space.select_hyperslab(
                tuple(b.start * u for b, u in zip(boxes, scale, strict=True)),
                tuple(b.count for b in boxes),
                tuple(max(1, b.step) * u for b, u in zip(boxes, scale, strict=True)),
                scale,
                h5s.SELECT_OR if position else h5s.SELECT_SET,
            )


def plan(index: Index, shape: tuple[int, ...]) -> Plan:
    """Convert an index of numpy to a selection and an index of the block.

    Raises
    ------
    BadIndexError
        For an index that numpy refuses.

    Examples
    --------
    >>> planned = plan(np.s_[::-2, [3, 1, 3]], (9, 5))
    >>> planned.shape, planned.axes[1]
    ((5, 2), Axis(start=0, step=1, count=2, runs=((1, 1), (3, 1))))
    """
    parts = _expanded(index, len(shape))
    axes: list[Axis] = []
    after: list[Any] = []
    for part in parts:
        if part is None:
            after.append(None)
            continue
        # HDF5 selects a union of slabs along one axis only; other lists are read as a range.
        axis, then = _axis(part, shape[len(axes)], slabs=not any(a.runs for a in axes))
        axes.append(axis)
        after.append(then)
    return Plan(tuple(axes), tuple(after))


def _expanded(index: Index, ndim: int) -> list[Any]:
    """Return one part for each axis, and None for each new axis."""
    parts: list[Any] = []
    for part in index if isinstance(index, tuple) else (index,):
        mask = np.asarray(part) if isinstance(part, list | np.ndarray) else None
        if mask is not None and mask.dtype == bool:
            parts += _positions(mask)
        else:
            parts.append(part)
    named = sum(part is not None and part is not Ellipsis for part in parts)
    dots = [place for place, part in enumerate(parts) if part is Ellipsis] or [len(parts)]
    if named > ndim or len(dots) > 1:
        raise BadIndexError(f"index {index!r:.60} has too many parts for {ndim} axes")
    parts[dots[0] : dots[0] + 1] = [slice(None)] * (ndim - named)
    return parts


def _positions(mask: NDArray[Any]) -> list[Any]:
    if not mask.ndim:
        raise BadIndexError("a single boolean is not an index: give a mask as long as the axis")
    pairs = zip(mask.nonzero(), mask.shape, strict=True)
    return [_Mask(places, length) for places, length in pairs]


@dataclass(frozen=True)
class _Mask:
    """Positions in a mask, and the length of the mask, which must be that of the axis."""

    places: NDArray[Any]
    length: int


def _axis(part: Any, length: int, *, slabs: bool) -> tuple[Axis, Any]:
    if isinstance(part, slice):
        chosen = range(length)[part]
        if chosen.step > 0 or not chosen:
            return Axis(chosen.start if chosen else 0, chosen.step, len(chosen)), slice(None)
        # HDF5 has no steps below 0: the block is read forward, and reversed in memory.
        return Axis(chosen[-1], -chosen.step, len(chosen)), slice(None, None, -1)
    if isinstance(part, _Mask):
        if part.length != length:
            raise BadIndexError(f"a mask of {part.length} does not fit an axis of {length}")
        return _listed(part.places, length, slabs=slabs)
    if isinstance(part, list | np.ndarray):
        places = np.asarray(part)
        if not places.size:
            places = places.astype(np.intp)  # an empty list is an array of float64
        if places.dtype.kind not in "iu":
            raise BadIndexError(
                f"positions are whole numbers, not {places.dtype}: convert with astype"
            )
        return _listed(places, length, slabs=slabs)
    try:
        position = operator.index(part)
    except TypeError:
        raise BadIndexError(
            f"{part!r:.60} is not an index: give int, slice, list, mask, ... or None"
        ) from None
    return Axis(_normalized(np.asarray(position), length).item(), 1, 1), 0


def _normalized(places: NDArray[Any], length: int) -> NDArray[Any]:
    outside = places[(places < -length) | (places >= length)]
    if outside.size:
        raise BadIndexError(f"position {outside.flat[0]} is outside an axis of {length}")
    return np.where(places < 0, places + length, places)


def _listed(places: NDArray[Any], length: int, *, slabs: bool) -> tuple[Axis, NDArray[Any]]:
    """Select each position once, in order: as slabs if they are few, else from first to last."""
    # HDF5 reads positions once and in order; `then` restores repetitions and the order.
    each, then = np.unique(_normalized(places, length), return_inverse=True)
    then = then.reshape(places.shape)
    if not each.size:
        return Axis(0, 1, 0), then
    edges = np.flatnonzero(np.diff(each) > 1) + 1
    starts = each[np.r_[0, edges]]
    counts = np.diff(np.r_[0, edges, each.size])
    if len(starts) == 1 or not slabs or len(starts) > _MOST_SLABS:
        first = int(each[0])
        return Axis(first, 1, int(each[-1]) - first + 1), each[then] - first
    return Axis(0, 1, each.size, tuple(zip(starts.tolist(), counts.tolist(), strict=True))), then


def create(
    parent: GroupID,
    name: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    filters: Filters,
    *,
    grows: bool = False,
) -> DatasetID:
    """Create an array without values; if it grows, it does so along its first axis."""
    # HDF5 lets only datasets of chunks grow.
    most = (h5s.UNLIMITED, *shape[1:]) if grows else None
    space = h5s.create_simple(shape, most) if shape else h5s.create(h5s.SCALAR)
    plist = filters.plist(shape, dtype, grows=grows) if shape else None
    return h5d.create(parent, name.encode(), _attributes.file_type(dtype), space, plist)


def write_part(dataset: DatasetID, values: NDArray[Any], start: int | None = None) -> None:
    """Write all of an array, or its records from `start` on."""
    data = np.ascontiguousarray(values)
    # h5py would write booleans as an enumeration, which PyTables does not read as booleans.
    bits = data.view(np.uint8) if data.dtype.kind == "b" else data
    plist = dataset.get_create_plist()
    packing = _packing(plist, bits, dataset.shape, start or 0)
    if packing is not None:
        write_chunks(dataset, packing, bits, start or 0)
        return
    if start is None or data.size:
        memory = space = h5s.ALL
        if start is not None:
            memory, space = h5s.create_simple(data.shape), dataset.get_space()
            space.select_hyperslab((start, *(0 for _ in data.shape[1:])), data.shape)
        dataset.write(memory, space, bits, _attributes.file_type(values.dtype))
    if plist.get_nfilters():
        # HDF5 does not report a filter that fails when the array is closed.
        dataset.flush()


def _packing(
    plist: PropDCID, values: NDArray[Any], shape: tuple[int, ...], start: int
) -> Packing | None:
    """Return how to compress records from `start` on as whole chunks, on all processors.

    None if they are not several whole chunks, and for filters that HDF5 has to apply: its lock lets
    one thread compress at a time.
    """
    if plist.get_layout() != h5d.CHUNKED or values.dtype.kind not in "biufc":
        return None
    chunk, stop = plist.get_chunk(), start + len(values)
    # The last chunk may be cut by the end of the array, but not by that of the records.
    whole = start % chunk[0] == 0 and (stop % chunk[0] == 0 or stop == shape[0])
    if not whole or values.size <= math.prod(chunk):
        return None
    filters = [plist.get_filter(number) for number in range(plist.get_nfilters())]
    if [code for code, *_ in filters] != [h5z.FILTER_SHUFFLE, h5z.FILTER_DEFLATE]:
        return None
    if filters[1][2] != (LEVEL,):
        return None
    return Packing(chunk, values.dtype, shuffled=True, deflated=True)


def append(dataset: DatasetID, values: NDArray[Any]) -> None:
    """Append records to an array that grows."""
    length = dataset.shape[0]
    dataset.set_extent((length + len(values), *dataset.shape[1:]))
    write_part(dataset, values, length)


def read(
    dataset: DatasetID, budget: _limits.Budget, planned: Plan | None = None, unit: int = 1
) -> NDArray[Any]:
    """Read an array, or the part of a plan: bool for bit fields, else in native byte order.

    Raises
    ------
    RefusedError
        If the values are in other files, or exceed the budget.
    UnreadableError
        For references, types that numpy does not have, and filters that are not installed.
    """
    plist = check_inside(dataset)
    kind = dataset.get_type()
    texts = isinstance(kind, h5t.TypeStringID) and kind.is_variable_str()
    dtype = dataset.dtype if texts else _attributes.plain_type(kind)
    shape = shape_of(dataset) if planned is None else planned.shape
    if planned is not None and shape:
        shape = (*shape[:-1], shape[-1] * unit)
    # Text and rows of variable length take a Python object in addition to their values.
    budget.spend(math.prod(shape) * (2 * dtype.itemsize if dtype.hasobject else dtype.itemsize))
    if plist is not None:
        _prepare(plist, dtype, budget)
    values = np.empty(shape, dtype)
    if values.size:
        memory = None if texts else _attributes.memory_type(kind, dtype)
        _fill(dataset, values, memory, planned, unit)
    if texts:
        return _decoded(values, budget)
    if isinstance(kind, h5t.TypeVlenID):
        budget.spend(sum(row.nbytes for row in values.ravel()))
        return _attributes.native_rows(kind, values)
    return values.view(bool) if _attributes.is_bits(kind) else values


def _prepare(plist: PropDCID, dtype: np.dtype[Any], budget: _limits.Budget) -> None:
    """Load the plug-ins of filters; count one chunk, which HDF5 decompresses as a whole."""
    if plist.get_layout() == h5d.CHUNKED:
        budget.spend(math.prod(plist.get_chunk()) * dtype.itemsize)
    # Filters that are part of HDF5 need no import of hdf5plugin.
    codes = {plist.get_filter(number)[0] for number in range(plist.get_nfilters())}
    if codes - _BUILT_IN:
        compression.plugins()


_BUILT_IN = {1, 2, 3, 5, 6}  # deflate, shuffle, fletcher32, nbit, scaleoffset


def _fill(
    dataset: DatasetID, values: NDArray[Any], memory: TypeID | None, planned: Plan | None, unit: int
) -> None:
    if planned is None and _fill_chunks(dataset, values):
        return
    check_chunks(dataset, None if planned is None else planned.box(unit))
    memory_space = space = h5s.ALL
    if planned is not None and values.ndim:
        memory_space, space = h5s.create_simple(values.shape), dataset.get_space()
        planned.select(space, unit)
    try:
        with _attributes.converted():
            dataset.read(memory_space, space, values, memory)
    except OSError as error:
        # A missing plug-in is an OSError, as damage is.
        plist = dataset.get_create_plist()
        filters = [plist.get_filter(number) for number in range(plist.get_nfilters())]
        missing = [(code, label) for code, _, _, label in filters if not h5z.filter_avail(code)]
        if not missing or isinstance(error, UnreadableError):
            raise
        named = [f"the HDF5 filter {c} {n.decode('ascii', 'replace')!r}" for c, n in missing]
        raise UnreadableError(
            f"is compressed by {', '.join(named)}, which is not installed"
        ) from error


def _fill_chunks(dataset: DatasetID, values: NDArray[Any]) -> bool:
    """Decompress chunks of zlib on all processors, within their size; return False for others."""
    if dataset.get_offset() is not None or not values.ndim:  # contiguous
        return False
    array = h5py.Dataset(dataset)
    packing = Packing.of(array)
    if packing is None or not packing.deflated or packing.nbytes < _LEAST_CHUNK:
        return False
    read_chunks(array, packing, 0, 0, len(values), values)
    return True


_LEAST_CHUNK = 2**15  # bytes: the library is faster with many small ones


def shape_of(dataset: DatasetID) -> tuple[int, ...]:
    """Return the shape; h5py's `Empty` is an array without elements."""
    shape = dataset.shape
    return (0,) if shape is None else tuple(shape)


def _decoded(texts: NDArray[Any], budget: _limits.Budget) -> NDArray[Any]:
    """Convert text of variable length, from h5py or MATLAB, to an array of text."""
    decoded = [item.decode("utf-8", "surrogateescape") for item in texts.ravel()]
    budget.spend(4 * len(decoded) * max(map(len, decoded), default=0))
    return np.array(decoded, np.str_).reshape(texts.shape)


def write_pickle(parent: GroupID, name: str, data: bytes) -> None:
    """Write a pickle as PyTables does: one row of bytes, marked as an object."""
    space = h5s.create_simple((1,), (h5s.UNLIMITED,))
    plist = compression.NONE.plist((1,), np.dtype(np.uint8), grows=True)
    kind = h5t.vlen_create(h5t.NATIVE_UINT8)
    dataset = h5d.create(parent, name.encode(), kind, space, plist)
    # A VLArray of one row is how deepdish and PyTables store an object.
    row = np.empty(1, _ROWS)
    row[0] = np.frombuffer(data, np.uint8)
    dataset.write(h5s.ALL, h5s.ALL, row)
    for key, value in _PICKLED.items():
        _attributes.write(dataset, key, value)


_ROWS = h5t.vlen_dtype(np.uint8)
_PICKLED = {"CLASS": "VLARRAY", "PSEUDOATOM": "object", "TITLE": "", "VERSION": "1.4"}


def read_pickle(dataset: DatasetID, budget: _limits.Budget) -> bytes:
    """Read the bytes of a pickle, without unpickling them."""
    rows = read_rows(dataset, budget)
    if len(rows) != 1:
        raise Hdf5Error(f"is marked as one pickle but has {len(rows)} rows")
    return bytes(rows[0])


def read_rows(dataset: DatasetID, budget: _limits.Budget, sel: Index | None = None) -> NDArray[Any]:
    """Read the rows of variable length of a VLArray of PyTables, as an array of arrays."""
    shape = shape_of(dataset)
    if len(shape) != 1 or not isinstance(dataset.get_type(), h5t.TypeVlenID):
        raise Hdf5Error("is marked as rows of any length (VLARRAY) but holds other data")
    planned = None if sel is None else plan(sel, shape)
    rows = read(dataset, budget, planned)
    return rows if planned is None else rows[planned.after]


def plain_type_of(dataset: DatasetID) -> np.dtype[Any]:
    """Return the dtype of the array that :func:`read` returns."""
    kind = dataset.get_type()
    return np.dtype(bool) if _attributes.is_bits(kind) else _attributes.plain_type(kind)
