"""Cells of several sessions: pairs of the same cell, and the union of models."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from thunderlike.errors import SpecError
from thunderlike.extraction.model import ExtractionModel
from thunderlike.hdf5.models import Model
from thunderlike.kernels._validation import as_array, checked_arguments, is_between, is_whole
from thunderlike.registration import RegistrationModel, align

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Matches", "Union", "match", "merge", "overlaps", "union"]

_REFINEMENTS = 3  # of the shift, by the displacements of matched cells
_SMOOTHING = 0.25  # sd of the gaussian on images of cells, in diameters
_KINDS: dict[str, Literal["rigid", "piecewise"]] = {"auto": "rigid", "piecewise": "piecewise"}
_CONFIDENT = 5.0  # peak of a correlation that is not chance
_INVERSIONS = 5  # iterations of the inverse of a field
_STILL = 1e-9  # px, of a shift that is not refined any further


@dataclass(frozen=True, eq=False)
class Matches(Model):
    """Pairs of cells of two models that are the same cell.

    Attributes
    ----------
    pairs : ndarray of int64, shape (n, 2)
        Number of the cell in either model, ascending in the first.
    iou : ndarray of float64, shape (n,)
        Pixels of both masks over those of either, after the shift.
    distance : ndarray of float64, shape (n,)
        Of the centers in pixels, after the shift.
    probability : ndarray of float64, shape (n,)
        Share of the overlap of the pair among those of its two cells with all candidates: 1 for a
        pair without a rival. A measure of ambiguity, not calibrated.
    displacements : ndarray of float64, shape (K, nd)
        Of each cell of the second model in pixels: it is at ``r - displacement`` in the first.

    Examples
    --------
    >>> from thunderlike.extraction import fromlabels
    >>> fromlabels([[1, 1, 0, 2, 2]]).match(fromlabels([[0, 0, 0, 1, 1]]), shift=None).pairs
    array([[1, 0]])
    """

    pairs: NDArray[np.int64]
    iou: NDArray[np.float64]
    distance: NDArray[np.float64]
    probability: NDArray[np.float64]
    displacements: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def shift(self) -> NDArray[np.float64]:
        """Displacement of the second session, of shape ``(nd,)``; of a field, the median."""
        if not len(self.displacements):
            return np.zeros(self.displacements.shape[1])
        return np.asarray(np.median(self.displacements, axis=0))


@dataclass(frozen=True, eq=False)
class Union(Model):
    """Cells of several sessions.

    Attributes
    ----------
    model : ExtractionModel
        Every cell once, at its place in the first session; weights are means over the sessions
        that have it. ``quality['sessions']`` is their number.
    index : ndarray of int64, shape (K, n)
        Number of each cell in the model of each session, -1 where it is missing.
    shifts : ndarray of float64, shape (n, nd)
        Displacement of each session relative to the first; of fields, the median over cells.

    Examples
    --------
    >>> from thunderlike.extraction import fromlabels, union
    >>> sessions = [fromlabels([one]) for one in ([1, 1, 0, 2], [0, 0, 0, 1])]
    >>> union(sessions, shift=None).index
    array([[ 0, -1],
           [ 1,  0]])
    """

    model: ExtractionModel
    index: NDArray[np.int64]
    shifts: NDArray[np.float64]


# Pairs


def match(
    model: ExtractionModel,
    other: ExtractionModel,
    shift: Any = "auto",
    max_distance: float | None = None,
    iou: float = 0.3,
    images: Sequence[ArrayLike] | None = None,
) -> Matches:
    """Find the cells that two models have in common; see :meth:`ExtractionModel.match`.

    Examples
    --------
    >>> one = ExtractionModel([[[2, 2], [2, 3]], [[6, 6], [6, 7]]], (9, 9))
    >>> match(one, one[[1, 0]], shift=None).pairs.tolist()
    [[0, 1], [1, 0]]
    """
    if len(model.shape) != len(other.shape):
        raise SpecError(f"models have images of shape {model.shape} and {other.shape}")
    if not is_between(iou, 0, 1):
        raise SpecError(f"iou must be a number from 0 to 1, not {iou!r}")
    distance = _diameter(model, other) / 2 if max_distance is None else max_distance
    if not is_between(distance, 0, math.inf):
        raise SpecError(f"max_distance must be a number of pixels, not {max_distance!r}")
    moved, refine = _displacements(model, other, shift, images)
    found = _paired(model, other, moved, distance, iou)
    for _ in range(_REFINEMENTS if refine else 0):
        first, second = found.pairs.T
        between = other.centers[second] - model.centers[first] - moved[second]
        rest = np.median(between, axis=0) if len(found) else np.zeros(len(model.shape))
        if np.abs(rest).max() < _STILL:
            break
        moved = moved + rest
        found = _paired(model, other, moved, distance, iou)
    return found


def _diameter(*models: ExtractionModel) -> float:
    """Return the diameter of the cells in pixels: as stated, else of balls of the median area."""
    found = []
    for one in models:
        given = one.attrs.get("diameter", one.parameters.get("diameter"))
        values = np.ravel(np.asarray(given, object)).tolist()
        if values and all(is_between(value, 1e-9, math.inf) for value in values):
            found.append(float(np.mean(values)))
        elif one.count:
            area, nd = float(np.median(one.areas)), len(one.shape)
            found.append(2 * (area / math.pi) ** 0.5 if nd == 2 else 2 * (area * 0.239) ** (1 / 3))
    return float(np.mean(found)) if found else 1.0


def _displacements(
    model: ExtractionModel, other: ExtractionModel, shift: Any, images: Any
) -> tuple[NDArray[np.float64], bool]:
    """Return the displacement of each cell of the second model, and whether to refine them."""
    nd = len(model.shape)
    nowhere = np.zeros((other.count, nd))
    if shift is None:
        return nowhere, False
    if isinstance(shift, RegistrationModel):
        if len(shift) != 1 or shift.axis is not None or shift.reference.shape != model.shape:
            raise SpecError(
                f"shift is a model of {len(shift)} frames of shape {shift.reference.shape}: give "
                f"that of align(image, reference) of the mean images, of shape {model.shape}"
            )
        return _at(shift, other.centers), False
    if not isinstance(shift, str):
        given = as_array(shift, "the shift")
        if given.shape != (nd,) or given.dtype.kind not in "iuf" or not np.isfinite(given).all():
            raise _unknown(shift, nd)
        return nowhere + given, False
    if shift not in _KINDS:
        raise _unknown(shift, nd)
    if not (model.count and other.count):
        return nowhere, False
    if images is None:
        if model.shape != other.shape:
            raise SpecError(
                f"images have shape {model.shape} and {other.shape}: give the shift, or shift=None"
            )
        images = [_picture(one, _diameter(model, other)) for one in (model, other)]
    pictures = [as_array(one, "images") for one in images]
    if len(pictures) != 2 or pictures[0].shape != pictures[1].shape:
        raise SpecError("images are the mean images of the two sessions, of one shape")
    found = align(pictures[1], pictures[0], _KINDS[shift])
    # Sessions without a common pattern, or with hardly any cells, are compared where they are.
    trusted = bool(found.peak.ravel()[0] >= _CONFIDENT)
    return (_at(found, other.centers) if trusted else nowhere), True


def _unknown(shift: Any, nd: int) -> SpecError:
    return SpecError(
        f"shift is 'auto', 'piecewise', None, {nd} numbers of pixels, or a model of align(), not "
        f"{shift!r:.60}"
    )


def _at(motion: RegistrationModel, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the displacement of the content that is at these points of the second image."""
    nodes, fields = motion.nodes, motion.fields
    moved: NDArray[np.float64] = np.zeros(points.shape)
    if nodes is None or fields is None:
        return np.asarray(moved + motion.shifts[0])
    # The field is one of positions in the first image, where this content is at point - u.
    for _ in range(_INVERSIONS):
        places = [
            np.interp(axis, positions, np.arange(len(positions)))
            for axis, positions in zip((points - moved).T, nodes, strict=True)
        ]
        along = [map_coordinates(u, places, order=1, output=np.float64) for u in fields[0]]
        moved = np.stack(along, axis=1)
    return moved


def _picture(model: ExtractionModel, diameter: float) -> NDArray[np.float64]:
    """Return an image of the cells, each of the same brightness."""
    sums = np.bincount(model.weights.indices, model.weights.data, math.prod(model.shape))
    smooth: NDArray[np.float64] = gaussian_filter(
        sums.reshape(model.shape), max(_SMOOTHING * diameter, 0.5)
    )
    return smooth


def _paired(
    model: ExtractionModel,
    other: ExtractionModel,
    moved: NDArray[np.float64],
    max_distance: float,
    iou: float,
) -> Matches:
    """Return the pairs with the largest sum of overlaps, for a displacement of each cell."""
    ones, others = _binary(model), _moved(other, -moved, model.shape)
    first, second, shares = overlaps(ones, others, other.areas)
    distances = np.linalg.norm(model.centers[first] + moved[second] - other.centers[second], axis=1)
    near = (distances <= max_distance) & (shares >= iou)
    first, second, shares, distances = (one[near] for one in (first, second, shares, distances))
    chosen = _assigned(first, second, shares, model.count, other.count)
    rivals = np.bincount(first, shares, model.count)[first[chosen]]
    rivals = rivals + np.bincount(second, shares, other.count)[second[chosen]]
    own = shares[chosen]
    order = np.argsort(first[chosen])
    return Matches(
        np.stack([first[chosen], second[chosen]], axis=1)[order].astype(np.int64),
        own[order],
        distances[chosen][order],
        (own / (rivals - own))[order],
        moved,
    )


def _binary(model: ExtractionModel) -> csr_array:
    """Return the masks as ones."""
    weights = model.weights
    parts = (np.ones(weights.nnz), weights.indices, weights.indptr)
    return csr_array(parts, shape=weights.shape)


def _moved(
    model: ExtractionModel, by: NDArray[np.float64], shape: tuple[int, ...], values: Any = None
) -> csr_array:
    """Return the masks, or values of their pixels, each moved by whole pixels."""
    places = model._coordinates + np.rint(by).astype(np.int64)[model._rows]
    inside = ((places >= 0) & (places < np.array(shape))).all(axis=1)
    flat = np.ravel_multi_index(tuple(places[inside].T), shape)
    data = np.ones(len(flat)) if values is None else values[inside]
    parts = (data, (model._rows[inside], flat))
    return csr_array(parts, shape=(model.count, math.prod(shape)))


def overlaps(
    ones: csr_array, others: csr_array, areas: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return all pairs of masks with common pixels, and their intersections over unions.

    Parameters
    ----------
    ones, others : csr_array of ones
    areas : ndarray of int64, optional
        Of the second masks, where some of their pixels are outside.

    Examples
    --------
    >>> masks = csr_array([[1.0, 1, 0], [0, 1, 1]])
    >>> overlaps(masks, masks)[2].round(3)
    array([1.   , 0.333, 0.333, 1.   ])
    """
    common = csr_array(ones @ others.T)
    common.sort_indices()
    first = np.repeat(np.arange(common.shape[0]), np.diff(common.indptr))
    second = common.indices.astype(np.int64)
    sizes = np.diff(others.indptr) if areas is None else areas
    either = np.diff(ones.indptr)[first] + sizes[second] - common.data
    return first, second, common.data / either


def _assigned(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    shares: NDArray[np.float64],
    count: int,
    others: int,
) -> NDArray[np.int64]:
    """Return the candidates that are chosen: each cell once, the largest sum of shares."""
    # The Hungarian method for each group of cells that compete, not for all of them.
    graph = csr_array((shares + 1, (first, count + second)), shape=(count + others,) * 2)
    _, groups = connected_components(graph, directed=False)
    group = groups[first] if len(first) else np.zeros(0, np.int64)
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    chosen: list[int] = []
    for part in np.split(order, starts[1:]) if len(first) else []:
        if len(part) == 1:
            chosen.append(int(part[0]))
            continue
        rows, row = np.unique(first[part], return_inverse=True)
        columns, column = np.unique(second[part], return_inverse=True)
        table = np.zeros((len(rows), len(columns)))
        table[row, column] = shares[part]
        numbers = np.full(table.shape, -1)
        numbers[row, column] = part
        pairs = numbers[linear_sum_assignment(table, maximize=True)]
        chosen += pairs[pairs >= 0].tolist()
    return np.array(sorted(chosen), np.int64)


# Several sessions


@checked_arguments
def union(
    models: Iterable[ExtractionModel],
    shift: Any = "auto",
    max_distance: float | None = None,
    iou: float = 0.3,
) -> Union:
    """Join the cells of several sessions.

    Parameters
    ----------
    models : iterable of ExtractionModel
        Of images of one shape.
    shift : 'auto', 'piecewise' or None
        Estimate the displacement of each pair of sessions, as :meth:`ExtractionModel.match` does.
    max_distance, iou
        As of :meth:`ExtractionModel.match`.

    Returns
    -------
    Union

    Raises
    ------
    SpecError
        Without models, and for images of several shapes.

    Notes
    -----
    All pairs of sessions are matched. Pairs of cells are joined in descending order of their
    overlap, and never two cells of one session: a cycle of pairs that contradict each other is
    broken at its weakest.

    Examples
    --------
    >>> one = ExtractionModel([[[2, 2], [2, 3]], [[6, 6], [6, 7]]], (9, 9))
    >>> found = union([one, one[[1]], one[[1, 0]]], shift=None)
    >>> found.index
    array([[ 0, -1,  1],
           [ 1,  0,  0]])
    >>> found.model.quality["sessions"]
    array([2, 3])
    """
    sessions = list(models)
    if not sessions or not all(isinstance(one, ExtractionModel) for one in sessions):
        raise SpecError("give one model of cells or several")
    if len({one.shape for one in sessions}) > 1:
        raise SpecError(
            f"sessions have images of the shapes {sorted({one.shape for one in sessions})}: give "
            "them one shape, by embed()"
        )
    if shift is not None and not (isinstance(shift, str) and shift in _KINDS):
        raise SpecError(f"shift is 'auto', 'piecewise' or None, not {shift!r:.60}")
    links = []
    moved = [np.zeros((one.count, len(one.shape))) for one in sessions]
    shifts = np.zeros((len(sessions), len(sessions[0].shape)))
    for a, first in enumerate(sessions):
        for b in range(a + 1, len(sessions)):
            found = match(first, sessions[b], shift, max_distance, iou)
            if a == 0:
                moved[b], shifts[b] = found.displacements, found.shift
            links += [
                (-share, a, i, b, j)
                for share, (i, j) in zip(found.iou.tolist(), found.pairs.tolist(), strict=True)
            ]
    index = _clusters([one.count for one in sessions], sorted(links))
    return Union(_averaged(sessions, index, moved), index, shifts)


def _clusters(
    counts: Sequence[int], links: Iterable[tuple[float, int, int, int, int]]
) -> NDArray[np.int64]:
    """Return the cells of each session that are one, of shape (K, n), with -1 for none."""
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    cluster = list(range(int(offsets[-1])))
    members = {int(offsets[s]) + i: {s: i} for s, count in enumerate(counts) for i in range(count)}
    for _, a, i, b, j in links:
        one, other = cluster[offsets[a] + i], cluster[offsets[b] + j]
        if one == other or members[one].keys() & members[other].keys():
            continue
        for session, number in members[other].items():
            cluster[offsets[session] + number] = one
        members[one] |= members.pop(other)
    index = np.full((len(members), len(counts)), -1, np.int64)
    for row, found in enumerate(members.values()):
        for session, number in found.items():
            index[row, session] = number
    # By the first session that has a cell, and its number there.
    first = (index >= 0).argmax(axis=1) if len(index) else np.zeros(0, np.int64)
    return index[np.lexsort((index[np.arange(len(index)), first], first))]


def _averaged(
    sessions: Sequence[ExtractionModel],
    index: NDArray[np.int64],
    displacements: Sequence[NDArray[np.float64]],
) -> ExtractionModel:
    """Return the cells with the mean weights of the sessions, where the first one has them."""
    shape = sessions[0].shape
    total = csr_array((len(index), math.prod(shape)))
    for one, numbers, by in zip(sessions, index.T, displacements, strict=True):
        rows = np.flatnonzero(numbers >= 0)
        moved = _moved(one, -by, shape, one.weights.data)
        place = csr_array(
            (np.ones(len(rows)), (rows, numbers[rows])), shape=(len(index), one.count)
        )
        total = total + place @ moved
    empty = np.diff(total.indptr) == 0
    if empty.any():  # cells that the shift moves out of the images of the first session
        row = int(np.argmax(empty))
        session = int((index[row] >= 0).argmax())
        raise SpecError(
            f"cell {index[row, session]} of session {session} is outside of the images of the "
            "first session: leave it out"
        )
    quality = {"sessions": (index >= 0).sum(axis=1)}
    return ExtractionModel(total, shape, quality=quality, attrs=sessions[0].attrs)


# Cells of one model that overlap


def merge(
    model: ExtractionModel, overlap: float = 0.5, max_iter: int = 2, k_nearest: int = 10
) -> ExtractionModel:
    """Merge cells that overlap; see :meth:`ExtractionModel.merge`.

    Examples
    --------
    >>> merge(ExtractionModel([[[0, 0], [0, 1], [0, 2]], [[0, 1], [0, 2]]])).count
    1
    """
    if not is_between(overlap, 0, 1):
        raise SpecError(f"overlap must be a number from 0 to 1, not {overlap!r}")
    for name, value in (("max_iter", max_iter), ("k_nearest", k_nearest)):
        if not is_whole(value, 1):
            raise SpecError(f"{name} must be a whole number, at least 1, not {value!r}")
    for _ in range(int(max_iter)):
        masks = _binary(model)
        first, second, shares = overlaps(masks, masks)
        close = (first < second) & (shares > overlap)
        close &= _nearest(model.centers, first, second, int(k_nearest))
        if not close.any():
            break
        parts = (np.ones(int(close.sum())), (first[close], second[close]))
        _, groups = connected_components(csr_array(parts, shape=(model.count,) * 2), directed=False)
        model = _joined(model, groups)
    return model


def _nearest(
    centers: NDArray[np.float64], first: NDArray[np.int64], second: NDArray[np.int64], k: int
) -> NDArray[np.bool_]:
    """Return the mask of pairs of which one is among the k nearest of the other."""
    near = min(k + 1, len(centers))
    _, found = cKDTree(centers).query(centers, near)
    found = found.reshape(len(centers), -1)
    pairs = (found[first] == second[:, np.newaxis]) | (found[second] == first[:, np.newaxis])
    return np.asarray(pairs.any(axis=1))


def _joined(model: ExtractionModel, groups: NDArray[np.int64]) -> ExtractionModel:
    """Return the model whose cells are groups of cells, in the order of their first ones."""
    _, leader = np.unique(groups, return_index=True)
    order = np.argsort(leader)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    row = rank[groups]
    sums = csr_array((np.ones(model.count), (row, np.arange(model.count))))
    # Weights relative to the mean of a cell, averaged over the cells that have the pixel.
    relative = model.weights.astype(np.float64)
    relative.data *= np.repeat(model.areas, model.areas)
    total, times = csr_array(sums @ relative), csr_array(sums @ _binary(model))
    total.sort_indices()
    times.sort_indices()
    total.data /= times.data
    # Measures are those of the largest cell of a group.
    largest = np.lexsort((-model.areas, row))
    chosen = largest[np.flatnonzero(np.diff(row[largest], prepend=-1))]
    accepted = np.bincount(row, model.accepted) > 0
    quality = {name: values[chosen] for name, values in model.quality.items()}
    return model._with(weights=total, quality=quality, accepted=accepted)
