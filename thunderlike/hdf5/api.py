"""Public functions of HDF5 files: save, load, append, ls."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from h5py import h5g, h5s

from thunderlike import storage
from thunderlike._arguments import caller_level, checked_arguments
from thunderlike._text import printable
from thunderlike.config import current
from thunderlike.errors import ExistsError, SpecError, WrongTypeError
from thunderlike.hdf5 import (
    _attributes,
    _datasets,
    _documents,
    _files,
    _limits,
    arrays,
    decoder,
    listing,
    packed,
)
from thunderlike.hdf5._codec import Destination, Reader, Writer, run
from thunderlike.hdf5.compression import Filters
from thunderlike.util.arrays import aslice

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from h5py.h5f import FileID
    from h5py.h5g import GroupID
    from numpy.typing import ArrayLike, NDArray

    from thunderlike.hdf5._codec import Task
    from thunderlike.hdf5.compression import Choice
    from thunderlike.hdf5.listing import Tree
    from thunderlike.storage import AnyPath

__all__ = ["append", "aslice", "load", "ls", "save"]

_VERSION = 12  # of the format of deepdish
_NAMESPACE = "DEEPDISH_IO_ROOT_IS_SNS"  # attribute of a file whose value is a namespace
_MOST_NAMED = 30  # entries in a warning


@checked_arguments
def save(
    path: AnyPath,
    data: Any,
    compression: Choice = "default",
    *,
    mode: Literal["w", "a"] = "w",
    pickle: Literal["refuse", "allow"] = "refuse",
    links: bool = True,
    atomic: bool = True,
    meta: bool = True,
    checksum: bool = False,
    compat: bool = True,
    pack: bool = True,
) -> None:
    """Save any structure of dictionaries, lists, arrays and so on as one HDF5 file.

    Parameters
    ----------
    path : str or PathLike
        The file, of this machine or of any store (``s3://``, ``memory://``). Its folder must exist.
    data
        Dictionaries, lists, tuples, sets, namespaces, dataclasses; numbers, text, bytes, None,
        dates, paths; numpy arrays of every dtype; scipy's sparse matrices; pandas objects; Images
        and Series. An object that occurs twice is saved once.
    compression : str, (str, int), bool or None
        For arrays of more than 300 elements: ``'zlib'``, ``'bzip2'``, ``'blosc'``, ``'blosc2'``,
        with codec and level as ``'blosc2:lz4:5'`` or ``('blosc2:lz4', 5)``; None for none. By
        default the setting `hdf5_compression`, else zlib at level 1. Other programs need a plug-in
        for all but zlib.
    mode : {'w', 'a'}
        ``'a'`` replaces the entries of a file with those of `data`, a dictionary, and keeps others.
    pickle : {'refuse', 'allow'}
        Whether to pickle values of other classes. `load` refuses them by default.
    links : bool
        False writes an object at each occurrence, instead of a link to the first.
    atomic : bool
        Write to a temporary file and rename it, so that the old file exists until the new one is
        complete. False needs no space for both, and leaves a broken file if it is interrupted.
    meta : bool
        False leaves out the metadata of Python: `load` then returns numpy's scalars instead of
        Python's, and dictionaries in the order of their names. Other programs do not use them.
    checksum : bool
        Keep a checksum of each chunk of arrays above 300 elements, so that damage is an error.
    compat : bool
        False keeps numbers and text outside of arrays in the metadata: thousands of them are saved
        and loaded many times faster, and other programs do not see them.
    pack : bool
        Keep numbers, text and arrays of up to 32 KiB in lists and dictionaries of 256 entries or
        more together, as JSON and one array for each dtype. False writes each as an attribute or an
        array of its own, of which thousands take seconds.

    Raises
    ------
    SpecError
        For a value that cannot be saved: names its path in `data`. Nothing is written.
    StorageError
        If the disk is full or the folder does not exist. The old file is unchanged.

    Notes
    -----
    One pass over the data. The file is deepdish's version 12, which deepdish 0.3.7 reads.

    Examples
    --------
    >>> import numpy as np, thunderlike as tl
    >>> tl.save("memory://day1.h5", {"x": np.arange(3), "rate": 7.5, "tags": ["a", ("b", None)]})
    >>> tl.load("memory://day1.h5")
    {'x': array([0, 1, 2]), 'rate': 7.5, 'tags': ['a', ('b', None)]}
    """
    writes = {"w": _write, "a": _update}
    filters = Filters.of(compression, checksum=checksum)
    _check_choice("pickle", pickle, ("refuse", "allow"))
    if not (meta or compat):
        raise SpecError("compat=False keeps values in the metadata, and meta=False writes none")
    writer = Writer(pickle=pickle == "allow", links=links, meta=meta, compat=compat, pack=pack)
    writes[mode](path, data, filters, writer, atomic=atomic)


def _write(path: AnyPath, data: object, filters: Filters, writer: Writer, *, atomic: bool) -> None:
    """Write one value as a new file."""
    with _files.writing(path, atomic=atomic) as (file, check), _located(path, writer):
        writer.check = check
        _encode_root(file, writer, data, filters)


def _update(path: AnyPath, data: object, filters: Filters, writer: Writer, *, atomic: bool) -> None:
    """Write the entries of a dictionary into a file, in place of those of the same name."""
    if not isinstance(data, dict):
        raise SpecError(f"mode='a' takes a dictionary, not a {type(data).__name__}")
    if not storage.exists(path):
        with suppress(ExistsError):  # another process has begun the file meanwhile
            first = replace(writer, seen={}, _open=set())  # if it fails, nothing was written
            with _files.beginning(path) as (file, check), _located(path, first):
                first.check = check
                _encode_root(file, first, data, filters)
            return
    with _files.writing(path, change=True, atomic=atomic) as (file, check), _located(path, writer):
        writer.check = check
        root = h5g.open(file, b"/")
        _replace_entries(writer, Destination(None, "", None, filters), root, data)


def _located(path: AnyPath, writer: Writer) -> AbstractContextManager[None]:
    return _files.located(lambda: f"{path}: {writer.here.path if writer.here else '/'}")


def _encode_root(file: FileID, writer: Writer, data: object, filters: Filters) -> GroupID:
    """Write a value into a new file, and return the root of the file."""
    root = h5g.open(file, b"/")
    version = {"DEEPDISH_IO_VERSION": np.int64(_VERSION)}
    pytables = {"TITLE": "", "PYTABLES_FORMAT_VERSION": "2.1", "CLASS": "GROUP", "VERSION": "1.0"}
    for name, value in {**pytables, **version}.items():
        _attributes.write(root, name, value)
    dest = Destination(None, "", None, filters)
    run(_encode_top(writer, dest, root, data), current().hdf5_depth)
    return root


def _encode_top(writer: Writer, dest: Destination, root: GroupID, data: object) -> Task:
    """Write a dictionary or a namespace as the root, and any other value as an entry of it."""
    if type(data) in (dict, SimpleNamespace):
        writer.add_root(dest, data)
    if type(data) is dict:
        yield writer.encode_mapping(dest, root, data, packed.encode_entries)
    elif type(data) is SimpleNamespace:
        _attributes.write(root, _NAMESPACE, np.bool_(True))
        yield writer.encode_mapping(dest, root, vars(data), packed.encode_entries)
    else:
        _attributes.write(root, decoder.UNPACK, np.bool_(True))
        writer.write_metadata(root, (yield writer.encode_entries(dest, root, [("data", data)])))


def _replace_entries(
    writer: Writer, dest: Destination, root: GroupID, data: dict[Any, Any]
) -> None:
    attributes = _attributes.names_of(root)
    if decoder.UNPACK in attributes:
        raise SpecError("holds one value that is no dictionary, and cannot be updated")
    metadata = _attributes.read_metadata(root, attributes)
    named = _attributes.entry_names(data)
    document = Reader(root).group(root, "/").document
    if document is not None:
        metadata["packed"] = _documents.rewrite(root, document, named)
    # An entry may change from a single value, which is an attribute, to a node, or back.
    for name in named:
        _attributes.delete(root, name)
        if name in _limits.names_of(root):
            root.unlink(name.encode())
    items = ((name, data[key]) for name, key in named.items())
    new = run(writer.encode_entries(dest, root, items), current().hdf5_depth)
    # The metadata are one document, which holds the entries that are kept as well.
    _attributes.delete_metadata(root)
    entries = metadata.get("entries")
    if not isinstance(entries, dict):  # of another program: nodes without a code
        entries = dict.fromkeys(sorted(_limits.names_of(root)), "")
    keys = {n: _attributes.key_to_json(k, pickle=writer.pickle) for n, k in named.items() if n != k}
    values = {name: v for name, v in metadata.get("values", {}).items() if name not in named}
    writer.write_metadata(root, {
        **metadata,
        "entries": {**entries, **new["entries"]},
        "values": {**values, **new.get("values", {})},
        "keys": {**metadata.get("keys", {}), **keys},
    })  # fmt: skip


def _check_choice(argument: str, choice: str, choices: tuple[str, ...]) -> None:
    if choice not in choices:
        raise SpecError(f"{argument} is one of {', '.join(map(repr, choices))}, not {choice!r}")


@checked_arguments
def load(
    path: AnyPath,
    group: str | Iterable[str] | None = None,
    sel: Any = None,
    unpack: bool = False,
    *,
    pickle: Literal["refuse", "restricted", "allow"] = "refuse",
    types: Literal["python", "numpy"] = "python",
    max_bytes: int | None = None,
    classes: Iterable[type] = (),
) -> Any:
    """Load a file of `save`, deepdish, h5py, PyTables, pandas or MATLAB.

    No code in the file is run, and no other file is read, unless it is allowed.

    Parameters
    ----------
    path : str or PathLike
        The file. From a store other than a disk, all of it is downloaded first.
    group : str or iterable of str, optional
        Path of an entry, as ``'/day1/x'``; the entries of a list are ``i0``, ``i1`` ... Several
        paths return a tuple.
    sel : index, optional
        The part of an array, of a frame's rows or of a sparse matrix, as numpy indexes:
        ``tl.aslice[::-2, [0, 5]]``. Only that part of an array is read.
    unpack : bool
        Return the entry of a file that has a single one.
    pickle : {'refuse', 'restricted', 'allow'}
        Policy for pickles: plain values only, arrays too, or any class.
    types : {'python', 'numpy'}
        ``'numpy'`` returns single values as numpy's scalars, as deepdish does.
    max_bytes : int, optional
        Maximum to read; by default the free memory of this machine and its container.
    classes : iterable of type
        Dataclasses, named tuples and enumerations that may be instantiated. Others are loaded as
        dictionaries, as named tuples of a new class, and as values.

    Raises
    ------
    NotFoundError, GroupMissingError
        If the file or the entry does not exist.
    RefusedError
        For pickles that name functions, links to other files, and more bytes than may be read.
    Hdf5Error
        For a damaged file and for other formats. All name the file and the entry.

    Examples
    --------
    >>> import numpy as np, thunderlike as tl
    >>> tl.save("memory://x.h5", {"a": {"x": np.arange(12).reshape(3, 4)}, "b": 5})
    >>> tl.load("memory://x.h5", "/a/x", sel=tl.aslice[::2, 1])
    array([1, 9])
    >>> tl.load("memory://x.h5", ["/b", "/a/x"], types="numpy")[0]
    np.int64(5)
    """
    if types not in ("python", "numpy"):
        raise SpecError(f"types is 'python' or 'numpy', not {types!r}")
    _check_choice("pickle", pickle, ("refuse", "restricted", "allow"))
    budget = _limits.Budget(max_bytes)
    reader = Reader(None, pickle, types == "python", budget, _by_name(classes))
    paths = group if group is None or isinstance(group, str) else _listed_paths(group)
    value: Any
    with _files.reading(path) as file, _files.located(lambda: f"{path}: {reader.here}"):
        reader.root = h5g.open(file, b"/")
        if paths is None:
            value = decoder.load_file(reader, sel, unpack=unpack)
        elif isinstance(paths, str):
            value = decoder.load_entry(reader, paths, sel)
        else:
            value = tuple(decoder.load_entry(reader, name, sel) for name in paths)
    if reader.left_out:
        warnings.warn(_left_out(str(path), reader.left_out), stacklevel=caller_level())
    return value


def _by_name(classes: object) -> dict[str, type]:
    several = [classes] if isinstance(classes, type) else classes
    if not isinstance(several, Iterable) or not all(isinstance(kind, type) for kind in several):
        raise WrongTypeError(f"classes are several classes, such as [Cell], not {classes!r:.60}")
    return {kind.__qualname__: kind for kind in several}


def _listed_paths(group: Any) -> list[str]:
    try:
        paths = list(group)
    except TypeError:
        paths = [group]
    if wrong := [path for path in paths if not isinstance(path, str)]:
        raise WrongTypeError(
            f"group is the path of an entry, such as '/x', or several of them, not {wrong[0]!r:.60}"
        )
    return paths


def _left_out(path: str, entries: dict[str, str]) -> str:
    """Return the warning for entries without a value, with the reason of each."""
    shown = [f"{printable(name)} ({printable(why)})" for name, why in entries.items()]
    more = f" and {len(shown) - _MOST_NAMED} more" if len(shown) > _MOST_NAMED else ""
    entry = "entry" if len(shown) == 1 else "entries"
    return (
        f"{printable(path)}: left out {len(shown)} {entry} that cannot be read: "
        f"{', '.join(shown[:_MOST_NAMED])}{more}"
    )


@checked_arguments
def append(path: AnyPath, group: str, array: ArrayLike, compression: Choice = "default") -> None:
    """Append records to an array of a file, along its first axis; create it if it does not exist.

    Parameters
    ----------
    path : str or PathLike
        The file; created if it does not exist.
    group : str
        Path of the array; the groups above it must exist.
    array : array_like
        Records to append: of the dtype and, except for the first axis, the shape of the existing
        ones.
    compression
        As for :func:`save`, when the array is created.

    Raises
    ------
    SpecError
        For records of another shape or dtype, and for arrays of fixed length.
    StorageError
        If the disk is full. The file is unchanged.
    Hdf5Error
        If another process keeps the file open.

    Notes
    -----
    Changes the file in place, and writes only the new records and the references to them. If the
    process is killed at any moment, or the disk is full, the file has all of the records or none of
    them; the next `load` or `append` undoes an interrupted one. Readers and other writers wait for
    up to 5 seconds.

    Examples
    --------
    >>> import thunderlike as tl
    >>> for start in (0, 3):
    ...     tl.hdf5.append("memory://log.h5", "/t", range(start, start + 3))
    >>> tl.load("memory://log.h5", "/t")
    array([0, 1, 2, 3, 4, 5])
    """
    filters = Filters.of(compression)
    try:
        values = np.asarray(array)
    except ValueError as error:
        raise SpecError(f"{path}: {group}: the records are not an array: {error}") from error
    if not values.ndim or not _attributes.native(values.dtype):
        raise SpecError(f"{path}: {group}: only arrays of numbers, times or text can be extended")
    if not storage.exists(path):
        with suppress(ExistsError):  # another process has begun the file meanwhile
            with _files.beginning(path) as (file, _), _files.located(lambda: f"{path}: {group}"):
                root = _encode_root(file, Writer(), {}, filters)
                _begin(*_parent(root, group), values, filters)
            return
    with _files.changing(path) as file, _files.located(lambda: f"{path}: {group}"):
        parent, name = _parent(h5g.open(file, b"/"), group)
        if name in _limits.names_of(parent):
            _extend(parent, name, values)
        elif name in Reader(parent).group(parent, "/").small:
            raise SpecError("has a fixed length, as `save` makes it; begin it with `append`")
        else:
            _begin(parent, name, values, filters)


def _parent(root: GroupID, path: str) -> tuple[GroupID, str]:
    """Open the group that holds `path`; links are not followed."""
    *above, name = [part for part in path.split("/") if part]
    for part in above:
        if _limits.target_of(root, part) is not None:
            raise SpecError(f"goes through the link {part!r}; name where it leads")
        root = h5g.open(root, part.encode())
    return root, name


def _begin(parent: GroupID, name: str, values: NDArray[Any], filters: Filters) -> None:
    if not values.size:
        raise SpecError("cannot begin with no records: their shape and dtype would be unknown")
    arrays.write(parent, name, values, filters, grows=True)
    metadata = _attributes.read_metadata(parent, _attributes.names_of(parent))
    if metadata:  # the order of its entries
        metadata["entries"] = {**metadata.get("entries", {}), name: ""}
        _attributes.delete_metadata(parent)
        _attributes.write_metadata(parent, metadata)


def _extend(parent: GroupID, name: str, values: NDArray[Any]) -> None:
    node, _ = _limits.follow(parent, parent, "/", name)
    if not hasattr(node, "set_extent"):
        raise SpecError("is a group, and cannot be extended; name an array in it")
    if node.get_space().get_simple_extent_dims(maxdims=True)[:1] != (h5s.UNLIMITED,):
        raise SpecError("has a fixed length, as `save` makes it; begin it with `append`")
    if len(values):
        _datasets.append(node, arrays.values_to_append(node, values))


@checked_arguments
def ls(path: AnyPath, group: str = "/", *, raw: bool = False) -> Tree:
    """List the content of a file, without reading arrays or pickles.

    Parameters
    ----------
    path : str or PathLike
        The file.
    group : str
        Path of the group to list.
    raw : bool
        Show frames and matrices as groups of arrays.

    Returns
    -------
    Tree
        Entries with their paths and kinds; ``str(tree)`` is what ``thunderlike ls`` prints.

    Examples
    --------
    >>> import numpy as np, thunderlike as tl
    >>> tl.save("memory://y.h5", {"x": np.zeros((2, 3)), "n": 5, "l": [1, "two"]})
    >>> print(tl.hdf5.ls("memory://y.h5"))
    /l                 list
    /l/i0              1 [int64]
    /l/i1              'two' (3) [unicode]
    /n                 5 [int64]
    /x                 array (2, 3) [float64]
    """
    return listing.ls(path, group, raw=raw)
