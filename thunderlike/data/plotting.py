"""Plots and notebook representations of collections."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike import viz
from thunderlike._text import plain
from thunderlike.data import multiindex
from thunderlike.data.index import Indexed
from thunderlike.data.reductions import Folding
from thunderlike.errors import BadIndexError, SpecError
from thunderlike.storage.atomic import draft
from thunderlike.viz import notebook
from thunderlike.viz.animation import check, looks_like_clip
from thunderlike.viz.figures import contrast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes

    from thunderlike._typing import Array
    from thunderlike.storage import AnyCredentials
    from thunderlike.viz import Clip

__all__ = ["LookAtImages", "LookAtSeries"]

_STATISTICS = ("mean", "std", "max", "min")
_LOOKED_AT = 16  # images tell how bright a movie is
_ENOUGH = 2**22  # values are as many as a heat map shows


class LookAtImages(Folding):
    """Images that can be drawn."""

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
            The number of one, from the end if negative; or what to make of each pixel.
        ax : matplotlib Axes, optional
            Where to draw; by default on a new figure.
        plane : int or 'max'
            Of volumes, the plane to show, or the largest value over all; the title says which.
        vmin, vmax : float, optional
            Values to show as black and white. By default the 0.5th and 99.5th percentile of what is
            drawn, which the bar says.
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
            For an image or plane that there is not.
        SpecError
            For another statistic, and images of one axis or of complex numbers.
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
        values, title = self._picture(image)
        limits = (vmin, vmax)
        return viz.picture(
            values, ax, title=title, label="pixel value", cmap=cmap, limits=limits, plane=plane
        )

    def _picture(self, image: int | str) -> tuple[Array, str]:
        """What to draw, and what it is."""
        if isinstance(image, str):
            if image not in _STATISTICS:
                raise SpecError(f"there is no plot of {image!r}: give {_either(_STATISTICS)}")
            return getattr(self, image)(squeeze=True), f"{image} of {self.count()} images"
        number = _number(image, self.count(), "image")
        return self._records.collect(number, number + 1)[0], self._named(number)

    def _named(self, number: int) -> str:
        title = f"image {number} (of 0 to {self.count() - 1})"
        return title if self._labels is None else f"{title}: {plain(str(self._labels[number]))}"

    def movie(
        self,
        path: Any = None,
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
            Replace a movie that is there.
        credentials : dict, optional
            As in `tonpy`.

        Returns
        -------
        Clip
            A notebook plays it; its `data` are the bytes of the file.

        Raises
        ------
        SpecError
            For another extension, no image, or a speed that cannot be.
        EngineError
            For MP4 where there is no ffmpeg.
        ExistsError
            When something is there.

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
        shown: Any = {"fps": fps, "plane": plane}
        if path is None:
            return viz.clip(self._each(), self._contrast(vmin, vmax), **shown)
        format = str(path).lower().rpartition(".")[2]
        check(format, fps)
        with draft(path, looks_like_clip, overwrite=overwrite, credentials=credentials) as made:
            limits = self._contrast(vmin, vmax)
            clip = viz.clip(self._each(), limits, format=format, **shown)
            made.file.write_bytes(clip.data)
        return clip

    def _each(self) -> Iterator[Array]:
        return (image for _, block in self._records.stream() for image in block)

    def _contrast(self, vmin: float | None, vmax: float | None) -> tuple[float, float]:
        if vmin is not None and vmax is not None:
            return vmin, vmax
        rows = np.unique(np.linspace(0, self.count() - 1, _LOOKED_AT).astype(np.int64))
        rows = rows[rows >= 0]
        low, high = contrast(self._records.take(rows).collect())
        return low if vmin is None else vmin, high if vmax is None else vmax

    def _thumbnail(self) -> str:
        if not self._records.in_memory or not self.count():
            return ""  # it would have to be computed
        return notebook.thumbnail(self._records.collect(0, 1)[0], "image 0")


class LookAtSeries(Indexed):
    """Series that can be drawn."""

    def plot(
        self,
        which: Any = None,
        ax: Axes | None = None,
        *,
        plane: int | str = "max",
        vmin: float | None = None,
        vmax: float | None = None,
        cmap: str | None = None,
    ) -> Axes:
        """Draw some series as lines, or a map of one value a pixel as a picture.

        Parameters
        ----------
        which : int, tuple of int, or a list of them, optional
            The number of a series in key order, or its key; of several, one line each. By default
            the mean of all; of series of one value, as `correlate` gives, the map of all.
        ax : matplotlib Axes, optional
            Where to draw; by default on a new figure.
        plane, vmin, vmax, cmap
            Of a map, as in :meth:`Images.plot`. The colours are red and blue around 0 if there are
            values on both sides of it; NaN is grey.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        BadIndexError
            For a series that there is not.
        MissingExtraError
            Without matplotlib.

        Notes
        -----
        On Spark one job, which computes these series, or goes over all.

        Examples
        --------
        >>> import thunderlike as tl
        >>> series = tl.images.fromrandom((20, 8, 8)).toseries()
        >>> len(series.plot([(0, 0), (3, 4)]).lines)
        2
        >>> series.correlate(range(20)).plot().get_title()
        'map of 8 x 8 series'
        """
        if which is None and self.length == 1:
            return self._map(ax, plane, (vmin, vmax), cmap)
        if which is None:
            rows, names, title = self.mean(squeeze=True), [""], f"mean of {self.count()} series"
        else:
            rows, names, title = self._some(which)
        along = self._along()
        return viz.lines(rows, ax, index=self._index, names=names, title=title, along=along)

    def _map(self, ax: Axes | None, plane: int | str, limits: Any, cmap: str | None) -> Axes:
        """Draw one value for each series: a picture, or a line where they stand in a row."""
        values = self.toarray(squeeze=False)[..., 0]
        name = self._index.ravel()[0]
        label = plain(name) if isinstance(name, str) else "value"
        if values.ndim not in (2, 3):
            title = f"{self.count()} series, one value each"
            return viz.lines(values.ravel(), ax, title=title, along="series", label=label)
        title = f"map of {' x '.join(map(str, self._baseshape))} series"
        shown: dict[str, Any] = {"limits": limits, "cmap": cmap, "plane": plane}
        return viz.picture(values, ax, title=title, label=label, **shown)

    def _some(self, which: Any) -> tuple[Array, list[str], str]:
        """Some of the series, what each is called, and what they are together."""
        keys = which if isinstance(which, list) else [which]
        numbers = np.array([self._row(key) for key in keys], np.int64)
        names = [self._called(number) for number in numbers]
        one = len(names) == 1
        title = f"series {names[0]}" if one else f"{len(names)} of {self.count()} series"
        return self._records.take(numbers).collect(), names, title

    def _row(self, key: Any) -> int:
        """The number of a series, from its number or its key."""
        if np.ndim(key) == 0:
            return _number(key, self.count(), "series")
        shape = self._baseshape
        if len(key) != len(shape) or any(not -n <= i < n for i, n in zip(key, shape, strict=True)):
            raise BadIndexError(f"there is no series {tuple(key)}: keys have shape {shape}, from 0")
        return int(np.ravel_multi_index(tuple(np.mod(key, shape)), shape))

    def _called(self, number: int) -> str:
        if self._labels is not None:
            return plain(str(self._labels.ravel()[number]))
        key = tuple(int(i) for i in np.unravel_index(number, self._baseshape))
        return str(key[0] if len(key) == 1 else key)

    def _along(self) -> str:
        """What the axis along a series is: frames, unless the index says something else."""
        return "frame" if multiindex.counts_only(self._index) else "index"

    def heatmap(self, ax: Axes | None = None, *, cmap: str | None = None) -> Axes:
        """Draw all series as rows of colours, the first at the top.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; by default on a new figure.
        cmap : str, optional
            matplotlib's name for colours; by default red and blue if there are values on both sides
            of 0.

        Returns
        -------
        matplotlib.axes.Axes

        Notes
        -----
        Colours end at the 0.5th and 99.5th percentile, as the bar says. Of more than four million
        values one in so many series is drawn, as the title says. On Spark one job.

        Examples
        --------
        >>> import thunderlike as tl
        >>> tl.series.fromrandom((50, 20)).heatmap().get_title()
        '50 series'
        """
        step = max(1, math.ceil(self.count() * self.length / _ENOUGH))
        rows = self._records.take(np.arange(0, self.count(), step)).collect()
        title = f"{self.count()} series"
        if step > 1:
            title = f"series 0, {step}, {2 * step}, ... of {title}"
        across = "series, numbered in key order" if len(self._baseshape) > 1 else "series"
        words = {"title": title, "along": self._along(), "across": across}
        return viz.heatmap(rows, ax, step=step, index=self._index, cmap=cmap, **words)

    def _thumbnail(self) -> str:
        shown = len(self._baseshape) in (2, 3) and self.length
        if not self._records.in_memory or not shown:
            return ""
        first = self[..., :1].toarray(squeeze=False)[..., 0]
        return notebook.thumbnail(first, f"at {self._index[0]}")


def _number(value: Any, count: int, what: str) -> int:
    if not -count <= value < count:
        raise BadIndexError(f"there is no {what} {value}, but {count}, from 0")
    return int(value) % count


def _either(words: Any) -> str:
    *others, last = (repr(word) for word in words)
    return f"a number, {', '.join(others)} or {last}"
