"""Plots of arrays: pictures, lines, heat maps."""

from __future__ import annotations

import io
import logging
import math
from typing import TYPE_CHECKING

import numpy as np

from thunderlike._lazy import optional
from thunderlike._text import plain
from thunderlike.errors import BadIndexError, MissingExtraError, SpecError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from numpy.typing import ArrayLike

    from thunderlike._typing import Array

__all__ = [
    "DIVERGING",
    "NOT_DRAWN",
    "PERCENTILES",
    "UNDEFINED",
    "axes_or_new",
    "can_draw",
    "checked",
    "colour_bar",
    "contrast",
    "diverging",
    "draw",
    "flat",
    "heatmap",
    "is_colour",
    "lines",
    "picture",
    "png_of",
]


PERCENTILES = (0.5, 99.5)  # of the values; those outside get the first or last colour
NOT_DRAWN = "not drawn, matplotlib is not installed: pip install 'thunderlike[viz]'"
UNDEFINED = "0.75"  # grey for NaN, in no colour map used here
_ENOUGH = 2**18  # number of values that percentiles are estimated from

# matplotlib logs that it builds a font cache. Without any handler, Python would print that to
# standard error; handlers of the application still receive it.
logging.getLogger("matplotlib").addHandler(logging.NullHandler())


def can_draw() -> bool:
    """Return whether matplotlib is installed; without it, jobs draw nothing."""
    try:
        optional("matplotlib", extra="viz")
    except MissingExtraError:
        return False
    return True


def png_of(figure: Figure) -> bytes:
    """Encode a figure as PNG at 150 dpi; equal figures give equal bytes."""
    stream = io.BytesIO()
    # matplotlib writes its version into the file unless Software is None.
    figure.savefig(stream, format="png", dpi=150, metadata={"Software": None})
    return stream.getvalue()


def axes_or_new(ax: Axes | None) -> Axes:
    """Return the given axes, or axes of a new figure."""
    if ax is not None:
        return ax
    optional("matplotlib.figure", extra="viz")
    from thunderlike.viz.axes import drawing

    return drawing()


def contrast(values: Array, percentiles: tuple[float, float] = PERCENTILES) -> tuple[float, float]:
    """Find the values to show as black and white: percentiles of the finite values.

    For a large array they are estimated from values at regular distances.

    Examples
    --------
    >>> contrast(np.arange(1001))
    (5.0, 995.0)
    >>> contrast(np.array([np.nan, 3.0]))[0]
    3.0
    """
    flat = np.ravel(values)
    some = flat[:: max(1, math.ceil(flat.size / _ENOUGH))].astype(np.float64)
    finite = some[np.isfinite(some)]
    if not finite.size:
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(finite, percentiles))
    return low, high if high > low else low + max(abs(low), 1.0) * 1e-6


def checked(values: ArrayLike) -> Array:
    """Check that values can be drawn, and return them as an array.

    Raises
    ------
    SpecError
        If the values are not real numbers.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "buif":
        raise SpecError(
            f"{array.dtype} cannot be drawn: give real numbers, .map(abs) of complex ones"
        )
    return array.astype(np.uint8) if array.dtype.kind == "b" else array


# Readable with any kind of colour vision, and in grey.
DIVERGING, SEQUENTIAL = "RdBu_r", "viridis"
Limits = tuple[float | None, float | None]


def picture(
    values: ArrayLike,
    ax: Axes | None = None,
    *,
    title: str = "",
    label: str = "value",
    cmap: str | None = None,
    limits: Limits = (None, None),
    plane: int | str = "max",
) -> Axes:
    """Draw an array as a picture with a colour bar.

    Parameters
    ----------
    values : array_like
        A picture ``(height, width)``, a volume ``(depth, height, width)``, or a colour picture of
        uint8 ``(height, width, 3 or 4)``. NaN is grey; the label of the bar counts them.
    ax : matplotlib Axes, optional
        Axes to draw on; those of a new figure by default.
    title, label : str
        Title of the picture and label of the colour bar.
    cmap : str, optional
        Name of a colour map of matplotlib. By default red and blue around 0 for values of both
        signs, else dark to light.
    limits : (float or None, float or None)
        Values of the first and last colour. By default the 0.5th and 99.5th percentile, as the
        label of the bar says; for red and blue, plus and minus the largest absolute value.
    plane : int or 'max'
        Plane of a volume to show, or the maximum along its first axis; the title says which.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    SpecError
        If the array has other axes, or does not hold real numbers.
    BadIndexError
        If there is no such plane.
    MissingExtraError
        If matplotlib is not installed.

    Examples
    --------
    >>> ax = picture(np.eye(3), title="what is equal", label="same (0 or 1)")
    >>> ax.get_title(), ax.get_xlabel()
    ('what is equal', 'column (pixels)')
    """
    image, which = flat(values, plane)
    axes = axes_or_new(ax)
    axes.set_title(title + which)
    axes.set_xlabel("column (pixels)")
    axes.set_ylabel("row (pixels)")
    if is_colour(image):
        axes.imshow(image, interpolation="nearest")
        return axes
    cmap = cmap or (DIVERGING if diverging(image) else SEQUENTIAL)
    symmetric = cmap == DIVERGING and limits == (None, None)
    if symmetric:
        high = float(np.abs(image[np.isfinite(image)]).max())
        low = -high
    else:
        low, high = (
            given if given is not None else found
            for given, found in zip(limits, contrast(image), strict=True)
        )
    shown = draw(axes, image, cmap, (low, high))
    cut = None not in limits or symmetric
    colour_bar(axes, shown, _bar_label(image, label if cut else f"{label}\n{_CUT}"))
    return axes


_CUT = f"(colours: percentiles {PERCENTILES[0]} to {PERCENTILES[1]})"


def flat(values: ArrayLike, plane: int | str = "max") -> tuple[Array, str]:
    """Reduce an array to a picture, and return it with a description of the plane of a volume.

    Examples
    --------
    >>> flat(np.zeros((5, 2, 3)), 4)[1], flat(np.zeros((5, 2, 3)))[0].shape
    (', plane 4 (of 0 to 4)', (2, 3))
    """
    array = checked(values)
    if array.ndim == 2 or is_colour(array):
        return array, ""
    if array.ndim != 3 or not array.size:
        raise SpecError(
            f"a picture has 2 axes, a volume 3; this has shape {array.shape}: select a part of it"
        )
    if isinstance(plane, str):
        if plane != "max":
            raise SpecError(f"plane is {plane!r}; expected a number or 'max'")
        return np.fmax.reduce(array, 0), f", largest of {len(array)} planes"
    if not -len(array) <= plane < len(array):
        raise BadIndexError(f"plane {plane} is out of bounds: there are {len(array)}, from 0")
    number = plane % len(array)
    return array[number], f", plane {number} (of 0 to {len(array) - 1})"


def is_colour(values: Array) -> bool:
    """Check for a colour picture: uint8 with 3 or 4 values per pixel."""
    return values.ndim == 3 and values.shape[-1] in (3, 4) and values.dtype == np.uint8


def diverging(image: Array) -> bool:
    """Check for values of both signs."""
    return bool((image < 0).any() and (image > 0).any())


def draw(axes: Axes, image: Array, cmap: str, limits: tuple[float, float]) -> AxesImage:
    """Draw pixels as squares of one colour; NaN shows the grey background."""
    axes.set_facecolor(UNDEFINED)
    low, high = limits
    return axes.imshow(image, cmap=cmap, vmin=low, vmax=high, interpolation="nearest")


def colour_bar(axes: Axes, shown: AxesImage, label: str) -> None:
    """Draw a colour bar next to the picture, of the same height."""
    bar = axes.inset_axes((1.04, 0, 0.05, 1))
    axes.figure.colorbar(shown, cax=bar, label=label)


def _bar_label(image: Array, label: str) -> str:
    grey = int(np.isnan(image).sum()) if image.dtype.kind == "f" else 0
    return f"{label}\n(grey: {grey} undefined)" if grey else label


_NAMED = 12  # most lines of a legend, and most named positions of an axis


def lines(
    values: ArrayLike,
    ax: Axes | None = None,
    *,
    index: ArrayLike | None = None,
    names: Sequence[str] = (),
    title: str = "",
    along: str = "position",
    label: str = "value",
) -> Axes:
    """Draw a line for each row.

    Parameters
    ----------
    values : array_like, shape (k, n) or (n,)
    ax : matplotlib Axes, optional
        Axes to draw on; those of a new figure by default.
    index : sequence, optional
        Position of each value along the axis: numbers, or words as tick labels.
    names : sequence of str
        Names of the lines in a legend.
    title, along, label : str
        Title and labels of the x and y axes.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> ax = lines([[1, 3, 2], [0, 1, 0]], names=["one", "other"], along="frame")
    >>> len(ax.lines), ax.get_xlabel()
    (2, 'frame')
    """
    rows = np.atleast_2d(checked(values))
    axes = axes_or_new(ax)
    places = _places(axes, index, rows.shape[1])
    for row, name in zip(rows, [*names, *[None] * (len(rows) - len(names))], strict=True):
        axes.plot(places, row, lw=1, label=name, marker="." if len(row) < 2 * _NAMED else None)
    axes.margins(x=0.01)
    axes.set_title(title)
    axes.set_xlabel(along)
    axes.set_ylabel(label)
    if 1 < len(names) <= _NAMED:
        axes.legend(frameon=False)
    return axes


def heatmap(
    values: ArrayLike,
    ax: Axes | None = None,
    *,
    step: int = 1,
    index: ArrayLike | None = None,
    title: str = "",
    along: str = "position",
    across: str = "series",
    label: str = "value",
    cmap: str | None = None,
) -> Axes:
    r"""Draw each row of an array as a row of colours.

    Parameters
    ----------
    values : array_like, shape (k, n)
    ax : matplotlib Axes, optional
        Axes to draw on; those of a new figure by default.
    step : int
        Distance between rows on the y axis, such as the step of a subset of rows.
    index : sequence, optional
        As in :func:`lines`; numbers are shown only at regular distances.
    title, along, across, label : str
        Title, labels of the x and y axes, and label of the colour bar.
    cmap : str, optional
        As in :func:`picture`.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> ax = heatmap(np.eye(4, 9), along="frame (0 to 8)")
    >>> ax.get_ylabel(), ax.child_axes[0].get_ylabel()
    ('series', 'value\n(colours: percentiles 0.5 to 99.5)')
    """
    rows = checked(values)
    axes = axes_or_new(ax)
    low, high = contrast(rows)
    # Symmetric about 0, so that its colour is the middle one.
    if both := diverging(rows):
        low, high = -max(-low, high), max(-low, high)
    shown = draw(axes, rows, cmap or (DIVERGING if both else SEQUENTIAL), (low, high))
    left, right = _ends(_places(axes, index, rows.shape[1]))
    # Half a step around each row: its number is at its middle.
    shown.set_extent((left, right, (len(rows) - 0.5) * step, -0.5 * step))
    axes.set_aspect("auto")
    axes.set_title(title)
    axes.set_xlabel(along)
    axes.set_ylabel(across)
    colour_bar(axes, shown, f"{label}\n(colours: percentiles {PERCENTILES[0]} to {PERCENTILES[1]})")
    return axes


def _places(axes: Axes, index: ArrayLike | None, count: int) -> Array:
    """Return the positions along the axis; label the ticks of a few named ones."""
    found = np.arange(count) if index is None else np.asarray(index)
    if found.ndim == 1 and found.dtype.kind in "iuf":
        return found
    if count <= _NAMED:
        words = [plain(", ".join(map(str, np.atleast_1d(name)))) for name in found]
        axes.set_xticks(range(count), words)
    return np.arange(count)


def _ends(places: Array) -> tuple[float, float]:
    """Return the outer edges of the first and last position, numbered if distances vary."""
    steps = np.diff(places.astype(np.float64))
    if not len(steps) or not np.allclose(steps, steps[0]) or not steps[0]:
        return -0.5, len(places) - 0.5
    return float(places[0] - steps[0] / 2), float(places[-1] + steps[0] / 2)
