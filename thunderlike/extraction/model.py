"""Models of cells: masks with weights, quality, and the choice of the accepted ones."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy.sparse import csr_array, issparse

from thunderlike._lazy import optional, resolve
from thunderlike.data.indexing import positions, selectors
from thunderlike.data.series import Series
from thunderlike.errors import FormatError, SpecError, WrongTypeError
from thunderlike.extraction import files
from thunderlike.extraction.regions import Regions
from thunderlike.extraction.weights import normalised, weighted_means, weights_of_regions
from thunderlike.hdf5.models import Model
from thunderlike.kernels._validation import as_array, as_shape, checked_methods

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

    from thunderlike.data.images import Images
    from thunderlike.extraction.matching import Matches
    from thunderlike.storage import AnyCredentials, AnyPath

__all__ = ["ExtractionModel", "load"]


@checked_methods
@dataclass(frozen=True, eq=False, repr=False, init=False)
class ExtractionModel(Model):
    """Cells of a movie: weights of pixels, and the quality of each cell.

    Axes are numpy's, ``(y, x)`` or ``(z, y, x)``; a pixel has the flat index of numpy's C order.

    Parameters
    ----------
    weights : sparse array, shape (K, prod(shape)), or Regions or list of regions
        Nonnegative weights of the pixels of each cell; each row is divided by its sum. Regions, as
        lists of coordinates, have equal weights. Also `regions`.
    shape : tuple of int, optional
        Of the image. For regions, by default, the smallest that holds them; the model then applies
        to larger images also.
    quality : mapping of str to array_like, shape (K,), optional
        Measures of each cell, such as ``'snr'``.
    accepted : array_like of bool, shape (K,), optional
        Cells in use; all by default.
    attrs : mapping, optional
        Properties of the recording, such as ``fs`` in Hz.
    parameters : mapping, optional
        Arguments of the algorithm.

    Attributes
    ----------
    weights : csr_array of float32, shape (K, prod(shape))
        Rows sum to 1, indices ascend.
    shape : tuple of int
    quality : dict of ndarray, shape (K,)
    accepted : ndarray of bool, shape (K,)
    attrs, parameters : dict
    inferred : bool
        True if `shape` is the smallest that holds the regions.

    Raises
    ------
    SpecError
        For negative weights, NaN, a cell without pixels, and arguments of unequal lengths.

    Examples
    --------
    >>> import thunderlike as tl
    >>> model = tl.extraction.ExtractionModel(
    ...     [[[0, 0], [0, 1]], [[2, 2]]], (4, 4), quality={"snr": [8, 20]}
    ... )
    >>> model
    ExtractionModel
    count: 2
    accepted: 2
    shape: (4, 4)
    >>> model.weights[[0]].toarray()[0, :3]
    array([0.5, 0.5, 0. ], dtype=float32)
    >>> model.select({"snr": 12}).accepted
    array([False,  True])
    """

    weights: csr_array
    shape: tuple[int, ...]
    quality: dict[str, NDArray[Any]] = field(default_factory=dict)
    accepted: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    attrs: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    inferred: bool = False

    def __init__(
        self,
        weights: Any = None,
        shape: Sequence[int] | None = None,
        *,
        quality: Mapping[str, ArrayLike] | None = None,
        accepted: ArrayLike | None = None,
        attrs: Mapping[str, Any] | None = None,
        parameters: Mapping[str, Any] | None = None,
        inferred: bool = False,
        regions: Any = None,
    ) -> None:
        if (weights is None) == (regions is None):
            raise SpecError("give the weights or the regions of the cells, one of them")
        given = regions if weights is None else weights
        if issparse(given) or (isinstance(given, np.ndarray) and given.ndim == 2):
            if shape is None:
                raise SpecError("weights of flat pixels need the shape of the image: give shape=")
            found, image = csr_array(given), as_shape(shape, "shape")
        else:
            found, image = weights_of_regions(Regions(given), shape)
            inferred = inferred or shape is None
        matrix = normalised(found, image)
        count = matrix.shape[0]
        values = {
            "weights": matrix,
            "shape": image,
            "quality": _columns(quality or {}, count),
            "accepted": _mask(np.ones(count, bool) if accepted is None else accepted, count),
            "attrs": dict(attrs or {}),
            "parameters": dict(parameters or {}),
            "inferred": bool(inferred),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    # Cells

    @property
    def count(self) -> int:
        """Number of cells, accepted or not."""
        return int(self.weights.shape[0])

    def __len__(self) -> int:
        return self.count

    @cached_property
    def regions(self) -> Regions:
        """Pixels of each cell."""
        return Regions(np.split(self._coordinates, self.weights.indptr[1:-1]) if self.count else [])

    @property
    def _coordinates(self) -> NDArray[np.int64]:
        """Coordinates of all pixels of all cells, one cell after the other."""
        flat = self.weights.indices.astype(np.int64)
        return np.stack(np.unravel_index(flat, self.shape), axis=1).astype(np.int64)

    @property
    def _rows(self) -> NDArray[np.int64]:
        """Number of the cell of each weight."""
        return np.repeat(np.arange(self.count), np.diff(self.weights.indptr))

    @cached_property
    def centers(self) -> NDArray[np.float64]:
        """Weighted means of the coordinates, float64 of shape ``(K, nd)``."""
        weighted = self._coordinates * self.weights.data[:, np.newaxis].astype(np.float64)
        sums = [np.bincount(self._rows, column, self.count) for column in weighted.T]
        total = np.bincount(self._rows, self.weights.data, self.count)
        return np.stack(sums, axis=1) / total[:, np.newaxis]

    @property
    def areas(self) -> NDArray[np.int64]:
        """Number of pixels of each cell, of shape ``(K,)``."""
        areas: NDArray[np.int64] = np.diff(self.weights.indptr).astype(np.int64)
        return areas

    def masks(self) -> NDArray[np.float32]:
        """Return the weights as images, float32 of shape ``(K, *shape)``: K images in memory.

        Examples
        --------
        >>> ExtractionModel([[[0, 0], [0, 1]]], (1, 3)).masks()
        array([[[0.5, 0.5, 0. ]]], dtype=float32)
        """
        dense: NDArray[np.float32] = self.weights.toarray().reshape(self.count, *self.shape)
        return dense

    # Choice of cells

    def select(
        self, rule: ArrayLike | Mapping[str, Any] | Callable[[Mapping[str, Any]], Any]
    ) -> Self:
        """Accept the cells that a rule chooses; the others stay in the model.

        Parameters
        ----------
        rule : array_like, mapping or function
            A mask of shape (K,); a list of numbers of cells; a mapping of names in `quality` to
            the least value, or to a pair of the least and the greatest, either of which may be
            None; or a function from `quality` to a mask. A value of NaN is outside all limits.

        Returns
        -------
        ExtractionModel
            With other `accepted`. ``model[model.accepted]`` removes the others.

        Raises
        ------
        SpecError
            For a mask of another length, and a name that `quality` does not have.

        Examples
        --------
        >>> model = ExtractionModel([[[0, 0]], [[1, 1]]], quality={"snr": [8, 20], "skew": [2, 3]})
        >>> model.select({"snr": (5, 15), "skew": 1}).accepted
        array([ True, False])
        >>> model.select(lambda quality: quality["snr"] > 10).accepted
        array([False,  True])
        >>> model.select([1]).accepted
        array([False,  True])
        """
        if isinstance(rule, Mapping):
            chosen: Any = np.ones(self.count, bool)
            for name, limits in rule.items():
                chosen &= _between(self._measure(name), name, limits)
        else:
            chosen = rule(self.quality) if callable(rule) else rule
        return self._with(accepted=_mask(chosen, self.count))

    def _measure(self, name: str) -> NDArray[Any]:
        if name not in self.quality:
            known = ", ".join(map(repr, self.quality)) or "nothing"
            raise SpecError(f"quality has no {name!r:.60}: name one of {known}")
        return self.quality[name]

    def __getitem__(self, item: Any) -> Self:
        """Return the model of some cells: of a slice, a list of numbers, or a mask."""
        [selector] = selectors(item, (self.count,))
        rows = positions(selector, self.count)
        quality = {name: values[rows] for name, values in self.quality.items()}
        return self._with(weights=self.weights[rows], quality=quality, accepted=self.accepted[rows])

    def _with(self, **changes: Any) -> Self:
        fields = {one.name: getattr(self, one.name) for one in dataclasses.fields(self)}
        return type(self)(**(fields | changes))

    def embed(self, shape: Sequence[int]) -> Self:
        """Return the model in images of another shape, with the same origin.

        Parameters
        ----------
        shape : tuple of int

        Raises
        ------
        SpecError
            For a shape of other axes, and one that does not hold all cells.

        Examples
        --------
        >>> ExtractionModel([[[0, 0], [1, 2]]]).embed((10, 10)).shape
        (10, 10)
        """
        image = as_shape(shape, "shape")
        if image == self.shape:
            return self._with(inferred=False)
        where = self._coordinates
        if len(image) != len(self.shape) or (where >= np.array(image)).any():
            raise SpecError(
                f"the cells need images of shape {self.shape} or larger, these have {image}"
            )
        indices = np.ravel_multi_index(tuple(where.T), image)
        parts = (self.weights.data, indices, self.weights.indptr)
        weights = csr_array(parts, shape=(self.count, math.prod(image)))
        return self._with(weights=weights, shape=image, inferred=False)

    def merge(self, overlap: float = 0.5, max_iter: int = 2, k_nearest: int = 10) -> Self:
        """Merge cells that overlap.

        Parameters
        ----------
        overlap : float
            Pixels of both cells over those of either, above which two cells are one.
        max_iter : int
            Repetitions, with the merged cells.
        k_nearest : int
            Neighbours that are compared with each cell, by the distance of centers.

        Returns
        -------
        ExtractionModel
            Weights are averaged where cells overlap; `quality` is that of the largest cell, and a
            cell is accepted if one of its parts is.

        Examples
        --------
        >>> model = ExtractionModel([[[0, 0], [0, 1], [0, 2]], [[0, 1], [0, 2]], [[3, 3]]])
        >>> model.merge().regions.area
        [3, 1]
        """
        from thunderlike.extraction.matching import merge

        merged: Any = merge(self, overlap, max_iter, k_nearest)
        return merged  # type: ignore[no-any-return]

    def match(
        self,
        other: ExtractionModel,
        shift: Any = "auto",
        max_distance: float | None = None,
        iou: float = 0.3,
        images: Sequence[ArrayLike] | None = None,
    ) -> Matches:
        """Find the cells of another session that are cells of this one.

        Parameters
        ----------
        other : ExtractionModel
        shift : 'auto', 'piecewise', None, sequence of float or RegistrationModel
            Displacement of the other session in pixels. 'auto' estimates it, by the correlation of
            images and the displacements of matched cells, 'piecewise' a smooth field; None stands
            for 0. A model is that of ``tl.registration.align(image, reference)`` of the images of
            the other session and of this one.
        max_distance : float, optional
            Of centers in pixels; by default half the diameter of the cells, that of `attrs` or of
            a disc of their median area.
        iou : float
            Least intersection over union of masks.
        images : pair of array_like, optional
            Mean images of this and of the other session, for the shift; by default images of the
            cells.

        Returns
        -------
        Matches
            Each cell is in one pair at most; the sum of their overlaps is largest.

        Raises
        ------
        SpecError
            For images of other axes, and an unknown shift.

        See Also
        --------
        thunderlike.extraction.union : Of several sessions.

        Notes
        -----
        The Hungarian method, for each group of cells that compete for partners.

        A field is found if it differs from a translation by up to about 5 pixels, over a frame of
        200: of 100 cells, 80 of them in each session, all pairs were found at 4 pixels along each
        axis, 95 and 85 % at 5, where a translation finds 81 and 73 %, and 53 %. For larger ones
        give the model of ``align(image, reference, "piecewise", max_deviation=12)``.

        Examples
        --------
        >>> one = ExtractionModel([[[2, 2], [2, 3]], [[6, 6], [6, 7]]], (9, 9))
        >>> found = one.match(one[[1, 0]], shift=None)
        >>> found.pairs.tolist(), found.iou.tolist()
        ([[0, 1], [1, 0]], [1.0, 1.0])
        """
        from thunderlike.extraction.matching import match

        return match(self, other, shift, max_distance, iou, images)

    def topandas(self) -> Any:
        """Return a table of the cells: centers, areas, `accepted` and `quality`.

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        MissingExtraError
            Without pandas: ``pip install 'thunderlike[pandas]'``.

        Examples
        --------
        >>> model = ExtractionModel([[[0, 0]], [[1, 1]]], quality={"snr": [8.0, 20.0]})
        >>> model.topandas()
             y    x  pixels  accepted   snr
        0  0.0  0.0       1      True   8.0
        1  1.0  1.0       1      True  20.0
        """
        pandas = optional("pandas", extra="pandas")
        names = "zyx"[-len(self.shape) :] if len(self.shape) <= 3 else ""
        table = dict(zip(names, self.centers.T, strict=True))
        table |= {"pixels": self.areas, "accepted": self.accepted}
        return pandas.DataFrame(table | self.quality)

    # Movies

    def transform(self, images: Images | ArrayLike) -> Series:
        """Return the weighted mean of the pixels of each cell in every image.

        Parameters
        ----------
        images : Images or array_like
            Of the shape of the model.

        Returns
        -------
        Series, shape (K, T)
            float32 for images of up to 16 bits and float32, else float64. NaN where a pixel of the
            cell is NaN.

        Raises
        ------
        SpecError
            For images of another shape.

        See Also
        --------
        traces : With neuropil, baselines and the separation of overlapping cells.

        Notes
        -----
        One pass over the images; the means, K an image, are then regrouped by cell.

        Examples
        --------
        >>> import thunderlike as tl
        >>> model = ExtractionModel([[[0, 0], [0, 1]], [[1, 0], [1, 1]]])
        >>> movie = tl.images.fromarray(np.arange(12).reshape(3, 2, 2))
        >>> model.transform(movie).toarray()
        array([[ 0.5,  4.5,  8.5],
               [ 2.5,  6.5, 10.5]])
        """
        from thunderlike.registration.model import as_images

        images = as_images(images)
        model = self._for(images.value_shape)
        return images._stacked(weighted_means, weights=model.weights).toseries()

    def _for(self, shape: tuple[int, ...]) -> Self:
        """Return the model for images of a shape."""
        if self.inferred:
            return self.embed(shape)
        if shape != self.shape:
            raise SpecError(
                f"the cells are of images of shape {self.shape}, these have {shape}: give the "
                "movie that they were found in, or a part of equal shape"
            )
        return self

    def traces(self, images: Images | Series | ArrayLike, **options: Any) -> Any:
        """Extract the traces of the cells, as :func:`thunderlike.traces.extract`.

        Parameters
        ----------
        images : Images, Series or array_like
            Of the shape of the model; a Series has the pixels as records.
        **options
            As of :func:`thunderlike.traces.extract`; `accepted` and, from `attrs`, `fs` are given.

        Returns
        -------
        thunderlike.traces.Traces

        Raises
        ------
        SpecError
            For images of another shape.
        """
        from thunderlike.registration.model import as_images

        if isinstance(images, Series):
            model = self._for(images.baseshape)
        else:
            images = as_images(images)
            model = self._for(images.value_shape)
        given = {"accepted": self.accepted, "fs": self.attrs.get("fs")} | options
        return resolve("thunderlike.traces:extract")(images, model.weights, model.shape, **given)

    # Plots

    def plot(
        self,
        base: ArrayLike | None = None,
        color: str = "index",
        ax: Axes | None = None,
        *,
        labels: bool = True,
        accepted_only: bool = True,
    ) -> Axes:
        """Draw the outline of the pixels of each cell, without holes.

        Parameters
        ----------
        base : array_like, optional
            Image behind the cells, such as the mean of the movie, from its 1st to its 99th
            percentile; by default their weights. The maximum over planes of a volume.
        color : str
            'index', or the name of a measure in `quality`.
        ax : matplotlib Axes, optional
            Axes to draw on; by default of a new figure.
        labels : bool
            Write the numbers of up to 200 cells.
        accepted_only : bool
            Leave out the cells that are not accepted.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        SpecError
            For an image of another shape, and an unknown measure.
        MissingExtraError
            Without matplotlib: ``pip install 'thunderlike[viz]'``.

        Examples
        --------
        >>> model = ExtractionModel([[[2, 2], [2, 3]], [[6, 6], [6, 7]]], (9, 9))
        >>> model.plot().get_title()
        '2 of 2 cells accepted'
        """
        from thunderlike.extraction.plotting import plot_model

        return plot_model(self, base, color, ax, labels=labels, accepted_only=accepted_only)

    def report(
        self,
        base: ArrayLike | None = None,
        limits: Mapping[str, float] | None = None,
        rank: str | None = None,
    ) -> Figure:
        """Draw one page about the cells: a map, histograms of measures, the best and the worst.

        Parameters
        ----------
        base : array_like, optional
            Image behind the cells, as of :meth:`plot`.
        limits : mapping of str to float, optional
            Least values of measures, drawn as lines in their histograms.
        rank : str, optional
            Measure by which accepted cells are ranked; by default ``snr``, if there is such.

        Returns
        -------
        matplotlib.figure.Figure
            To be saved by ``figure.savefig(path)``; no display is needed.

        Raises
        ------
        SpecError
            For an image of another shape, and an unknown measure.
        MissingExtraError
            Without matplotlib: ``pip install 'thunderlike[viz]'``.

        Examples
        --------
        >>> model = ExtractionModel([[[2, 2], [2, 3]]], (9, 9), quality={"snr": [12.0]})
        >>> len(model.report(limits={"snr": 8}).get_axes())
        12
        """
        from thunderlike.extraction.plotting import report

        return report(self, base, limits, rank)

    # Files

    def tolabels(self, *, accepted_only: bool = False) -> NDArray[np.int32]:
        """Return an image with the number of the cell of each pixel.

        Parameters
        ----------
        accepted_only : bool
            Leave out the cells that are not accepted.

        Returns
        -------
        ndarray of int32, of `shape`
            0 for no cell; ``quality['label']``, if there are such labels, else numbers from 1.

        Warns
        -----
        UserWarning
            Where cells overlap: a pixel is of the cell with the largest weight, of the first one
            among equals. The number of pixels that cells lose is stated.

        Examples
        --------
        >>> ExtractionModel([[[0, 0]], [[0, 2]]]).tolabels().tolist()
        [[1, 0, 2]]
        """
        from thunderlike.extraction.masks import tolabels

        return tolabels(self, accepted_only=accepted_only)

    def toimagej(
        self,
        path: AnyPath,
        *,
        accepted_only: bool = False,
        overwrite: bool = False,
        credentials: AnyCredentials = None,
    ) -> None:
        """Write the pixels of the cells as regions of interest of ImageJ, without their weights.

        Parameters
        ----------
        path : path
            Name in ``.zip``, or in ``.roi`` for one cell.
        accepted_only : bool
            Leave out the cells that are not accepted.
        overwrite : bool
            Replace an existing file of this kind.
        credentials : mapping, optional
            As of ``images.totif``.

        Raises
        ------
        SpecError
            For volumes, and coordinates over 60535.
        ExistsError
            When the target exists.
        MissingExtraError
            Without roifile: ``pip install 'thunderlike[roi]'``.

        Notes
        -----
        A cell is a traced polygon, or a composite selection where it has holes or several parts.
        Names and positions in the stack are those of `quality`, as :func:`fromimagej` reads them.

        Examples
        --------
        >>> ExtractionModel([[[0, 1]]]).toimagej("memory://cell.roi", overwrite=True)
        """
        from thunderlike.extraction.masks import toimagej

        toimagej(
            self, path, accepted_only=accepted_only, overwrite=overwrite, credentials=credentials
        )

    def tonwb(
        self,
        path: AnyPath,
        *,
        traces: Any = None,
        images: Mapping[str, ArrayLike] | None = None,
        rate: float | None = None,
        name: str = "PlaneSegmentation",
        plane: Mapping[str, Any] | None = None,
        session_start_time: datetime | None = None,
        nwbfile: Any = None,
        overwrite: bool = False,
        credentials: AnyCredentials = None,
    ) -> None:
        """Write an NWB file with the cells, and with their traces.

        Parameters
        ----------
        path : path
            The file; folders above it are made.
        traces : thunderlike.traces.Traces or mapping of str to Series or array_like, optional
            Traces of shape (K, T). ``dff`` is written as DfOverF, ``spikes`` as a Fluorescence
            with the name Deconvolved, others as Fluorescence.
        images : mapping of str to array_like, optional
            Summary images of 2 axes, such as the mean.
        rate : float, optional
            Images a second; by default ``attrs['fs']``.
        name : str
            Of the PlaneSegmentation.
        plane : mapping, optional
            Properties of the imaging plane: ``name``, ``description``, ``indicator``,
            ``location``, ``excitation_lambda`` and ``emission_lambda`` in nm, and others of pynwb;
            ``'unknown'`` and NaN by default.
        session_start_time : datetime, optional
            With a time zone; needed without `nwbfile`.
        nwbfile : pynwb.NWBFile, optional
            Further content of the file. Its only imaging plane is used, or the one that `plane`
            names.
        overwrite : bool
            Replace an existing HDF5 file.
        credentials : mapping, optional
            As of ``images.totif``.

        Raises
        ------
        SpecError
            For traces of another number of cells, and without a rate or the start of the session.
        ExistsError
            When the target exists.
        MissingExtraError
            Without pynwb: ``pip install 'thunderlike[nwb]'``.

        Notes
        -----
        Weights and `quality` are exact: a pixel is ``(x, y, weight)``, a measure a column. Traces
        are collected, K x T values each. The file appears whole or not at all.

        Examples
        --------
        >>> import datetime
        >>> import thunderlike as tl
        >>> from thunderlike import storage
        >>> start = datetime.datetime(2026, 5, 4, 10, tzinfo=datetime.UTC)
        >>> model = ExtractionModel([[[0, 1], [0, 2]]], (8, 8), attrs={"fs": 15.0})
        >>> traces = {"dff": np.zeros((1, 20), "float32")}
        >>> model.tonwb("memory://lab/run.nwb", traces=traces, session_start_time=start)
        >>> tl.series.fromnwb("memory://lab/run.nwb", "dff").shape
        (1, 20)
        >>> storage.delete("memory://lab")
        """
        from thunderlike.extraction.nwb import tonwb

        tonwb(
            self,
            path,
            traces=traces,
            images=images,
            rate=rate,
            name=name,
            plane=plane,
            session_start_time=session_start_time,
            nwbfile=nwbfile,
            overwrite=overwrite,
            credentials=credentials,
        )

    def tosuite2p(
        self,
        path: AnyPath,
        *,
        traces: Any = None,
        pickle: str = "refuse",
        overwrite: bool = False,
        credentials: AnyCredentials = None,
    ) -> None:
        """Write a folder like that of a plane of suite2p.

        Parameters
        ----------
        path : path
            The folder.
        traces : thunderlike.traces.Traces or mapping of str to Series or array_like, optional
            Of shape (K, T): ``F``, ``neuropil`` and ``spikes`` become ``F.npy``, ``Fneu.npy`` and
            ``spks.npy``, float32.
        pickle : {'refuse', 'allow'}
            'allow' also writes ``stat.npy`` and ``ops.npy``, which suite2p itself loads and which
            are pickles.
        overwrite : bool
            Replace a folder that this method has written.
        credentials : mapping, optional
            As of ``images.totif``.

        Raises
        ------
        SpecError
            For volumes, and traces of another number of cells.
        ExistsError
            When the target exists.

        Notes
        -----
        Arrays of numbers hold the masks: ``roi.npy`` (number of the cell of each pixel),
        ``ypix.npy``, ``xpix.npy``, ``lam.npy``, ``shape.npy`` (Ly, Lx), and ``iscell.npy``, as
        suite2p has it: `accepted`, and ``quality['probability']`` or `accepted`.

        Examples
        --------
        >>> from thunderlike import storage
        >>> model = ExtractionModel([[[0, 1], [0, 2]]], (8, 8))
        >>> model.tosuite2p("memory://plane0", traces={"F": [[1.0, 2.0]]})
        >>> storage.delete("memory://plane0")
        """
        from thunderlike.extraction.suite2p import tosuite2p

        tosuite2p(
            self,
            path,
            traces=traces,
            pickle=pickle,
            overwrite=overwrite,
            credentials=credentials,
        )

    def save(self, path: AnyPath) -> None:
        """Save the model as one file, replacing an earlier one.

        Parameters
        ----------
        path : str or PathLike
            With suffix ``.json``, as text with the keys of thunder-extraction's files, from which
            all numbers are read back exactly; with ``.h5`` or ``.hdf5``, as HDF5.

        Raises
        ------
        SpecError
            For another suffix, and for a value that the format cannot keep.
        StorageError
            If the file cannot be written; the earlier one is unchanged.

        Examples
        --------
        >>> ExtractionModel([[[0, 1]]]).save("memory://cells.json")
        >>> load("memory://cells.json").regions.coordinates
        [array([[0, 1]])]
        """
        if files.is_json(path):
            files.write(path, self)
        else:
            super().save(path)

    @classmethod
    def load(cls, path: AnyPath) -> Self:
        """Load a model, also from the JSON of thunder-extraction.

        Raises
        ------
        NotFoundError
            If there is no such file.
        FormatError
            If the file is damaged, holds something else, or a later version.
        """
        if not files.is_json(path):
            return super().load(path)
        try:
            return cls(**files.read(path))
        except SpecError as error:
            raise FormatError(f"{path}: {error}") from error

    def __repr__(self) -> str:
        facts = {"count": self.count, "accepted": int(self.accepted.sum()), "shape": self.shape}
        return "\n".join(["ExtractionModel", *(f"{name}: {fact}" for name, fact in facts.items())])


def load(path: AnyPath) -> ExtractionModel:
    """Load a model of cells, as :meth:`ExtractionModel.load`.

    Raises
    ------
    NotFoundError
        If there is no such file.
    FormatError
        If the file is damaged, holds something else, or a later version.

    Examples
    --------
    >>> ExtractionModel([[[0, 1]]]).save("memory://cells.h5")
    >>> load("memory://cells.h5").count
    1
    """
    return ExtractionModel.load(path)


def _columns(quality: Mapping[str, ArrayLike], count: int) -> dict[str, NDArray[Any]]:
    """Return measures as arrays of one value a cell."""
    columns = {}
    for name, given in quality.items():
        values = as_array(given, f"quality {name!r}")
        if not isinstance(name, str) or values.shape != (count,):
            raise SpecError(
                f"quality {name!r:.60} has shape {values.shape}, and there are {count} cells: give "
                f"({count},)"
            )
        columns[name] = values.copy()
    return columns


def _mask(given: Any, count: int) -> NDArray[np.bool_]:
    """Return a mask of cells, from a mask or from their numbers."""
    values = as_array(given, "the choice of cells")
    if values.dtype.kind == "b" and values.shape == (count,):
        return values.copy()
    numbers = values.ndim == 1 and (values.dtype.kind in "iu" or not values.size)
    if not numbers or values.dtype.kind == "b":
        raise SpecError(
            f"a choice of {values.dtype} of shape {values.shape}: give a mask of {count} cells, or "
            "a list of their numbers"
        )
    if values.size and not -count <= values.min() <= values.max() < count:
        raise SpecError(f"cells are numbered from 0 to {count - 1}: {values.max()} is not one")
    mask = np.zeros(count, bool)
    mask[values.astype(np.int64)] = True
    return mask


def _between(values: NDArray[Any], name: str, limits: Any) -> NDArray[np.bool_]:
    """Return the mask of values within limits, which are the least value, or a pair."""
    low, high = limits if isinstance(limits, tuple | list) and len(limits) == 2 else (limits, None)
    inside = ~np.isnan(values.astype(np.float64))
    try:
        if low is not None:
            inside &= values >= low
        if high is not None:
            inside &= values <= high
    except TypeError:
        raise WrongTypeError(f"limits of {name!r} are {limits!r:.60}: give numbers") from None
    return inside
