"""What deepdish has at its top: sizes, extremes and slices of arrays, and timing."""

from __future__ import annotations

from thunderlike.util import (
    apply_once,
    aslice,
    bytesize,
    humanize_bytesize,
    memsize,
    multi_range,
    span,
    timed,
    tupled_argmax,
)

__all__ = [
    "apply_once",
    "aslice",
    "bytesize",
    "humanize_bytesize",
    "memsize",
    "multi_range",
    "span",
    "timed",
    "tupled_argmax",
]
