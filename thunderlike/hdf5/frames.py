"""What pandas has: frames and series of numbers in pandas' own fixed layout, all else as groups.

The fixed layout is what deepdish and ``pandas.read_hdf`` read. It pickles whatever is not a number,
a time or a column's name; such frames are groups of one array for each column, with no pickle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike._lazy import optional
from thunderlike.errors import Hdf5Error, SpecError
from thunderlike.hdf5 import fixed
from thunderlike.hdf5.places import new_group

if TYPE_CHECKING:
    from collections.abc import Callable

    from thunderlike.hdf5.decode import Reader
    from thunderlike.hdf5.encode import Writer
    from thunderlike.hdf5.groups import Group
    from thunderlike.hdf5.places import Place
    from thunderlike.hdf5.walking import Task

__all__ = ["codec_of", "get"]


def codec_of(kind: type) -> Any:
    """Find what writes a class of pandas; None for one that has to be pickled."""
    return _CODECS.get(kind.__name__)


def _frame(writer: Writer, place: Place, value: Any) -> Task:
    if fixed.fits_frame(value):
        fixed.put_frame(place, value)
        return
    parts = {
        "columns": _axis(value.columns, writer),
        "index": _axis(value.index, writer),
        **{f"c{i}": _column(value.iloc[:, i], writer) for i in range(value.shape[1])},
    }
    yield _group(writer, place, "DataFrame", parts, {"attrs": value.attrs})


def _series(writer: Writer, place: Place, value: Any) -> Task:
    if fixed.fits_series(value):
        fixed.put_series(place, value)
        return
    values = _column(value, writer)
    parts = {"index": _axis(value.index, writer), "values": values, "name": value.name}
    yield _group(writer, place, "Series", parts, {"attrs": value.attrs})


def _group(
    writer: Writer, place: Place, of: str, parts: dict[str, Any], more: dict[str, Any]
) -> Task:
    parts = {**parts, **{name: part for name, part in more.items() if part}}
    group = new_group(place, f"dict:{len(parts)}")
    yield writer.dictionary(place, group, parts, kind="pandas", of=of)


class _Part(dict):
    """A dictionary that says what it is the parts of."""

    def __init__(self, of: str, **parts: Any) -> None:
        super().__init__(parts)
        self.of = of


def _part(writer: Writer, place: Place, value: _Part) -> Task:
    """Write the parts of a column, an index or a value."""
    yield _group(writer, place, value.of, dict(value), {})


def _axis(index: Any, writer: Writer) -> _Part:
    """An index, by its class."""
    pandas = optional("pandas", "pandas")
    if isinstance(index, pandas.MultiIndex):
        levels = [_axis(level, writer) for level in index.levels]
        codes = [np.asarray(part) for part in index.codes]
        return _Part("MultiIndex", levels=levels, codes=codes, names=list(index.names))
    if isinstance(index, pandas.RangeIndex):
        bounds = range(index.start, index.stop, index.step)
        return _Part("RangeIndex", range=bounds, name=index.name)
    return _Part("Index", values=_column(index.to_series(), writer), name=index.name)


def _column(series: Any, writer: Writer) -> Any:
    """Values of one dtype: an array, or a dictionary of the arrays that make them up.

    Others are pickled, if the writer may.
    """
    values, dtype = series.array, series.dtype
    pandas = optional("pandas", "pandas")
    if isinstance(dtype, pandas.CategoricalDtype):
        categories = _axis(values.categories, writer)
        told = {"categories": categories, "ordered": dtype.ordered}
        return _Part("Categorical", codes=values.codes, **told)
    if isinstance(dtype, pandas.DatetimeTZDtype):
        return _Part("zoned", values=values.asi8.copy(), dtype=str(dtype))
    if isinstance(dtype, pandas.PeriodDtype):
        return _Part("zoned", values=values.asi8.copy(), dtype=str(dtype))
    if isinstance(dtype, pandas.IntervalDtype):
        ends = {"left": _axis(values.left, writer), "right": _axis(values.right, writer)}
        return _Part("intervals", **ends, closed=values.closed)
    if hasattr(values, "_mask") and hasattr(values, "_data"):
        return _Part("masked", data=values._data, mask=values._mask, dtype=str(dtype))
    if isinstance(dtype, pandas.StringDtype):
        missing = np.asarray(values.isna())
        texts = ["" if gone else text for text, gone in zip(values, missing, strict=True)]
        return _Part("strings", texts=texts, mask=missing, dtype=dtype.storage)
    if isinstance(dtype, np.dtype):
        return np.asarray(values)
    if writer.pickle:
        return values
    sparse = isinstance(dtype, pandas.SparseDtype)
    way = ".sparse.to_dense()" if sparse else ".astype(object)"
    named = "" if series.name is None else f" {series.name!r:.60}"
    raise SpecError(
        f"the column{named} is of dtype {dtype}, which HDF5 has no place for: convert it by "
        f"{way}, or let it be pickled by pickle='allow'"
    )


def _index(writer: Writer, place: Place, value: Any) -> Task:
    yield _part(writer, place, _axis(value, writer))


def _extension(writer: Writer, place: Place, value: Any) -> Task:
    pandas = optional("pandas", "pandas")
    yield _part(writer, place, _column(pandas.Series(value), writer))


def _moment(writer: Writer, place: Place, value: Any) -> Task:
    """A Timestamp or a Timedelta, which are scalars of more than numpy knows."""
    zone = getattr(value, "tz", None)
    parts = {"values": np.array([value.asm8]), **({"zone": str(zone)} if zone else {})}
    yield _group(writer, place, type(value).__name__, parts, {})


def _missing(writer: Writer, place: Place, value: Any) -> Task:
    yield _group(writer, place, type(value).__name__, {}, {})


_CODECS: dict[str, Any] = {
    "_Part": _part,
    "DataFrame": _frame,
    "Series": _series,
    **dict.fromkeys(("Index", "RangeIndex", "MultiIndex", "DatetimeIndex"), _index),
    **dict.fromkeys(("TimedeltaIndex", "CategoricalIndex", "PeriodIndex"), _index),
    "IntervalIndex": _index,
    **dict.fromkeys(("Categorical", "IntervalArray"), _extension),
    "Timestamp": _moment,
    "Timedelta": _moment,
    "NAType": _missing,
    "NaTType": _missing,
}


# file to Python


def get(reader: Reader, group: Group, sel: Any) -> Task:
    """Read one; with `sel`, those rows of it."""
    if "pandas_type" in group.names:
        return (yield fixed.get(reader, group, sel))
    of = group.known.get("of")
    if of not in _MADE:
        raise Hdf5Error("is of an unknown class of pandas")
    parts = yield reader.entries(group)
    reader.here = group.path
    made = _MADE[of](parts)
    if sel is None:
        return made
    if of not in ("DataFrame", "Series"):
        raise SpecError(f"is a {of}: sel takes rows of frames and series")
    return made.iloc[sel]


def _pandas() -> Any:
    return optional("pandas", "pandas")


def _made_frame(parts: dict[str, Any]) -> Any:
    columns, index = parts["columns"], parts["index"]
    series = {i: _values(parts[f"c{i}"], index) for i in range(len(columns))}
    made = _pandas().DataFrame(series, index=index)
    made.columns = columns
    made.attrs = parts.get("attrs", {})
    return made


def _made_series(parts: dict[str, Any]) -> Any:
    made = _values(parts["values"], parts["index"])
    made.name, made.attrs = parts.get("name"), parts.get("attrs", {})
    return made


def _values(values: Any, index: Any) -> Any:
    dtype = object if isinstance(values, np.ndarray) and values.dtype == object else None
    return _pandas().Series(values, index=index, dtype=dtype)


def _made_index(parts: dict[str, Any]) -> Any:
    values, pandas = parts["values"], _pandas()
    dtype = object if isinstance(values, np.ndarray) and values.dtype == object else None
    return pandas.Index(values, dtype=dtype, name=parts.get("name"))


def _made_multi(parts: dict[str, Any]) -> Any:
    return _pandas().MultiIndex(parts["levels"], parts["codes"], names=parts["names"])


def _made_range(parts: dict[str, Any]) -> Any:
    bounds = parts["range"]
    if isinstance(bounds, str):  # with types='numpy' values come as they are in the file
        bounds = range(*map(int, bounds.split()))
    return _pandas().RangeIndex(bounds, name=parts.get("name"))


def _made_categorical(parts: dict[str, Any]) -> Any:
    return _pandas().Categorical.from_codes(
        parts["codes"], parts["categories"], ordered=bool(parts["ordered"])
    )


def _made_zoned(parts: dict[str, Any]) -> Any:
    pandas, dtype = _pandas(), parts["dtype"]
    if dtype.startswith("period["):
        return pandas.PeriodIndex.from_ordinals(parts["values"], freq=dtype[7:-1]).array
    unit = dtype[len("datetime64[") :].partition(",")[0]
    times = pandas.DatetimeIndex(parts["values"].view(f"M8[{unit}]"), tz="UTC")
    return times.tz_convert(dtype.partition(", ")[2].rstrip("]")).array


def _made_intervals(parts: dict[str, Any]) -> Any:
    arrays = _pandas().arrays
    closed = str(parts["closed"])
    return arrays.IntervalArray.from_arrays(parts["left"], parts["right"], closed=closed)


def _made_masked(parts: dict[str, Any]) -> Any:
    pandas = _pandas()
    array = pandas.array(parts["data"], dtype=parts["dtype"])
    array[parts["mask"]] = pandas.NA
    return array


def _made_strings(parts: dict[str, Any]) -> Any:
    pandas = _pandas()
    storage = parts["dtype"] if parts["dtype"] in ("python", "pyarrow") else "python"
    array = pandas.array(parts["texts"], dtype=pandas.StringDtype(storage))
    array[parts["mask"]] = pandas.NA
    return array


def _made_timestamp(parts: dict[str, Any]) -> Any:
    made = _pandas().Timestamp(parts["values"][0])
    zone = parts.get("zone")
    return made.tz_localize("UTC").tz_convert(zone) if zone else made


_MADE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "DataFrame": _made_frame,
    "Series": _made_series,
    "Index": _made_index,
    "MultiIndex": _made_multi,
    "RangeIndex": _made_range,
    "Categorical": _made_categorical,
    "zoned": _made_zoned,
    "intervals": _made_intervals,
    "masked": _made_masked,
    "strings": _made_strings,
    "Timestamp": _made_timestamp,
    "Timedelta": lambda parts: _pandas().Timedelta(parts["values"][0]),
    "NAType": lambda _: _pandas().NA,
    "NaTType": lambda _: _pandas().NaT,
}
