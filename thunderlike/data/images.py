"""Images: records keyed by number, each an image or a volume."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Self, Unpack

import numpy as np

from thunderlike._lazy import resolve
from thunderlike.data import export, plotting, reductions, writers
from thunderlike.data._deprecated import with_former_keywords
from thunderlike.data._user_functions import name_of
from thunderlike.data.array_collection import ArrayCollection
from thunderlike.data.blocks import Blocks, ToBlocks, block_bytes, grid_of
from thunderlike.data.collection import records_of
from thunderlike.data.indexing import reshaped
from thunderlike.engines.base import Records
from thunderlike.engines.shuffle import Transpose
from thunderlike.errors import SpecError
from thunderlike.kernels import filters
from thunderlike.kernels._numba import use_compiled
from thunderlike.kernels._validation import is_between
from thunderlike.kernels.filters import window_sizes
from thunderlike.kernels.gaussian import fast_gaussian, gaussian
from thunderlike.kernels.local_correlation import LocalCorrelation
from thunderlike.kernels.median import effort, median
from thunderlike.kernels.summary_images import (
    NeighbourCorrelation,
    PeakToNoise,
    neighbour_offsets,
)
from thunderlike.storage import at

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, DTypeLike

    from thunderlike._typing import Array, Ints, Labels
    from thunderlike.data.base import Changes
    from thunderlike.data.series import Series
    from thunderlike.storage import AnyCredentials, AnyPath
    from thunderlike.viz import Clip

__all__ = ["Images"]


@with_former_keywords
class Images(ArrayCollection):
    """Images of one shape and dtype, in the order of their numbers.

    Parameters
    ----------
    values : array_like or Records
        An array of shape ``(n, height, width)`` or ``(n, depth, height, width)``, or ``(n, width)``
        for images of one axis. Usually made by a reader: ``tl.images.fromtif(path)``,
        ``tl.images.fromarray(array)``.
    labels : sequence, optional
        Labels of the images, of length n.
    attrs : mapping, optional
        Metadata, such as the pixel size.

    Examples
    --------
    >>> Images(np.zeros((10, 4, 6)))
    Images
    mode: local
    dtype: float64
    shape: (10, 4, 6)
    """

    _time = 0

    def __init__(
        self,
        values: ArrayLike | Records,
        labels: Labels | None = None,
        attrs: Mapping[str, Any] | None = None,
    ) -> None:
        # Records know the axes of an image themselves.
        naxes = 0 if isinstance(values, Records) else np.ndim(values)
        records = records_of(values, max(1, naxes - 1))
        super().__init__(records, (records.spec.count,), labels)
        self.attrs = attrs

    def _changed(self, records: Records, **changes: Unpack[Changes]) -> Self:
        return self._like(type(self)(records, labels=changes.get("labels", self._labels)))

    # filters

    def gaussian_filter(
        self, sigma: float | Sequence[float] = 2, order: int = 0, *, fast: bool = False
    ) -> Self:
        """Smooth each image with a Gaussian, borders reflected.

        Parameters
        ----------
        sigma : float or sequence of float
            Standard deviation in pixels, for all axes or for each; 0 skips an axis.
        order : int
            0 for the Gaussian, 1 for its first derivative, and so on.
        fast : bool
            Compute in a third of the time, with an error in the last digits: integers may differ
            by 1, and a NaN affects more pixels around it.

        Notes
        -----
        As :func:`scipy.ndimage.gaussian_filter`, bit for bit unless `fast`. The dtype is kept, so
        that images of integers are truncated: call ``astype('float32')`` before to keep fractions.

        Examples
        --------
        >>> Images(np.eye(5)[np.newaxis]).gaussian_filter(1).toarray()[2, 2].round(3)
        np.float64(0.283)
        """
        if fast:
            return self._stacked(fast_gaussian, sigma=sigma, order=order)
        return self._stacked(gaussian, sigma=sigma, order=order, compiled=self._compiled)

    def uniform_filter(self, size: int | Sequence[int] = 2) -> Self:
        """Replace each pixel by the mean of a window around it, borders reflected.

        Parameters
        ----------
        size : int or sequence of int
            Window in pixels, for all axes or for each; 0 or 1 skips an axis.

        Notes
        -----
        As :func:`scipy.ndimage.uniform_filter`; the dtype is kept, so that integers are truncated.

        Examples
        --------
        >>> Images(np.array([[[0.0, 0.0, 9.0, 0.0, 0.0]]])).uniform_filter((0, 3)).toarray()
        array([0., 3., 3., 3., 0.])
        >>> Images(np.array([[[0, 0, 8, 0, 0]]])).uniform_filter((0, 3)).toarray()
        array([0, 2, 2, 2, 0])
        """
        return self._stacked(filters.uniform, size=size)

    def median_filter(self, size: int | Sequence[int] = 2) -> Self:
        """Replace each pixel by the median of a window around it, borders reflected.

        Parameters
        ----------
        size : int or sequence of int
            Window in pixels, for all axes or for each; 0 or 1 skips an axis.

        Notes
        -----
        The values of :func:`scipy.ndimage.median_filter`, in compiled loops for large movies. An
        image with a NaN takes as long as in scipy.

        Examples
        --------
        >>> Images(np.array([[[1, 1, 9, 1, 2]]])).median_filter((0, 3)).toarray()
        array([1, 1, 1, 2, 2])
        """
        work = effort(window_sizes(size, len(self.value_shape)))
        compiled = use_compiled(self._records.spec.size * work)
        return self._stacked(median, size=size, compiled=compiled)

    def subsample(self, factor: int | Sequence[int]) -> Self:
        """Keep every `factor`-th pixel, the first included.

        Parameters
        ----------
        factor : int or sequence of int
            For all axes, or for each.

        Examples
        --------
        >>> Images(np.zeros((2, 5, 6))).subsample((2, 3)).shape
        (2, 3, 2)
        """
        return self._stacked(filters.subsample, factor=factor)

    def max_projection(self, axis: int = -1) -> Self:
        """Largest pixel along an axis of each image; the last one by default.

        Examples
        --------
        >>> volume = Images(np.arange(12).reshape(1, 3, 2, 2))
        >>> volume.max_projection(axis=0).toarray()
        array([[ 8,  9],
               [10, 11]])
        >>> volume.max_projection(axis=0).shape
        (1, 2, 2)
        """
        return self._projected(filters.max_projection, axis)

    def max_min_projection(self, axis: int = -1) -> Self:
        """Sum of largest and smallest pixel along an axis, in a dtype with room for it.

        Examples
        --------
        >>> image = Images(np.array([[[200, 90, 100], [7, 8, 9]]], dtype="uint8"))
        >>> image.max_min_projection().toarray()
        array([290,  16], dtype=uint16)
        """
        return self._projected(filters.max_min_projection, axis)

    def _projected(self, function: Callable[..., Array], axis: int) -> Self:
        """Return images without an axis; the only axis is kept with length 1."""
        projected = self._stacked(function, axis=axis)
        return projected if projected.value_shape else projected._stacked(_reshaped, shape=(1,))

    # shape

    def squeeze(self) -> Self:
        """Drop the axes of an image that have length 1; a single pixel keeps one.

        Examples
        --------
        >>> Images(np.zeros((10, 1, 4, 6))).squeeze().shape
        (10, 4, 6)
        >>> Images(np.zeros((10, 1, 1))).squeeze().shape
        (10, 1)
        """
        kept = tuple(n for n in self.value_shape if n != 1)
        return self._stacked(_reshaped, shape=kept or (1,))

    def reshape(self, *shape: Ints) -> Self:
        """Reshape every image, to 2 or 3 axes.

        Parameters
        ----------
        *shape : int
            New shape, as numbers or a tuple; the first must be the number of images, one other may
            be -1.

        Raises
        ------
        SpecError
            For a shape of another size, another number of images, or of other axes.

        Examples
        --------
        >>> Images(np.zeros((10, 4, 6))).reshape(10, 2, -1).shape
        (10, 2, 12)
        """
        found = reshaped(self.shape, shape)
        if found[:1] != self.baseshape or len(found) not in (3, 4):
            raise SpecError(
                f"cannot reshape {self.shape} to {found}: the first axis must stay {self.count()}, "
                "and 2 or 3 more follow"
            )
        return self._stacked(_reshaped, shape=found[1:])

    # time

    def localcorr(self, size: int | Sequence[int] = 2) -> Array:
        """Correlate each pixel with the mean of its neighbourhood, over time.

        Parameters
        ----------
        size : int or sequence of int
            Window of the mean, in pixels.

        Returns
        -------
        ndarray of float64, shape value_shape
            NaN where a pixel is constant.

        Notes
        -----
        One pass, without a shuffle.

        Examples
        --------
        >>> movie = Images(np.array([[[1, 3, 5]], [[2, 1, 5]], [[3, 2, 5]]]))
        >>> movie.localcorr((1, 2)).round(3)
        array([[1. , 0.5, nan]])
        """
        # Raises for a wrong size, before a job.
        window_sizes(size, len(self.value_shape))
        reductions.check_not_empty(self, "localcorr")
        if not math.prod(self.value_shape):
            return np.empty(self.value_shape)
        nbytes = 40 * math.prod(self.value_shape)
        correlation: LocalCorrelation = reductions.aggregate(
            self, "localcorr", LocalCorrelation, nbytes, size=size, compiled=self._compiled
        )
        return correlation.result()

    def correlation_image(self, neighbours: int | None = None) -> Array:
        """Correlate each pixel with its neighbours over time, and take the mean.

        Parameters
        ----------
        neighbours : int, optional
            Neighbours of a pixel: those that share a side, 4 in images and 6 in volumes, or all, 8
            and 26, which is the default.

        Returns
        -------
        ndarray of float64, shape value_shape
            NaN where a pixel is constant or somewhere NaN; such neighbours are left out, as those
            outside of the image are.

        Raises
        ------
        SpecError
            For another number of neighbours, no frames, and complex numbers.

        Notes
        -----
        One pass, without a shuffle; equal to the bit on every engine. Frames without any finite
        value are left out. `localcorr` correlates with the sum of a window instead, which holds the
        pixel itself.

        Examples
        --------
        >>> movie = Images(np.array([[[1, 3, 5]], [[2, 1, 5]], [[3, 2, 5]]]))
        >>> movie.correlation_image().round(3)
        array([[-0.5, -0.5,  nan]])
        """
        nd = len(self.value_shape)
        offsets = neighbour_offsets(nd, 3**nd - 1 if neighbours is None else neighbours)
        reductions.check_not_empty(self, "correlation_image")
        if not math.prod(self.value_shape):
            return np.empty(self.value_shape)
        nbytes = 8 * (2 + len(offsets)) * math.prod(self.value_shape)
        partial: NeighbourCorrelation = reductions.aggregate(
            self,
            "correlation_image",
            NeighbourCorrelation,
            nbytes,
            offsets=tuple(offsets),
            compiled=self._compiled,
        )
        return partial.result()

    def pnr_image(self, sigma: float = 3.0) -> Array:
        """Compute the peak of each pixel over time, relative to its noise.

        Parameters
        ----------
        sigma : float
            Standard deviation of the Gaussian filter in pixels, about a quarter of the diameter of
            a cell.

        Returns
        -------
        ndarray of float64, shape value_shape
            Largest deviation from the mean of the filtered pixel over the frames, divided by the
            standard deviation of its noise. NaN where it never changes or is somewhere NaN.

        Raises
        ------
        SpecError
            For a `sigma` that is not above 0, no frames, and complex numbers.

        Notes
        -----
        The spatial filter is a Gaussian less the mean of a square around the pixel. The noise is
        that of the differences of successive frames. One pass, without a shuffle; equal to the bit
        on every engine. Frames without any finite value are left out.

        Examples
        --------
        >>> frames = np.random.default_rng(0).normal(size=(50, 16, 16))
        >>> frames[20, 8, 8] += 40
        >>> int(Images(frames).pnr_image(sigma=1).argmax()) == 8 * 16 + 8
        True
        """
        if not is_between(sigma, 1e-3, math.inf):
            raise SpecError(f"sigma={sigma!r} must be a number of pixels above 0")
        reductions.check_not_empty(self, "pnr_image")
        if not math.prod(self.value_shape):
            return np.empty(self.value_shape)
        nbytes = 40 * math.prod(self.value_shape)
        partial: PeakToNoise = reductions.aggregate(
            self, "pnr_image", PeakToNoise, nbytes, sigma=float(sigma), compiled=self._compiled
        )
        return partial.result()

    def activity_image(
        self, diameter: float | Sequence[float] = 12.0, fs: float | None = None, tau: float = 0.7
    ) -> Array:
        """Score each pixel by the activity of cells around it.

        Parameters
        ----------
        diameter : float or sequence of float
            Of a cell in pixels, for all axes or each.
        fs : float, optional
            Frames per second; by default from ``attrs``: ``fs``, or ``frame_interval``.
        tau : float
            Decay of the indicator in seconds. Frames are averaged over bins of this length.

        Returns
        -------
        ndarray of float64, shape value_shape
            Root of the sum of squares of the values above three standard deviations of the noise,
            of the movie without its background, in bins and smoothed to the size of a cell; mostly
            below 5 in noise. NaN where a pixel is constant or somewhere NaN.

        Raises
        ------
        SpecError
            For movies of less than 20 bins, cells larger than half of the frame, and without `fs`.

        Notes
        -----
        The background of a pixel needs its series: one pass, and a shuffle of the movie divided by
        the frames of a bin. It is the first score of the search of
        :class:`~thunderlike.extraction.CellDetection`, in blocks of 128 pixels; equal to the bit on
        every engine.

        Examples
        --------
        >>> from thunderlike.images.cell_movies import cell_movie
        >>> movie = cell_movie((64, 64), count=450, cells=1, neuropil=0, seed=1)
        >>> image = Images(movie.images).activity_image(diameter=12, fs=15)
        >>> bool(movie.masks[0].ravel()[image.argmax()])
        True
        """
        # The package of extraction is above this one.
        detection = resolve("thunderlike.extraction.detection:CellDetection")(diameter, fs, tau)
        image: Array = detection.activity_image(self)
        return image

    def map_as_series(
        self,
        func: Callable[[Array], Any],
        value_size: int | None = None,
        dtype: DTypeLike | None = None,
        chunk_size: Ints | str = "auto",
        *,
        workers: int | None = None,
    ) -> Images:
        """Apply a function to the time series of each pixel, and make images of the results.

        Parameters
        ----------
        func : callable
            From an array of length n to one whose length is the same for all pixels.
        value_size : int, optional
            Length of the results.
        dtype, chunk_size, workers
            As in `map` and `toseries`.

        Notes
        -----
        On Spark two shuffles of all values.

        Examples
        --------
        >>> movie = Images(np.array([[[1, 5]], [[2, 7]], [[3, 6]]]))
        >>> movie.map_as_series(np.cumsum).toarray()
        array([[ 1,  5],
               [ 3, 12],
               [ 6, 18]])
        >>> movie.map_as_series(lambda series: series[-2:]).shape
        (2, 1, 2)
        """
        series = self.toseries(chunk_size)
        mapped = series.map(func, value_shape=value_size, dtype=dtype, workers=workers)
        images = mapped.toimages(chunk_size)
        # Labels belong to frames: results of another number have none.
        same = images.count() == self.count()
        return Images(images._records, labels=self._labels if same else None)

    def foreach(self, func: Callable[[tuple[int, Array]], Any]) -> None:
        """Call ``func((number, image))`` for each image and drop the results.

        As :meth:`Collection.foreach`, but the key is the number alone.

        Examples
        --------
        >>> tops = {}
        >>> Images(np.eye(2)[:, np.newaxis]).foreach(lambda kv: tops.update({kv[0]: kv[1].max()}))
        >>> tops
        {0: np.float64(1.0), 1: np.float64(1.0)}
        """

        def numbered(record: tuple[tuple[int], Array]) -> None:
            (number,), image = record
            func((number, image))

        # Errors name the user's function.
        numbered.__name__ = name_of(func)
        super().foreach(numbered)

    # motion

    def register(self, kind: str = "rigid", reference: Any = None, **options: Any) -> Self:
        """Correct the motion of a movie or of volumes.

        Parameters
        ----------
        kind : {'rigid', 'piecewise'}
            Translations of whole frames, or smooth fields of displacements.
        reference : ndarray, Reference or RegistrationModel, optional
            Image of the shape of a frame; by default built from a sample of the frames.
        **options
            Of :class:`~thunderlike.registration.Rigid` or
            :class:`~thunderlike.registration.PiecewiseRigid`.

        Returns
        -------
        Images
            Corrected, with cubic interpolation; ``attrs['registration']`` is the model.

        Raises
        ------
        SpecError
            For another kind, and for frames or options that do not fit one another.

        Notes
        -----
        Two passes and no shuffle to estimate the motion; the correction is lazy on lazy engines.

        Examples
        --------
        >>> import thunderlike as tl
        >>> movie = tl.images.fromexample("calcium")[:60].register(max_shift=6)
        >>> movie.shape, movie.attrs["registration"].shifts.shape
        ((60, 128, 128), (60, 2))
        """
        # The package of registration is above this one.
        algorithm = resolve("thunderlike.registration.algorithms:algorithm_of")(kind, options)
        model = algorithm.fit(self, reference)
        corrected: Self = model.transform(self)
        corrected.attrs["registration"] = model
        return corrected

    # plots

    def plot(
        self,
        image: int | str = 0,
        ax: Axes | None = None,
        *,
        plane: int | str = "max",
        vmin: float | None = None,
        vmax: float | None = None,
        cmap: str = "gray",
    ) -> Axes:
        """Draw an image, or a statistic over all of them, with matplotlib.

        Parameters
        ----------
        image : int, or 'mean', 'std', 'max', 'min'
            Number of an image, from the end if negative; or a statistic of each pixel.
        ax : matplotlib Axes, optional
            Axes to draw on; by default of a new figure.
        plane : int or 'max'
            Of volumes, the plane to show, or the largest value over all; the title says which.
        vmin, vmax : float, optional
            Values to show as black and white. By default the 0.5th and 99.5th percentile of the
            pixels drawn, as on the colour bar.
        cmap : str
            matplotlib's name for other colours.

        Returns
        -------
        matplotlib.axes.Axes
            A notebook shows it; ``ax.figure.savefig(path)`` writes it. A new figure is not
            pyplot's: for ``plt.show()``, give `ax` of ``plt.subplots()``.

        Raises
        ------
        BadIndexError
            For an image or plane out of range.
        SpecError
            For an unknown statistic, and images of one axis or of complex numbers.
        MissingExtraError
            Without matplotlib: ``pip install 'thunderlike[viz]'``.

        Notes
        -----
        On Spark one job, which computes a single image, or goes over all for a statistic.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.images.fromrandom((20, 8, 8)).plot("mean").get_title()
        'mean of 20 images'
        """
        return plotting.plot_images(self, image, ax, plane=plane, limits=(vmin, vmax), cmap=cmap)

    def movie(
        self,
        path: AnyPath | None = None,
        fps: float = 10,
        *,
        plane: int | str = "max",
        vmin: float | None = None,
        vmax: float | None = None,
        overwrite: bool = False,
        credentials: AnyCredentials = None,
    ) -> Clip:
        """Make an animation of all images, in grey: a GIF, or MP4.

        Parameters
        ----------
        path : path, optional
            A file to write, ``.gif`` or ``.mp4``. MP4 needs matplotlib and a program, ffmpeg.
        fps : float
            Images a second: at most 50 in a GIF.
        plane : int or 'max'
            As in `plot`.
        vmin, vmax : float, optional
            Values to show as black and white. By default the 0.5th and 99.5th percentile of 16
            images at even distances; NaN is black.
        overwrite : bool
            Replace an existing movie.
        credentials : dict, optional
            As in `tonpy`.

        Returns
        -------
        Clip
            A notebook plays it; its `data` are the bytes of the file.

        Raises
        ------
        SpecError
            For an unknown extension, no image, or an invalid speed.
        EngineError
            For MP4 without ffmpeg.
        ExistsError
            When the target exists.

        Notes
        -----
        Two passes, one over 16 images; a few images are in memory at a time. A long movie makes a
        large file: take every tenth image, ``movie[::10].movie()``.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.images.fromexample("calcium")[:30].movie(fps=30)
        Clip(format='gif', about='30 frames, 30 a second, black 115 to white 190')
        """
        return plotting.movie(
            self,
            path,
            fps,
            plane=plane,
            limits=(vmin, vmax),
            overwrite=overwrite,
            credentials=credentials,
        )

    def _thumbnail(self) -> str:
        return plotting.image_thumbnail(self)

    # conversion and files

    def toseries(self, chunk_size: Ints | str = "auto") -> Series:
        """Turn a movie into the time series of its pixels.

        Parameters
        ----------
        chunk_size : 'auto', int, tuple of int or str
            Size of the parts of an image that are exchanged: pixels, or kilobytes as text.

        Returns
        -------
        Series
            Of shape ``(*value_shape, n)``; its index is the labels, else ``0 .. n-1``.

        Notes
        -----
        On Spark one shuffle of all values; `chunk_size` changes the cost, not the result.

        Examples
        --------
        >>> Images(np.zeros((10, 4, 6))).toseries().shape
        (4, 6, 10)
        """
        # Imported here: images and series turn into each other.
        from thunderlike.data.series import Series

        nbytes = block_bytes(chunk_size, self._records.spec)
        exchange = Transpose(self._records.spec, (self.count(),))
        records = self._records.regroup(exchange, nbytes)
        series = Series(records, index=self._labels, baseshape=self.value_shape)
        series.attrs = self.attrs
        return series

    def totimeseries(self, size: Any = "auto", units: str = "pixels") -> Series:
        """As :meth:`toseries`; `size` are pixels along each axis, or with ``'splits'`` parts."""
        if units not in ("pixels", "splits"):
            raise SpecError(f"units are 'pixels' or 'splits', not {units!r}")
        if units == "splits":
            # Rounded up: a remainder makes the last part smaller, not one more.
            size = tuple(-(-n // parts) for n, parts in zip(self.value_shape, size, strict=True))
        return self.toseries(size)

    def toblocks(self, chunk_size: Ints | str = "auto", padding: Ints | None = None) -> Blocks:
        """Cut the images in space, into blocks of all frames of one region.

        Parameters
        ----------
        chunk_size : 'auto', int, tuple of int or str
            Pixels of a block along every axis, or along each; as text, kilobytes of one image's
            part (not megabytes, as Thunder's draft had it), or with a unit: ``'200k'``, ``'64M'``.
            ``'auto'`` makes blocks of about 100 MB.
        padding : int or tuple of int, optional
            Overlap of neighbouring blocks, along every axis or each; at most the size of a block,
            and clipped to the image.

        Notes
        -----
        On Spark one shuffle of all values.

        Examples
        --------
        >>> Images(np.zeros((10, 5, 6))).toblocks((2, 3)).count()
        6
        """
        grid = grid_of(chunk_size, padding, self._records.spec)
        records = self._records.regroup(ToBlocks(self._records.spec, grid))
        return Blocks(records, grid, self.count(), self.dtype)

    def tonapari(self, **options: object) -> Any:
        """Make a layer of napari, which shows the movie with a slider: ``viewer.add_layer(layer)``.

        Parameters
        ----------
        **options
            Of ``napari.layers.Image``: ``name``, ``colormap``, ``scale`` and others.

        Returns
        -------
        napari.layers.Image
            Scaled by the pixel size; black and white are the 0.5th and 99.5th percentile of 16
            images, unless ``contrast_limits`` is given.

        Raises
        ------
        MissingExtraError
            Without napari: ``pip install 'thunderlike[napari]'``.

        Notes
        -----
        Locally the layer is a view of `values`. On Spark the 16 images are computed now, in one
        job, and each image that is shown, when it is.

        Examples
        --------
        >>> import thunderlike as tl
        >>> movie = tl.images.fromexample("calcium")
        >>> movie.tonapari(name="run 1").data.shape  # doctest: +SKIP
        (600, 128, 128)
        """
        return export.tonapari(self, options)

    def tobinary(
        self,
        path: AnyPath,
        prefix: str = "image",
        overwrite: bool = False,
        credentials: AnyCredentials = None,
    ) -> None:
        """Write one flat binary file an image, in C order, and a ``conf.json`` that describes them.

        Parameters
        ----------
        path : path
            A folder, created if needed; it must be empty or absent.
        prefix : str
            Prefix of the names, ``prefix-00000.bin`` and so on.
        overwrite : bool
            Replace the output of an earlier call.
        credentials : dict, optional
            Credentials of a bucket, ``{'access': ..., 'secret': ...}``, and further parameters of
            :class:`~thunderlike.storage.s3.S3Store`. By default those that boto3 finds.

        Raises
        ------
        ExistsError
            When the folder is not empty.
        StorageError
            With `overwrite`, when it contains files of any other origin.

        Notes
        -----
        Each file is written whole or not at all; an empty file ``SUCCESS`` comes last.

        Examples
        --------
        >>> from thunderlike import storage
        >>> Images(np.zeros((2, 4, 6))).tobinary("memory://doc-images-bin")
        >>> [file.path for file in storage.find("memory://doc-images-bin", "bin")]
        ['memory://doc-images-bin/image-00000.bin', 'memory://doc-images-bin/image-00001.bin']
        """
        writers.images_to_binary(self, at(path, credentials), prefix, overwrite=overwrite)

    def totif(
        self,
        path: AnyPath,
        prefix: str = "image",
        overwrite: bool = False,
        credentials: AnyCredentials = None,
    ) -> None:
        """Write one TIFF an image, a page for each plane of a volume; else as `tobinary`.

        Examples
        --------
        >>> import thunderlike as tl
        >>> Images(np.eye(4)[np.newaxis]).totif("memory://doc-images-tif")
        >>> tl.images.fromtif("memory://doc-images-tif").shape
        (1, 4, 4)
        """
        writers.images_to_tif(self, at(path, credentials), prefix, overwrite=overwrite)

    def topng(
        self,
        path: AnyPath,
        prefix: str = "image",
        overwrite: bool = False,
        credentials: AnyCredentials = None,
        *,
        vmin: float | None = None,
        vmax: float | None = None,
    ) -> None:
        """Write one PNG an image; else as `tobinary`.

        Parameters
        ----------
        vmin, vmax : float, optional
            Values to show as black and white. Without them, images are written as they are: grey
            ones of bool, uint8 or uint16, colour ones (a last axis of 3 or 4) of uint8.

        Examples
        --------
        >>> import thunderlike as tl
        >>> image = Images(np.array([[[0.0, 0.5, 1.0, 3.0]]]))
        >>> image.topng("memory://doc-images-png", vmin=0, vmax=1)
        >>> tl.images.frompng("memory://doc-images-png").toarray()
        array([  0, 128, 255, 255], dtype=uint8)
        """
        place = at(path, credentials)
        writers.images_to_png(self, place, prefix, overwrite=overwrite, vmin=vmin, vmax=vmax)


def _reshaped(block: Array, shape: tuple[int, ...]) -> Array:
    return block.reshape(len(block), *shape)
