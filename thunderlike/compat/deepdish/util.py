"""``deepdish.util``: padding, whitening, and classes that are registered and save themselves."""

from __future__ import annotations

from thunderlike.util import (
    NamedRegistry,
    Saveable,
    SaveableRegistry,
    apply_once,
    apply_whitening_matrix,
    aslice,
    bytesize,
    humanize_bytesize,
    images,
    memsize,
    multi_range,
    pad,
    pad_repeat_border,
    pad_repeat_border_corner,
    pad_to_size,
    span,
    timed,
    tupled_argmax,
    whiten,
    zca_whitening_matrix,
)

__all__ = [
    "NamedRegistry",
    "Saveable",
    "SaveableRegistry",
    "apply_once",
    "apply_whitening_matrix",
    "aslice",
    "bytesize",
    "humanize_bytesize",
    "images",
    "memsize",
    "multi_range",
    "pad",
    "pad_repeat_border",
    "pad_repeat_border_corner",
    "pad_to_size",
    "span",
    "timed",
    "tupled_argmax",
    "whiten",
    "zca_whitening_matrix",
]
