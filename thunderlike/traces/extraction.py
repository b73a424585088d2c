"""Traces of cells from a movie: weighted means, neuropil and separate signals, in one pass."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np
from scipy import sparse

from thunderlike._arguments import caller_level
from thunderlike.data.images import Images
from thunderlike.data.reductions import merged_numbered_records, merged_records
from thunderlike.data.series import Series
from thunderlike.engines.base import Kernel
from thunderlike.engines.plan import one_blas_thread
from thunderlike.errors import SpecError, WrongTypeError
from thunderlike.kernels._numba import use_compiled
from thunderlike.kernels._validation import as_array, is_between, is_whole
from thunderlike.kernels.weighted_sums import SparseRows, weighted_sums
from thunderlike.traces.demixing import demixing
from thunderlike.traces.model import Traces
from thunderlike.traces.neuropil import drawn_together, regressions
from thunderlike.traces.sampling import check_positive, stated_rate
from thunderlike.traces.weights import as_weights, mask_of, normalized, rings, without_pixels

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from thunderlike._typing import Array, Shape
    from thunderlike.engines import Records

__all__ = ["extract"]

_MOST_BYTES = 2**30  # of weighted means that are gathered on the driver
_MOST_PARTIAL = 2**29  # of the sums of a pass over series
_FRAMES = 256  # that are separated at once

_Three: TypeAlias = tuple[Series, Series, Series]


def extract(
    images: Images | Series | ArrayLike,
    weights: Any,
    shape: Any = None,
    *,
    neuropil: str = "ring",
    coefficient: Any = "auto",
    demix: bool = True,
    inner: float = 2,
    min_pixels: int = 350,
    accepted: ArrayLike | None = None,
    valid: ArrayLike | None = None,
    fs: float | None = None,
    tau: Any = 0.7,
    baseline: str = "auto",
) -> Traces:
    """Extract the traces of cells from a registered movie.

    Parameters
    ----------
    images : Images, Series or array_like
        Movie of T frames; a Series has the pixels as records.
    weights : sparse array, shape (K, pixels), or ndarray, shape (K, *shape)
        Weights of the pixels of each cell, not negative. Rows are scaled to a sum of 1. A pixel
        with a weight belongs to the cell.
    shape : tuple of int, optional
        Shape of the frames in which the cells were found; by default that of the images.
    neuropil : {'ring', 'none'}
        The ring is made of the nearest pixels around a cell that are in no cell.
    coefficient : 'auto', float or array_like of shape (K,)
        Share of the ring that is subtracted: the neuropil in the pixels of a cell relative to that
        around it. ``'auto'`` estimates it for each cell, from the frames in which the cell is
        silent, and takes 0.7, the default of suite2p, where the movie is too short for that.
    demix : bool
        Separate the signals of cells that share pixels.
    inner : float
        Pixels up to this distance from the cell are not in its ring.
    min_pixels : int
        Pixels of a ring, at least: it grows by 2 px at a time, up to 40 px from the cell.
    accepted : array_like of bool, shape (K,), optional
        Cells whose signals are separated from one another. Others, such as components that are no
        cells, are extracted as well, but what they share with cells is not taken out. The pixels of
        all are kept out of rings.
    valid : array_like of bool, shape `shape`, optional
        Pixels that every frame shows; others are left out of cells and rings.
    fs : float, optional
        Frames a second; by default ``images.attrs['fs']``, or ``1 / attrs['frame_interval']``.
        Needed for what is derived from the traces.
    tau : float or 'auto'
        Decay time of the indicator in seconds, for spikes.
    baseline : str
        Method of :func:`~thunderlike.traces.baseline`, for dF/F.

    Returns
    -------
    Traces
        `F`, `neuropil` and `corrected`, Series of shape ``(K, T)`` and float32; dF/F, spikes and
        events are computed when they are asked for.

    Raises
    ------
    SpecError
        For weights of another shape, for arguments out of range, and for no frames.

    Warns
    -----
    UserWarning
        Without cells.

    Notes
    -----
    One pass over the frames and no shuffle. `F` is the weighted mean of the pixels of a cell, and
    ``corrected = M (F - coefficient * neuropil)`` with the matrix M of
    :func:`~thunderlike.traces.demixing.demixing`, which is 1 for cells that share no pixels. A sum
    does not depend on other frames, so that traces have the same bits in any division of the movie,
    and on every engine.

    Pixels that are NaN in any frame, as at the borders of a registered movie, are left out: after a
    pass that meets NaN, another finds these pixels, and a third extracts without them; `valid`
    saves both. A frame that is NaN everywhere is NaN in all traces.

    Up to 1 GiB, traces are gathered in this process. Larger ones stay on the engine of the images,
    with one shuffle of the traces. From a Series, partial sums of 512 MiB at the most are added up;
    for more, the pixels are turned into frames first.

    Examples
    --------
    >>> import thunderlike as tl
    >>> movie = np.random.default_rng(0).poisson(50, (100, 32, 32)).astype("float32")
    >>> cell = np.zeros((1, 32, 32))
    >>> cell[0, 10:15, 10:15] = 1
    >>> traces = tl.traces.extract(movie, cell, coefficient=0.7)
    >>> traces.corrected.shape, round(float(traces.corrected.toarray().mean()))
    ((1, 100), 15)
    """
    movie = _movie(images)
    own = _frame_shape(movie)
    given, shape = as_weights(weights, own if shape is None else shape)
    if shape != own:
        raise SpecError(
            f"the cells are of frames of shape {shape}, the images have shape {own}: give the "
            "movie in which they were found, or another channel of it"
        )
    if neuropil not in ("ring", "none"):
        raise SpecError(f"neuropil={neuropil!r} is not known: give 'ring' or 'none'")
    if not is_between(inner, 0, 20) or not is_whole(min_pixels, 1):
        raise SpecError(
            f"inner={inner!r} must be from 0 to 20 px, and min_pixels={min_pixels!r} a whole "
            "number from 1"
        )
    count = given.shape[0]
    chosen, share = _chosen(accepted, count), _coefficient(coefficient, count)
    rate = stated_rate(movie, fs)
    if not (isinstance(tau, str) and tau == "auto"):
        check_positive("tau", tau, "s")
    if not count:
        warnings.warn("there are no cells: the traces are empty", stacklevel=caller_level())
    ring = None if neuropil == "none" else (float(inner), int(min_pixels))
    mask = mask_of(valid, shape)
    cells = _Cells.of(given, shape, ring, mask)
    means = _means(movie, cells)
    if mask is None and movie.dtype.kind == "f" and means.lacks_values():
        mask = _complete_pixels(movie).reshape(shape)
        if not (mask.ravel()[cells.rows.used]).all():
            cells = _Cells.of(given, shape, ring, mask)
            means = _means(movie, cells)
    matrix, ambiguous = None, np.zeros(count, bool)
    if demix:
        with one_blas_thread():  # so that bits do not depend on the number of threads
            matrix, ambiguous = demixing(cells.weights, chosen)
    if share is None:
        share = drawn_together(means.regressions(rate))
    share = np.where(cells.has_ring, share, 0.0)
    series = means.series(share, matrix)
    index = movie.labels if isinstance(movie, Images) else movie.index
    for one in series:
        one.index = index
        one.attrs = {} if rate is None else {"fs": rate}
    flags = {
        "no_pixels": np.diff(cells.weights.indptr) == 0,
        "no_neuropil": ~cells.has_ring & (ring is not None),
        "ambiguous": ambiguous,
    }
    return Traces(*series, share, flags, np.diff(cells.rings.indptr), rate, tau, baseline)


def _movie(images: Images | Series | ArrayLike) -> Images | Series:
    movie = images if isinstance(images, Images | Series) else Images(as_array(images, "images"))
    if movie.dtype.kind not in "biuf":
        raise WrongTypeError(f"frames of {movie.dtype} have no traces: make them real numbers")
    frames = movie.count() if isinstance(movie, Images) else movie.length
    if not frames:
        raise SpecError(f"no frames have no traces: the movie has shape {movie.shape}")
    return movie


def _frame_shape(movie: Images | Series) -> Shape:
    return movie.value_shape if isinstance(movie, Images) else movie.baseshape


def _chosen(accepted: ArrayLike | None, count: int) -> Array | None:
    if accepted is None:
        return None
    chosen = np.asarray(accepted)
    if chosen.dtype != bool or chosen.shape != (count,):
        raise SpecError(
            f"accepted has shape {chosen.shape} and dtype {chosen.dtype}: give a bool for each of "
            f"the {count} cells"
        )
    return chosen


def _coefficient(coefficient: Any, count: int) -> Array | None:
    """Return the coefficient of each cell, None where they are estimated."""
    if isinstance(coefficient, str):
        if coefficient == "auto":
            return None
        raise SpecError(f"coefficient={coefficient!r}: give a number, one for each cell, or 'auto'")
    share = as_array(coefficient, "coefficient")
    if share.dtype.kind not in "iuf" or share.shape not in ((), (count,)):
        raise SpecError(
            f"coefficient has shape {share.shape} and dtype {share.dtype}: give a number, or one "
            f"for each of the {count} cells"
        )
    if not (np.isfinite(share).all() and (share >= 0).all() and (share <= 2).all()):
        raise SpecError(f"coefficient={coefficient!r} must be from 0 to 2")
    return np.broadcast_to(share, (count,)).astype(np.float64)


@dataclass(frozen=True, eq=False)
class _Cells:
    """Pixels of cells and of their rings.

    Parameters
    ----------
    weights, rings : csr_array, shape (K, pixels)
        Rows sum to 1, or are empty.
    rows : SparseRows
        Of both, the cells first.
    """

    weights: sparse.csr_array
    rings: sparse.csr_array
    rows: SparseRows

    @classmethod
    def of(
        cls,
        given: sparse.csr_array,
        shape: Shape,
        ring: tuple[float, int] | None,
        valid: Array | None,
    ) -> _Cells:
        """Drop pixels without values, and find the rings."""
        weights = normalized(given if valid is None else without_pixels(given, valid))
        around = sparse.csr_array(given.shape)
        if ring is not None:
            inner, least = ring
            around = rings(given, shape, inner=inner, min_pixels=least, valid=valid)
        both = sparse.csr_array(sparse.vstack([weights, around], format="csr"))
        return cls(weights, around, SparseRows.of(both))

    @property
    def has_ring(self) -> Array:
        """True for cells with pixels around them."""
        found: Array = np.diff(self.rings.indptr) > 0
        return found


def _means(movie: Images | Series, cells: _Cells) -> _Gathered | _Distributed:
    """Compute the weighted means of cells and rings: one pass."""
    rows, count = len(cells.rows), movie.count() if isinstance(movie, Images) else movie.length
    if isinstance(movie, Series):
        if 8 * rows * count <= _MOST_PARTIAL:
            return _Gathered(_of_series(movie, cells.rows), cells)
        movie = movie.toimages()
    kernel = _WeightedMeans(cells.rows, use_compiled(movie.size))
    records = movie._records.map(kernel, (rows,), np.dtype(np.float32))
    if 4 * rows * count < _MOST_BYTES:
        return _Gathered(np.ascontiguousarray(records.collect().T), cells)
    records.cache()
    return _Distributed(records, cells)


def _of_series(series: Series, rows: SparseRows) -> Array:
    """Add up the products of pixels with their weights, of shape ``(rows, T)``."""
    length, width = series.length, series.count()
    columns = sparse.csr_array((rows.weights, rows.pixels, rows.starts), shape=(len(rows), width))
    by_pixel = columns.tocsc()
    nbytes = 8 * max(len(rows), 1) * length

    def of(start: int, block: Array) -> Array:
        part = by_pixel[:, start : start + len(block)]
        used = np.flatnonzero(np.diff(part.indptr))
        return np.asarray(part[:, used].tocsr() @ block[used].astype(np.float64))

    total: Array = merged_numbered_records(
        series._records, of, np.add, nbytes, segment_bytes=nbytes
    ).astype(np.float32)
    total[~np.isfinite(total)] = np.nan
    total[np.diff(rows.starts) == 0] = np.nan
    return total


def _complete_pixels(movie: Images | Series) -> Array:
    """Find the pixels that have values in all frames, except those in which none has any."""
    records = movie._records
    pixels = int(np.prod(_frame_shape(movie)))
    if isinstance(movie, Images):

        def of(block: Array) -> Array:
            finite = np.isfinite(block.reshape(len(block), pixels))
            return np.asarray(finite[finite.any(axis=1)].all(axis=0))

        complete: Array = merged_records(records, of, np.logical_and, pixels)
        return complete
    seen = merged_records(
        records, lambda block: np.isfinite(block).any(axis=0), np.logical_or, movie.length
    )

    def complete_records(block: Array) -> Array:
        return np.asarray(np.isfinite(block[:, seen]).all(axis=1, keepdims=True))

    flags = movie.map(complete_records, value_shape=(1,), dtype=bool, block=True)
    return np.asarray(flags.toarray(squeeze=False))


@dataclass(frozen=True, eq=False)
class _WeightedMeans(Kernel):
    """Kernel of the weighted sums of the pixels of each frame.

    Parameters
    ----------
    rows : SparseRows
        Weights.
    compiled : bool
        Whether to run compiled loops.
    """

    rows: SparseRows
    compiled: bool
    vectorised: ClassVar[bool] = True
    repeatable: ClassVar[bool] = True

    def __call__(self, start: int, block: Array) -> Array:  # noqa: ARG002
        """Return the sums of each frame, NaN where they are not finite."""
        with np.errstate(all="ignore"):
            sums = weighted_sums(block, self.rows, compiled=self.compiled)
        sums[~np.isfinite(sums)] = np.nan
        return sums


@dataclass(frozen=True, eq=False)
class _Separation(Kernel):
    """Kernel from weighted means of cells and rings, frame by frame, to separate signals."""

    share: Array
    matrix: sparse.csr_array | None
    vectorised: ClassVar[bool] = True
    repeatable: ClassVar[bool] = True

    def __call__(self, start: int, block: Array) -> Array:  # noqa: ARG002
        """Return the signals of each frame, of shape ``(k, K)``."""
        count = len(self.share)
        means = np.ascontiguousarray(block.T)
        return np.ascontiguousarray(_separated(means[:count], means[count:], self))


def _separated(signal: Array, surround: Array, rule: _Separation) -> Array:
    """Return the signals of some frames, of shape ``(k, K)``; each frame for itself."""
    subtracted = rule.share > 0
    rest = signal.astype(np.float64)
    rest[subtracted] -= rule.share[subtracted, np.newaxis] * surround[subtracted]
    if rule.matrix is not None:
        rest = rule.matrix @ rest
    return rest.T.astype(np.float32)


@dataclass(frozen=True, eq=False)
class _Gathered:
    """Weighted means in this process, of shape ``(2K, T)``."""

    means: Array
    cells: _Cells

    @property
    def _halves(self) -> tuple[Array, Array]:
        count = self.cells.weights.shape[0]
        return self.means[:count], self.means[count:]

    def lacks_values(self) -> bool:
        """Check for NaN in rows with pixels."""
        known = np.diff(self.cells.rows.starts) > 0
        return bool(np.isnan(self.means[known]).any())

    def regressions(self, fs: float | None) -> Array:
        """Regress cells on rings, of shape (K, 2)."""
        return regressions(*self._halves, fs)

    def series(self, share: Array, matrix: sparse.csr_array | None) -> _Three:
        """Return signals, surrounds and separate signals."""
        signal, surround = self._halves
        rule, separate = _Separation(share, matrix), np.empty(signal.shape, np.float32)
        for first in range(0, signal.shape[1], _FRAMES):
            few = slice(first, first + _FRAMES)
            separate[:, few] = _separated(signal[:, few], surround[:, few], rule).T
        return Series(signal), Series(surround), Series(separate)


@dataclass(frozen=True, eq=False)
class _Distributed:
    """Weighted means on an engine: a record of ``2K`` values for each frame."""

    records: Records
    cells: _Cells

    def lacks_values(self) -> bool:
        """Check for NaN in rows with pixels: one pass over the means."""
        known = np.diff(self.cells.rows.starts) > 0
        return bool(
            merged_records(
                self.records,
                lambda block: bool(np.isnan(block[:, known]).any()),
                lambda one, other: one or other,
                1,
            )
        )

    @property
    def _halves(self) -> tuple[Series, Series]:
        count = self.cells.weights.shape[0]
        frames = Images(self.records)
        return frames[:, :count].toseries(), frames[:, count:].toseries()

    def regressions(self, fs: float | None) -> Array:
        """Regress cells on rings, of shape (K, 2)."""
        signal, surround = self._halves
        found = signal._records.combine(
            surround._records,
            lambda y, x: regressions(y, x, fs),
            (2,),
            np.dtype(np.float64),
        )
        return np.asarray(found.collect())

    def series(self, share: Array, matrix: sparse.csr_array | None) -> _Three:
        """Return signals, surrounds and separate signals, on the engine."""
        rule = _Separation(share, matrix)
        separate = self.records.map(rule, (len(share),), np.dtype(np.float32))
        return *self._halves, Images(separate).toseries()
