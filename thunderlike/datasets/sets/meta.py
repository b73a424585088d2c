"""Numbers about classes: pixel counts and weights; their colours are of pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.datasets.images import class_color_map, index_to_color

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

__all__ = ["class_color_map", "class_counts", "index_to_color", "median_frequency_weights"]


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

    Counts may have any unit; a mapping by label gives the weights in its order.

    Examples
    --------
    >>> median_frequency_weights([1, 2, 4])
    [2.0, 1.0, 0.5]
    """
    values = list(counts.values()) if hasattr(counts, "values") else list(counts)
    found = np.asarray(values, float)
    return [float(weight) for weight in np.median(found) / found]
