"""Selection of parts of an array in a file, with numpy's indexing.

HDF5 reads boxes with steps, and unions of slabs along one axis. An index is converted to such a
selection, which is read as a block, and a second index of the block that gives numpy's result.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeAlias

import numpy as np
from h5py import h5s

from thunderlike.errors import BadIndexError

if TYPE_CHECKING:
    from types import EllipsisType

    from h5py.h5s import SpaceID
    from numpy.typing import NDArray

__all__ = ["Axis", "Index", "Plan", "plan"]

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
        return _slice(part, length)
    if isinstance(part, _Mask):
        if part.length != length:
            raise BadIndexError(f"a mask of {part.length} does not fit an axis of {length}")
        return _listed(part.places, length, slabs=slabs)
    if isinstance(part, list | np.ndarray):
        return _listed(_as_integers(part), length, slabs=slabs)
    try:
        position = operator.index(part)
    except TypeError:
        raise BadIndexError(
            f"{part!r:.60} is not an index: give int, slice, list, mask, ... or None"
        ) from None
    return Axis(_normalized(np.asarray(position), length).item(), 1, 1), 0


def _slice(part: slice, length: int) -> tuple[Axis, slice]:
    chosen = range(length)[part]
    if chosen.step > 0 or not chosen:
        return Axis(chosen.start if chosen else 0, chosen.step, len(chosen)), slice(None)
    return Axis(chosen[-1], -chosen.step, len(chosen)), slice(None, None, -1)


def _as_integers(part: object) -> NDArray[Any]:
    places = np.asarray(part)
    if not places.size:
        return places.astype(np.intp)
    if places.dtype.kind not in "iu":
        raise BadIndexError(f"positions are whole numbers, not {places.dtype}: convert with astype")
    return places


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
