"""Plots and notebook representations of collections."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike import viz
from thunderlike._text import plain
from thunderlike.data import indexing
from thunderlike.data.reductions import statistic
from thunderlike.errors import BadIndexError, SpecError
from thunderlike.storage.atomic import draft
from thunderlike.viz import notebook
from thunderlike.viz.animation import check, looks_like_clip
from thunderlike.viz.plots import contrast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes

    from thunderlike._typing import Array
    from thunderlike.data.collection import Collection
    from thunderlike.storage import AnyCredentials, AnyPath
    from thunderlike.viz import Clip

__all__ = [
    "contrast_limits",
    "heatmap",
    "image_thumbnail",
    "movie",
    "plot_images",
    "plot_series",
    "series_thumbnail",
]

_STATISTICS = ("mean", "std", "max", "min")
_NSAMPLED = 16  # images from which the contrast of a movie is estimated: one short job
_MAX_VALUES = 2**22  # of a heat map: more than a screen has pixels

Limits = tuple[float | None, float | None]


def plot_images(
    images: Collection,
    image: int | str,
    ax: Axes | None,
    *,
    plane: int | str,
    limits: Limits,
    cmap: str,
) -> Axes:
    """Draw one image, or a statistic over all; as ``Images.plot``."""
    values, title = _image(images, image)
    shown: Any = {"limits": limits, "cmap": cmap, "plane": plane}
    return viz.picture(values, ax, title=title, label="pixel value", **shown)


def _image(images: Collection, image: int | str) -> tuple[Array, str]:
    """Return the pixels to draw and the title."""
    count = images.count()
    if isinstance(image, str):
        if image not in _STATISTICS:
            *others, last = (repr(name) for name in _STATISTICS)
            known = f"a number, {', '.join(others)} or {last}"
            raise SpecError(f"cannot plot {image!r}: give {known}")
        return statistic(images, image), f"{image} of {count} images"
    number = _position(image, count, "image")
    title = f"image {number} (of 0 to {count - 1})"
    if images.labels is not None:
        title = f"{title}: {plain(str(images.labels[number]))}"
    return images._records.collect(number, number + 1)[0], title


def movie(
    images: Collection,
    path: AnyPath | None,
    fps: float,
    *,
    plane: int | str,
    limits: Limits,
    overwrite: bool,
    credentials: AnyCredentials,
) -> Clip:
    """Make an animation of all images, and write it to a file if given one."""
    shown: Any = {"fps": fps, "plane": plane}
    if path is None:
        return viz.clip(_stream(images), contrast_limits(images, *limits), **shown)
    format = str(path).lower().rpartition(".")[2]
    # Before the passes over all images.
    check(format, fps)
    with draft(path, looks_like_clip, overwrite=overwrite, credentials=credentials) as made:
        # Within the draft, which raises for an existing target before anything is computed.
        black_and_white = contrast_limits(images, *limits)
        clip = viz.clip(_stream(images), black_and_white, format=format, **shown)
        made.file.write_bytes(clip.data)
    return clip


def _stream(images: Collection) -> Iterator[Array]:
    return (image for _, block in images._records.stream() for image in block)


def contrast_limits(
    images: Collection, vmin: float | None = None, vmax: float | None = None
) -> tuple[float, float]:
    """Values to show as black and white; by default percentiles of some images."""
    if vmin is not None and vmax is not None:
        return vmin, vmax
    rows = np.unique(np.linspace(0, images.count() - 1, _NSAMPLED).astype(np.int64))
    rows = rows[rows >= 0]  # linspace begins at -1 where there is no image
    low, high = contrast(images._records.take(rows).collect())
    return low if vmin is None else vmin, high if vmax is None else vmax


def image_thumbnail(images: Collection) -> str:
    """HTML of the first image, except on an engine that is lazy: a repr never starts a job."""
    if (images.engine.lazy and not images._records.in_memory) or not images.count():
        return ""
    return notebook.thumbnail(images._records.collect(0, 1)[0], "image 0")


def plot_series(
    series: Collection,
    which: object,
    ax: Axes | None,
    *,
    plane: int | str,
    limits: Limits,
    cmap: str | None,
) -> Axes:
    """Draw some series as lines, or a map of series of one value; as ``Series.plot``."""
    if which is None and series.value_shape == (1,):
        return _map(series, ax, plane, limits, cmap)
    if which is None:
        rows, names = statistic(series, "mean"), [""]
        title = f"mean of {series.count()} series"
    else:
        rows, names, title = _lines(series, which)
    along = _index_label(series)
    return viz.lines(rows, ax, index=series._index, names=names, title=title, along=along)


def _map(
    series: Collection, ax: Axes | None, plane: int | str, limits: Limits, cmap: str | None
) -> Axes:
    """Draw one value of each series: a picture, or a line where keys have one axis."""
    values = series.toarray(squeeze=False)[..., 0]
    name = np.asarray(series._index).ravel()[0]
    label = plain(name) if isinstance(name, str) else "value"
    if values.ndim not in (2, 3):
        title = f"{series.count()} series, one value each"
        return viz.lines(values.ravel(), ax, title=title, along="series", label=label)
    title = f"map of {' x '.join(map(str, series.baseshape))} series"
    shown: dict[str, Any] = {"limits": limits, "cmap": cmap, "plane": plane}
    return viz.picture(values, ax, title=title, label=label, **shown)


def _lines(series: Collection, which: object) -> tuple[Array, list[str], str]:
    """Return the chosen series, the name of each, and the title."""
    # Several keys are a list: a tuple is one key.
    keys = which if isinstance(which, list) else [which]
    numbers = np.array([_row(series, key) for key in keys], np.int64)
    names = [_name(series, number) for number in numbers]
    one = len(names) == 1
    title = f"series {names[0]}" if one else f"{len(names)} of {series.count()} series"
    return series._records.take(numbers).collect(), names, title


def _row(series: Collection, key: Any) -> int:
    """Return the number of a series, given by its number or its key."""
    if np.ndim(key) == 0:
        return _position(key, series.count(), "series")
    shape = series.baseshape
    if len(key) != len(shape) or any(not -n <= i < n for i, n in zip(key, shape, strict=True)):
        raise BadIndexError(f"no series has the key {tuple(key)}: keys have shape {shape}, from 0")
    return int(np.ravel_multi_index(tuple(np.mod(key, shape)), shape))


def _name(series: Collection, number: int) -> str:
    """Return the label of a series, else its key."""
    if series.labels is not None:
        return plain(str(series.labels.ravel()[number]))
    key = tuple(int(i) for i in np.unravel_index(number, series.baseshape))
    return str(key[0] if len(key) == 1 else key)


def _index_label(series: Collection) -> str:
    """Return the label of the axis along a series: frame, unless an index was set."""
    return "frame" if indexing.counts_only(np.asarray(series._index)) else "index"


def heatmap(series: Collection, ax: Axes | None, *, cmap: str | None) -> Axes:
    """Draw all series as rows of colours, or evenly spaced ones of too many."""
    count, length = series.count(), series.value_shape[0]
    step = max(1, math.ceil(count * length / _MAX_VALUES))
    # Evenly spaced rows: a screen has fewer pixels than there are values.
    rows = series._records.take(np.arange(0, count, step)).collect()
    title = f"{count} series"
    if step > 1:
        title = f"series 0, {step}, {2 * step}, ... of {title}"
    across = "series, numbered in key order" if len(series.baseshape) > 1 else "series"
    words = {"title": title, "along": _index_label(series), "across": across}
    return viz.heatmap(rows, ax, step=step, index=series._index, cmap=cmap, **words)


def series_thumbnail(series: Collection) -> str:
    """HTML of a map of the first value of each series, if they are in memory."""
    has_map = len(series.baseshape) in (2, 3) and series.value_shape[0]
    if not series._records.in_memory or not has_map:
        return ""
    # One value of each series, without a statistic: a repr computes as little as it can.
    first = series[..., :1].toarray(squeeze=False)[..., 0]
    return notebook.thumbnail(first, f"at {np.asarray(series._index)[0]}")


def _position(value: int, count: int, kind: str) -> int:
    """Return a position counted from the start; BadIndexError outside of ``-count .. count-1``."""
    if not -count <= value < count:
        raise BadIndexError(f"{kind} {value} is out of bounds: there are {count}, from 0")
    return int(value) % count
