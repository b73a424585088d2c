"""Signals of cells that share pixels, by one linear system for each group of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from thunderlike._typing import Array

__all__ = ["demixing"]

_CONDITION = 30.0  # of the cosines of a group that is solved as a whole
_DENSE = 1500  # cells of a group whose system is solved as a dense matrix
_COLUMNS = 256  # of the inverse of a larger one at once
_NEGLIGIBLE = 1e-7  # entries of the inverse, relative to the diagonal


def demixing(weights: csr_array, chosen: Array | None = None) -> tuple[csr_array, Array]:
    """Find the matrix that takes weighted means of cells to their separate signals.

    Parameters
    ----------
    weights : csr_array, shape (K, pixels)
        Rows sum to 1, or are empty.
    chosen : ndarray of bool, shape (K,), optional
        Cells whose signals are separated from one another; the others are left as they are.

    Returns
    -------
    matrix : csr_array of float64, shape (K, K)
        The identity for cells that share no pixels.
    ambiguous : ndarray of bool, shape (K,)
        Cells that overlap so much with another one that a common system would amplify noise: their
        signal is separated from those of all cells but this one.

    Notes
    -----
    With the footprint ``a_j = w_j / <w_j, w_j>`` of a cell, whose weighted mean is 1, the weighted
    means of a frame are ``F_k = sum_j <w_k, a_j> C_j``. The system of each group of cells that are
    connected by shared pixels is inverted.

    Two copies of one cell would make it singular, and destroy both traces. Cells are therefore left
    out of a group until the condition number of its cosines ``<w_i, w_j> / (|w_i| |w_j|)`` is at
    most 30. A cell that was left out gets the solution of a system of its own, with those cells of
    the group that keep the condition.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> matrix, _ = demixing(csr_array([[0.5, 0.5, 0, 0], [0, 0.5, 0.5, 0], [0, 0, 0, 1]]))
    >>> matrix.toarray().round(3)
    array([[ 1.333, -0.667,  0.   ],
           [-0.667,  1.333,  0.   ],
           [ 0.   ,  0.   ,  1.   ]])
    """
    from scipy import sparse
    from scipy.sparse.csgraph import connected_components

    count = weights.shape[0]
    products = sparse.csr_array(weights @ weights.T)
    squares = products.diagonal()
    used = squares > 0
    if chosen is not None:
        used &= chosen
    rows = np.flatnonzero(used)
    products = products[rows][:, rows]
    lengths = np.sqrt(squares[rows])
    scale = sparse.diags_array(1 / lengths)
    cosines = sparse.csr_array(scale @ products @ scale)
    cosines.sort_indices()
    ambiguous = np.zeros(count, bool)
    entries: list[tuple[Array, Array, Array]] = []
    _, group = connected_components(cosines, directed=False)
    order = np.argsort(group, kind="stable")
    sizes = np.bincount(group) if group.size else np.empty(0, int)
    for members in np.split(order, np.cumsum(sizes)[:-1]):
        if len(members) < 2:
            continue
        left_out, found = _inverse(cosines[members][:, members].tocsr())
        ambiguous[rows[members[left_out]]] = True
        # From cosines to the system: <w_k, a_j> = cosine * |w_k| / |w_j|.
        ratio = lengths[members[found.row]] / lengths[members[found.col]]
        entries.append((rows[members[found.row]], rows[members[found.col]], found.data * ratio))
    single = np.ones(count, bool)
    for one, _, _ in entries:
        single[one] = False
    own = np.flatnonzero(single)
    i, j, values = (
        np.concatenate(parts) for parts in zip((own, own, np.ones(len(own))), *entries, strict=True)
    )
    matrix = sparse.csr_array((values, (i, j)), shape=(count, count))
    matrix.sort_indices()
    return matrix, ambiguous


def _inverse(cosines: csr_array) -> tuple[Array, csr_array]:
    """Return the cells left out of a group, and the rows that take means to signals, as COO."""
    from scipy import sparse

    size = cosines.shape[0]
    kept = _well_conditioned(cosines)
    left_out = np.setdiff1d(np.arange(size), kept)
    systems = [(kept, kept)]
    systems += [(np.array([cell]), _companions(cosines, int(cell), kept)) for cell in left_out]
    parts = []
    for wanted, members in systems:
        inverse = _solved(cosines[members][:, members].tocsc())
        rows = np.searchsorted(members, wanted)
        part = sparse.coo_array(inverse[rows])
        parts.append((wanted[part.row], members[part.col], part.data))
    i, j, values = (np.concatenate(one) for one in zip(*parts, strict=True))
    return left_out, sparse.coo_array((values, (i, j)), shape=(size, size))


def _well_conditioned(cosines: csr_array) -> Array:
    """Return the cells of a group that can be solved together, sorted."""
    least = 2 / (_CONDITION + 1)
    kept = np.ones(cosines.shape[0], bool)
    # Of two cells whose own system is not conditioned, the later is left out.
    pairs = cosines.tocoo()
    close = (pairs.row < pairs.col) & (pairs.data > 1 - least)
    for i, j in sorted(zip(pairs.row[close].tolist(), pairs.col[close].tolist(), strict=True)):
        if kept[i] and kept[j]:
            kept[j] = False
    while True:
        members = np.flatnonzero(kept)
        low, high, direction = _extremes(cosines[members][:, members])
        if high <= _CONDITION * low:
            return members
        kept[members[np.argmax(np.abs(direction))]] = False


def _companions(cosines: csr_array, cell: int, kept: Array) -> Array:
    """Return the cells to solve one with: those kept, less the closest, and itself."""
    row = cosines[[cell]].toarray()[0]
    # Cells more than two overlaps away have hardly any influence.
    near = cosines[np.flatnonzero(row)].sum(axis=0) > 0
    kept = kept[near[kept]]
    closest = kept[np.argsort(-row[kept], kind="stable")]
    for dropped in range(1, len(closest) + 1):
        members = np.sort(np.append(closest[dropped:], cell))
        low, high, _ = _extremes(cosines[members][:, members])
        if high <= _CONDITION * low:
            return members
    return np.array([cell])


def _extremes(cosines: csr_array) -> tuple[float, float, Array]:
    """Return the smallest and the largest eigenvalue, and the vector of the smallest."""
    from scipy.sparse.linalg import eigsh

    if cosines.shape[0] <= _DENSE:
        values, vectors = np.linalg.eigh(cosines.toarray())
        return float(values[0]), float(values[-1]), vectors[:, 0]
    start = np.ones(cosines.shape[0])
    low, vectors = eigsh(cosines, 1, sigma=-1e-3, which="LM", v0=start)
    high, _ = eigsh(cosines, 1, which="LA", v0=start)
    return float(low[0]), float(high[0]), vectors[:, 0]


def _solved(cosines: csr_array) -> csr_array:
    """Return the inverse of a system without negligible entries."""
    from scipy import sparse
    from scipy.sparse.linalg import splu

    size = cosines.shape[0]
    if size <= _DENSE:
        inverse = np.linalg.inv(cosines.toarray())
        return sparse.csr_array(np.where(np.abs(inverse) < _NEGLIGIBLE, 0, inverse))
    factors, columns = splu(cosines.tocsc()), []
    for first in range(0, size, _COLUMNS):
        right = np.zeros((size, min(_COLUMNS, size - first)))
        right[np.arange(first, first + right.shape[1]), np.arange(right.shape[1])] = 1
        part = factors.solve(right)
        columns.append(sparse.csc_array(np.where(np.abs(part) < _NEGLIGIBLE, 0, part)))
    return sparse.csr_array(sparse.hstack(columns))
