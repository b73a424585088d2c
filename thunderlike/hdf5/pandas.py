"""pandas objects, in the layout of PyTables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike._lazy import optional
from thunderlike.errors import Hdf5Error, SpecError
from thunderlike.hdf5 import _attributes, _datasets, _pickles, arrays
from thunderlike.hdf5._codec import new_group

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from thunderlike.hdf5._codec import Group, Place, Task
    from thunderlike.hdf5.decoder import Reader
    from thunderlike.hdf5.encoder import Writer

__all__ = ["codec_of", "fits_frame", "fits_series", "get_fixed", "put_frame", "put_series"]


_MARKS = {"pandas_version": "0.15.2", "encoding": "UTF-8", "errors": "strict"}
_AXES = (np.dtype(np.int64), np.dtype(np.float64), np.dtype("M8[ns]"))
_NO_NAME = b"N."  # how pandas writes that an axis has no name: None, pickled


# does it fit


def fits_frame(frame: Any) -> bool:
    """Tell whether nothing in a frame would have to be pickled."""
    return (
        frame.size > 0
        and not frame.attrs
        and frame.columns.is_unique
        and _fits_axis(frame.columns)
        and _fits_axis(frame.index)
        and all(_fits_values(dtype) for dtype in frame.dtypes)
    )


def fits_series(series: Any) -> bool:
    """Tell whether nothing in a series would have to be pickled."""
    named = series.name is None or (isinstance(series.name, str) and _is_plain(series.name))
    whole = series.size > 0 and not series.attrs and named
    return whole and _fits_axis(series.index) and _fits_values(series.dtype)


def _fits_values(dtype: Any) -> bool:
    return isinstance(dtype, np.dtype) and (dtype.kind in "biuf" or dtype == np.dtype("M8[ns]"))


def _fits_axis(index: Any) -> bool:
    named = index.name is None or (isinstance(index.name, str) and _is_plain(index.name))
    if not named or index.nlevels > 1:
        return False
    if index.dtype == object:
        return all(type(label) is str and _is_plain(label) for label in index)
    plain = isinstance(index.dtype, np.dtype) and index.dtype in _AXES
    return plain and not (type(index).__name__ == "RangeIndex" and not _is_count(index))


def _is_count(index: Any) -> bool:
    """Pandas keeps no range: 0, 1, 2 ... is made anew, others come back as integers."""
    return bool(index.start == 0 and index.step == 1)


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and 0 < len(text) < 1000


# writing


def put_frame(place: Place, frame: Any) -> None:
    """Write a frame."""
    blocks = _blocks(frame)
    group = new_group(place, "")
    told = {"pandas_type": "frame", "ndim": 2, "nblocks": len(blocks), **_MARKS}
    _axes(group, place, {"axis0": frame.columns, "axis1": frame.index})
    for number, names in enumerate(blocks):
        _axes(group, place, {f"block{number}_items": frame.columns[names]})
        part = frame if len(blocks) == 1 else frame.iloc[:, names]  # which copies
        _put_values(group, place, f"block{number}_values", part.to_numpy())
    _marks(group, told)


def _blocks(frame: Any) -> list[list[int]]:
    """Positions of the columns of each dtype."""
    found: dict[Any, list[int]] = {}
    for place, dtype in enumerate(frame.dtypes):
        found.setdefault(dtype, []).append(place)
    return list(found.values())


def put_series(place: Place, series: Any) -> None:
    """Write a series."""
    group = new_group(place, "")
    _axes(group, place, {"index": series.index})
    _put_values(group, place, "values", series.to_numpy())
    name = _NO_NAME if series.name is None else series.name
    _marks(group, {"pandas_type": "series", "name": name, **_MARKS})


def _marks(thing: Any, told: dict[str, Any]) -> None:
    for name, value in told.items():
        _attributes.write(thing, name, np.int64(value) if type(value) is int else value)


def _axes(group: Any, place: Place, axes: dict[str, Any]) -> None:
    for name, index in axes.items():
        kind, values = _fixed_axis(index)
        dataset = _datasets.create(group, name, values.shape, values.dtype, place.filters)
        _datasets.write_part(dataset, values)
        label = _NO_NAME if index.name is None else index.name
        told = {"kind": kind, "name": label, "transposed": np.bool_(True)}
        _marks(dataset, told)
        _attributes.write_metadata(dataset, _known(index))
        _marks(group, {f"{name}_variety": "regular"})


def _known(index: Any) -> dict[str, Any]:
    """What the layout has no place for, or pickles."""
    if type(index).__name__ == "RangeIndex":
        return {"range": True}
    freq = getattr(index, "freqstr", None)
    return {"freq": freq} if freq else {}


def _fixed_axis(index: Any) -> tuple[str, NDArray[Any]]:
    if index.dtype == object:
        return "string", np.array([label.encode() for label in index], "S")
    if index.dtype.kind == "M":
        return "datetime64", index.to_numpy().view(np.int64)
    return ("float" if index.dtype == np.float64 else "integer"), index.to_numpy()


def _put_values(group: Any, place: Place, name: str, values: NDArray[Any]) -> None:
    times = values.dtype.kind == "M"
    plain = values.view(np.int64) if times else values
    dataset = _datasets.create(group, name, plain.shape, plain.dtype, place.filters)
    _datasets.write_part(dataset, plain)
    _marks(dataset, {"transposed": np.bool_(True)})
    if times:
        _marks(dataset, {"value_type": "datetime64"})


# reading


def get_fixed(reader: Reader, group: Group, sel: Any) -> Task:
    """Read a frame or a series; with `sel`, those rows."""
    kind = str(group.attribute("pandas_type"))
    if kind not in ("frame", "series"):
        raise SpecError(f"is pandas' format {kind!r:.30}; read it with pandas.read_hdf")
    rows = _rows(sel)
    if kind == "series":
        return _fixed_series(reader, group, rows)
    return _fixed_frame(reader, group, rows)
    yield


def _rows(sel: Any) -> Any:
    """Rows that keep their axis: one row is a frame of one."""
    if sel is None or isinstance(sel, slice):
        return sel
    if isinstance(sel, tuple):
        raise SpecError("is a frame: sel takes rows, as a slice, a list or a mask")
    return [sel] if np.ndim(sel) == 0 else sel


def _fixed_series(reader: Reader, group: Group, rows: Any) -> Any:
    pandas = optional("pandas", "pandas")
    index = _read_axis(reader, group, "index", rows)
    name = _label(reader, group.attribute("name"))
    return pandas.Series(_fixed_values(reader, group, "values", rows), index=index, name=name)


def _fixed_frame(reader: Reader, group: Group, rows: Any) -> Any:
    pandas = optional("pandas", "pandas")
    columns = _read_axis(reader, group, "axis0")
    index = _read_axis(reader, group, "axis1", rows)
    count = int(group.attribute("nblocks", 0))
    blocks = [_block(reader, group, number, index, rows) for number in range(count)]
    if not blocks:
        return pandas.DataFrame(index=index, columns=columns)
    whole = blocks[0] if count == 1 else pandas.concat(blocks, axis=1, copy=False)
    return whole if whole.columns.equals(columns) else whole.reindex(columns=columns, copy=False)


def _block(reader: Reader, group: Group, number: int, index: Any, rows: Any) -> Any:
    pandas = optional("pandas", "pandas")
    items = _read_axis(reader, group, f"block{number}_items")
    values = _fixed_values(reader, group, f"block{number}_values", rows)
    return pandas.DataFrame(values, index=index, columns=items, copy=False)


def _read_axis(reader: Reader, group: Group, name: str, rows: Any = None) -> Any:
    pandas = optional("pandas", "pandas")
    variety = str(group.attribute(f"{name}_variety", "regular"))
    if variety == "multi":
        return _multi(reader, group, name, rows)
    if variety != "regular":
        raise SpecError(f"has an axis of the variety {variety!r:.20}; use pandas.read_hdf")
    node, told = _told(reader, group, name)
    values, label = _of_kind(reader, node, told, rows), _label(reader, told.get("name"))
    zone = told.get("tz")
    if zone is not None:
        values = pandas.DatetimeIndex(values).tz_localize("UTC").tz_convert(str(zone))
    known = _attributes.read_metadata(node, list(told))
    if "range" in known and rows is None:
        return pandas.RangeIndex(len(values), name=label)
    freq = known.get("freq") if rows is None else None
    if freq is not None:
        return pandas.DatetimeIndex(values, freq=str(freq), name=label)
    return pandas.Index(values, name=label)


def _multi(reader: Reader, group: Group, name: str, rows: Any) -> Any:
    pandas = optional("pandas", "pandas")
    levels, codes, labels = [], [], []
    for number in range(int(group.attribute(f"{name}_nlevels", 0))):
        node, told = _told(reader, group, f"{name}_level{number}")
        levels.append(_of_kind(reader, node, told, None))
        codes.append(_fixed_values(reader, group, f"{name}_label{number}", rows))
        key = f"{name}_name{number}"
        labels.append(_label(reader, group.attribute(key, told.get("name"))))
    return pandas.MultiIndex(levels, codes, names=labels)


def _told(reader: Reader, group: Group, name: str) -> tuple[Any, dict[str, Any]]:
    """Open an array and read what its attributes say."""
    node, _ = reader.open(group.id, group.path, name)
    reader.check_marks(node, _attributes.names_of(node))
    return node, {key: _attributes.read(node, key) for key in _attributes.names_of(node)}


def _of_kind(reader: Reader, node: Any, told: dict[str, Any], rows: Any) -> Any:
    kind = str(told.get("kind", ""))
    values = _array(reader, node, told, rows)
    if kind == "string":
        return np.array([str(t, "utf-8") for t in values.tolist()], object)
    return _times(values, kind)


def _fixed_values(reader: Reader, group: Group, name: str, rows: Any) -> Any:
    node, told = _told(reader, group, name)
    return _array(reader, node, told, rows)


def _array(reader: Reader, node: Any, told: dict[str, Any], rows: Any) -> Any:
    if "PSEUDOATOM" in told or str(told.get("CLASS")) == "VLARRAY":
        found = _pickles.loads(_datasets.read_pickle(node, reader.budget), reader.pickle)
        return found if rows is None else found[rows]
    if "shape" in told:
        return _empty(reader, told)
    upright = bool(told.get("transposed", True))
    values = arrays.decode(node, reader.budget, rows if upright else None)
    values = values if upright else values.T
    return _times(values, str(told.get("value_type", "")))


def _times(values: Any, kind: str) -> Any:
    if not kind.startswith(("datetime64", "timedelta64")) or values.dtype != np.int64:
        return values
    unit = kind.partition("[")[2].rstrip("]") or "ns"
    return values.view(f"{'M' if kind[0] == 'd' else 'm'}8[{unit}]")


def _empty(reader: Reader, told: dict[str, Any]) -> NDArray[Any]:
    """No values: the shape is a pickled tuple, in the order of the frame's axes."""
    shape = told["shape"]
    if isinstance(shape, bytes):
        shape = _pickles.from_attribute(bytes(shape), reader.pickle)
    try:
        return np.empty(tuple(map(int, shape))[::-1], str(told.get("value_type", "f8")))
    except (TypeError, ValueError) as error:
        raise Hdf5Error(f"has no shape and dtype: {error}") from error


def _label(reader: Reader, stored: Any) -> Any:
    """A name: text, or whatever it was, pickled."""
    if isinstance(stored, bytes) and stored.endswith(b"."):
        return _pickles.from_attribute(bytes(stored), reader.pickle)
    return str(stored) if isinstance(stored, str) else stored


def codec_of(kind: type) -> Any:
    """Find what writes a class of pandas; None for one that has to be pickled."""
    return _CODECS.get(kind.__name__)


def _frame(writer: Writer, place: Place, value: Any) -> Task:
    if fits_frame(value):
        put_frame(place, value)
        return
    parts = {
        "columns": _axis(value.columns, writer),
        "index": _axis(value.index, writer),
        **{f"c{i}": _column(value.iloc[:, i], writer) for i in range(value.shape[1])},
    }
    yield _group(writer, place, "DataFrame", parts, {"attrs": value.attrs})


def _series(writer: Writer, place: Place, value: Any) -> Task:
    if fits_series(value):
        put_series(place, value)
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
        return (yield get_fixed(reader, group, sel))
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
