"""Numbers about classes: colours, pixel counts, weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import ArrayLike, NDArray

__all__ = ["class_color_map", "class_counts", "index_to_color", "median_frequency_weights"]


def class_color_map(n: int = 256) -> NDArray[np.uint8]:
    """Colours of classes as PASCAL VOC has them: the bits of a label, dealt out in turn.

    Bits 0, 1, 2 of a label are the highest bits of red, green and blue, bits 3, 4, 5 the next.

    Parameters
    ----------
    n : int
        How many.

    Returns
    -------
    ndarray of uint8
        ``(n, 3)``.

    Examples
    --------
    >>> class_color_map(4).tolist()
    [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]
    """
    bits = np.arange(n)[:, None] >> np.arange(24) & 1
    return np.packbits(bits.reshape(n, 8, 3).transpose(0, 2, 1).astype(np.uint8), axis=-1)[..., 0]


def index_to_color(array: ArrayLike, colors: ArrayLike | None = None) -> NDArray[np.uint8]:
    """Paint labels.

    Parameters
    ----------
    array : array_like of int
        Labels, of any shape.
    colors : array_like, optional
        ``(classes, 3)``, by label, such as ``get("VOC2012").colors``. Without it, as ADE20k paints
        its many classes: ``label // 256 * 10`` is red, ``label % 256`` green.

    Returns
    -------
    ndarray of uint8
        With a last axis of 3.

    Examples
    --------
    >>> index_to_color([[1, 300]]).tolist()
    [[[0, 1, 0], [10, 44, 0]]]
    """
    labels = np.asarray(array)
    if colors is not None:
        return np.asarray(colors, np.uint8)[labels]
    painted = [labels // 256 * 10, labels % 256, np.zeros_like(labels)]
    return np.stack(painted, axis=-1).astype(np.uint8)


def class_counts(images: Iterable[NDArray[Any]]) -> dict[int, float]:
    """How much of images each label covers: the fractions of each image, summed.

    Examples
    --------
    >>> class_counts([np.array([[0, 2]]), np.array([[2]])])
    {0: 0.5, 2: 1.5}
    """
    counts: dict[int, float] = {}
    for image in images:
        labels, found = np.unique(image, return_counts=True)
        for label, fraction in zip(labels.tolist(), (found / image.size).tolist(), strict=True):
            counts[label] = counts.get(label, 0.0) + fraction
    return dict(sorted(counts.items()))


def median_frequency_weights(counts: Iterable[float] | Mapping[int, float]) -> list[float]:
    """Weights that make rare classes count: the median frequency over that of each class.

    Parameters
    ----------
    counts : iterable or mapping
        Of each class, in any unit; a mapping by label gives the weights in its order.

    Examples
    --------
    >>> median_frequency_weights([1, 2, 4])
    [2.0, 1.0, 0.5]
    """
    values = list(counts.values()) if hasattr(counts, "values") else list(counts)
    found = np.asarray(values, float)
    return [float(weight) for weight in np.median(found) / found]
