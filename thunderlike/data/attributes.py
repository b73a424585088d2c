"""What is known of records besides their values, and how much of it stays true when they change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["surviving"]

# What speaks of each record, and what of the shape of one.
_OF_ALL = ("axes", "axes_shape", "frame_times", "ome", "imagej")
_OF_ONE = ("pixel_size", "orientation")


def surviving(attrs: Mapping[str, Any], *, same_count: bool, same_shape: bool) -> dict[str, Any]:
    """Leave out what is not true of other records any more.

    Examples
    --------
    >>> known = {
    ...     "pixel_size": {"y": 0.5, "x": 0.5},
    ...     "frame_times": [0.0, 0.1],
    ...     "description": "rat",
    ... }
    >>> surviving(known, same_count=False, same_shape=True)
    {'pixel_size': {'y': 0.5, 'x': 0.5}, 'description': 'rat'}
    """
    gone = set[str]()
    if not (same_count and same_shape):
        gone.update(_OF_ALL)
    if not same_shape:
        gone.update(_OF_ONE)
    return {name: value for name, value in attrs.items() if name not in gone}
