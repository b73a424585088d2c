"""``deepdish.image``: single images; everything of :mod:`thunderlike.util.images`."""

from __future__ import annotations

from thunderlike.util.images import (
    asgray,
    bounding_box,
    bounding_box_as_binary_map,
    crop,
    crop_or_pad,
    crop_to_bounding_box,
    extract_patches,
    integrate,
    load,
    load_raw,
    offset,
    resize,
    resize_by_factor,
    save,
)

__all__ = [
    "asgray",
    "bounding_box",
    "bounding_box_as_binary_map",
    "crop",
    "crop_or_pad",
    "crop_to_bounding_box",
    "extract_patches",
    "integrate",
    "load",
    "load_raw",
    "offset",
    "resize",
    "resize_by_factor",
    "save",
]
