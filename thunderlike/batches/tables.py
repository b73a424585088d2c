"""Components as tables, csv and feather: axes of a component become columns."""

from __future__ import annotations

import inspect
import io
import itertools
import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike import storage
from thunderlike._lazy import optional
from thunderlike.batches.cropping import frame_labels
from thunderlike.batches.entries import LABELS, Table, component_of, entry_of, separated
from thunderlike.errors import FormatError, SpecError
from thunderlike.formats.base import said

if TYPE_CHECKING:
    from collections.abc import Collection

    from thunderlike.batches.batch import Batch

__all__ = ["frame_table", "read_csv", "read_feather", "write_csv", "write_feather"]

_UNNAMED = "Unnamed: 0"  # pandas' name for a first column without one: the index it wrote
# In a file of ours a name that ends like this is a component with axes.
_AXES = re.compile(r"(?P<name>\[.*\]|.*?)(?P<axes>(?:_\d+)*)", re.DOTALL)


def _flat(labels: Any, arrays: dict[str, Any]) -> Any:
    pandas = optional("pandas", "pandas")
    columns = {}
    for name, values in arrays.items():
        array: Any = np.asarray(values)
        if array.dtype.kind not in "biufU":
            raise SpecError(f"component {name!r} of {array.dtype} does not fit a table: use hdf5")
        if not array.size:
            raise SpecError(f"component {name!r} of shape {array.shape} has no columns: use hdf5")
        entry = entry_of(name, used=re.search(r"_\d+\Z", name) is not None)
        for position in itertools.product(*(range(n) for n in array.shape[1:])):
            columns["_".join([entry, *map(str, position)])] = array[:, *position]
    return pandas.DataFrame(columns, index=pandas.Index(labels, name=LABELS))


def _unflat(columns: dict[str, Any]) -> dict[str, Any]:
    grouped: dict[str, dict[tuple[int, ...], Any]] = {}
    for column, values in columns.items():
        name, axes = _AXES.fullmatch(column).groups()  # type: ignore[union-attr]
        grouped.setdefault(name, {})[tuple(map(int, axes.split("_")[1:]))] = values
    return {component_of(name): _shaped(name, parts) for name, parts in grouped.items()}


def _shaped(name: str, parts: dict[tuple[int, ...], Any]) -> Any:
    if len({len(position) for position in parts}) > 1:
        raise FormatError(f"the columns of {name!r} have indices of several lengths")
    shape = tuple(max(axis) + 1 for axis in zip(*parts, strict=True))
    if math.prod(shape) != len(parts):
        raise FormatError(
            f"{name!r} has {len(parts)} columns, which make no array of shape {shape} for each item"
        )
    first = next(iter(parts.values()))
    if not shape:
        return first
    out: Any = np.empty((len(first), *shape), np.result_type(*parts.values()))
    for position, values in parts.items():
        out[:, *position] = values
    return out


def _columns(frame: Any, *, ours: bool = False) -> dict[str, Any]:
    """Return the columns of a frame as arrays; text is text where no entry is missing."""
    found = {}
    for position, name in enumerate(frame.columns):
        column = frame.iloc[:, position]
        if ours and column.dtype == object:
            column = column.fillna("")  # pandas takes empty text for a missing value
        array = column.to_numpy()
        if array.dtype == object and all(isinstance(value, str) for value in array):
            array = array.astype(str)
        found[str(name)] = array
    return found


def frame_table(
    frame: Any, batch: Batch, asked: Collection[str], *, earlier: bool = False
) -> Table:
    """Separate the labels of a frame from its components.

    Parameters
    ----------
    frame : DataFrame
        Its labels are its index; or, where pandas only numbered the rows and the labels of the
        batch are text, its first column if that holds them.
    asked : collection of str
        Components that the caller names.
    earlier : bool
        A first column ``labels`` may be that of an earlier version's file.
    """
    columns, labels = _columns(frame), frame_labels(frame)
    if labels is not None:
        return labels, columns
    if earlier:
        labels, components = separated(columns, asked)
        if labels is not None:
            return labels, _unflat(components)
    first = next(iter(columns), None)
    if first is not None and batch.indices.dtype.kind == "U":
        held = columns[first]
        if held.dtype.kind == "U" and set(batch.indices.tolist()) <= set(held.tolist()):
            return held, {n: v for n, v in columns.items() if n != first or n in asked}
    return None, columns


def read_csv(src: Any, batch: Batch, asked: Collection[str], **options: Any) -> Table:
    """Read labels and components of a csv file; further options are those of pandas."""
    pandas = optional("pandas", "pandas")
    unknown = set(options) - set(inspect.signature(pandas.read_csv).parameters)
    if unknown:
        raise SpecError(f"pandas.read_csv has no option {', '.join(sorted(unknown))}")
    data = storage.read(src)
    first = next(iter(_header(pandas, data, options)), None)
    ours = first == LABELS
    how: dict[str, Any] = {"float_precision": "round_trip", **options}
    if ours:  # text such as "NA" is a value
        how = {"keep_default_na": False, "na_values": [""], **how}
        if isinstance(how.get("usecols"), list | tuple) and first not in how["usecols"]:
            how["usecols"] = [first, *how["usecols"]]
    elif first == _UNNAMED and not {"index_col", "usecols"} & set(options):
        how["index_col"] = 0
    if batch.indices.dtype.kind == "U" and "dtype" not in how and first in (LABELS, _UNNAMED):
        how["dtype"] = {first: str}  # 007 is a label, not 7
    frame = _parsed(pandas, data, how)
    if ours and LABELS in frame.columns:
        frame = frame.set_index(LABELS)
    if ours:
        return _labels(frame), _unflat(_columns(frame, ours=True))
    return frame_table(frame, batch, asked, earlier="index_col" not in how)


def _labels(frame: Any) -> Any:
    labels = frame.index
    return (labels.fillna("") if labels.dtype == object else labels).to_numpy()


def _header(pandas: Any, data: bytes, options: dict[str, Any]) -> list[str]:
    """Return the names of the columns."""
    kept = ("sep", "delimiter", "header", "names", "skiprows", "encoding", "comment", "quotechar")
    how = {name: value for name, value in options.items() if name in kept}
    return [str(name) for name in _parsed(pandas, data, {**how, "nrows": 0}).columns]


def _parsed(pandas: Any, data: bytes, options: dict[str, Any]) -> Any:
    """Read a csv file.

    Raises
    ------
    SpecError
        For options that do not fit the file.
    """
    broken = (pandas.errors.ParserError, pandas.errors.EmptyDataError, UnicodeError)
    try:
        return pandas.read_csv(io.BytesIO(data), **options)
    except broken:
        raise
    except (ValueError, TypeError, LookupError) as error:
        raise SpecError(f"pandas cannot read the file with these options: {said(error)}") from error


def write_csv(dst: Any, labels: Any, arrays: dict[str, Any], **options: Any) -> None:
    """Write a csv file; further options are those of pandas."""
    frame = _flat(labels, arrays)
    try:
        text = frame.to_csv(**options)
    except (TypeError, ValueError, LookupError) as error:
        raise SpecError(f"{dst}: pandas cannot write it with these options: {error}") from error
    storage.write(dst, text.encode("utf-8", "surrogatepass"))


def read_feather(src: Any, batch: Batch, asked: Collection[str], **options: Any) -> Table:
    """Read labels and components of a feather file; further options are those of pandas."""
    optional("pyarrow", "batches")
    pandas = optional("pandas", "pandas")
    unknown = set(options) - set(inspect.signature(pandas.read_feather).parameters)
    if unknown:
        raise SpecError(f"pandas.read_feather has no option {', '.join(sorted(unknown))}")
    if isinstance(options.get("columns"), list | tuple):
        options["columns"] = list(options["columns"])
    frame = pandas.read_feather(io.BytesIO(storage.read(src)), **options)
    if LABELS in frame.columns:
        frame = frame.set_index(LABELS)
        return _labels(frame), _unflat(_columns(frame))
    return frame_table(frame, batch, asked, earlier=True)


def write_feather(dst: Any, labels: Any, arrays: dict[str, Any], **options: Any) -> None:
    """Write a feather file; further options are those of pandas."""
    optional("pyarrow", "batches")
    stream = io.BytesIO()
    try:
        _flat(labels, arrays).reset_index().to_feather(stream, **options)
    except (TypeError, ValueError, LookupError, NotImplementedError) as error:
        if isinstance(error, SpecError):
            raise
        raise SpecError(f"{dst}: pandas cannot write it: {said(error)}") from error
    storage.write(dst, stream.getvalue())
