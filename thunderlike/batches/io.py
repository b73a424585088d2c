"""Read and write the components of a batch; every format keeps labels and axes.

==========  =============================  ======================================================
``fmt``     written                        note
==========  =============================  ======================================================
``None``    into an array, at the labels   one component; reading selects by label
``csv``     a table, a row for each item   numbers and text only, read as 64 bits; axes of a
                                           component are columns ``name_0_1``
``feather`` the same, as Arrow             needs pyarrow
``hdf5``    a group with an array for      with ``layout='items'`` a group for each item
            each component
``npz``     an array for each component
``msgpack`` a dataset of ``tl.datasets``   a sample for each item; its key is the label
``zarr``    an array for each component    on the local machine only; needs zarr
``blosc``   a folder with a file for each  numpy's format within blosc2, never pickled;
            item                           its name is the label
==========  =============================  ======================================================

Files of other programs are read too: csv, feather and HDF5 files of pandas, npz and HDF5 files of
arrays, Zarr groups. Rows are selected by their labels: the index of a frame, or a first column of
text that contains the labels of the batch. Without labels they are selected by number: row k for
label k; or, where labels are text, row k for item k, if there is a row for each item of the
dataset.

In files, the labels are the entry ``[labels]``. A component is an entry of its own name; a name
that begins with a bracket or that the format uses itself is put in brackets once more. Files of
earlier versions have their labels first, as ``labels``.

A file is written completely or not at all. Nothing is unpickled on reading.
"""

from __future__ import annotations

import inspect
import io
import itertools
import math
import re
import zipfile
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.lib import format as npy_format

from thunderlike import storage
from thunderlike._lazy import optional
from thunderlike.batches._indexing import cropped, frame_labels, named, taken
from thunderlike.batches.execution import assembled, at
from thunderlike.batches.index import FilesIndex
from thunderlike.data.array_files import Folder
from thunderlike.errors import (
    BadIndexError,
    FormatError,
    KeyMissingError,
    RefusedError,
    SpecError,
    WrongTypeError,
)
from thunderlike.formats.base import damage, said
from thunderlike.storage._open import local_file
from thunderlike.storage.filesystem import failures, replacement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from os import PathLike

    from thunderlike._typing import Array
    from thunderlike.batches._components import BatchData

__all__ = [
    "FORMATS",
    "LABELS",
    "Table",
    "component_of",
    "dump",
    "entry_of",
    "frame_table",
    "load",
    "read_csv",
    "read_feather",
    "separated",
    "write_csv",
    "write_feather",
]


Table = tuple[Any, dict[str, Any]]  # labels or None, and the values of each component
Location: TypeAlias = "str | PathLike[str]"
LABELS = "[labels]"
_EARLIER = "labels"


def entry_of(component: str, *, used: bool = False) -> str:
    """Return the name of a component in a file.

    Parameters
    ----------
    used : bool
        Whether the format uses that name itself.

    Examples
    --------
    >>> entry_of("image"), entry_of("labels"), entry_of("[labels]"), entry_of("key", used=True)
    ('image', 'labels', '[[labels]]', '[key]')
    """
    return f"[{component}]" if used or component.startswith("[") else component


def component_of(entry: str) -> str:
    """Return the component of an entry: the inverse of :func:`entry_of`."""
    return entry[1:-1] if entry.startswith("[") and entry.endswith("]") else entry


def separated(entries: dict[str, Any], asked: Sequence[str] = ()) -> Table:
    """Separate the labels from the components of a file.

    Parameters
    ----------
    entries : dict
        In the order of the file.
    asked : collection of str
        Components that the caller names: such an entry is no list of labels.

    Returns
    -------
    tuple
        Labels, None where the file has none; and components by name.
    """
    labels = entries.get(LABELS)
    first = next(iter(entries), None)
    if labels is None and first == _EARLIER and first not in asked:
        array = np.asarray(entries[first])
        # A component of that name in another program's file is seldom a row of different values.
        if array.ndim == 1 and len(set(array.tolist())) == len(array):
            labels = entries[first]
            entries = {name: values for name, values in entries.items() if name != first}
    return labels, {component_of(n): values for n, values in entries.items() if n != LABELS}


_UNNAMED = "Unnamed: 0"  # pandas' name for a first column without one: the index it wrote
# In a file of ours a name that ends like this is a component with axes.
_AXES = re.compile(r"(?P<name>\[.*\]|.*?)(?P<axes>(?:_\d+)*)", re.DOTALL)


def _flat(labels: Array, arrays: dict[str, Any]) -> Any:
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
        found = _AXES.fullmatch(column)
        assert found is not None  # any text matches: the name may be all of it
        name, axes = found.groups()
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
    frame: object, batch: BatchData, asked: Sequence[str], *, earlier: bool = False
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


def read_csv(src: Location, batch: BatchData, asked: Sequence[str], **options: object) -> Table:
    """Read labels and components of a csv file; further options are those of pandas."""
    pandas = optional("pandas", "pandas")
    unknown = set(options) - set(inspect.signature(pandas.read_csv).parameters)
    if unknown:
        raise SpecError(f"pandas.read_csv has no option {', '.join(sorted(unknown))}")
    data = storage.read(src)
    header = {name: value for name, value in options.items() if name in _HEADER}
    columns = _parsed(data, {**header, "nrows": 0}).columns
    first = str(columns[0]) if len(columns) else None
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
    frame = _parsed(data, how)
    if ours and LABELS in frame.columns:
        frame = frame.set_index(LABELS)
    if ours:
        return _labels(frame), _unflat(_columns(frame, ours=True))
    return frame_table(frame, batch, asked, earlier="index_col" not in how)


def _labels(frame: Any) -> Array:
    index = frame.index
    labels: Array = (index.fillna("") if index.dtype == object else index).to_numpy()
    return labels


# Options of pandas on which the names of the columns depend.
_HEADER = ("sep", "delimiter", "header", "names", "skiprows", "encoding", "comment", "quotechar")


def _parsed(data: bytes, options: dict[str, Any]) -> Any:
    """Return the frame of a csv file; refuse options that do not fit it."""
    pandas = optional("pandas", "pandas")
    broken = (pandas.errors.ParserError, pandas.errors.EmptyDataError, UnicodeError)
    try:
        return pandas.read_csv(io.BytesIO(data), **options)
    except broken:
        raise
    except (ValueError, TypeError, LookupError) as error:
        raise SpecError(f"pandas cannot read the file with these options: {said(error)}") from error


def write_csv(dst: Location, labels: Array, arrays: dict[str, Any], **options: object) -> None:
    """Write a csv file; further options are those of pandas."""
    frame = _flat(labels, arrays)
    try:
        text = frame.to_csv(**options)
    except (TypeError, ValueError, LookupError) as error:
        raise SpecError(f"{dst}: pandas cannot write it with these options: {error}") from error
    storage.write(dst, text.encode("utf-8", "surrogatepass"))


def read_feather(src: Location, batch: BatchData, asked: Sequence[str], **options: object) -> Table:
    """Read labels and components of a feather file; further options are those of pandas."""
    optional("pyarrow", "batches")
    pandas = optional("pandas", "pandas")
    unknown = set(options) - set(inspect.signature(pandas.read_feather).parameters)
    if unknown:
        raise SpecError(f"pandas.read_feather has no option {', '.join(sorted(unknown))}")
    columns = options.get("columns")
    if isinstance(columns, tuple):  # pyarrow wants a list
        options["columns"] = list(columns)
    frame = pandas.read_feather(io.BytesIO(storage.read(src)), **options)
    if LABELS in frame.columns:
        frame = frame.set_index(LABELS)
        return _labels(frame), _unflat(_columns(frame))
    return frame_table(frame, batch, asked, earlier=True)


def write_feather(dst: Location, labels: Array, arrays: dict[str, Any], **options: object) -> None:
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


def load(batch: BatchData, src: Any, fmt: str | None, dst: object, **options: object) -> None:
    """Fill components of a batch.

    Parameters
    ----------
    src
        A path; without `fmt` an array, dict, tuple or frame, cut by the labels of the batch.
    fmt : str, optional
        A format of :mod:`thunderlike.batches.io`.
    dst : str or sequence of str, optional
        Components, created if missing. A single name takes all data in memory.
    **options
        Of the format: of ``pandas.read_csv``, ``pandas.read_feather``; ``group`` of an HDF5 file.

    Raises
    ------
    SpecError
        For an unknown format or option.
    BadIndexError
        For items that `src` does not have.
    """
    asked = _asked(dst)
    into = dst if dst is None or isinstance(dst, str) else asked
    if fmt is None:
        if options:
            raise SpecError(f"without fmt there is no option {', '.join(sorted(options))}")
        if src is None:
            batch._load()
            return
        if isinstance(dst, str) and isinstance(src, dict) and dst not in src:
            src = {dst: src}  # an entry for each label
        _into(batch, cropped(src, batch._places()), into, in_memory=True)
        return
    labels, arrays = _read(src, fmt, batch, asked, options)
    places = batch._places()
    # Arrays of another program's file may differ in length.
    count = min((len(values) for values in arrays.values()), default=0)
    rows = places.rows(count, str(src)) if labels is None else places.found(labels, str(src))
    if len(rows) and rows.max() >= count:
        raise FormatError(f"{src}: has {count} entries for {len(labels)} labels")
    _into(batch, taken(arrays, rows), into, in_memory=False)


def _asked(dst: object) -> tuple[str, ...]:
    names = () if dst is None else (dst,) if isinstance(dst, str) else dst
    if not isinstance(names, tuple | list) or not all(isinstance(name, str) for name in names):
        raise WrongTypeError(f"dst is the name of a component or a tuple of names, not {dst!r:.80}")
    return tuple(names)


def dump(
    batch: BatchData, dst: Any, fmt: str | None, components: object, **options: object
) -> None:
    """Write components of a batch.

    Parameters
    ----------
    dst
        A path, a folder for ``blosc``; without `fmt` an array, whose entries at the labels are set.
    fmt : str, optional
        A format of :mod:`thunderlike.batches.io`.
    components : str or sequence of str, optional
        Which; by default all that have values.

    Raises
    ------
    SpecError
        For an unknown format, several components into one array, or a component without values.
    """
    batch._load()
    names = _names(batch, components)
    arrays = {name: getattr(batch, name) for name in names} if names else {_RAW: batch.data}
    if components is None:
        arrays = {name: values for name, values in arrays.items() if values is not None}
    missing = [name for name, values in arrays.items() if values is None]
    if missing or not arrays:
        stated = f"component {missing[0]!r} has no values" if missing else "the batch has no data"
        raise SpecError(f"{stated} to write: load it first")
    if fmt is None:
        _scattered(batch, dst, arrays)
        return
    write = _format(fmt)[1]
    _check_options(write, fmt, options)
    write(_place(dst), batch.indices, arrays, **options)


_RAW = "data"  # of a batch without components


def _scattered(batch: BatchData, dst: Any, arrays: dict[str, Any]) -> None:
    """Set the entries of an array at the labels."""
    if len(arrays) != 1:
        raise SpecError(f"one array takes one component, not {', '.join(arrays)}: say which")
    if not hasattr(dst, "__setitem__"):
        raise WrongTypeError(f"without fmt, dst is an array to write into, not {dst!r:.80}")
    (values,) = arrays.values()
    rows = batch._places().rows(len(dst), "dst")
    try:
        dst[rows] = values
    except (TypeError, ValueError) as error:
        raise SpecError(f"the values do not fit into dst: {said(error)}") from error


def _names(batch: BatchData, components: object) -> tuple[str, ...]:
    if components is None:
        return batch.components or ()
    names = _asked(components)
    missing = [name for name in names if name not in (batch.components or ())]
    if missing:
        raise KeyMissingError(f"no component {missing[0]!r}; components: {batch.components}")
    return names


def _read(
    src: Any, fmt: str, batch: BatchData, asked: Sequence[str], options: dict[str, object]
) -> Table:
    read = _format(fmt)[0]
    _check_options(read, fmt, options)
    place = src if isinstance(src, FilesIndex) or (src is None and fmt == "blosc") else _place(src)
    with _reading(fmt, str(src)):
        return read(place, batch, asked, **options)


@contextmanager
def _reading(fmt: str, path: str) -> Iterator[None]:
    """Raise FormatError for what cannot be read, with the path."""
    with damage(fmt, path):
        try:
            yield
        except FormatError as error:
            if path in str(error):
                raise
            raise type(error)(f"{path}: {error}") from error


def _place(path: Location) -> Location:
    """Return a path, checked to be one."""
    storage.resolve(path)
    return path


def _check_options(function: Callable[..., Any], fmt: str, options: dict[str, Any]) -> None:
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return
    known = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}
    unknown = set(options) - known
    if unknown:
        raise SpecError(
            f"{fmt} has no option {', '.join(sorted(unknown))}; it has {', '.join(known) or 'none'}"
        )


def _into(
    batch: BatchData, found: Any, dst: str | tuple[str, ...] | None, *, in_memory: bool
) -> None:
    # dump() writes the data of a batch without components under this name.
    if not in_memory and dst is None and batch.components is None and list(found) == [_RAW]:
        batch.data = found[_RAW]
        return
    if isinstance(dst, str):
        if isinstance(found, dict) and dst in found:
            found = found[dst]
        elif not in_memory:
            if len(found) != 1:
                raise KeyMissingError(f"the file has no {dst!r}; available: {', '.join(found)}")
            found = next(iter(found.values()))
        found = {dst: found}
    elif dst is not None:
        found = _by_name(found, dst)
    elif batch.components is None and not isinstance(found, dict):
        batch.data = found
        return
    elif not isinstance(found, dict):
        found = named(found, batch.components or ())
    elif in_memory and batch.components is not None:
        found = {name: values for name, values in found.items() if name in batch.components}
    batch._store(found)


def _by_name(found: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """Return what was read as a component for each name."""
    if isinstance(found, tuple | list):
        if len(found) != len(names):
            raise SpecError(
                f"{len(found)} arrays are no values for {len(names)} components {names}"
            )
        return dict(zip(names, found, strict=True))
    structured = getattr(getattr(found, "dtype", None), "names", None)
    held = list(found if isinstance(found, dict) else getattr(found, "columns", structured or ()))
    missing = [name for name in names if name not in held]
    if missing and len(names) == 1 and not held:
        return {names[0]: found}
    if missing:
        raise KeyMissingError(
            f"{missing[0]!r} cannot be loaded; available: {', '.join(map(str, held))}"
        )
    values = {name: found[name] for name in names}
    return {n: v.to_numpy() if hasattr(v, "to_numpy") else v for n, v in values.items()}


def _format(fmt: object) -> tuple[Callable[..., Table], Callable[..., None]]:
    if not isinstance(fmt, str) or fmt not in FORMATS:
        raise SpecError(f"fmt is None or one of {', '.join(FORMATS)}, not {fmt!r:.80}")
    return FORMATS[fmt]


# ---- files of arrays


def _read_npz(src: Location, _batch: BatchData, asked: Sequence[str]) -> Table:
    return separated(_from_npz(storage.read(src)), asked)


def _write_npz(dst: Location, labels: Array, arrays: dict[str, Any]) -> None:
    entries = {entry_of(name): values for name, values in arrays.items()}
    storage.write(dst, _as_npz({LABELS: labels, **entries}))


def _as_npz(entries: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED, allowZip64=True) as file:
        for name, values in entries.items():
            array = np.asarray(values)
            if array.dtype.hasobject:
                raise SpecError(
                    f"component {component_of(name)!r} is ragged or holds objects: msgpack, or "
                    "hdf5 by items, can keep it"
                )
            # Without the time of writing, the same arrays are the same bytes.
            with file.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                npy_format.write_array(member, array, allow_pickle=False)
    return stream.getvalue()


def _from_npz(data: bytes) -> dict[str, Any]:
    """Read arrays, none larger than the bytes that the file holds for it."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        members = file.infolist()
        if len({member.filename for member in members}) != len(members):
            raise FormatError("holds several arrays of one name")
        most = _DEFLATED * len(data)
        announced = sum(member.file_size for member in members)
        if announced > most:
            raise FormatError(f"announces more than {most} bytes in a file of {len(data)}")
        _check_memory(announced, len(data))
        return {
            member.filename.removesuffix(".npy"): _from_npy(file.read(member))
            for member in members
            if member.filename.endswith(".npy")
        }


def _check_memory(announced: int, held: int) -> None:
    """Refuse what a file announces and memory cannot hold, before it is taken."""
    from thunderlike.util.memory import available

    if announced > _SMALL and announced > available():
        raise RefusedError(
            f"announces {announced} bytes in a file of {held}, more than the memory that is free"
        )


_SMALL = 2**24  # bytes that are not worth a look at the free memory
_DEFLATED = 1032  # the most that zlib can do: so many bytes of one


def _from_npy(data: bytes) -> Any:
    stream = io.BytesIO(data)
    version = npy_format.read_magic(stream)
    if version not in _HEADERS:
        raise FormatError(f"an array is of version {version} of numpy's format, which is not read")
    shape, _, dtype = _HEADERS[version](stream)
    if dtype.hasobject:
        raise FormatError("holds pickled objects, which are never read")
    # As Python's numbers, which do not overflow for a shape that a file invents.
    size, held = dtype.itemsize * int(np.prod(shape, dtype=object)), len(data) - stream.tell()
    if size != held:
        raise FormatError(f"an array of {shape} and {dtype} needs {size} bytes and has {held}")
    stream.seek(0)
    return npy_format.read_array(stream, allow_pickle=False)


_HEADERS: dict[tuple[int, int], Any] = {
    (1, 0): npy_format.read_array_header_1_0,
    (2, 0): npy_format.read_array_header_2_0,
}


def _read_hdf5(
    src: object, batch: BatchData, asked: Sequence[str], *, group: object = None
) -> Table:
    from thunderlike import hdf5

    found = hdf5.load(src, group)
    if isinstance(found, dict):
        if set(found) == {_HDF5_LABELS, "items"}:
            # By number: the group keeps its items in the order of their names.
            items = [found["items"][f"item{k}"] for k in range(len(found[_HDF5_LABELS]))]
            return found[_HDF5_LABELS], _columns_of(items, "item")
        if set(found) == {_HDF5_LABELS, "components"} and isinstance(found["components"], dict):
            return found[_HDF5_LABELS], found["components"]
        if len(found) == 1 and hasattr(next(iter(found.values())), "iloc"):
            (found,) = found.values()
    if hasattr(found, "iloc"):
        return frame_table(found.to_frame() if found.ndim == 1 else found, batch, asked)
    if not isinstance(found, dict):
        found = {asked[0] if len(asked) == 1 else "data": found}
    return None, {name: values for name, values in found.items() if np.ndim(values) > 0}


_HDF5_LABELS = "labels"  # of a file of ours, whose components are a group apart


def _columns_of(items: list[Any], what: str) -> dict[str, Any]:
    """Return items, each a dict, as the values of each component."""
    names = list(items[0])
    for number, item in enumerate(items):
        if set(item) != set(names):
            other = sorted(set(item) ^ set(names))
            raise FormatError(f"{what} {number} differs from the first in {', '.join(other)}")
    return {name: assembled([item[name] for item in items]) for name in names}


def _write_hdf5(
    dst: Location, labels: Array, arrays: dict[str, Any], *, layout: str = "columns"
) -> None:
    from thunderlike import hdf5

    if layout not in ("columns", "items"):
        raise SpecError(f"layout is 'columns' or 'items', not {layout!r}")
    if layout == "columns":
        hdf5.save(dst, {_HDF5_LABELS: labels, "components": arrays})
        return
    rows = range(len(labels))
    items = {f"item{k}": {name: values[k] for name, values in arrays.items()} for k in rows}
    hdf5.save(dst, {_HDF5_LABELS: labels, "items": items})


def _read_msgpack(src: Location, batch: BatchData, _asked: Sequence[str]) -> Table:
    from thunderlike.datasets import MsgpackReader

    with MsgpackReader(src) as reader:
        labels = [str(label) for label in batch.indices]
        missing = [label for label in labels if label not in reader]
        if missing:
            raise BadIndexError(f"{src}: has no sample of key {missing[0]!r}, of {len(reader)}")
        samples = reader.get_many([reader.find_index(label) for label in labels])
    fields = [{n: v for n, v in sample.items() if n != _KEY} for sample in samples]
    found = _columns_of(fields, "sample")
    return batch.indices, {component_of(name): values for name, values in found.items()}


def _write_msgpack(dst: Location, labels: Array, arrays: dict[str, Any], **options: Any) -> None:
    from thunderlike.datasets import FileWriter

    entries = {entry_of(name, used=name == _KEY): values for name, values in arrays.items()}
    with FileWriter(dst, **options) as writer:
        for row, label in enumerate(labels):
            sample = {name: at(values, row) for name, values in entries.items()}
            writer.write({_KEY: str(label), **sample})


_KEY = "key"  # of a sample


def _read_zarr(src: Location, _batch: BatchData, _asked: Sequence[str]) -> Table:
    zarr = optional("zarr", "zarr")
    from thunderlike.formats.zarr_store import FilesStore

    group = zarr.open_group(FilesStore(Folder(storage.at(src))), mode="r")
    stated = dict(group.attrs)
    if "labels" not in stated or "components" not in stated:
        return None, _whole(dict(sorted(group.arrays())))
    held = stated["components"]  # a list in files of earlier versions
    entries = held if isinstance(held, dict) else {name: name for name in held}
    arrays = {name: group[entry] for name, entry in entries.items()}
    labels = stated["labels"]
    # Text and numbers in one list would become text only.
    alike = len({isinstance(label, str) for label in labels}) == 1
    return np.array(labels, dtype=None if alike else object), _whole(arrays)


def _whole(arrays: dict[str, Any]) -> dict[str, Any]:
    """Read arrays of a Zarr group."""
    _check_memory(sum(array.nbytes for array in arrays.values()), 0)
    return {name: np.asarray(array) for name, array in arrays.items()}


def _write_zarr(
    dst: Location, labels: Array, arrays: dict[str, Any], *, overwrite: bool = False
) -> None:
    zarr = optional("zarr", "zarr")
    whole = {name: np.asarray(values) for name, values in arrays.items()}
    for name, array in whole.items():
        if array.dtype.hasobject:
            raise SpecError(f"component {name!r} is ragged or holds objects: msgpack can keep it")
    plain = all(isinstance(label, str | int | float) for label in labels.tolist())
    if labels.dtype.kind not in "biufUO" or not plain:
        raise SpecError(
            f"labels of {labels.dtype} have no place in a Zarr group: use numbers or text"
        )
    # A name that means something in a path is replaced by its number.
    entries = {
        name: name if re.fullmatch(r"\w[\w -]*", name, re.ASCII) else f"[{number}]"
        for number, name in enumerate(whole)
    }
    with (
        storage.output(dst, ["**"], overwrite=overwrite) as folder,
        failures(str(dst), "write"),
    ):
        group = zarr.open_group(folder, mode="w")
        group.attrs.update({"labels": labels.tolist(), "components": entries})
        for name, array in whole.items():
            group.create_array(entries[name], data=array)


# ---- a file for each item


def _item_paths(src: Location | FilesIndex | None, batch: BatchData) -> list[str]:
    """Return the path of each item's file."""
    index = batch.index
    if isinstance(src, FilesIndex):
        return [src.get_fullpath(label) for label in batch.indices.tolist()]
    if isinstance(index, FilesIndex) and (src is None or index.dirs):
        paths = [index.get_fullpath(label) for label in batch.indices.tolist()]
        return paths if src is None else [storage.join(path, str(src)) for path in paths]
    if src is None:
        raise SpecError("say where the files are: give src, or a batch of a FilesIndex")
    return [storage.within(src, f"{label}.blosc") for label in batch.indices]


def _read_blosc(
    src: Location | FilesIndex | None, batch: BatchData, _asked: Sequence[str]
) -> Table:
    found = []
    for path in _item_paths(src, batch):
        data = storage.read(path)
        with _reading("blosc", path):
            item = separated(_from_npz(_unpacked(data)))[1]
        # A number was written as an array without axes.
        found.append({name: v if v.ndim else v[()] for name, v in item.items()})
    return batch.indices, _columns_of(found, "file")


def _unpacked(data: bytes) -> bytes:
    blosc2 = optional("blosc2", "batches")
    announced, held, _ = blosc2.get_cbuffer_sizes(data)
    if held != len(data):
        raise FormatError(f"announces {held} bytes of compressed data and has {len(data)}")
    _check_memory(announced, held)
    unpacked: bytes = blosc2.decompress2(data)
    return unpacked


def _write_blosc(dst: Location, labels: Array, arrays: dict[str, Any]) -> None:
    blosc2 = optional("blosc2", "batches")
    names = [f"{label}.blosc" for label in labels]
    if len(set(names)) != len(names):
        raise SpecError("two items have the same label, and would be written to the same file")
    with ExitStack() as files:  # on a disk they take their names once all are written
        for row, (label, name) in enumerate(zip(labels, names, strict=True)):
            item = {entry_of(key): at(values, row) for key, values in arrays.items()}
            data = blosc2.compress2(_as_npz({LABELS: np.array([label]), **item}))
            path = storage.within(dst, name)
            file = local_file(path)
            if file is None:
                storage.write(path, data)
                continue
            with failures(path, "write"):
                file.parent.mkdir(parents=True, exist_ok=True)
                files.enter_context(replacement(file)).write_bytes(data)


FORMATS: dict[str, tuple[Callable[..., Table], Callable[..., None]]] = {
    "csv": (read_csv, write_csv),
    "feather": (read_feather, write_feather),
    "hdf5": (_read_hdf5, _write_hdf5),
    "npz": (_read_npz, _write_npz),
    "msgpack": (_read_msgpack, _write_msgpack),
    "zarr": (_read_zarr, _write_zarr),
    "blosc": (_read_blosc, _write_blosc),
}
