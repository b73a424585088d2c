"""Compression filters of HDF5 datasets."""

from __future__ import annotations

import math
import re
from configparser import ConfigParser
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from h5py import h5p, h5z

from thunderlike._lazy import optional
from thunderlike.config import current, home
from thunderlike.errors import SpecError
from thunderlike.formats._hdf5_chunks import LEVEL

if TYPE_CHECKING:
    import numpy as np
    from h5py.h5p import PropDCID

__all__ = ["NONE", "Choice", "Filters", "applied", "chunk_shape", "plugins"]

Choice: TypeAlias = "str | bool | tuple[str, int] | list[Any] | None"

SMALLEST = 300  # elements: up to so many are stored without chunks, as deepdish does
CHUNK_BYTES = 2**20
BLOSC_CHUNK_BYTES = 2**22  # blosc splits chunks itself; larger ones take 4/5 of the time

_BLOSC, _BLOSC2, _BZIP2 = 32001, 32026, 307
_CODECS = ("blosclz", "lz4", "lz4hc", "snappy", "zlib", "zstd")
_LZO = 305
_NAMES = {1: "zlib", _BLOSC: "blosc", _BLOSC2: "blosc2", _BZIP2: "bzip2", _LZO: "lzo"}


@dataclass(frozen=True)
class Filters:
    """A compressor and its level, or none.

    Parameters
    ----------
    name : str
        ``'zlib'``, ``'bzip2'``, ``'blosc'``, ``'blosc2'``, the last two perhaps with a codec:
        ``'blosc2:zstd'``; ``''`` for none.
    level : int
        From 0, fast, to 9, small.
    checksum : bool
        Write a checksum (Fletcher's) of each chunk, so that damage is an error.

    Examples
    --------
    >>> Filters.of(("blosc2:lz4", 5))
    Filters(name='blosc2:lz4', level=5, checksum=False)
    """

    name: str
    level: int = 1
    checksum: bool = False

    @classmethod
    def of(cls, choice: Choice, *, checksum: bool = False) -> Filters:
        """Return the filters of an argument `compression`, or of the settings.

        Raises
        ------
        SpecError
            For an unknown name or level.
        """
        if not isinstance(choice, str | bool | tuple | list | None):
            raise SpecError(f"compression is a name or a pair (name, level), not {choice!r:.60}")
        if choice is True or choice == "default":
            choice = _default()
        if choice is None or choice is False or choice in ("", "none", "None"):
            return cls("", 0, checksum)
        name, level = _name_and_level(choice)
        _check(name, level)
        return cls(name, level, checksum)

    def plist(self, shape: tuple[int, ...], dtype: np.dtype[Any], *, grows: bool = False) -> Any:
        """Return the properties of a new dataset: chunks and filters."""
        plist = h5p.create(h5p.DATASET_CREATE)
        plist.set_obj_track_times(False)  # equal data, equal bytes
        # Chunks and filters cost more than they save in small arrays.
        small = math.prod(shape) <= SMALLEST
        if not grows and (small or not (self.name or self.checksum)):
            return plist
        nbytes = BLOSC_CHUNK_BYTES if self.name.startswith("blosc") else CHUNK_BYTES
        plist.set_chunk(chunk_shape(shape, dtype.itemsize, nbytes))
        if self.name and self.level and not small:
            self._compress(plist)
        if self.checksum:
            plist.set_fletcher32()
        return plist

    def _compress(self, plist: PropDCID) -> None:
        family, _, codec = self.name.partition(":")
        if family in ("zlib", "bzip2"):
            plist.set_shuffle()
        if family == "zlib":
            plist.set_deflate(self.level)
        elif family == "bzip2":
            plugins()
            plist.set_filter(_BZIP2, h5z.FLAG_MANDATORY, (max(1, self.level),))
        else:
            plugins()
            number = _CODECS.index(codec or ("zstd" if family == "blosc2" else "blosclz"))
            # Parameters of the filter: four reserved values, level, shuffle, codec.
            values = (0, 0, 0, 0, self.level, 1, number)
            plist.set_filter(_BLOSC if family == "blosc" else _BLOSC2, h5z.FLAG_MANDATORY, values)


NONE = Filters("", 0)


def chunk_shape(
    shape: tuple[int, ...], itemsize: int, nbytes: int = CHUNK_BYTES
) -> tuple[int, ...]:
    """Return the shape of chunks of at most `nbytes`, split along the first axes.

    Examples
    --------
    >>> chunk_shape((1000, 512, 512), 2)
    (2, 512, 512)
    """
    room, chunk = max(1, nbytes // max(1, itemsize)), []
    for length in reversed(shape):
        chunk.append(max(1, min(length or room, room)))
        room = max(1, room // chunk[-1])
    return tuple(reversed(chunk))


def applied(plist: PropDCID) -> str:
    """Return the compressor and level of an array, as ``zlib lvl9``, or ``none``.

    Examples
    --------
    >>> import numpy as np
    >>> applied(Filters.of("zlib:3").plist((1000,), np.dtype(float)))
    'zlib lvl3'
    """
    for number in range(plist.get_nfilters()):
        code, _, values, label = plist.get_filter(number)
        # These reorder or check bytes, and compress nothing.
        if code in (h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32):
            continue
        name = _NAMES.get(code) or label.decode("ascii", "replace")
        level = (*values, 0)[0]
        if code in (_BLOSC, _BLOSC2) and len(values) > 4:
            level = values[4]
            number_of_codec = values[6] if len(values) > 6 else 0
            if number_of_codec < len(_CODECS):
                name = f"{name}:{_CODECS[number_of_codec]}"
        return f"{name} lvl{level}"
    return "none"


@cache
def plugins() -> None:
    """Load the plug-ins of HDF5 for blosc, blosc2, bzip2 and others.

    Raises
    ------
    MissingExtraError
        If hdf5plugin is not installed.
    """
    optional("hdf5plugin", extra="hdf5")  # registers them when it is imported


def _default() -> Any:
    """Return the setting, else that of deepdish's configuration file, else zlib."""
    if current().hdf5_compression:
        return current().hdf5_compression
    reader = ConfigParser()
    if folder := home():
        reader.read(folder / ".deepdish.conf", "utf-8")
    return reader.get("io", "compression", fallback=f"zlib:{LEVEL}")


def _name_and_level(choice: object) -> tuple[str, int]:
    """Split ``('blosc', 9)``, ``'zlib'``, ``'zlib:1'`` or ``'blosc2:zstd:1'``."""
    if isinstance(choice, str):
        name, _, level = choice.rpartition(":") if re.search(r":\d+$", choice) else (choice, "", "")
        return name, int(level or (9 if name == "bzip2" else LEVEL if name == "zlib" else 5))
    if isinstance(choice, tuple | list) and len(choice) == 2:
        name, level = choice
        if isinstance(name, str) and isinstance(level, int):
            return name, level
    raise SpecError(f"compression is a name or a pair (name, level), not {choice!r:.60}")


def _check(name: str, level: int) -> None:
    family, _, codec = name.partition(":")
    if family == "lzo":
        raise SpecError("no build of HDF5 here has compression 'lzo'; take 'zlib' or 'blosc2:lz4'")
    known = family in ("zlib", "bzip2") and not codec
    if not (known or (family in ("blosc", "blosc2") and codec in ("", *_CODECS))):
        raise SpecError(
            f"unknown compression {name!r}; expected none, zlib, bzip2, blosc or blosc2, "
            f"the last two also with a codec of {', '.join(_CODECS)}, as in 'blosc2:zstd'"
        )
    if not 0 <= level <= 9:
        raise SpecError(f"compression {name!r} has levels 0 to 9, not {level}")
