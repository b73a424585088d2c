"""Detection of active cells in blocks of a movie."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from thunderlike import storage
from thunderlike._arguments import caller_level
from thunderlike.data.blocks import chunk_shape, grid_of
from thunderlike.data.identity import checksum, described, hashed, versions
from thunderlike.engines.base import Spec
from thunderlike.errors import SpecError
from thunderlike.extraction.binning import BinnedBlocks
from thunderlike.extraction.blocks import (
    Block,
    BlockActivity,
    BlockDetection,
    KeptBlocks,
    Options,
    Scales,
    joined,
)
from thunderlike.extraction.model import ExtractionModel
from thunderlike.extraction.quality import MEASURES, accepted
from thunderlike.kernels._validation import as_array, checked_methods, is_between, is_whole
from thunderlike.kernels.filters import per_axis
from thunderlike.progress import track
from thunderlike.registration.model import as_images
from thunderlike.traces.sampling import check_positive, required_rate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike

    from thunderlike._typing import Array, Ints, Shape
    from thunderlike.data.blocks import Grid
    from thunderlike.data.images import Images
    from thunderlike.engines.base import Records
    from thunderlike.extraction.quality import Cell
    from thunderlike.storage import AnyPath

__all__ = ["CellDetection"]

_FEWEST_BINS = 20
_PADDING = 1.5  # diameters
_LARGEST = 1e6  # pixels of a diameter
_DIAMETERS = (6.0, 9.0, 12.0, 18.0, 24.0)  # of which 'auto' takes one


@checked_methods
@dataclass(frozen=True)
class CellDetection:
    """Detection of cells by their activity, in blocks of the movie averaged over bins of frames.

    Cells are found as local maxima of activity, their footprints and traces by nonnegative
    factorization of the movie without its neuropil. Measures of quality decide which of the
    components are cells; all are in the model, so that the decision can be changed:
    ``model.select(...)``.

    Parameters
    ----------
    diameter : float, sequence of float or 'auto'
        Of a cell in pixels, for all axes or each. 'auto' takes one of 6, 9, 12, 18 and 24 pixels,
        the same along all axes, and warns which. Rather too large than too small.
    fs : float, optional
        Frames per second; by default from ``images.attrs``: ``fs``, or ``frame_interval``.
    tau : float
        Decay of the indicator in seconds: 0.7 for GCaMP6f, 1.0 for GCaMP6m, 1.25 to 1.5 for
        GCaMP6s. Frames are averaged over bins of this length.
    threshold : float
        Least score of a seed, in units of the noise: the root of the sum of squares of all events
        of more than three standard deviations. It limits the components that are examined;
        their quality decides, so that it need not be tuned.
    rounds : int
        Rounds of search, each in what the cells of the rounds before leave.
    max_components : int, optional
        Largest number of components, those of the highest ``snr``; all by default.
    seed : int
        Reserved: no random number is used.
    advanced : mapping, optional
        Further options by name:

        - ``bin``: frames of a bin; by default ``round(tau * fs)``. Smaller bins find no more cells.
        - ``max_bins`` (5000): longer movies have longer bins.
        - ``baseline`` (60 s): window of the running mean that is subtracted first.
        - ``box`` (2 diameters): side of the box of the background. Of synthetic one-photon movies,
          with strong and blurred neuropil, 2 and 3 found as much, and larger ones less.
        - ``active`` (3): noise of the smoothed movie above which a bin is active.
        - ``reach`` (0.75 diameters): largest radius of a footprint.
        - ``spacing`` (1/3 diameter): distance within which one seed is taken.
        - ``iterations`` (3), ``final_iterations`` (6): of the factorization, in each round and in
          the last.
        - ``cut`` (0.5): level of the mask, relative to the bright pixels of a footprint.
        - ``smallest`` (0.3), ``largest`` (3): area of a component, relative to a disc of this
          diameter.
        - ``contrast`` (0.45), ``split_r`` (0.3), ``snr`` (13), ``skew`` (1.1), ``area`` (0.5):
          least values of the measures of accepted cells; see Notes.

    Raises
    ------
    SpecError
        For numbers out of range and unknown names in `advanced`.

    Notes
    -----
    ``model.quality`` has these measures of each component:

    - ``snr``: root of the sum of squares of the bins above three standard deviations of the noise,
      in these units, of the mean of the mask without the other cells. All pixels of the mask count
      alike, since weights are fitted to the noise as well;
    - ``contrast``: 1 less the response of the ring around the mask relative to that of the mask, by
      regression of the movie with its background on the trace. Neuropil has little;
    - ``split_r``: correlation of the images of two halves of the active bins. Noise has little;
    - ``spatial_r``: correlation of the footprint with the mean of the active bins;
    - ``amplitude``: mean of the footprint times the 99th percentile of the trace, in units of the
      data;
    - ``skew`` of the trace, ``area`` in pixels, ``compactness`` (1 for a disc) and ``n_events``.

    Accepted are components of which all these hold: contrast above 0.45, split_r above 0.3, snr
    above 13 (of up to 150 bins; it grows with the cube root of their number), skew above 1.1, and
    an area above half of the median of clear components.

    The movie should be registered. The background is that of each block: a box mean S of the movie
    without its cells gives ``2 S - SS``, with the gain of each pixel by regression. Results depend
    on `chunk_size` at borders of blocks, and on nothing else: all engines and numbers of workers
    give the same bits.

    Examples
    --------
    >>> from thunderlike.images.cell_movies import cell_movie
    >>> movie = cell_movie((64, 64), count=600, cells=8, spacing=14, amplitude=14, seed=5)
    >>> model = CellDetection(fs=15.0).fit(movie.toimages())
    >>> model.shape, int(model.accepted.sum())
    ((64, 64), 8)
    """

    diameter: float | Sequence[float] | str = 12.0
    fs: float | None = None
    tau: float = 0.7
    threshold: float = 8.0
    rounds: int = 3
    max_components: int | None = None
    seed: int = 0
    advanced: Mapping[str, Any] | None = None
    _options: Options = field(init=False, repr=False, compare=False, default_factory=Options)

    def __post_init__(self) -> None:
        if isinstance(self.diameter, str):
            if self.diameter != "auto":
                raise SpecError(f"diameter={self.diameter!r}: give pixels, or 'auto'")
        elif not all(is_between(d, 1, _LARGEST) for d in np.ravel(self.diameter).tolist()):
            raise SpecError(f"diameter={self.diameter!r} must be at least 1 pixel along each axis")
        if self.fs is not None:
            check_positive("fs", self.fs, "Hz")
        check_positive("tau", self.tau, "s")
        check_positive("threshold", self.threshold, "standard deviations")
        if not is_whole(self.rounds, 1):
            raise SpecError(f"rounds={self.rounds!r} must be a whole number from 1")
        if self.max_components is not None and not is_whole(self.max_components, 1):
            raise SpecError(f"max_components={self.max_components!r} must be a number from 1")
        object.__setattr__(self, "_options", Options.of(self.advanced or {}))

    def fit(
        self,
        images: Images | ArrayLike,
        chunk_size: Ints | str = 128,
        padding: Ints | str = "auto",
        valid: ArrayLike | None = None,
        workdir: AnyPath | None = None,
    ) -> ExtractionModel:
        """Find the cells of a registered movie.

        Parameters
        ----------
        images : Images or array_like
            Frames of 2 or 3 axes, on any engine, of integers or floating-point numbers. Pixels with
            NaN in any frame are left out, and so are frames of NaN only.
        chunk_size : int, tuple of int or str
            Of the blocks, as of :meth:`Images.toblocks`.
        padding : int, tuple of int or 'auto'
            Overlap of blocks; by default 1.5 diameters.
        valid : array_like of bool, shape of a frame, optional
            Pixels that are searched.
        workdir : path, optional
            Folder for the result of each block, of which all workers see the same files: after an
            interruption, the same call searches the blocks that are missing. The names of the files
            have a hash of the pixels and the parameters, for which the frames are read once more.
            The files stay; delete the folder when all is done.

        Returns
        -------
        ExtractionModel
            All components, ordered by position, with `quality`, and `accepted` by the rule in the
            notes of the class. ``model.attrs`` has ``fs``, ``tau`` and ``diameter``.

        Raises
        ------
        SpecError
            For movies of less than 20 bins, cells larger than half of the frame, and without `fs`.

        Warns
        -----
        UserWarning
            If no cell is accepted; for pixels that are saturated in more than 1 % of the frames or
            constant; for the diameter that 'auto' takes.

        Notes
        -----
        One pass over the frames, and one shuffle of the movie divided by the frames of a bin. A
        worker holds about seven times a binned, padded block, this process the masks and binned
        traces of all components.

        Examples
        --------
        >>> from thunderlike.images.cell_movies import cell_movie
        >>> movie = cell_movie((64, 64), count=450, cells=5, spacing=16, seed=1)
        >>> model = CellDetection(diameter=12, fs=15.0).fit(movie.images)
        >>> sorted(model.quality)[:4]
        ['amplitude', 'area', 'compactness', 'contrast']
        """
        images = as_images(images)
        binned = self._binned(images, chunk_size, padding, valid)
        grid, diameter = binned.grid, binned.diameter
        search = BlockDetection(
            grid,
            diameter,
            self.threshold,
            self.rounds,
            binned.window,
            self.max_components,
            self._options,
            binned.valid,
            images._compiled,
            None if workdir is None else self._kept(images, binned, workdir),
        )
        with track("detecting cells", grid.count, "blocks") as work:
            blocks: list[Block] = binned.records.aggregate(search, _concatenated)
            work.complete()
        found = joined(blocks)
        if self.max_components is not None and len(found) > self.max_components:
            order = np.argsort([-cell.measures["snr"] for cell in found], kind="stable")
            found = [found[k] for k in sorted(order[: self.max_components])]
        model = self._model(found, binned)
        self._warn(model, blocks, images.count())
        return model

    def activity_image(
        self,
        images: Images | ArrayLike,
        chunk_size: Ints | str = 128,
        padding: Ints | str = "auto",
        valid: ArrayLike | None = None,
    ) -> Array:
        """Score each pixel by the activity around it, as the search for cells does first.

        Parameters
        ----------
        images, chunk_size, padding, valid
            As of :meth:`fit`.

        Returns
        -------
        ndarray of float64, shape of a frame
            Root of the sum of squares of the values above three standard deviations of the noise,
            of the movie without its background, in bins and smoothed to the size of a cell. NaN in
            pixels that are left out.

        Raises
        ------
        SpecError
            As :meth:`fit` does.

        Notes
        -----
        One pass over the frames, and one shuffle of the movie divided by the frames of a bin.

        Examples
        --------
        >>> from thunderlike.images.cell_movies import cell_movie
        >>> movie = cell_movie((64, 64), count=450, cells=1, neuropil=0, seed=1)
        >>> image = CellDetection(fs=15.0).activity_image(movie.images)
        >>> bool(movie.masks[0].ravel()[image.argmax()])
        True
        """
        images = as_images(images)
        binned = self._binned(images, chunk_size, padding, valid)
        scores = BlockActivity(
            binned.grid,
            binned.diameter,
            binned.window,
            self._options,
            binned.valid,
            images._compiled,
        )
        image: Array = np.full(images.value_shape, np.nan)
        for number, score in binned.records.aggregate(scores, _concatenated):
            image[binned.grid.own(number)] = score
        return image

    def _kept(self, images: Images, binned: _Binned, workdir: AnyPath) -> KeptBlocks:
        """Return the results of this search, which are known by all that they depend on."""
        facts = binned._asdict() | {"detection": self, "input": checksum(images)}
        facts |= {"records": None, "versions": versions()}
        return KeptBlocks(storage.at(workdir).rstrip("/"), hashed(described(facts)))

    def _binned(
        self, images: Images, chunk_size: Ints | str, padding: Ints | str, valid: ArrayLike | None
    ) -> _Binned:
        """Check what is given, and regroup the movie to blocks of bins."""
        shape = images.value_shape
        fs = required_rate(images, self.fs, "cell detection")
        size = self._bin(images.count(), fs)
        mask = _valid_mask(valid, shape)
        if isinstance(self.diameter, str):
            diameter = self._chosen_diameter(images, size, fs, mask)
        else:
            diameter = per_axis(self.diameter, len(shape), "diameter")
        for axis, (d, n) in enumerate(zip(diameter, shape, strict=True)):
            if d > n / 2:
                raise SpecError(
                    f"a diameter of {d:g} pixels is more than half of the {n} pixels of axis {axis}"
                    ": give a smaller one, or one for each axis"
                )
        bins = Spec(images.count() // size, shape, np.dtype(np.float32))
        overlap = self._overlap(diameter, chunk_shape(chunk_size, bins), padding)
        grid = grid_of(chunk_size, overlap, bins)
        records = images._records.regroup(BinnedBlocks(images._records.spec, grid, size))
        window = max(1, round(self._options.baseline * fs / size))
        return _Binned(records, grid, diameter, fs, size, window, bins.count, mask)

    def _bin(self, count: int, fs: float) -> int:
        """Return the frames of a bin."""
        size = self._options.bin or max(1, round(self.tau * fs))
        size = max(size, -(-count // self._options.max_bins))
        if count // size < _FEWEST_BINS:
            least = _FEWEST_BINS * size
            raise SpecError(
                f"{count} frames are too few: {least} frames, {least / fs:.3g} s, are needed, for "
                f"{_FEWEST_BINS} bins of {size} frames (tau={self.tau:g} s at {fs:g} Hz)"
            )
        return size

    def _overlap(self, diameter: tuple[float, ...], chunk: Shape, padding: Ints | str) -> Ints:
        if isinstance(padding, str):
            if padding != "auto":
                raise SpecError(f"padding={padding!r}: give pixels, for each axis, or 'auto'")
            return tuple(
                min(math.ceil(_PADDING * d), n) for d, n in zip(diameter, chunk, strict=True)
            )
        return padding

    def _chosen_diameter(
        self, images: Images, size: int, fs: float, mask: Array | None
    ) -> tuple[float, ...]:
        """Return the diameter whose scale has the most activity; one more pass."""
        shape = images.value_shape
        diameters = tuple(d for d in _DIAMETERS if d <= min(shape) / 2) or (min(shape) / 2,)
        binned = Spec(images.count() // size, shape, np.dtype(np.float32))
        grid = grid_of(128, self._overlap((12.0,) * len(shape), shape, "auto"), binned)
        records = images._records.regroup(BinnedBlocks(images._records.spec, grid, size))
        window = max(1, round(self._options.baseline * fs / size))
        scales = Scales(grid, diameters, self.threshold, window, self._options, mask)
        scores = records.aggregate(scales, np.add)
        chosen = diameters[int(np.argmax(scores))]
        warnings.warn(
            f"diameter='auto' takes {chosen:g} pixels", UserWarning, stacklevel=caller_level()
        )
        return (chosen,) * len(shape)

    def _model(self, found: list[Cell], binned: _Binned) -> ExtractionModel:
        from scipy.sparse import csr_array

        shape = binned.grid.image
        places = np.array([cell.centroid for cell in found]).reshape(-1, len(shape))
        found = [found[k] for k in np.lexsort(places.T[::-1])]
        flat = [np.ravel_multi_index(tuple(cell.pixels.T), shape) for cell in found]
        ends = np.cumsum([0, *(len(pixels) for pixels in flat)])
        weights = csr_array(
            (
                np.concatenate([np.zeros(0, np.float32), *(cell.weights for cell in found)]),
                np.concatenate([np.zeros(0, np.int64), *flat]),
                ends,
            ),
            shape=(len(found), math.prod(shape)),
        )
        quality = {name: np.array([c.measures[name] for c in found]) for name in MEASURES}
        parameters = {f.name: getattr(self, f.name) for f in fields(self) if f.init}
        parameters["advanced"] = dict(self.advanced or {})
        return ExtractionModel(
            weights,
            shape,
            quality=quality,
            accepted=accepted(quality, binned.bins, self._options.limits),
            attrs={
                "fs": binned.fs,
                "tau": self.tau,
                "diameter": list(binned.diameter),
                "bin": binned.size,
            },
            parameters=parameters,
        )

    def _warn(self, model: ExtractionModel, blocks: Sequence[Block], count: int) -> None:
        saturated = sum(block.saturated for block in blocks)
        constant = sum(block.constant for block in blocks)
        if saturated:
            _warn(f"{saturated} pixels are saturated in more than 1 % of the {count} frames")
        if constant:
            _warn(f"{constant} pixels are constant and were left out")
        if not model.accepted.any():
            _warn(
                f"no cell was found: {model.count} components, of which none is accepted; see "
                "model.quality, and check diameter, fs and tau"
            )


class _Binned(NamedTuple):
    """A movie in blocks of means over bins."""

    records: Records
    grid: Grid
    diameter: tuple[float, ...]
    fs: float
    size: int  # frames of a bin
    window: int  # bins of the baseline
    bins: int
    valid: Array | None


def _valid_mask(valid: ArrayLike | None, shape: Shape) -> Array | None:
    if valid is None:
        return None
    mask = as_array(valid, "valid")
    if mask.shape != shape or mask.dtype != bool:
        raise SpecError(
            f"valid has shape {mask.shape} and dtype {mask.dtype}: give a bool for each of the "
            f"pixels of shape {shape}"
        )
    return mask


def _concatenated(one: list[Any], other: list[Any]) -> list[Any]:
    return [*one, *other]


def _warn(text: str) -> None:
    warnings.warn(text, UserWarning, stacklevel=caller_level())
