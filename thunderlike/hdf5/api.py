"""What people call: save, load, append, ls. The machinery is imported on the first call."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from thunderlike._arguments import checked_arguments
from thunderlike.errors import SpecError, WrongTypeError
from thunderlike.util.arrays import aslice

if TYPE_CHECKING:
    from thunderlike.hdf5.compression import Choice
    from thunderlike.hdf5.listing import Tree
    from thunderlike.storage import AnyPath

__all__ = ["append", "aslice", "load", "ls", "save"]


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
) -> None:
    """Save any structure of dictionaries, lists, arrays and so on as one HDF5 file.

    Parameters
    ----------
    path : str or PathLike
        The file, of this machine or of any store (``s3://``, ``memory://``). Its folder must exist.
    data
        Dictionaries, lists, tuples, sets, namespaces, dataclasses; numbers, text, bytes, None,
        dates, paths; numpy arrays of every dtype; scipy's sparse matrices; what pandas has; Images
        and Series. An object that is met twice is saved once.
    compression : str, (str, int), bool or None
        For arrays of more than 300 elements: ``'zlib'``, ``'bzip2'``, ``'blosc'``, ``'blosc2'``,
        with codec and level as ``'blosc2:lz4:5'`` or ``('blosc2:lz4', 5)``; None for none. By
        default the setting `hdf5_compression`, else zlib at level 1. Other programs need a plug-in
        for all but zlib.
    mode : {'w', 'a'}
        ``'a'`` replaces the entries of a file with those of `data`, a dictionary, and keeps others.
    pickle : {'refuse', 'allow'}
        Whether to pickle what there is no other way for. `load` will refuse it by default.
    links : bool
        False writes an object each time it is met.
    atomic : bool
        Write beside the file and rename, so that the old file is there until the new one is whole.
        False needs no room for both, and leaves a broken file behind when it is interrupted.
    meta : bool
        False leaves out what only Python knows: other programs miss nothing, `load` gives numpy's
        scalars instead of Python's and dictionaries in the order of names.
    checksum : bool
        Keep a checksum of each chunk of arrays above 300 elements, so that damage is an error.
    compat : bool
        False keeps numbers and texts that are no arrays where only `load` finds them: thousands of
        them are saved and loaded many times faster, and other programs see none of them.

    Raises
    ------
    SpecError
        For a value that has no place in HDF5: names where in `data` it is. Nothing was written.
    StorageError
        When the disk is full, or the folder is not there. The old file is as it was.

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
    from thunderlike.hdf5 import _io, _pickles
    from thunderlike.hdf5._codec import Writer
    from thunderlike.hdf5.compression import Filters

    writes = {"w": _io.save, "a": _io.update}
    chosen = Filters.of(compression, checksum=checksum)
    allowed = _pickles.checked_policy(pickle, ("refuse", "allow")) == "allow"
    if not (meta or compat):
        raise SpecError("compat=False keeps values in the metadata, and meta=False writes none")
    writer = Writer(pickle=allowed, links=links, meta=meta, compat=compat)
    writes[mode](path, data, chosen, writer, atomic=atomic)


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
    """Load what `save`, deepdish, h5py, PyTables, pandas or MATLAB saved.

    Nothing in the file is run, and no other file is read, unless you allow it.

    Parameters
    ----------
    path : str or PathLike
        The file. From a store that is no disk all of it is fetched first.
    group : str or iterable of str, optional
        Path of an entry, as ``'/day1/x'``; the entries of a list are ``i0``, ``i1`` ... Several
        give a tuple.
    sel : index, optional
        The part of an array, of a frame's rows or of a sparse matrix, as numpy indexes:
        ``tl.aslice[::-2, [0, 5]]``. Of an array only that much is read.
    unpack : bool
        A file with one entry gives that entry.
    pickle : {'refuse', 'restricted', 'allow'}
        What pickles may do: only be plain values, also make arrays, or anything.
    types : {'python', 'numpy'}
        ``'numpy'`` gives single values as numpy's scalars, as deepdish does.
    max_bytes : int, optional
        Refuse to read more; by default what is free of the memory of this machine and container.
    classes : iterable of type
        Dataclasses, named tuples and enumerations that may be made anew. Others come as
        dictionaries, as named tuples of a new class, and as values.

    Raises
    ------
    NotFoundError, GroupMissingError
        When there is no such file, or no such entry in it.
    RefusedError
        For pickles that name functions, links to other files, and more bytes than may be read.
    Hdf5Error
        For a damaged file, or none of HDF5. All name the file and the entry.

    Examples
    --------
    >>> import numpy as np, thunderlike as tl
    >>> tl.save("memory://x.h5", {"a": {"x": np.arange(12).reshape(3, 4)}, "b": 5})
    >>> tl.load("memory://x.h5", "/a/x", sel=tl.aslice[::2, 1])
    array([1, 9])
    >>> tl.load("memory://x.h5", ["/b", "/a/x"], types="numpy")[0]
    np.int64(5)
    """
    from thunderlike.hdf5 import _io, _pickles
    from thunderlike.hdf5._codec import Reader
    from thunderlike.hdf5._limits import Budget

    if types not in ("python", "numpy"):
        raise SpecError(f"types is 'python' or 'numpy', not {types!r}")
    reader = Reader(
        root=None,
        pickle=_pickles.checked_policy(pickle),
        python=types == "python",
        budget=Budget(max_bytes),
        classes=_by_name(classes),
    )
    return _io.load(path, group, sel, reader, unpack=unpack)


def _by_name(classes: Any) -> dict[str, type]:
    found = [classes] if isinstance(classes, type) else classes
    if not isinstance(found, Iterable) or not all(isinstance(kind, type) for kind in found):
        raise WrongTypeError(f"classes are several classes, such as [Cell], not {classes!r:.60}")
    return {kind.__qualname__: kind for kind in found}


@checked_arguments
def append(path: AnyPath, group: str, array: Any, compression: Choice = "default") -> None:
    """Make an array of a file longer, along its first axis; begin it if it is not there.

    Parameters
    ----------
    path : str or PathLike
        The file; made if it is not there.
    group : str
        Path of the array; the groups above it must be there.
    array : array_like
        Records to add: of the shape, but for the first axis, and dtype of those that are there.
    compression
        As for :func:`save`, where the array begins.

    Raises
    ------
    SpecError
        For other records than those that are there, and for arrays of fixed length.
    StorageError
        When the disk is full. The file is as it was.
    Hdf5Error
        When another process keeps the file open.

    Notes
    -----
    Changes the file in place, and writes no more than the new records and what refers to them. When
    the process is killed at any moment, or the disk is full, the file has all of the records or
    none of them; `load` and `append` undo what a killed process left half done, once. Readers and
    other writers wait for it, 5 seconds at most.

    Examples
    --------
    >>> import thunderlike as tl
    >>> for start in (0, 3):
    ...     tl.hdf5.append("memory://log.h5", "/t", range(start, start + 3))
    >>> tl.load("memory://log.h5", "/t")
    array([0, 1, 2, 3, 4, 5])
    """
    from thunderlike.hdf5 import _io
    from thunderlike.hdf5.compression import Filters

    _io.append(path, group, array, Filters.of(compression))


@checked_arguments
def ls(path: AnyPath, group: str = "/", *, raw: bool = False) -> Tree:
    """Describe what is in a file, without reading any array or pickle.

    Parameters
    ----------
    path : str or PathLike
        The file.
    group : str
        Where to begin.
    raw : bool
        Show frames and matrices as the groups of arrays that they are.

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
    from thunderlike.hdf5 import listing

    return listing.ls(path, group, raw=raw)
