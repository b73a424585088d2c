"""Listing of files by path, pattern and extension, in natural order."""

from __future__ import annotations

import os
import re
import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal, TypeAlias

from thunderlike._arguments import caller_level
from thunderlike._text import printable
from thunderlike.errors import NotFoundError, SpecError, StorageError, WrongTypeError
from thunderlike.parallel.threads import tmap
from thunderlike.storage.base import UNSETTLED, Entry
from thunderlike.storage.paths import AnyPath, at, parent, resolve, store_for

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from thunderlike.storage.base import AnyCredentials, Store

__all__ = ["AnyPaths", "Order", "find", "natural", "regex", "whole_folder"]

AnyPaths: TypeAlias = "AnyPath | Iterable[AnyPath]"
Order: TypeAlias = Literal["text", "natural"]

# Two spellings of one extension, the long one first.
_TWINS = ((".tiff", ".tif"), (".jpeg", ".jpg"))


def find(
    path: AnyPaths,
    ext: str | None = None,
    *,
    recursive: bool = False,
    start: int | None = None,
    stop: int | None = None,
    credentials: AnyCredentials = None,
    but: Collection[str] = (),
    order: Order | None = "text",
) -> list[Entry]:
    """List the files that `path` matches.

    Parameters
    ----------
    path : path or iterable of paths
        A file; a folder, for the files in it; a pattern, in which ``*`` and ``?`` stand for
        characters within one name and ``**`` for any number of folders; or several of those.
    ext : str, optional
        Extension of the wanted files, such as ``'tif'``, which also finds ``.tiff`` and ``.TIF``.
        It chooses among the files of a folder and among those of a pattern that names no extension
        itself; a file that is named in full is taken as it is.
    recursive : bool
        Also look into the folders of a folder, and into those that a pattern matches.
    start, stop : int, optional
        Which of the files, as in ``files[start:stop]``.
    credentials : mapping, optional
        As in :func:`at`; the paths that are returned need none again.
    but : collection of str
        Names of files to leave out.
    order : 'text', 'natural' or None
        How the files of a folder or pattern are ordered: by their addresses as text, where
        ``image-10`` comes before ``image-9``, or with their numbers as numbers. None is ``'text'``
        with a warning where the two differ.

    Returns
    -------
    list of Entry
        In that order; for several paths, one path after the other. Names that begin with a dot are
        skipped unless `path` spells them out.

    Raises
    ------
    NotFoundError
        When a path finds no file; the message says what is there instead.
    SpecError
        When `start` and `stop` leave none of the files.
    WrongTypeError
        For a path that is no path.

    Notes
    -----
    A link to a folder is followed only where `path` ends in it.
    One look at a single file, one listing of a folder. A pattern lists the folder above its first
    ``*`` or ``?``, with all that is below if the pattern goes on after that.

    Examples
    --------
    >>> from thunderlike.storage import delete, write
    >>> for name in ("b.tif", "a.TIFF", "notes.txt"):
    ...     write(f"memory://raw/{name}", b"")
    >>> [entry.path for entry in find("memory://raw", ext="tif")]
    ['memory://raw/a.TIFF', 'memory://raw/b.tif']
    >>> [entry.path for entry in find("memory://*/b.*")]
    ['memory://raw/b.tif']
    >>> delete("memory://raw")
    """
    if order not in ("text", "natural", None):
        raise SpecError(f"order of files is 'text' or 'natural', not {order!r}")
    if isinstance(path, bytes) or not isinstance(path, str | os.PathLike | Iterable):
        raise WrongTypeError(
            f"a path is text, an object such as pathlib.Path, or a list of these, not {path!r:.60}"
        )
    paths = [path] if isinstance(path, str | os.PathLike) else list(path)
    if not paths:
        raise NotFoundError("the list of paths is empty; give at least one file, folder or pattern")
    places = [at(one, credentials) for one in paths]
    threads = store_for(places[0]).threads or 1
    each = tmap(lambda place: _one(place, ext, recursive=recursive), places, workers=threads)
    found = list[Entry]()
    for place, entries in zip(places, each, strict=True):
        there = [entry for entry in entries if entry.path.rpartition("/")[2] not in but]
        found += _ordered(place, there, order)
    if chosen := found[start:stop]:
        return chosen
    raise SpecError(
        f"{paths[0]}: start={start}, stop={stop} leave none of the {len(found)} files found"
    )


def natural(text: object) -> list[tuple[bool, int, str]]:
    """Sort key in which numbers count as numbers.

    Examples
    --------
    >>> sorted(["s10", "s9", "a"], key=natural)
    ['a', 's9', 's10']
    """
    parts = re.split(r"(\d+)", str(text))
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]


_DIGITS = str.maketrans("123456789", "000000000")


def _ordered(place: str, found: list[Entry], order: Order | None) -> list[Entry]:
    """Sort the files of one path, given in order of their addresses."""
    if order == "text":
        return found
    # Where digits stand at the same places in all names, the two orders are one.
    if len({entry.path.translate(_DIGITS) for entry in found}) <= 1:
        return found
    sensible = sorted(found, key=lambda entry: natural(entry.path))
    if order == "natural" or sensible == found:
        return sensible
    at = next(i for i, (a, b) in enumerate(zip(found, sensible, strict=True)) if a != b)
    names = [entry.path.rpartition("/")[2] for entry in (found[at], sensible[at])]
    text = printable(
        f"{place}: files are in the order of their names as text, {names[0]} before {names[1]}; "
        'give order="natural" to count numbers as numbers, or order="text" to keep it'
    )
    warnings.warn(text, stacklevel=caller_level())
    return found


def _one(path: AnyPath, ext: str | None, *, recursive: bool) -> list[Entry]:
    store, address = resolve(path)
    # First as it is spelled: a file's name may hold a question mark.
    if file := _file(store, address):
        return [file]
    if re.search(r"[*?]", address) and not store.exists(address):
        return _matching(store, address, ext, recursive=recursive)
    return _within(store, address, ext, recursive=recursive)


def _file(store: Store, address: str) -> Entry | None:
    try:
        return store.stat(address)
    except NotFoundError:
        return None


def _within(store: Store, folder: str, ext: str | None, *, recursive: bool) -> list[Entry]:
    """Return the files of a folder."""
    try:
        listed = store.list(folder, recursive=recursive)
    except NotFoundError as error:
        raise NotFoundError(f"{error}{_nearest(store, folder)}") from error
    there = _visible(listed, folder)
    found = [entry for entry in there if _has(entry, ext)]
    if not found:
        raise NotFoundError(
            f"{folder}: {_wanted(ext)}; {_instead('it', there, recursive=recursive)}"
        )
    return _whole(sorted(found), listed)


def whole_folder(store: Store, folder: str, *, recursive: bool) -> list[Entry]:
    """List all files of a folder, including hidden ones, in any order.

    Raises
    ------
    NotFoundError
        When there is no such folder.
    StorageError
        When it is not whole, as `find`.
    """
    listed = list(store.list(folder, recursive=recursive))
    return _whole(listed, listed)


def _matching(store: Store, pattern: str, ext: str | None, *, recursive: bool) -> list[Entry]:
    """Return the files whose address matches a pattern."""
    folder, rest = _split(store, pattern)
    if not store.exists(folder):
        raise NotFoundError(f"{pattern}: no file fits it{_nearest(store, folder)}")
    deep = recursive or "/" in rest or "**" in rest
    listed = store.list(folder, recursive=deep)
    there = _visible(listed, folder)
    fits = regex(rest + "/**") if recursive else regex(rest)
    wanted = None if "." in rest.rpartition("/")[2] else ext
    found = [
        entry
        for entry in there
        if _has(entry, wanted) and fits.fullmatch(_relative(entry.path, folder))
    ]
    if not found:
        instead = _instead(folder, there, recursive=deep)
        raise NotFoundError(f"{pattern}: {_wanted(wanted)} fits it; {instead}")
    return _whole(sorted(found), listed)


def _whole(found: list[Entry], listed: Sequence[Entry]) -> list[Entry]:
    """Return the files; StorageError if one of their folders is incomplete."""
    marks = [entry.path for entry in listed if entry.path.endswith(UNSETTLED)]
    for folder in (mark.rpartition("/")[0] for mark in marks):
        if any(entry.path.startswith(folder + "/") for entry in found):
            raise StorageError(
                f"{folder}: is not whole: it is being replaced, or who did so was stopped; "
                "write it again with overwrite=True, or delete it"
            )
    return found


def _split(store: Store, pattern: str) -> tuple[str, str]:
    """Split a pattern at the folder above its first wildcard."""
    head = re.split(r"[*?]", pattern, maxsplit=1)[0]
    folder, _, _ = head.rpartition("/")
    return store.address(folder + "/"), pattern[len(folder) + 1 :]


_WILDCARDS = {"**/": "(?:[^/]+/)*", "/**": "(?:/.*)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def regex(pattern: str) -> re.Pattern[str]:
    """Translate a pattern of `find` for ``fullmatch``.

    Examples
    --------
    >>> bool(regex("day ?/**").fullmatch("day 1/raw/a.tif"))
    True
    """
    parts = re.split(r"(\*\*/|/\*\*|\*\*|\*|\?)", pattern)
    return re.compile("".join(_WILDCARDS.get(part, re.escape(part)) for part in parts), re.DOTALL)


def _relative(path: str, folder: str) -> str:
    return path[len(folder) :].lstrip("/")


def _visible(entries: Sequence[Entry], folder: str) -> list[Entry]:
    return [item for item in entries if "/." not in "/" + _relative(item.path, folder)]


def _has(entry: Entry, ext: str | None) -> bool:
    # By the end of the name and not by its suffix: an extension may be 'ome.tif'.
    return ext is None or _short(entry.path).endswith(_short("." + ext.lstrip(".")))


def _short(name: str) -> str:
    lowered = name.lower()
    for long, short in _TWINS:
        lowered = lowered.removesuffix(long) + short if lowered.endswith(long) else lowered
    return lowered


def _wanted(ext: str | None) -> str:
    return "no file" if ext is None else f"no .{ext.lstrip('.')} file"


def _instead(folder: str, there: Sequence[Entry], *, recursive: bool) -> str:
    """Summarize the content of a folder."""
    suffixes = (PurePosixPath(entry.path).suffix.lower() for entry in there)
    kinds = Counter(suffix or "without extension" for suffix in suffixes)
    if kinds:
        named = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(4))
        return f"{folder} contains {named}"
    looked = "at any depth" if recursive else "outside of subfolders (see recursive=True)"
    return f"{folder} contains no files {looked}"


def _nearest(store: Store, address: str) -> str:
    """Describe the existing part of a missing path."""
    above = parent(address)
    while above != address and not store.exists(above):
        address, above = above, parent(above)
    if above.endswith("://"):
        return f"; {address} does not exist"
    return f"; {above} exists, but contains no {_relative(address, above)!r}"
