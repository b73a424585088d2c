"""Image layers of napari, which fetch images one at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thunderlike._lazy import optional
from thunderlike.formats.metadata import scales

if TYPE_CHECKING:
    from collections.abc import Mapping

    from thunderlike.interop.xarray import Axes

__all__ = ["tonapari"]


def tonapari(
    values: Axes, limits: tuple[float, float], attrs: Mapping[str, Any], **options: object
) -> Any:
    """Make an image layer: a view of a numpy array; others are fetched when shown.

    Parameters
    ----------
    values : ndarray or DistributedArray
        Of shape ``(n, height, width)`` or ``(n, depth, height, width)``.
    limits : (float, float)
        Values to show as black and white.
    attrs : mapping
        Metadata of the images; the pixel size becomes the scale, in micrometres.
    **options
        Arguments of ``napari.layers.Image``; they have priority.

    Returns
    -------
    napari.layers.Image
    """
    layers = optional("napari.layers", extra="napari")
    size = scales(attrs).pixel_size
    # The axis of images has no length; axes without a known pixel size count pixels.
    scale = [1.0, *(size.get(axis, 1.0) for axis in "zyx"[4 - values.ndim :])]
    ours = {"contrast_limits": limits, "scale": scale, "metadata": dict(attrs), "name": "images"}
    return layers.Image(values, **(ours | options))
