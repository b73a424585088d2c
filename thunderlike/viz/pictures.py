"""Pictures and maps: an array of two axes or three, with a bar of its colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.errors import BadIndexError, SpecError
from thunderlike.viz.figures import PERCENTILES, UNDEFINED, axes_or_new, checked, contrast

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

    from thunderlike._typing import Array

__all__ = ["DIVERGING", "colour_bar", "diverging", "draw", "flat", "is_colour", "picture"]

# Told apart by people with any kind of colour vision, and in grey.
DIVERGING, SEQUENTIAL = "RdBu_r", "viridis"
Limits = tuple[float | None, float | None]


def picture(
    values: Any,
    ax: Axes | None = None,
    *,
    title: str = "",
    label: str = "value",
    cmap: str | None = None,
    limits: Limits = (None, None),
    plane: int | str = "max",
) -> Axes:
    """Draw an array as a picture, with a bar that says which colour is which value.

    Parameters
    ----------
    values : array_like
        Of shape ``(height, width)``; of three axes a volume, ``(depth, height, width)``, or uint8
        in colour, ``(height, width, 3 or 4)``. NaN is grey, and counted beside the bar.
    ax : matplotlib Axes, optional
        Where to draw; by default on a new figure.
    title, label : str
        What stands above the picture, and beside the bar.
    cmap : str, optional
        matplotlib's name for colours. By default red and blue around 0 where values are on both
        sides of it, else from dark to light.
    limits : (float or None, float or None)
        Values of the first and last colour. By default the 0.5th and 99.5th percentile, which the
        bar then says; for red and blue, the largest absolute value on both sides.
    plane : int or 'max'
        Of a volume, which plane to show, or the largest value along its first axis; the title
        says which.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    SpecError
        For an array of other axes, or of something else than real numbers.
    BadIndexError
        For a plane that there is not.
    MissingExtraError
        Without matplotlib.

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
    low, high = _symmetric(image) if symmetric else _limits(image, limits)
    shown = draw(axes, image, cmap, (low, high))
    cut = None not in limits or symmetric
    colour_bar(axes, shown, _bar_label(image, label if cut else f"{label}\n{_CUT}"))
    return axes


_CUT = f"(colours: percentiles {PERCENTILES[0]} to {PERCENTILES[1]})"


def flat(values: Any, plane: int | str = "max") -> tuple[Array, str]:
    """Make a picture of an array of two axes or three, and say what it shows of a volume.

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
            f"a picture has 2 axes, a volume 3, this has shape {array.shape}: choose a part of it"
        )
    if isinstance(plane, str):
        _check_word(plane)
        return np.fmax.reduce(array, 0), f", largest of {len(array)} planes"
    if not -len(array) <= plane < len(array):
        raise BadIndexError(f"there is no plane {plane}, but {len(array)}, from 0")
    number = plane % len(array)
    return array[number], f", plane {number} (of 0 to {len(array) - 1})"


def _check_word(plane: str) -> None:
    if plane != "max":
        raise SpecError(f"plane is a number or 'max', not {plane!r}")


def is_colour(values: Array) -> bool:
    """Say whether an array is a picture in colour: uint8, with 3 or 4 values a pixel."""
    return values.ndim == 3 and values.shape[-1] in (3, 4) and values.dtype == np.uint8


def diverging(image: Array) -> bool:
    """Say whether there are values on both sides of 0."""
    return bool((image < 0).any() and (image > 0).any())


def draw(axes: Axes, image: Array, cmap: str, limits: tuple[float, float]) -> AxesImage:
    """Draw pixels as squares, one colour each; those that are NaN let a grey ground be seen."""
    axes.set_facecolor(UNDEFINED)
    low, high = limits
    return axes.imshow(image, cmap=cmap, vmin=low, vmax=high, interpolation="nearest")


def colour_bar(axes: Axes, shown: AxesImage, label: str) -> None:
    """Draw a bar of colours beside the picture, as high as it is, whatever its shape."""
    beside = axes.inset_axes((1.04, 0, 0.05, 1))
    axes.figure.colorbar(shown, cax=beside, label=label)


def _bar_label(image: Array, label: str) -> str:
    grey = int(np.isnan(image).sum()) if image.dtype.kind == "f" else 0
    return f"{label}\n(grey: {grey} undefined)" if grey else label


def _limits(image: Array, limits: Limits) -> tuple[float, float]:
    low, high = contrast(image)
    return low if limits[0] is None else limits[0], high if limits[1] is None else limits[1]


def _symmetric(image: Array) -> tuple[float, float]:
    top = float(np.abs(image[np.isfinite(image)]).max())
    return -top, top
