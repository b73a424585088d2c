"""Readers of files in folders and archives, and of lists."""

from __future__ import annotations

import glob
import itertools
import os
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from thunderlike import storage
from thunderlike._arguments import checked_methods
from thunderlike.datasets.archives import Archive, Tar, Zip
from thunderlike.datasets.reader import Reader, is_path
from thunderlike.errors import CorruptSampleError, NotFoundError, SpecError, WrongTypeError
from thunderlike.formats.text import as_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from thunderlike.storage import AnyPath

__all__ = ["DirectoryReader", "ListReader", "TarReader", "ZipFileReader", "noop"]


Sample: TypeAlias = dict[str, Any]
Function: TypeAlias = Callable[[Sample], Any]


def noop(sample: Sample) -> None:
    """Leave a sample as it is."""


@checked_methods
class ListReader(Reader):
    """Reader of samples in memory, such as those of a list or of other readers.

    Parameters
    ----------
    samples : iterable of dict
        Copied, not changed. A sample without ``"key"`` gets its number in the list, as text.
    labels : sequence or path, optional
        All labels, in order, or a text file with one on each line; by default those of the samples,
        sorted naturally.
    numeric_labels : bool
        Replace a label by its position among all, and keep it as ``"_label"``.
    initfun : callable
        Called once with each sample, which it may change.
    convertfun : callable
        Called with a copy of the sample each time it is read, which it may change.

    Raises
    ------
    SpecError
        For a duplicate key, and for an unknown label.

    Examples
    --------
    >>> import thunderlike as tl
    >>> pets = [{"key": "rex", "label": "dog"}, {"key": "tom", "label": "cat"}]
    >>> tl.datasets.ListReader(pets).get(0)
    {'key': 'rex', 'label': 1, '_label': 'dog'}
    """

    def __init__(
        self,
        samples: Iterable[Sample],
        labels: Sequence[Any] | AnyPath | None = None,
        numeric_labels: bool = True,
        initfun: Function = noop,
        convertfun: Function = noop,
    ) -> None:
        if not isinstance(samples, Iterable):
            raise WrongTypeError(f"samples is a list of dicts, not {samples!r:.60}")
        self._samples: list[Sample] = []
        for number, sample in enumerate(samples):
            if not isinstance(sample, Mapping):
                raise WrongTypeError(f"sample {number} is a dict, not {sample!r:.60}")
            self._samples.append({**sample, "key": str(sample.get("key", number))})
        for one in self._samples:
            initfun(one)
        self._convert = convertfun
        # After `initfun`, which may set keys and labels.
        self._index = self._indexed()
        self._numeric = numeric_labels
        self._labels = self._numbered(labels) if numeric_labels else {}

    def _indexed(self) -> dict[object, int]:
        index: dict[object, int] = {}
        for number, sample in enumerate(self._samples):
            if index.setdefault(sample["key"], number) != number:
                first = index[sample["key"]]
                raise SpecError(f"samples {first} and {number} have the same key {sample['key']!r}")
        return index

    def _numbered(self, labels: Sequence[Any] | AnyPath | None) -> dict[object, int]:
        """Number the labels, and check that every sample has a known one."""
        used = [sample["label"] for sample in self._samples if "label" in sample]
        # Natural order: class10 after class9.
        known = sorted(set(used), key=storage.natural) if labels is None else _as_list(labels)
        if labels is None and None in known:
            raise SpecError("a sample has the label None; give labels, or leave the label out")
        numbers: dict[object, int] = {label: number for number, label in enumerate(known)}
        # Also as text: labels of files and folders are text, those of a list may be numbers.
        numbers |= {str(label): number for label, number in numbers.items()}
        for sample in self._samples:
            if "label" in sample and _number(numbers, sample["label"]) is None:
                raise SpecError(f"sample {sample['key']!r}: unknown label {sample['label']!r}")
        return numbers

    def __len__(self) -> int:
        return len(self._samples)

    def find_key(self, index: int) -> str:
        """Return the key of a sample."""
        return str(self._samples[self._position(index)]["key"])

    def find_index(self, key: object) -> int:
        """Return the number of a key."""
        try:
            return self._index[key]
        except (KeyError, TypeError):
            raise self._missing(key) from None

    def _one(self, index: int, raw: bool) -> Any:
        sample = dict(self._samples[index])  # callers and `convertfun` may change it
        if self._numeric and "label" in sample:
            sample["_label"] = sample["label"]
            sample["label"] = _number(self._labels, sample["label"])
        self._complete(index, sample)
        self._convert(sample)
        return self._packed(index, sample) if raw else sample

    def _complete(self, index: int, sample: Sample) -> None:
        """Add fields to a copy of a sample that are read on demand."""


def _number(numbers: Mapping[object, int], label: object) -> int | None:
    return numbers.get(label, numbers.get(str(label)))


def _as_list(labels: Sequence[Any] | AnyPath) -> list[Any]:
    if isinstance(labels, Sequence) and not isinstance(labels, str):
        return list(labels)
    text = as_text(storage.read(labels), labels)
    return [line.strip() for line in text.splitlines() if line.strip()]


LABEL = "{LABEL}"


@dataclass
class _File:
    """File of a sample: path, key, label, and further columns of a list."""

    path: str
    key: str
    label: str | None = None
    more: list[str] = field(default_factory=list)

    def sample(self, root: str) -> dict[str, Any]:
        labelled = {} if self.label is None else {"label": self.label}
        place = os.path.join(root, self.path)  # noqa: PTH118  # text, as in the list
        return {"key": self.key, **labelled, "path": place, "_additional_info": self.more}


class _FileReader(ListReader):
    """Base class of readers of files, whose bytes are read with the sample.

    Attributes
    ----------
    bytes_read : int
        Bytes of all samples read so far.
    """

    def __init__(
        self,
        found: Iterable[_File],
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
            raise NotFoundError(f"{sample['path']}: no such file") from error
        except Exception as error:  # archives raise nearly any class for damage
            text = f"{self._name()}: sample {index} ({sample['path']}): {error}"
            path, key = sample["path"], sample["key"]
            raise CorruptSampleError(text, path, index, key, cause=str(error)) from error
        self.bytes_read += len(sample["data"])

    @abstractmethod
    def _load(self, path: str) -> bytes:
        """Read a file."""


@checked_methods
class DirectoryReader(_FileReader):
    """Reader with a sample for each file of some folders, or of a list of files.

    Parameters
    ----------
    patterns : path or iterable of paths
        A pattern such as ``photos/{LABEL}/**``, in which one name may be ``{LABEL}``: the name of
        that folder is the label, and keys begin there. Or a text file with ``path, label, more...``
        on each line, separated by `separator`; keys are the paths as written. The common folders of
        several patterns are left out of the keys.
    labels, numeric_labels, initfun, convertfun
        As in :class:`~thunderlike.datasets.folder.ListReader`.
    include, exclude : sequence of str
        Paths must match one of the first, if there are any, and none of the second.
    separator : str
        Separator of columns in lists of files.
    root_dir : path
        Folder that paths are relative to.
    allow_empty : bool
        Allow patterns that match no file.

    Raises
    ------
    NotFoundError
        For a pattern that matches no file.

    Notes
    -----
    Files are in natural order of their paths; hidden ones are left out. A sample is ``key, label,
    path, _additional_info, _label, data``; ``data`` is the bytes of the file, read with the sample.

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
    """Base class of readers of archives, with one open archive for each thread of each process."""

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
        if not is_path(path):
            raise WrongTypeError(
                f"a path is text, or an object such as pathlib.Path, not {path!r:.60}"
            )
        self._path = os.fspath(path)
        if not Path(self._path).is_file():
            raise NotFoundError(f"{self._path}: no such file")
        names = sorted(self._archive.names, key=storage.natural)
        find = partial(_members, names=names)
        found = _found(_texts(patterns), find, separator, allow_empty)
        chosen = _chosen(found, include, exclude)
        super().__init__(chosen, labels, numeric_labels, initfun, convertfun)

    @cached_property
    def _archives(self) -> dict[tuple[int, int], Archive]:
        return {}  # a cached property is left out of pickles: archives are opened again

    @property
    def _archive(self) -> Archive:
        # By process too: forks share file positions, by which they would read each other's bytes.
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
    """Reader with a sample for each file in a zip archive.

    Parameters as in :class:`DirectoryReader`, except that `path` is the archive, and that ``*`` in
    a pattern also matches ``/`` and hidden files.

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
    """Reader with a sample for each file in a tar archive, which may be compressed.

    Parameters as in :class:`ZipFileReader`. Random access to a compressed archive reads it from the
    start.

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


def _texts(patterns: object) -> list[str]:
    given = [patterns] if is_path(patterns) else patterns
    texts = list(given) if isinstance(given, Iterable) else [given]
    paths = [os.fspath(one) for one in texts if is_path(one)]
    if len(paths) < len(texts):
        raise WrongTypeError(f"patterns are a path or several, not {patterns!r:.60}")
    return paths


def _found(
    patterns: Iterable[str],
    find: Callable[[str], Iterator[_File]],
    separator: str,
    allow_empty: bool,
) -> list[_File]:
    """Find the files of all patterns and lists."""
    found: list[_File] = []
    for pattern in patterns:
        # An existing file is a list of files, whatever its suffix.
        there = _listed(pattern, separator) if Path(pattern).is_file() else find(pattern)
        files = list(there)
        if not files and not allow_empty:
            raise NotFoundError(f"{pattern}: no file matches; allow_empty=True permits this")
        found += files
    return found


def _chosen(found: list[_File], include: Sequence[str], exclude: Sequence[str]) -> Iterator[_File]:
    for one in found:
        wanted = not include or any(fnmatch(one.path, pattern) for pattern in include)
        if wanted and not any(fnmatch(one.path, pattern) for pattern in exclude):
            yield one


def _listed(path: str, separator: str) -> Iterator[_File]:
    """Read a list of files, with paths as written."""
    for line in as_text(storage.read(path), path).splitlines():
        if line:
            name, *columns = line.split(separator)
            yield _File(name, name, columns[0] if columns else None, columns[1:])


def _matching(pattern: str, shared: str) -> Iterator[_File]:
    """Find the files that match a pattern."""
    parts = pattern.split("/")
    place = parts.index(LABEL) if LABEL in parts else None
    prefix = shared or (pattern.partition(LABEL)[0] if place is not None else _fixed(parts))
    wanted = pattern.replace(LABEL, "*", 1)
    # `pathlib` would normalize the path, on which keys and labels depend.
    found = glob.iglob(wanted, recursive=True)  # noqa: PTH207  # relative paths stay as given
    files = (path for path in found if Path(path).is_file())
    for path in sorted(files, key=storage.natural):
        label = path.split("/")[place] if place is not None else None
        yield _File(path, path.removeprefix(prefix), label)


def _shared(patterns: Sequence[str]) -> str:
    """Return the common leading folders of several patterns."""
    if len(patterns) == 1:
        return ""
    common = itertools.takewhile(
        lambda parts: len(set(parts)) == 1 and parts[0] != LABEL,
        zip(*(pattern.split("/") for pattern in patterns), strict=False),
    )
    return "".join(f"{parts[0]}/" for parts in common)


def _fixed(parts: Sequence[str]) -> str:
    """Return the folders of a pattern before its first wildcard."""
    fixed = itertools.takewhile(lambda part: not glob.has_magic(part), parts[:-1])
    return "/".join([*fixed, ""])


def _members(pattern: str, names: Iterable[str]) -> Iterator[_File]:
    """Find the members of an archive that match a pattern; ``*`` matches ``/`` too."""
    parts = pattern.split("/")
    place = parts.index(LABEL) if LABEL in parts else None
    start = max(pattern.find(LABEL), 0)  # keys begin at the label, or at the root of the archive
    wanted = pattern.replace(LABEL, "*", 1)
    for name in names:
        if fnmatch(name, wanted):
            yield _File(name, name[start:], name.split("/")[place] if place is not None else None)
