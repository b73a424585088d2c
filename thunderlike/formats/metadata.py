"""Metadata of images: values in known units, and the error boundary of each attribute.

Metadata never changes or blocks data. What cannot be understood of it is left out, with a line in
the log that names the file, the attribute and the reason.
"""

from __future__ import annotations

import json
import logging
import math
import re
import unicodedata
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike._text import printable
from thunderlike.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = [
    "Scales",
    "as_json",
    "boundary",
    "from_json",
    "left_out",
    "length",
    "number",
    "of_file",
    "scales",
    "seconds",
    "whole",
]

_log = logging.getLogger(__name__)
# In a context: files are read on threads, and parsers know bytes alone.
_file: ContextVar[str] = ContextVar("_file", default="")

_PREFIXES = {
    "yotta": ("Y", 1e24), "zetta": ("Z", 1e21), "exa": ("E", 1e18), "peta": ("P", 1e15),
    "tera": ("T", 1e12), "giga": ("G", 1e9), "mega": ("M", 1e6), "kilo": ("k", 1e3),
    "hecto": ("h", 1e2), "deca": ("da", 1e1), "": ("", 1.0), "deci": ("d", 1e-1),
    "centi": ("c", 1e-2), "milli": ("m", 1e-3), "micro": ("u", 1e-6), "nano": ("n", 1e-9),
    "pico": ("p", 1e-12), "femto": ("f", 1e-15), "atto": ("a", 1e-18), "zepto": ("z", 1e-21),
    "yocto": ("y", 1e-24),
}  # fmt: skip


def _prefixed(symbol: str, names: Sequence[str], base: float) -> dict[str, float]:
    """Return the factors of a unit of the SI with all its prefixes, by symbol and by name."""
    found = {}
    for prefix, (short, factor) in _PREFIXES.items():
        # Rounded, so that a nanometre is 0.001 micrometres and not the float after that.
        value = float(f"{base * factor:.12g}")
        found[short + symbol] = value
        found |= {prefix + name: value for name in names}
    return found


# One table for every format, by what is left of a spelling after `_spelled`.
_MICROMETRES = {
    **_prefixed("m", ("meter", "metre", "meters", "metres"), 1e6),
    **dict.fromkeys(("micron", "microns"), 1.0),
    **dict.fromkeys(("\u00c5", "angstrom", "angstroms", "\u00e5ngstr\u00f6m"), 1e-4),
    **dict.fromkeys(("in", "inch", "inches", '"'), 25400.0),
    **dict.fromkeys(("thou", "mil"), 25.4),
    **dict.fromkeys(("pt", "point", "points"), 25400.0 / 72),
    **dict.fromkeys(("ft", "foot", "feet"), 304800.0),
    **dict.fromkeys(("yd", "yard", "yards"), 914400.0),
    **dict.fromkeys(("mi", "mile", "miles"), 1609344000.0),
}
_SECONDS = {
    **_prefixed("s", ("second", "seconds"), 1.0),
    **{
        prefix + name: factor
        for prefix, factor in (("", 1.0), ("m", 1e-3), ("u", 1e-6), ("n", 1e-9))
        for name in ("sec", "secs")
    },
    **dict.fromkeys(("min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
}

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


@contextmanager
def of_file(path: str) -> Iterator[None]:
    """Name a file in the lines of the log about its metadata."""
    token = _file.set(path)
    try:
        yield
    finally:
        _file.reset(token)


def left_out(name: str, reason: object) -> None:
    """Log that an attribute is left out, and why."""
    at = f"{path}: " if (path := _file.get()) else ""
    text = " ".join(str(reason).split())[:200] or type(reason).__name__
    _log.warning("%smetadata left out: %s: %s", *map(printable, (at, name, text)))


@contextmanager
def boundary(name: str) -> Iterator[None]:
    """Leave out an attribute whose reading or writing fails.

    Failures of the place where the file is pass: they are not about metadata.

    Examples
    --------
    >>> found = {}
    >>> with boundary("pixel_size"):
    ...     found["pixel_size"] = length("0,5", "um")
    >>> found
    {}
    """
    try:
        yield
    except StorageError:
        raise
    except Exception as error:  # parsers answer damaged metadata with almost any exception
        left_out(name, error)


def number(value: object) -> float:
    """Return a finite number; ValueError for anything else, such as ``"0,5"`` or NaN.

    Examples
    --------
    >>> number(" 1.5e-3 "), number(np.uint16(4))
    (0.0015, 4.0)
    """
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    text = value.strip() if isinstance(value, str) else None
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    found = math.nan
    if text is not None:
        # `float` itself reads more: underscores, digits of other scripts, "infinity".
        found = float(text) if _NUMBER.fullmatch(text) else math.nan
    elif isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool):
        found = float(value)
    if not math.isfinite(found):
        raise ValueError(f"{value!r:.60} is not a finite number")
    return found


def whole(value: object) -> int:
    """Return a whole number of at least 1; ValueError for anything else.

    Examples
    --------
    >>> whole("3"), whole(3.0)
    (3, 3)
    """
    found = number(value)
    if found < 1 or found != int(found):
        raise ValueError(f"{value!r:.60} is not a whole number from 1 on")
    return int(found)


def length(value: object, unit: object) -> float:
    r"""Return a length in micrometres; ValueError unless it is positive and its unit is known.

    Examples
    --------
    >>> length(5000, "Å"), length(250, "nm"), length("0.5", r"\u00B5m"), length(2, "microns")
    (0.5, 0.25, 0.5, 2.0)
    >>> length(1, "pixel")
    Traceback (most recent call last):
    ...
    ValueError: 'pixel' is not a known unit of length
    """
    return _positive(value, _factor(unit, _MICROMETRES, "length"))


def seconds(value: object, unit: object, *, positive: bool = True) -> float:
    """Return a time in seconds; ValueError unless it is a number and its unit is known.

    Parameters
    ----------
    positive : bool
        It is an interval, which 0 and less are not.

    Examples
    --------
    >>> seconds(100, "ms"), seconds(2, "min"), seconds(-1.5, "s", positive=False)
    (0.1, 120.0, -1.5)
    """
    factor = _factor(unit, _SECONDS, "time")
    return _positive(value, factor) if positive else _scaled(number(value), factor)


def _positive(value: object, factor: float) -> float:
    found = _scaled(number(value), factor)
    # Writers also store the inverse: resolutions and rates.
    if not (found > 0 and math.isfinite(found) and math.isfinite(1 / found)):
        raise ValueError(f"{value!r:.60} is not a size above 0")
    return found


def _scaled(value: float, factor: float) -> float:
    """Return the product, rounded to 12 digits: 100 ns are 1e-07 s."""
    return value if factor == 1 else float(f"{value * factor:.12g}")


def _factor(unit: object, table: Mapping[str, float], what: str) -> float:
    text = _spelled(unit)
    found = table.get(text, table.get(text.lower()))
    if found is None:
        raise ValueError(f"{unit!r:.40} is not a known unit of {what}")
    return found


def _spelled(unit: object) -> str:
    r"""Return a unit without escapes, with one spelling of micro: ``\u00B5m``, ``µm``, ``um``."""
    text = unit.decode("utf-8", "replace") if isinstance(unit, bytes) else str(unit)
    text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)
    # The micro sign becomes the Greek letter, the sign of the angstrom the letter; "Â" before the
    # micro sign is UTF-8 that was read as Latin-1.
    text = unicodedata.normalize("NFKC", text.replace("\u00c2\u00b5", "\u00b5"))
    return text.strip().replace("\u03bc", "u")


@dataclass(frozen=True)
class Scales:
    """Sizes and times that writers understand.

    Parameters
    ----------
    pixel_size : dict
        Micrometres along ``z``, ``y`` and ``x``.
    frame_interval : float or None
        Seconds between two images.
    frame_times : list of float
        Seconds of each image.
    """

    pixel_size: dict[str, float] = field(default_factory=dict)
    frame_interval: float | None = None
    frame_times: list[float] = field(default_factory=list)


def scales(attrs: Mapping[str, Any] | None) -> Scales:
    """Return the sizes and times of `attrs`; entries of other types are left out.

    Examples
    --------
    >>> scales({"pixel_size": {"y": 0.5, "x": float("nan")}, "frame_interval": "soon"})
    Scales(pixel_size={'y': 0.5}, frame_interval=None, frame_times=[])
    """
    known = attrs or {}
    size: dict[str, float] = {}
    interval: float | None = None
    times: list[float] = []
    if (given := known.get("pixel_size")) is not None:
        with boundary("pixel_size"):
            for axis, value in dict(given).items():
                with boundary(f"pixel_size along {axis}"):
                    size[axis] = length(value, "um")
    if known.get("frame_interval") is not None:
        with boundary("frame_interval"):
            interval = seconds(known["frame_interval"], "s")
    if known.get("frame_times") is not None:
        with boundary("frame_times"):
            times = [number(value) for value in known["frame_times"]]
    return Scales(size, interval, times)


def as_json(attrs: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return `attrs` as JSON holds them; those that it cannot hold are left out.

    numpy's numbers and arrays become numbers and lists.

    Examples
    --------
    >>> as_json({"rate": np.float32(0.5), "size": np.arange(2), "engine": object()})
    {'rate': 0.5, 'size': [0, 1]}
    """
    found: dict[str, Any] = {}
    for name, value in (attrs or {}).items():
        with boundary(str(name)):
            # Through text, so that the values are those that a reader of the file gets.
            found[str(name)] = json.loads(json.dumps(value, default=_plain))
    return found


def _plain(value: object) -> Any:
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "buifU":
        return value.tolist()
    raise TypeError(f"JSON holds no {type(value).__name__}")


def from_json(name: str, text: Any) -> dict[str, Any]:
    """Return the attributes in a JSON object; none, with a line in the log, for anything else.

    Examples
    --------
    >>> from_json("thunderlike", '{"rat": "R7"}'), from_json("thunderlike", "{")
    ({'rat': 'R7'}, {})
    """
    with boundary(name):
        found = json.loads(text)
        if isinstance(found, dict):
            return found
        left_out(name, f"{found!r:.40} is not an object")
    return {}
