"""pandas' fixed layout, as ``DataFrame.to_hdf`` and deepdish write it, without its pickles.

A frame is its axes and blocks of columns of one dtype; an axis or a block is an array whose
attributes say its kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike._lazy import optional
from thunderlike.errors import Hdf5Error, SpecError
from thunderlike.hdf5 import arrays, attributes, datasets, metadata, pickles
from thunderlike.hdf5.places import new_group

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thunderlike.hdf5.decode import Reader
    from thunderlike.hdf5.groups import Group
    from thunderlike.hdf5.places import Place
    from thunderlike.hdf5.walking import Task

__all__ = ["fits_frame", "fits_series", "get", "put_frame", "put_series"]

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
        attributes.write(thing, name, np.int64(value) if type(value) is int else value)


def _axes(group: Any, place: Place, axes: dict[str, Any]) -> None:
    for name, index in axes.items():
        kind, values = _axis(index)
        dataset = datasets.create(group, name, values.shape, values.dtype, place.filters)
        datasets.write_part(dataset, values)
        label = _NO_NAME if index.name is None else index.name
        told = {"kind": kind, "name": label, "transposed": np.bool_(True)}
        _marks(dataset, told)
        metadata.write(dataset, _known(index))
        _marks(group, {f"{name}_variety": "regular"})


def _known(index: Any) -> dict[str, Any]:
    """What the layout has no place for, or pickles."""
    if type(index).__name__ == "RangeIndex":
        return {"range": True}
    freq = getattr(index, "freqstr", None)
    return {"freq": freq} if freq else {}


def _axis(index: Any) -> tuple[str, NDArray[Any]]:
    if index.dtype == object:
        return "string", np.array([label.encode() for label in index], "S")
    if index.dtype.kind == "M":
        return "datetime64", index.to_numpy().view(np.int64)
    return ("float" if index.dtype == np.float64 else "integer"), index.to_numpy()


def _put_values(group: Any, place: Place, name: str, values: NDArray[Any]) -> None:
    times = values.dtype.kind == "M"
    plain = values.view(np.int64) if times else values
    dataset = datasets.create(group, name, plain.shape, plain.dtype, place.filters)
    datasets.write_part(dataset, plain)
    _marks(dataset, {"transposed": np.bool_(True)})
    if times:
        _marks(dataset, {"value_type": "datetime64"})


# reading


def get(reader: Reader, group: Group, sel: Any) -> Task:
    """Read a frame or a series; with `sel`, those rows."""
    kind = str(group.attribute("pandas_type"))
    if kind not in ("frame", "series"):
        raise SpecError(f"is pandas' format {kind!r:.30}; read it with pandas.read_hdf")
    rows = _rows(sel)
    if kind == "series":
        return _series(reader, group, rows)
    return _frame(reader, group, rows)
    yield


def _rows(sel: Any) -> Any:
    """Rows that keep their axis: one row is a frame of one."""
    if sel is None or isinstance(sel, slice):
        return sel
    if isinstance(sel, tuple):
        raise SpecError("is a frame: sel takes rows, as a slice, a list or a mask")
    return [sel] if np.ndim(sel) == 0 else sel


def _series(reader: Reader, group: Group, rows: Any) -> Any:
    pandas = optional("pandas", "pandas")
    index = _read_axis(reader, group, "index", rows)
    name = _label(reader, group.attribute("name"))
    return pandas.Series(_values(reader, group, "values", rows), index=index, name=name)


def _frame(reader: Reader, group: Group, rows: Any) -> Any:
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
    values = _values(reader, group, f"block{number}_values", rows)
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
    known = metadata.read(node, list(told))
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
        codes.append(_values(reader, group, f"{name}_label{number}", rows))
        key = f"{name}_name{number}"
        labels.append(_label(reader, group.attribute(key, told.get("name"))))
    return pandas.MultiIndex(levels, codes, names=labels)


def _told(reader: Reader, group: Group, name: str) -> tuple[Any, dict[str, Any]]:
    """Open an array and read what its attributes say."""
    node, _ = reader.open(group.id, group.path, name)
    reader.check_marks(node, attributes.names_of(node))
    return node, {key: attributes.read(node, key) for key in attributes.names_of(node)}


def _of_kind(reader: Reader, node: Any, told: dict[str, Any], rows: Any) -> Any:
    kind = str(told.get("kind", ""))
    values = _array(reader, node, told, rows)
    if kind == "string":
        return np.array([str(t, "utf-8") for t in values.tolist()], object)
    return _times(values, kind)


def _values(reader: Reader, group: Group, name: str, rows: Any) -> Any:
    node, told = _told(reader, group, name)
    return _array(reader, node, told, rows)


def _array(reader: Reader, node: Any, told: dict[str, Any], rows: Any) -> Any:
    if "PSEUDOATOM" in told or str(told.get("CLASS")) == "VLARRAY":
        found = pickles.loads(datasets.read_pickle(node, reader.budget), reader.pickle)
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
        shape = pickles.from_attribute(bytes(shape), reader.pickle)
    try:
        return np.empty(tuple(map(int, shape))[::-1], str(told.get("value_type", "f8")))
    except (TypeError, ValueError) as error:
        raise Hdf5Error(f"has no shape and dtype: {error}") from error


def _label(reader: Reader, stored: Any) -> Any:
    """A name: text, or whatever it was, pickled."""
    if isinstance(stored, bytes) and stored.endswith(b"."):
        return pickles.from_attribute(bytes(stored), reader.pickle)
    return str(stored) if isinstance(stored, str) else stored
