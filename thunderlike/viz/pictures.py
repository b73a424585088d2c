"""Pictures and maps: arrays of two or three axes with a colour bar."""

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

# Readable with any kind of colour vision, and in grey.
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


def flat(values: Any, plane: int | str = "max") -> tuple[Array, str]:
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
        raise BadIndexError(f"there is no plane {plane}, but {len(array)}, from 0")
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
