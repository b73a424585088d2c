"""Components as tables, csv and feather: axes of a component become columns."""

from __future__ import annotations

import io
import itertools
import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike import storage
from thunderlike._lazy import optional
from thunderlike.errors import FormatError, SpecError

if TYPE_CHECKING:
    from thunderlike.batches.batch import Batch

__all__ = ["LABELS", "Table", "read_csv", "read_feather", "write_csv", "write_feather"]

Table = tuple[Any, dict[str, Any]]  # labels, and an array for each component
LABELS = "labels"


def _flat(labels: Any, arrays: dict[str, Any]) -> Any:
    pandas = optional("pandas", "pandas")
    columns = {}
    for name, values in arrays.items():
        array: Any = np.asarray(values)
        if array.dtype.kind not in "biufU":
            raise SpecError(f"component {name!r} of {array.dtype} does not fit a table: use hdf5")
        for position in itertools.product(*(range(n) for n in array.shape[1:])):
            columns["_".join([name, *map(str, position)])] = array[:, *position]
    return pandas.DataFrame(columns, index=pandas.Index(labels, name=LABELS))


def _unflat(frame: Any) -> dict[str, Any]:
    grouped: dict[str, dict[tuple[int, ...], Any]] = {}
    for column in frame.columns:
        name, numbers = re.fullmatch(r"(.*?)((?:_\d+)*)", column).groups()  # type: ignore[union-attr]
        position = tuple(map(int, numbers.split("_")[1:]))
        grouped.setdefault(name, {})[position] = frame[column].to_numpy()
    return {name: _shaped(parts) for name, parts in grouped.items()}


def _shaped(parts: dict[tuple[int, ...], Any]) -> Any:
    shape = tuple(max(axis) + 1 for axis in zip(*parts, strict=True))
    if math.prod(shape) != len(parts):
        raise FormatError(f"{len(parts)} columns are no array of shape {shape} for each item")
    first = next(iter(parts.values()))
    if not shape:
        return first.astype(str) if first.dtype == object else first
    out: Any = np.empty((len(first), *shape), first.dtype)
    for position, values in parts.items():
        out[:, *position] = values
    return out


def read_csv(src: Any, _batch: Batch, **options: Any) -> Table:
    """Labels and components of a csv file; further options are those of pandas."""
    pandas = optional("pandas", "pandas")
    frame = pandas.read_csv(
        io.BytesIO(storage.read(src)), index_col=0, float_precision="round_trip", **options
    )
    return frame.index.to_numpy(), _unflat(frame)


def write_csv(dst: Any, labels: Any, arrays: dict[str, Any], **options: Any) -> None:
    """Write a csv file; further options are those of pandas."""
    storage.write(dst, _flat(labels, arrays).to_csv(**options).encode())


def read_feather(src: Any, _batch: Batch, **options: Any) -> Table:
    """Labels and components of a feather file; further options are those of pandas."""
    optional("pyarrow", "batches")
    pandas = optional("pandas", "pandas")
    frame = pandas.read_feather(io.BytesIO(storage.read(src)), **options).set_index(LABELS)
    return frame.index.to_numpy(), _unflat(frame)


def write_feather(dst: Any, labels: Any, arrays: dict[str, Any], **options: Any) -> None:
    """Write a feather file; further options are those of pandas."""
    optional("pyarrow", "batches")
    stream = io.BytesIO()
    _flat(labels, arrays).reset_index().to_feather(stream, **options)
    storage.write(dst, stream.getvalue())
