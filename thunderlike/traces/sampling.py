"""Sampling rate and time constants: arguments in seconds, made concrete for a recording."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.errors import SpecError

if TYPE_CHECKING:
    from thunderlike.data.collection import Collection

__all__ = ["check_positive", "required_rate", "stated_rate"]


def check_positive(name: str, value: Any, unit: str) -> float:
    """Return an argument as float; SpecError unless it is a finite number above 0.

    Examples
    --------
    >>> check_positive("fs", 15, "Hz")
    15.0
    """
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value <= 0:
        raise SpecError(f"{name}={value!r} must be a number above 0, in {unit}")
    return float(value)


def stated_rate(collection: Collection, fs: Any = None) -> float | None:
    """Return the frames a second: `fs`, or those of ``attrs``; None where neither states them.

    Of `attrs`, the entries ``fs`` in Hz, and ``frame_interval`` in seconds.

    Examples
    --------
    >>> import thunderlike as tl
    >>> series = tl.series.fromarray(np.zeros((2, 10)))
    >>> series.attrs["frame_interval"] = 0.1
    >>> stated_rate(series), stated_rate(series, fs=15)
    (10.0, 15.0)
    """
    if fs is not None:
        return check_positive("fs", fs, "Hz")
    if (stated := collection.attrs.get("fs")) is not None:
        return check_positive("attrs['fs']", stated, "Hz")
    if (interval := collection.attrs.get("frame_interval")) is not None:
        return 1 / check_positive("attrs['frame_interval']", interval, "s")
    return None


def required_rate(collection: Collection, fs: Any, what: str) -> float:
    """Return the frames a second; SpecError where neither the argument nor `attrs` states them.

    Examples
    --------
    >>> import thunderlike as tl
    >>> required_rate(tl.series.fromarray([[1, 2]]), None, "a baseline")
    Traceback (most recent call last):
        ...
    thunderlike.errors.SpecError: a baseline needs the sampling rate: give fs= in Hz, ...
    """
    found = stated_rate(collection, fs)
    if found is None:
        raise SpecError(
            f"{what} needs the sampling rate: give fs= in Hz, or set attrs['fs'] of the data"
        )
    return found
