"""Samples that are files: in folders, and in zip and tar archives."""

from __future__ import annotations

import glob
import itertools
import os
import threading
from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thunderlike import storage
from thunderlike._arguments import checked_methods
from thunderlike.datasets.archives import Archive, Tar, Zip
from thunderlike.datasets.listed import ListReader, noop
from thunderlike.errors import CorruptSampleError, NotFound, WrongType
from thunderlike.formats.text import as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from thunderlike.storage import AnyPath

__all__ = ["DirectoryReader", "TarReader", "ZipFileReader"]

LABEL = "{LABEL}"


@dataclass
class _Found:
    """One file: where it is, what it is called here, and what a list says of it."""

    path: str
    key: str
    label: str | None = None
    more: list[str] = field(default_factory=list)

    def sample(self, root: str) -> dict[str, Any]:
        labelled = {} if self.label is None else {"label": self.label}
        place = os.path.join(root, self.path)  # noqa: PTH118  # text, as in the list
        return {"key": self.key, **labelled, "path": place, "_additional_info": self.more}


class _FileReader(ListReader):
    """What readers of files share: their bytes are read when a sample is.

    Attributes
    ----------
    bytes_read : int
        Of all samples so far.
    """

    def __init__(
        self,
        found: Iterable[_Found],
        labels: Sequence[Any] | AnyPath | None,
        numeric_labels: bool,
        initfun: Callable[[dict[str, Any]], Any],
        convertfun: Callable[[dict[str, Any]], Any],
        root_dir: str = "",
    ) -> None:
        samples = [one.sample(root_dir) for one in found]
        super().__init__(samples, labels, numeric_labels, initfun, convertfun)
        self.bytes_read = 0

    def _complete(self, index: int, sample: dict[str, Any]) -> None:
        try:
            sample["data"] = self._load(sample["path"])
        except FileNotFoundError as error:
            raise NotFound(f"{sample['path']}: no such file") from error
        except Exception as error:  # archives answer damage with almost anything
            told = f"{self._name()}: sample {index} ({sample['path']}): {error}"
            path, key = sample["path"], sample["key"]
            raise CorruptSampleError(told, path, index, key, cause=str(error)) from error
        self.bytes_read += len(sample["data"])

    @abstractmethod
    def _load(self, path: str) -> bytes:
        """Read a file."""


@checked_methods
class DirectoryReader(_FileReader):
    """A sample for each file of some folders, or of a list of files.

    Parameters
    ----------
    patterns : path or iterable of paths
        A pattern such as ``photos/{LABEL}/**``, in which one name may be ``{LABEL}``: the folder of
        that place is the label, and keys begin there. Or a text file with ``path, label, more...``
        on each line, divided by `separator`; keys are the paths as written. Of several patterns,
        what they begin with in common is left out of the keys.
    labels, numeric_labels, initfun, convertfun
        As in :class:`~thunderlike.datasets.listed.ListReader`.
    include, exclude : sequence of str
        Paths must match one of the first, if there are any, and none of the second.
    separator : str
        In files that are lists.
    root_dir : path
        What paths are relative to.
    allow_empty : bool
        A pattern may match nothing.

    Raises
    ------
    NotFound
        For a pattern that matches no file.

    Notes
    -----
    Files come in natural order of their paths; hidden ones are left out. A sample is ``key, label,
    path, _additional_info, _label, data``, of which the last, the bytes of the file, is read when
    the sample is.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for place in ("cat/tom.jpg", "dog/rex.jpg"):
    ...         storage.write(f"{folder}/{place}", b"...")
    ...     for sample in DirectoryReader(f"{folder}/{{LABEL}}/**", numeric_labels=False):
    ...         print(sample["key"], sample["label"])
    cat/tom.jpg cat
    dog/rex.jpg dog
    """

    def __init__(
        self,
        patterns: AnyPath | Iterable[AnyPath],
        labels: Sequence[Any] | AnyPath | None = None,
        numeric_labels: bool = True,
        initfun: Callable[[dict[str, Any]], Any] = noop,
        convertfun: Callable[[dict[str, Any]], Any] = noop,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        separator: str = "\t",
        root_dir: AnyPath = "",
        *,
        allow_empty: bool = False,
    ) -> None:
        given = _texts(patterns)
        shared = _shared(given)
        find = partial(_matching, shared=shared)
        found = _found(given, find, separator, allow_empty)
        chosen = _chosen(found, include, exclude)
        root = os.fspath(root_dir)
        super().__init__(chosen, labels, numeric_labels, initfun, convertfun, root)

    def _load(self, path: str) -> bytes:
        return Path(path).read_bytes()


class _ArchiveReader(_FileReader):
    """What readers of archives share: one open archive for each thread of each process."""

    _kind: type[Archive]

    def __init__(
        self,
        path: AnyPath,
        patterns: AnyPath | Iterable[AnyPath] = f"{LABEL}/**",
        labels: Sequence[Any] | AnyPath | None = None,
        numeric_labels: bool = True,
        initfun: Callable[[dict[str, Any]], Any] = noop,
        convertfun: Callable[[dict[str, Any]], Any] = noop,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        separator: str = "\t",
        *,
        allow_empty: bool = False,
    ) -> None:
        if not _is_path(path):
            raise WrongType(f"a path is text, or an object such as pathlib.Path, not {path!r:.60}")
        self._path = os.fspath(path)
        if not Path(self._path).is_file():
            raise NotFound(f"{self._path}: no such file")
        names = sorted(self._archive.names, key=storage.natural)
        find = partial(_members, names=names)
        found = _found(_texts(patterns), find, separator, allow_empty)
        chosen = _chosen(found, include, exclude)
        super().__init__(chosen, labels, numeric_labels, initfun, convertfun)

    @cached_property
    def _archives(self) -> dict[tuple[int, int], Archive]:
        return {}

    @property
    def _archive(self) -> Archive:
        mine = (os.getpid(), threading.get_ident())
        if mine not in self._archives:
            self._archives[mine] = self._kind(Path(self._path))
        return self._archives[mine]

    def _load(self, path: str) -> bytes:
        return self._archive.read(path)

    def close(self) -> None:
        """Close the archive; the next use opens it again."""
        for archive in self.__dict__.pop("_archives", {}).values():
            archive.close()

    def _name(self) -> str:
        return self._path


@checked_methods
class ZipFileReader(_ArchiveReader):
    """A sample for each file in a zip archive.

    Parameters are those of :class:`DirectoryReader`, but that `path` names the archive, and that
    ``*`` in a pattern also matches ``/``, and hidden files are matched too.

    Examples
    --------
    >>> import tempfile, zipfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with zipfile.ZipFile(f"{folder}/pets.zip", "w") as archive:
    ...         archive.writestr("dog/rex.txt", "woof")
    ...     with ZipFileReader(f"{folder}/pets.zip", numeric_labels=False) as reader:
    ...         reader.get(0)["label"], reader.get(0)["data"]
    ('dog', b'woof')
    """

    _kind = Zip


@checked_methods
class TarReader(_ArchiveReader):
    """A sample for each file in a tar archive, which may be compressed.

    Parameters are those of :class:`ZipFileReader`. Only files that are not compressed as a whole
    can be read in any order without reading what stands before.

    Examples
    --------
    >>> import io, tarfile, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with tarfile.open(f"{folder}/pets.tar", "w") as archive:
    ...         archive.addfile(tarfile.TarInfo("dog/rex.txt"), io.BytesIO())
    ...     with TarReader(f"{folder}/pets.tar", numeric_labels=False) as reader:
    ...         list(reader.keys()), reader.get(0)["label"]
    (['dog/rex.txt'], 'dog')
    """

    _kind = Tar


def _texts(patterns: Any) -> list[str]:
    given = [patterns] if _is_path(patterns) else patterns
    texts = list(given) if isinstance(given, Iterable) else [given]
    if not all(map(_is_path, texts)):
        raise WrongType(f"patterns are a path or several, not {patterns!r:.60}")
    return [os.fspath(one) for one in texts]


def _is_path(item: Any) -> bool:
    return isinstance(item, str | os.PathLike)


def _found(
    patterns: Iterable[str],
    find: Callable[[str], Iterator[_Found]],
    separator: str,
    allow_empty: bool,
) -> list[_Found]:
    """The files of all patterns, those that are lists among them."""
    found: list[_Found] = []
    for pattern in patterns:
        there = _listed(pattern, separator) if Path(pattern).is_file() else find(pattern)
        files = list(there)
        if not files and not allow_empty:
            raise NotFound(f"{pattern}: no file matches it; allow_empty=True lets that be")
        found += files
    return found


def _chosen(
    found: list[_Found], include: Sequence[str], exclude: Sequence[str]
) -> Iterator[_Found]:
    for one in found:
        wanted = not include or any(fnmatch(one.path, pattern) for pattern in include)
        if wanted and not any(fnmatch(one.path, pattern) for pattern in exclude):
            yield one


def _listed(path: str, separator: str) -> Iterator[_Found]:
    """The files that a text file names, as it writes them."""
    for line in as_text(storage.read(path), path).splitlines():
        if line:
            name, *told = line.split(separator)
            yield _Found(name, name, told[0] if told else None, told[1:])


def _matching(pattern: str, shared: str) -> Iterator[_Found]:
    """The files that a pattern matches."""
    parts = pattern.split("/")
    place = parts.index(LABEL) if LABEL in parts else None
    prefix = shared or (pattern.partition(LABEL)[0] if place is not None else _fixed(parts))
    wanted = pattern.replace(LABEL, "*", 1)
    found = glob.iglob(wanted, recursive=True)  # noqa: PTH207  # relative paths stay as given
    files = (path for path in found if Path(path).is_file())
    for path in sorted(files, key=storage.natural):
        label = path.split("/")[place] if place is not None else None
        yield _Found(path, path.removeprefix(prefix), label)


def _shared(patterns: Sequence[str]) -> str:
    """The folders that several patterns begin with in common, as text."""
    if len(patterns) == 1:
        return ""
    common = itertools.takewhile(
        lambda parts: len(set(parts)) == 1 and parts[0] != LABEL,
        zip(*(pattern.split("/") for pattern in patterns), strict=False),
    )
    return "".join(f"{parts[0]}/" for parts in common)


def _fixed(parts: Sequence[str]) -> str:
    """What a pattern begins with before the first name that is not spelled out."""
    fixed = itertools.takewhile(lambda part: not glob.has_magic(part), parts[:-1])
    return "/".join([*fixed, ""])


def _members(pattern: str, names: Iterable[str]) -> Iterator[_Found]:
    """The members of an archive that a pattern matches; ``*`` goes across folders."""
    parts = pattern.split("/")
    place = parts.index(LABEL) if LABEL in parts else None
    start = max(pattern.find(LABEL), 0)
    wanted = pattern.replace(LABEL, "*", 1)
    for name in names:
        if fnmatch(name, wanted):
            yield _Found(name, name[start:], name.split("/")[place] if place is not None else None)
