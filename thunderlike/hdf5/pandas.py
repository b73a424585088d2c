"""Encoders and decoders of pandas objects.

Frames and series of numbers and times have the *fixed* layout of PyTables, which
``pandas.read_hdf`` reads; all others are groups of the arrays that they consist of. pandas is
imported when an object of it is met.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike._lazy import optional
from thunderlike.errors import Hdf5Error, SpecError
from thunderlike.hdf5 import _attributes, _datasets, _pickles, arrays
from thunderlike.hdf5._codec import decodes, encodes, new_group, selects_encoder

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from h5py.h5d import DatasetID
    from h5py.h5g import GroupID
    from numpy.typing import NDArray

    from thunderlike.hdf5._codec import Destination, Encoder, Group, Reader, Task, Writer
    from thunderlike.hdf5._datasets import Index

__all__: list[str] = []


_VERSION = {"pandas_version": "0.15.2", "encoding": "UTF-8", "errors": "strict"}
_AXIS_DTYPES = (np.dtype(np.int64), np.dtype(np.float64), np.dtype("M8[ns]"))
_NO_NAME = b"N."  # the name of an axis without a name, as pandas writes it: None, pickled


def _pandas() -> Any:
    return optional("pandas", "pandas")


# fixed layout: encoding


def _fits_frame(frame: pd.DataFrame) -> bool:
    """Return True if the fixed layout holds a frame without pickles."""
    return (
        frame.size > 0
        and not frame.attrs
        and frame.columns.is_unique
        and _fits_axis(frame.columns)
        and _fits_axis(frame.index)
        and all(_fits_values(dtype) for dtype in frame.dtypes)
    )


def _fits_values(dtype: object) -> bool:
    return isinstance(dtype, np.dtype) and (dtype.kind in "biuf" or dtype == np.dtype("M8[ns]"))


def _fits_axis(index: pd.Index) -> bool:
    if not _fits_name(index.name) or index.nlevels > 1:
        return False
    if index.dtype == object:
        return all(type(label) is str and _is_plain(label) for label in index)
    if type(index).__name__ == "RangeIndex" and (index.start != 0 or index.step != 1):
        return False  # pandas would return it as an index of integers
    return isinstance(index.dtype, np.dtype) and index.dtype in _AXIS_DTYPES


def _fits_name(name: object) -> bool:
    return name is None or (isinstance(name, str) and _is_plain(name))


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and 0 < len(text) < 1000


def _write_frame(dest: Destination, frame: pd.DataFrame) -> None:
    blocks: dict[Any, list[int]] = {}  # positions of the columns of each dtype
    for position, dtype in enumerate(frame.dtypes):
        blocks.setdefault(dtype, []).append(position)
    group = new_group(dest, "")
    _write_axis(group, dest, "axis0", frame.columns)
    _write_axis(group, dest, "axis1", frame.index)
    for number, positions in enumerate(blocks.values()):
        _write_axis(group, dest, f"block{number}_items", frame.columns[positions])
        block = frame if len(blocks) == 1 else frame.iloc[:, positions]  # which copies
        _write_values(group, dest, f"block{number}_values", block.to_numpy())
    layout = {"pandas_type": "frame", "ndim": 2, "nblocks": len(blocks)}
    _write_attributes(group, {**layout, **_VERSION})


def _write_series(dest: Destination, series: pd.Series) -> None:
    group = new_group(dest, "")
    _write_axis(group, dest, "index", series.index)
    _write_values(group, dest, "values", series.to_numpy())
    name = _NO_NAME if series.name is None else series.name
    _write_attributes(group, {"pandas_type": "series", "name": name, **_VERSION})


def _write_attributes(node: GroupID | DatasetID, attributes: dict[str, Any]) -> None:
    for name, value in attributes.items():
        _attributes.write(node, name, np.int64(value) if type(value) is int else value)


def _write_axis(group: GroupID, dest: Destination, name: str, index: pd.Index) -> None:
    if index.dtype == object:
        kind, values = "string", np.array([label.encode() for label in index], "S")
    elif index.dtype.kind == "M":
        kind, values = "datetime64", index.to_numpy().view(np.int64)
    else:
        kind = "float" if index.dtype == np.float64 else "integer"
        values = index.to_numpy()
    dataset = _datasets.create(group, name, values.shape, values.dtype, dest.filters)
    _datasets.write_part(dataset, values)
    label = _NO_NAME if index.name is None else index.name
    _write_attributes(dataset, {"kind": kind, "name": label, "transposed": np.bool_(True)})
    # The layout has no place for a range, and pickles a frequency.
    freq = getattr(index, "freqstr", None)
    metadata: dict[str, Any] = {"freq": freq} if freq else {}
    if type(index).__name__ == "RangeIndex":
        metadata = {"range": True}
    _attributes.write_metadata(dataset, metadata)
    _write_attributes(group, {f"{name}_variety": "regular"})


def _write_values(group: GroupID, dest: Destination, name: str, values: NDArray[Any]) -> None:
    times = values.dtype.kind == "M"
    plain = values.view(np.int64) if times else values
    dataset = _datasets.create(group, name, plain.shape, plain.dtype, dest.filters)
    _datasets.write_part(dataset, plain)
    _write_attributes(dataset, {"transposed": np.bool_(True)})
    if times:
        _write_attributes(dataset, {"value_type": "datetime64"})


# fixed layout: decoding


def _decode_fixed(reader: Reader, group: Group, sel: Any) -> Any:
    """Read a frame or a series, or rows of it; one row is a frame of one row."""
    kind = str(group.attribute("pandas_type"))
    if kind not in ("frame", "series"):
        raise SpecError(f"is pandas' format {kind!r:.30}; read it with pandas.read_hdf")
    if isinstance(sel, tuple):
        raise SpecError("is a frame: sel takes rows, as a slice, a list or a mask")
    # A list keeps the axis of rows, along which index and values have to agree.
    rows = sel if sel is None or isinstance(sel, slice) or np.ndim(sel) else [sel]
    if kind == "frame":
        return _read_frame(reader, group, rows)
    index = _read_axis(reader, group, "index", rows)
    name = _unpickled(reader, group.attribute("name"))
    return _pandas().Series(_read_values(reader, group, "values", rows), index=index, name=name)


def _read_frame(reader: Reader, group: Group, rows: Index | None) -> Any:
    pandas = _pandas()
    columns = _read_axis(reader, group, "axis0")
    index = _read_axis(reader, group, "axis1", rows)
    blocks = []
    for number in range(int(group.attribute("nblocks", 0))):
        items = _read_axis(reader, group, f"block{number}_items")
        values = _read_values(reader, group, f"block{number}_values", rows)
        blocks.append(pandas.DataFrame(values, index=index, columns=items, copy=False))
    if not blocks:
        return pandas.DataFrame(index=index, columns=columns)
    # A block has the columns of one dtype; the order of all columns is in `axis0`.
    frame = blocks[0] if len(blocks) == 1 else pandas.concat(blocks, axis=1, copy=False)
    return frame if frame.columns.equals(columns) else frame.reindex(columns=columns, copy=False)


def _read_axis(reader: Reader, group: Group, name: str, rows: Index | None = None) -> Any:
    pandas = _pandas()
    variety = str(group.attribute(f"{name}_variety", "regular"))
    if variety == "multi":
        return _read_multiindex(reader, group, name, rows)
    if variety != "regular":
        raise SpecError(f"has an axis of the variety {variety!r:.20}; use pandas.read_hdf")
    node, attributes = _open(reader, group, name)
    values = _read_labels(reader, node, attributes, rows)
    label = _unpickled(reader, attributes.get("name"))
    zone = attributes.get("tz")
    if zone is not None:
        values = pandas.DatetimeIndex(values).tz_localize("UTC").tz_convert(str(zone))
    metadata = _attributes.read_metadata(node, list(attributes))
    # A selection of rows has neither the range nor the frequency.
    if "range" in metadata and rows is None:
        return pandas.RangeIndex(len(values), name=label)
    freq = metadata.get("freq") if rows is None else None
    if freq is not None:
        return pandas.DatetimeIndex(values, freq=str(freq), name=label)
    return pandas.Index(values, name=label)


def _read_multiindex(reader: Reader, group: Group, name: str, rows: Index | None) -> Any:
    levels, codes, labels = [], [], []
    for number in range(int(group.attribute(f"{name}_nlevels", 0))):
        node, attributes = _open(reader, group, f"{name}_level{number}")
        levels.append(_read_labels(reader, node, attributes, None))
        codes.append(_read_values(reader, group, f"{name}_label{number}", rows))
        label = group.attribute(f"{name}_name{number}", attributes.get("name"))
        labels.append(_unpickled(reader, label))
    return _pandas().MultiIndex(levels, codes, names=labels)


def _open(reader: Reader, group: Group, name: str) -> tuple[DatasetID, dict[str, Any]]:
    """Open an array and read all its attributes, which must not be pickles."""
    node, _ = reader.open(group.id, group.path, name)
    names = _attributes.names_of(node)
    reader.checked_attributes(node, names)
    return node, {key: _attributes.read(node, key) for key in names}


def _read_labels(
    reader: Reader, node: DatasetID, attributes: dict[str, Any], rows: Index | None
) -> Any:
    kind = str(attributes.get("kind", ""))
    values = _read_array(reader, node, attributes, rows)
    if kind == "string":
        return np.array([str(t, "utf-8") for t in values.tolist()], object)
    return _as_times(values, kind)


def _read_values(reader: Reader, group: Group, name: str, rows: Index | None) -> Any:
    return _read_array(reader, *_open(reader, group, name), rows)


def _read_array(
    reader: Reader, node: DatasetID, attributes: dict[str, Any], rows: Index | None
) -> Any:
    if "PSEUDOATOM" in attributes or str(attributes.get("CLASS")) == "VLARRAY":
        data = _datasets.read_pickle(node, reader.budget)
        values = _pickles.loads(data, reader.pickle)
        return values if rows is None else values[rows]
    if "shape" in attributes:
        return _read_empty(reader, attributes)
    upright = bool(attributes.get("transposed", True))
    values = arrays.decode(node, reader.budget, rows if upright else None)
    values = values if upright else values.T
    return _as_times(values, str(attributes.get("value_type", "")))


def _as_times(values: NDArray[Any], kind: str) -> NDArray[Any]:
    if not kind.startswith(("datetime64", "timedelta64")) or values.dtype != np.int64:
        return values
    unit = kind.partition("[")[2].rstrip("]") or "ns"
    return values.view(f"{'M' if kind[0] == 'd' else 'm'}8[{unit}]")


def _read_empty(reader: Reader, attributes: dict[str, Any]) -> NDArray[Any]:
    """Return an array without elements; its shape is a pickled tuple, in the order of the axes."""
    shape = attributes["shape"]
    if isinstance(shape, bytes):
        shape = _pickles.from_attribute(bytes(shape), reader.pickle)
    try:
        return np.empty(tuple(map(int, shape))[::-1], str(attributes.get("value_type", "f8")))
    except (TypeError, ValueError) as error:
        raise Hdf5Error(f"has no shape and dtype: {error}") from error


def _unpickled(reader: Reader, stored: object) -> Any:
    """Return a name: text, or any other value, pickled."""
    if isinstance(stored, bytes) and stored.endswith(b"."):
        return _pickles.from_attribute(bytes(stored), reader.pickle)
    return str(stored) if isinstance(stored, str) else stored


# groups of arrays: encoding


class _Parts(dict[str, Any]):
    """Arrays and values that a pandas object consists of, and the name of its class."""

    def __init__(self, of: str, **parts: object) -> None:
        super().__init__(parts)
        self.of = of


@encodes(_Parts)
def _encode_parts(writer: Writer, dest: Destination, value: _Parts) -> Task:
    group = new_group(dest, f"dict:{len(value)}")
    yield writer.encode_mapping(dest, group, value, kind="pandas", of=value.of)


def _encode_frame(writer: Writer, dest: Destination, value: pd.DataFrame) -> Task:
    if _fits_frame(value):
        _write_frame(dest, value)
        return
    parts = _Parts(
        "DataFrame",
        columns=_index_parts(value.columns, writer),
        index=_index_parts(value.index, writer),
        **{f"c{i}": _column_parts(value.iloc[:, i], writer) for i in range(value.shape[1])},
    )
    if value.attrs:
        parts["attrs"] = value.attrs
    yield _encode_parts(writer, dest, parts)


def _encode_series(writer: Writer, dest: Destination, value: pd.Series) -> Task:
    plain = value.size > 0 and not value.attrs and _fits_name(value.name)
    if plain and _fits_axis(value.index) and _fits_values(value.dtype):
        _write_series(dest, value)
        return
    column = _column_parts(value, writer)
    index = _index_parts(value.index, writer)
    parts = _Parts("Series", index=index, values=column, name=value.name)
    if value.attrs:
        parts["attrs"] = value.attrs
    yield _encode_parts(writer, dest, parts)


def _time_parts(value: pd.Timestamp | pd.Timedelta, _writer: Writer) -> _Parts:
    """Return a Timestamp or a Timedelta as an array: numpy has no time zones."""
    zone = getattr(value, "tz", None)
    parts = _Parts(type(value).__name__, values=np.array([value.asm8]))
    if zone:
        parts["zone"] = str(zone)
    return parts


def _index_parts(index: pd.Index, writer: Writer) -> _Parts:
    pandas = _pandas()
    if isinstance(index, pandas.MultiIndex):
        levels = [_index_parts(level, writer) for level in index.levels]
        codes = [np.asarray(part) for part in index.codes]
        return _Parts("MultiIndex", levels=levels, codes=codes, names=list(index.names))
    if isinstance(index, pandas.RangeIndex):
        bounds = range(index.start, index.stop, index.step)
        return _Parts("RangeIndex", range=bounds, name=index.name)
    return _Parts("Index", values=_column_parts(index.to_series(), writer), name=index.name)


def _column_parts(series: pd.Series, writer: Writer) -> Any:
    """Return the values of a series as one array, or the arrays they consist of.

    Values of other dtypes are returned as they are, to be pickled, if the writer may.
    """
    values, dtype = series.array, series.dtype
    pandas = _pandas()
    if isinstance(dtype, pandas.CategoricalDtype):
        categories = _index_parts(values.categories, writer)
        ordered = dtype.ordered
        return _Parts("Categorical", codes=values.codes, categories=categories, ordered=ordered)
    if isinstance(dtype, pandas.DatetimeTZDtype | pandas.PeriodDtype):
        return _Parts("zoned", values=values.asi8.copy(), dtype=str(dtype))
    if isinstance(dtype, pandas.IntervalDtype):
        left, right = _index_parts(values.left, writer), _index_parts(values.right, writer)
        return _Parts("intervals", left=left, right=right, closed=values.closed)
    if hasattr(values, "_mask") and hasattr(values, "_data"):  # nullable numbers and booleans
        return _Parts("masked", data=values._data, mask=values._mask, dtype=str(dtype))
    if isinstance(dtype, pandas.StringDtype):
        missing = np.asarray(values.isna())
        texts = ["" if gone else text for text, gone in zip(values, missing, strict=True)]
        return _Parts("strings", texts=texts, mask=missing, dtype=dtype.storage)
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


# Functions from an object and the writer to its parts, by the name of its class.
_PARTS: dict[str, Callable[[Any, Writer], _Parts]] = {
    **dict.fromkeys(("Index", "RangeIndex", "MultiIndex", "DatetimeIndex"), _index_parts),
    **dict.fromkeys(("TimedeltaIndex", "CategoricalIndex", "PeriodIndex"), _index_parts),
    "IntervalIndex": _index_parts,
    **dict.fromkeys(
        ("Categorical", "IntervalArray"),
        lambda value, writer: _column_parts(_pandas().Series(value), writer),
    ),
    **dict.fromkeys(("Timestamp", "Timedelta"), _time_parts),
    **dict.fromkeys(("NAType", "NaTType"), lambda value, _: _Parts(type(value).__name__)),
}


@selects_encoder("pandas")
def _encoder_of(kind: type) -> Encoder | None:
    if kind.__name__ in ("DataFrame", "Series"):
        return _encode_frame if kind.__name__ == "DataFrame" else _encode_series
    parts_of = _PARTS.get(kind.__name__)
    if parts_of is None:
        return None
    return lambda writer, dest, value: _encode_parts(writer, dest, parts_of(value, writer))


# groups of arrays: decoding


@decodes("frame", "pandas", selectable=True)
def _decode(reader: Reader, group: Group, _address: int, sel: Index | None) -> Task:
    if "pandas_type" in group.attribute_names:
        return _decode_fixed(reader, group, sel)
    of = group.metadata.get("of")
    if of not in _MAKERS:
        raise Hdf5Error("is of an unknown class of pandas")
    parts = yield reader.decode_entries(group)
    reader.here = group.path
    value = _MAKERS[of](parts)
    if sel is None:
        return value
    if of not in ("DataFrame", "Series"):
        raise SpecError(f"is a {of}: sel takes rows of frames and series")
    return value.iloc[sel]


def _make_frame(parts: dict[str, Any]) -> Any:
    columns, index = parts["columns"], parts["index"]
    series = {i: _as_series(parts[f"c{i}"], index) for i in range(len(columns))}
    frame = _pandas().DataFrame(series, index=index)
    frame.columns = columns  # after the data: names may occur twice
    frame.attrs = parts.get("attrs", {})
    return frame


def _make_series(parts: dict[str, Any]) -> Any:
    series = _as_series(parts["values"], parts["index"])
    series.name, series.attrs = parts.get("name"), parts.get("attrs", {})
    return series


def _as_series(values: object, index: pd.Index) -> Any:
    return _pandas().Series(values, index=index, dtype=_object_dtype(values))


def _object_dtype(values: object) -> type | None:
    """Return object for arrays of objects, of which pandas would infer another dtype."""
    return object if isinstance(values, np.ndarray) and values.dtype == object else None


def _make_range(parts: dict[str, Any]) -> Any:
    bounds = parts["range"]
    if isinstance(bounds, str):  # types='numpy' leaves values as they are in the file
        bounds = range(*map(int, bounds.split()))
    return _pandas().RangeIndex(bounds, name=parts.get("name"))


def _make_zoned(parts: dict[str, Any]) -> Any:
    """Return times with a zone, or periods."""
    pandas, dtype = _pandas(), parts["dtype"]
    if dtype.startswith("period["):
        return pandas.PeriodIndex.from_ordinals(parts["values"], freq=dtype[7:-1]).array
    # Instants are stored in UTC, whatever their zone.
    unit = dtype[len("datetime64[") :].partition(",")[0]
    times = pandas.DatetimeIndex(parts["values"].view(f"M8[{unit}]"), tz="UTC")
    return times.tz_convert(dtype.partition(", ")[2].rstrip("]")).array


def _make_nullable(parts: dict[str, Any]) -> Any:
    """Return text, numbers or booleans, with missing values where the mask is True."""
    pandas, dtype = _pandas(), parts["dtype"]
    if "texts" in parts:
        # Strings have the storage in place of a dtype; of another version it may be unknown.
        dtype = pandas.StringDtype(dtype if dtype in ("python", "pyarrow") else "python")
    array = pandas.array(parts["texts"] if "texts" in parts else parts["data"], dtype=dtype)
    array[parts["mask"]] = pandas.NA
    return array


def _make_timestamp(parts: dict[str, Any]) -> Any:
    time = _pandas().Timestamp(parts["values"][0])
    zone = parts.get("zone")
    return time.tz_localize("UTC").tz_convert(zone) if zone else time


_MAKERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "DataFrame": _make_frame,
    "Series": _make_series,
    "Index": lambda parts: _pandas().Index(
        parts["values"], dtype=_object_dtype(parts["values"]), name=parts.get("name")
    ),
    "MultiIndex": lambda parts: _pandas().MultiIndex(
        parts["levels"], parts["codes"], names=parts["names"]
    ),
    "RangeIndex": _make_range,
    "Categorical": lambda parts: _pandas().Categorical.from_codes(
        parts["codes"], parts["categories"], ordered=bool(parts["ordered"])
    ),
    "zoned": _make_zoned,
    "intervals": lambda parts: _pandas().arrays.IntervalArray.from_arrays(
        parts["left"], parts["right"], closed=str(parts["closed"])
    ),
    "masked": _make_nullable,
    "strings": _make_nullable,
    "Timestamp": _make_timestamp,
    "Timedelta": lambda parts: _pandas().Timedelta(parts["values"][0]),
    "NAType": lambda _: _pandas().NA,
    "NaTType": lambda _: _pandas().NaT,
}
