"""What suite2p says beside its binary movies: their size, found in a pickle that is not opened."""

from __future__ import annotations

import pickletools
import struct
from typing import Any

from thunderlike.errors import FormatError

__all__ = ["sizes"]

_WANTED = ("Ly", "Lx", "fs")
_HEADER = b"\x93NUMPY"
_STRINGS = ("SHORT_BINUNICODE", "BINUNICODE")
_PLAIN = ("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT")
_MADE = ("BINGET", "LONG_BINGET", *_STRINGS)  # the first steps of a numpy scalar
_FAR = 40  # steps make a numpy scalar, and fewer


def sizes(data: bytes) -> dict[str, float]:
    """Find height ``Ly``, width ``Lx`` and images a second ``fs`` in the bytes of ``ops.npy``.

    The file is a pickle, which could run anything. Nothing in it is run or made: its instructions
    are read one by one, as :mod:`pickletools` spells them, and a number after one of these names is
    the value of it.

    Raises
    ------
    FormatError
        For what is no such file, or where the instructions make no sense.

    Examples
    --------
    >>> import io, numpy as np
    >>> stream = io.BytesIO()
    >>> np.save(stream, {"Ly": 512, "Lx": np.int64(796), "fs": 30.0, "data_path": ["/raw"]})
    >>> sizes(stream.getvalue())
    {'Ly': 512, 'Lx': 796, 'fs': 30.0}
    """
    if not data.startswith(_HEADER):
        raise FormatError(f"not a .npy file: it begins with {data[:6]!r}")
    (length,) = struct.unpack_from("<H", data, 8)
    try:
        told = pickletools.genops(data[10 + length :])
        steps = [(code.name, value) for code, value, _ in told if "MEMOIZE" not in code.name]
    except Exception as error:
        raise FormatError(f"not a pickle that can be read: {error}") from error
    found = {
        name: _number(steps[at + 1 : at + _FAR], name)
        for at, (code, name) in enumerate(steps)
        if code in _STRINGS and name in _WANTED
    }
    return {name: number for name, number in found.items() if number is not None}


def _number(steps: list[tuple[str, Any]], name: str) -> float | None:
    """The number that the next instructions make: a plain one, or the bytes of one of numpy's."""
    if steps and steps[0][0] in _PLAIN:
        return float(steps[0][1]) if name == "fs" else int(steps[0][1])
    if not steps or steps[0][0] not in _MADE:
        return None
    values = (value for code, value in steps if code == "SHORT_BINBYTES" and len(value) in (4, 8))
    found = next(values, None)
    if found is None:
        return None
    if name == "fs":
        return float(struct.unpack("<f" if len(found) == 4 else "<d", found)[0])
    return int.from_bytes(found, "little")
