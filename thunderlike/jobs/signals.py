"""Signals: one column of a text or JSON file."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from thunderlike import storage
from thunderlike._arguments import checked_types
from thunderlike.errors import FormatError, KeyMissingError, NotFoundError, SpecError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["Signal", "read_column", "read_signal", "read_signals"]

# Values of the file by column name; a single column may be unnamed: "".
Columns: TypeAlias = "Mapping[str, Sequence[Any]]"


@dataclass(frozen=True, eq=False)
class Signal:
    """Signal with one value for each image.

    Parameters
    ----------
    path : str
        The file it came from.
    name : str
        What it is called there; the name of the file if it has none.
    values : ndarray of float64, shape (n,)

    Raises
    ------
    SpecError
        For a value that is not finite, and for values that are all equal.
    """

    path: str
    name: str
    values: NDArray[np.float64]

    def __post_init__(self) -> None:
        strange = np.flatnonzero(~np.isfinite(self.values))
        if len(strange):
            raise SpecError(
                f"{self.path}: value {strange[0]} of {self.name!r} is {self.values[strange[0]]}: "
                "fill the gap, or leave out the images that have no value"
            )
        if not (self.values != self.values[:1]).any():
            raise SpecError(
                f"{self.path}: the values of {self.name!r} are all equal: nothing can follow them"
            )

    def matching(self, images: int, span: slice, files: int) -> Signal:
        """Return the signal of the selected images.

        Parameters
        ----------
        images : int
            How many were chosen.
        span : slice
            Which of all they are.
        files : int
            How many there are in all; a signal of that length is cut as they were.

        Raises
        ------
        SpecError
            When it has another length; names the file and both lengths.
        """
        if len(self.values) == images:
            return self
        if len(self.values) == files:
            return Signal(self.path, self.name, self.values[span])
        raise SpecError(
            f"{self.path}: {self.name!r} has {len(self.values)} values and the movie {images} "
            "images: give a signal with one value for each image, or choose the images that it "
            "belongs to with start and stop"
        )


@checked_types
def read_signal(text: str) -> Signal:
    r"""Read ``FILE`` or ``FILE:NAME``.

    Parameters
    ----------
    text : str
        A file with one signal, or with several and the name of one; the file's own name may have
        colons in it. The file is JSON, a list of numbers or of ``{"name": ..., "value": [...]}``;
        or text in columns divided by commas or white space, with a first line of names or
        without: columns without names are called 0, 1, 2 and so on. Empty lines, and what follows
        a ``#``, are left out.

    Raises
    ------
    NotFoundError
        When the file is not there.
    KeyMissingError
        When it has no signal of that name, or several and none is named; lists the names.
    FormatError
        For a file of another form; names the line or the value.
    SpecError
        For a signal with a value that is not finite, or whose values are all equal.

    Examples
    --------
    >>> storage.write("memory://speed.csv", b"time,speed\n0,1.5\n1,2.5\n")
    >>> read_signal("memory://speed.csv:speed").values
    array([1.5, 2.5])
    >>> storage.delete("memory://speed.csv")
    """
    path, name, values = read_column(text)
    return Signal(path, name, _numbers(path, name, values))


@checked_types
def read_signals(path: str, names: Sequence[str] = ()) -> list[Signal]:
    r"""Read several signals of a file.

    Parameters
    ----------
    path : str
        A file as of :func:`read_signal`.
    names : sequence of str
        The signals wanted, in this order; by default all of which half of the values, or more,
        are numbers: one that is not is then an error, and not a column of text.

    Raises
    ------
    NotFoundError, KeyMissingError, FormatError, SpecError
        As `read_signal`; KeyMissingError also for a file without numbers.

    Examples
    --------
    >>> storage.write("memory://run.csv", b"time,speed,task\n0,1.5,rest\n1,2.5,go\n")
    >>> [signal.name for signal in read_signals("memory://run.csv")]
    ['time', 'speed']
    >>> storage.delete("memory://run.csv")
    """
    columns = _columns(path, "signal")
    chosen = list(names) or [
        name for name, values in columns.items() if 2 * sum(map(_is_number, values)) >= len(values)
    ]
    if not chosen:
        raise KeyMissingError(f"{path}: no column of numbers; available: {', '.join(columns)}")
    found = []
    for wanted in chosen:
        name = _chosen(path, columns, wanted, "signal")
        shown = name or PurePosixPath(path).stem
        found.append(Signal(path, shown, _numbers(path, shown, columns[name])))
    return found


@checked_types
def read_column(text: str, what: str = "signal") -> tuple[str, str, Sequence[Any]]:
    r"""Read ``FILE`` or ``FILE:NAME``, whatever the values are.

    Parameters
    ----------
    text : str
        As of :func:`read_signal`.
    what : str
        What errors call it.

    Returns
    -------
    path, name, values
        Which file, what the values are called, and what they are: text, or what JSON says.

    Raises
    ------
    NotFoundError, KeyMissingError, FormatError
        As `read_signal`.

    Examples
    --------
    >>> storage.write("memory://cells.csv", b"file,kind\na,round\nb,star\n")
    >>> read_column("memory://cells.csv:kind")
    ('memory://cells.csv', 'kind', ['round', 'star'])
    >>> storage.delete("memory://cells.csv")
    """
    path, name = _located(text, what)
    columns = _columns(path, what)
    name = _chosen(path, columns, name, what)
    return path, name or PurePosixPath(path).stem, columns[name]


def _located(text: str, what: str) -> tuple[str, str]:
    """Split at the last colon that follows an existing file."""
    head, name = text, ""
    while not _is_file(head):
        head, colon, last = head.rpartition(":")
        if not colon or not head:
            # The error names the part before the last colon, unless that is the one of a URL.
            file, _, end = text.rpartition(":")
            meant = file if file and not end.startswith("//") else text
            raise NotFoundError(f"{meant}: no such file: give FILE or FILE:NAME as {what}")
        name = f"{last}:{name}" if name else last
    return head, name


def _is_file(path: str) -> bool:
    try:
        storage.stat(path)  # `exists` is also true for a folder
    except NotFoundError:
        return False
    return True


def _columns(path: str, what: str) -> Columns:
    try:
        text = storage.read(path).decode("utf-8-sig")  # Excel begins CSV files with a BOM
    except UnicodeDecodeError:
        raise FormatError(f"{path}: neither JSON nor text: give a {what} as one of them") from None
    if text.lstrip().startswith(("[", "{")):
        return _from_json(path, text)
    return _from_text(path, text)


def _from_json(path: str, text: str) -> Columns:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: not JSON: {error}") from error
    if isinstance(found, list) and all(_is_named(entry) for entry in found) and found:
        _check_names(path, [str(entry["name"]) for entry in found])
        return {str(entry["name"]): entry["value"] for entry in found}
    if isinstance(found, list) and not any(isinstance(entry, dict | list) for entry in found):
        return {"": found}
    raise FormatError(
        f'{path}: JSON of another form: write a list of numbers, or [{{"name": "speed", '
        '"value": [0.5, 1.5]}]'
    )


def _check_names(path: str, names: Sequence[str]) -> None:
    """Raise FormatError for two columns of one name."""
    for number, name in enumerate(names):
        if name in names[:number]:
            raise FormatError(
                f"{path}: two columns are named {name!r}: give each a name of its own"
            )


def _is_named(entry: object) -> bool:
    return isinstance(entry, dict) and "name" in entry and isinstance(entry.get("value"), list)


def _from_text(path: str, text: str) -> Columns:
    lines = enumerate(text.splitlines(), start=1)
    rows = [(number, fields) for number, line in lines if (fields := _fields(line))]
    if not rows:
        raise FormatError(f"{path}: is empty: write one value a line")
    names = None if all(_is_number(field) for field in rows[0][1]) else rows.pop(0)[1]
    width = len(names or rows[0][1])
    for number, fields in rows:
        if len(fields) != width:
            raise FormatError(
                f"{path}: line {number} has {len(fields)} columns, the first line {width}"
            )
    if names is None:
        names = [""] if width == 1 else [str(column) for column in range(width)]
    _check_names(path, names)
    return {name: [fields[i] for _, fields in rows] for i, name in enumerate(names)}


def _fields(line: str) -> list[str]:
    """Columns of a line; none for an empty line or a comment."""
    content = line.partition("#")[0].strip()
    if "," not in content:
        return content.split()
    return [field.strip() for field in next(csv.reader([content], skipinitialspace=True))]


def _is_number(field: Any) -> bool:
    # "nan" and "1e3" count as numbers, so float() decides, not a pattern.
    try:
        float(field)
    except (TypeError, ValueError):
        return False
    return True


def _chosen(path: str, columns: Columns, name: str, what: str) -> str:
    """Return the name of the requested column."""
    if name in columns:
        return name
    if not name and len(columns) == 1:
        return next(iter(columns))
    there = ", ".join(columns) if "" not in columns else "one without a name"
    if name:
        raise KeyMissingError(f"{path}: no {what} named {name!r}; available: {there}")
    raise KeyMissingError(f"{path}: give one {what} as FILE:NAME; available: {there}")


def _numbers(path: str, name: str, values: Sequence[Any]) -> NDArray[np.float64]:
    for number, value in enumerate(values):
        if isinstance(value, bool) or not _is_number(value):  # float(True) is 1.0
            raise FormatError(
                f"{path}: value {number} of {name!r} is {value!r}, not a number: correct it, or "
                "choose other columns"
            )
    return np.array([float(value) for value in values], dtype=np.float64)
