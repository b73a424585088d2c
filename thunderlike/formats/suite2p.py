"""Files of suite2p: the size of a movie and the masks of cells, read without running a pickle."""

from __future__ import annotations

import pickletools
import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.errors import FormatError
from thunderlike.formats import safe_pickle
from thunderlike.formats.metadata import boundary, number, seconds, whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Rois", "rois", "sizes"]

_MOST_ROIS = 10**6
_HEADER = b"\x93NUMPY"
_NUMBERS = re.compile(r"[iuf][1248]")


def sizes(data: bytes) -> dict[str, float]:
    """Find ``Ly``, ``Lx``, ``nframes`` and images a second ``fs`` in the bytes of ``ops.npy``.

    The file is a pickle of any protocol, which could run anything. Nothing in it is run: its
    instructions are read one by one, as :mod:`pickletools` spells them, and of what they describe
    only the numbers of these names in the outermost dictionary are taken.

    Raises
    ------
    FormatError
        For other files, for invalid instructions, and for a size that is not
        a whole number.

    Examples
    --------
    >>> import io, numpy as np
    >>> stream = io.BytesIO()
    >>> np.save(stream, {"Ly": 512, "Lx": np.int64(796), "fs": 30.0, "data_path": ["/raw"]})
    >>> sizes(stream.getvalue())
    {'Ly': 512, 'Lx': 796, 'fs': 30.0}
    """
    content = _pickle(data)
    try:
        stated = _outermost(_described(content))
    except Exception as error:
        raise FormatError(f"not a pickle that can be read: {error}") from error
    found: dict[str, float] = {}
    for name in ("Ly", "Lx"):
        if (value := _number(stated.get(name))) is not None:
            try:
                found[name] = whole(value)
            except ValueError as error:
                raise FormatError(f"{name} is not the size of an image: {error}") from None
    if (count := _number(stated.get("nframes"))) is not None:
        with boundary("nframes"):
            found["nframes"] = whole(count)
    if (rate := _number(stated.get("fs"))) is not None:
        with boundary("fs"):
            seconds(rate, "s")  # positive, and so is the interval
            found["fs"] = number(rate)
    return found


def _pickle(data: bytes) -> bytes:
    """Return the pickle in a .npy file of objects."""
    if not data.startswith(_HEADER):
        raise FormatError(f"not a .npy file: it begins with {data[:6]!r}")
    try:
        # Version 1 of .npy has the length of its header in 2 bytes, later ones in 4.
        before, code = (10, "<H") if data[6] == 1 else (12, "<I")
        (length,) = struct.unpack_from(code, data, 8)
    except (IndexError, struct.error) as error:
        raise FormatError(f"not a .npy file: its header is cut short: {error}") from error
    return data[before + length :]


@dataclass(frozen=True)
class Rois:
    """Masks of cells.

    Parameters
    ----------
    rows, columns : ndarray of int64, shape (n,)
        Pixels of all cells, one cell after the other.
    weights : ndarray of float64, shape (n,)
    ends : ndarray of int64, shape (K,)
        Number of pixels of each cell and those before it.
    measures : dict of ndarray, shape (K,)
        Numbers that are stated of every cell.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    weights: NDArray[np.float64]
    ends: NDArray[np.int64]
    measures: dict[str, NDArray[Any]]


def rois(data: bytes) -> Rois:
    """Read the masks in the bytes of ``stat.npy``, a pickle of a list of dictionaries.

    Raises
    ------
    RefusedError
        Where the pickle asks for anything but plain values and numpy's arrays: nothing is run.
    FormatError
        For other files, and masks of unequal lengths.

    Examples
    --------
    >>> import io, numpy as np
    >>> one = {"ypix": np.array([0, 1]), "xpix": np.array([2, 2]), "lam": np.array([0.5, 1])}
    >>> stream = io.BytesIO()
    >>> np.save(stream, np.array([one | {"med": [0, 2], "skew": 1.5}]))
    >>> rois(stream.getvalue()).measures
    {'skew': array([1.5])}
    """
    found = safe_pickle.load(_pickle(data), "the masks", encoding="latin1")
    cells = found.ravel().tolist() if isinstance(found, np.ndarray) else found
    if not isinstance(cells, list) or not all(isinstance(one, dict) for one in cells):
        raise FormatError("the masks are not a list of dictionaries")
    if len(cells) > _MOST_ROIS:
        raise FormatError(f"holds {len(cells)} masks, at most {_MOST_ROIS} are read")
    parts: list[list[NDArray[Any]]] = [[], [], []]
    for position, one in enumerate(cells):
        for part, values in zip(parts, _mask(one, position), strict=True):
            part.append(values)
    counts = [len(values) for values in parts[0]]
    rows, columns = (np.concatenate([np.zeros(0, np.int64), *part]) for part in parts[:2])
    weights = np.concatenate([np.zeros(0), *parts[2]])
    return Rois(rows, columns, weights, np.cumsum(counts, dtype=np.int64), _measures(cells))


def _mask(one: dict[str, Any], number: int) -> tuple[NDArray[Any], ...]:
    """Return rows, columns and weights of a mask, checked."""
    given = []
    for name, kinds in (("ypix", "iu"), ("xpix", "iu"), ("lam", "iuf")):
        values = np.asarray(one.get(name, ()))
        if values.ndim != 1 or values.dtype.kind not in kinds or not values.size:
            raise FormatError(f"mask {number} has no {name}, or one of {values.dtype}")
        given.append(values.astype(np.float64 if name == "lam" else np.int64))
    if len({len(values) for values in given}) > 1:
        raise FormatError(f"mask {number} has unequal numbers of ypix, xpix and lam")
    if not np.isfinite(given[2]).all():
        raise FormatError(f"mask {number} has weights that are not numbers")
    positive = given[2] > 0
    if not positive.any():  # of no use as weights
        given[2], positive = np.ones(len(positive)), ~positive
    return tuple(values[positive] for values in given)


def _measures(cells: list[dict[str, Any]]) -> dict[str, NDArray[Any]]:
    """Return the numbers that every dictionary has."""
    measures = {}
    for name in cells[0] if cells else ():
        values = [one.get(name) for one in cells]
        plain = isinstance(name, str) and all(np.isscalar(one) for one in values)
        if plain and not any(isinstance(one, str | bytes | complex) for one in values):
            with boundary(name):
                measures[name] = np.array(values)
    return measures


@dataclass
class _Call:
    """Placeholder of an object that a pickle would create.

    Parameters
    ----------
    function : object
        What it would call, a `_Name`.
    arguments : object
        What with.
    state : object
        What it would then be given.
    """

    function: Any
    arguments: Any
    state: Any = None


@dataclass(frozen=True)
class _Name:
    """Name that a pickle would import."""

    module: str
    name: str


_MARK = object()
_PUTS = ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE")
_GETS = ("GET", "BINGET", "LONG_BINGET")
_EMPTY = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}


def _described(data: bytes) -> Any:
    """Return the value of the instructions of a pickle; None for values not needed here."""
    stack, memo = list[Any](), dict[int, Any]()
    argument: Any
    for opcode, argument, _ in pickletools.genops(data):
        name = opcode.name
        if name == "STOP":
            return stack.pop()
        if name in _PUTS:
            memo[len(memo) if name == "MEMOIZE" else argument] = stack[-1]
        elif name in _GETS:
            stack.append(memo[argument])
        elif name == "MARK":
            stack.append(_MARK)
        elif name in _EMPTY:
            stack.append(_EMPTY[name]())
        elif name == "GLOBAL":
            stack.append(_Name(*argument.split(" ", 1)))
        else:
            before = _popped(stack, opcode)
            _apply(name, before, stack, opcode, argument)
    raise ValueError("it has no end")


def _popped(stack: list[Any], opcode: pickletools.OpcodeInfo) -> list[Any]:
    """Remove the arguments of an instruction from the stack, and return them without the mark."""
    names = [kind.name for kind in opcode.stack_before]
    if "mark" not in names:
        count = len(names)
        if count > len(stack):
            raise IndexError("it takes more than there is")
        found = stack[len(stack) - count :]
        del stack[len(stack) - count :]
        return found
    at = len(stack) - 1 - stack[::-1].index(_MARK) if _MARK in stack else -1
    start = at - names.index("mark")
    if at < 0 or start < 0:
        raise IndexError("it takes more than there is")
    found = stack[start:at] + stack[at + 1 :]
    del stack[start:]
    return found


def _apply(
    name: str, before: list[Any], stack: list[Any], opcode: pickletools.OpcodeInfo, argument: object
) -> None:
    """Push the result of an instruction on the stack."""
    if name in ("SETITEM", "SETITEMS", "DICT"):
        target, items = ({}, before) if name == "DICT" else (before[0], before[1:])
        if isinstance(target, dict):
            pairs = zip(items[::2], items[1::2], strict=True)
            # Other keys may be placeholders of objects, which need not be hashable.
            target.update((key, value) for key, value in pairs if isinstance(key, str))
        stack.append(target)
    elif name in ("APPEND", "APPENDS"):
        if isinstance(before[0], list):
            before[0].extend(before[1:])
        stack.append(before[0])
    elif name == "LIST":
        stack.append(before)
    elif name.startswith("TUPLE"):
        stack.append(tuple(before))
    elif name == "STACK_GLOBAL":
        stack.append(_Name(str(before[0]), str(before[1])))
    elif name == "REDUCE":
        stack.append(_Call(*before))
    elif name == "BUILD":
        if isinstance(before[0], _Call):
            before[0].state = before[1]
        stack.append(before[0])
    elif not opcode.stack_before and opcode.stack_after:
        stack.append(_CONSTANTS.get(name, argument))
    else:
        stack.extend([None] * len(opcode.stack_after))


def _outermost(described: object) -> dict[str, Any]:
    """Return the dictionary in an array of one object."""
    state = described.state if isinstance(described, _Call) else None
    # The state of a numpy array: version, shape, dtype, order, and a list of its objects.
    values = state[4] if isinstance(state, tuple) and len(state) == 5 else described
    found = values[0] if isinstance(values, list) and len(values) == 1 else values
    if not isinstance(found, dict):
        raise TypeError("it holds no dictionary")
    return found


def _number(value: object) -> Any:
    """Return a plain number, or that in the bytes of a numpy scalar or array; else None."""
    if isinstance(value, int | float):
        return value
    if not isinstance(value, _Call) or not isinstance(value.function, _Name):
        return None
    if value.function.name == "scalar":
        dtype, data = value.arguments
    elif value.function.name == "_frombuffer":  # an array in protocol 5
        data, dtype = value.arguments[:2]
    elif isinstance(value.state, tuple) and len(value.state) == 5:
        _, _, dtype, _, data = value.state
    else:
        return None
    if isinstance(data, _Call):  # bytes, as protocol 2 of Python 3 has them
        data = str(data.arguments[0]).encode("latin1")
    code = dtype.arguments[0] if isinstance(dtype, _Call) else ""
    if not isinstance(data, bytes | bytearray) or not _NUMBERS.fullmatch(str(code)):
        return None
    order: Any = dtype.state[1] if isinstance(dtype.state, tuple) else "="
    stored = np.dtype(code).newbyteorder(order)
    return np.frombuffer(data, stored)[0].item() if len(data) == stored.itemsize else None
