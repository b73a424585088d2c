"""Small helpers for programs that make datasets; the names are those of datadings.

Its ``tools.argparse`` is :mod:`thunderlike.datasets.scripts` here, its ``tools.msgpack``
:mod:`thunderlike.datasets.packing`.
"""

from __future__ import annotations

import gzip
import io
import lzma
import queue
import threading
from os import PathLike
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from thunderlike import storage
from thunderlike._arguments import checked_arguments
from thunderlike.datasets.download import download, verify
from thunderlike.datasets.images import raster, tiles
from thunderlike.datasets.packing import packb, unpackb
from thunderlike.datasets.scripts import (
    ProgressPrinter,
    document_keys,
    make_printer,
    print_over,
    query_user,
)
from thunderlike.datasets.verification import file_digest
from thunderlike.errors import FormatError, KeyMissingError, SpecError
from thunderlike.formats.dataset_files import hash_string
from thunderlike.formats.text import as_text
from thunderlike.parallel.fork import fork_iterate
from thunderlike.storage.filesystem import check_special
from thunderlike.storage.local import failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import DTypeLike, NDArray

    from thunderlike.storage import AnyPath

__all__ = [
    "ProgressPrinter",
    "document_keys",
    "download_files_if_not_found",
    "download_if_not_found",
    "hash_md5hex",
    "hash_string",
    "hash_string_bytes",
    "iter_fields",
    "load_md5file",
    "loadmat",
    "locate_files",
    "make_printer",
    "open_comp",
    "packb",
    "path_append",
    "path_append_suffix",
    "prepare_indir",
    "print_over",
    "query_user",
    "split_array",
    "tiff_to_nd_array",
    "unpackb",
    "verify_file",
    "verify_files",
    "yield_process",
    "yield_threaded",
]

Item = TypeVar("Item")


# Paths and hashes


@checked_arguments
def path_append(path: Path, string: str) -> Path:
    """Add text to the name of a path.

    Raises
    ------
    SpecError
        For a path without a name, such as ``/``.

    Examples
    --------
    >>> path_append(Path("a.msgpack"), ".md5").name
    'a.msgpack.md5'
    """
    if not path.name:
        raise SpecError(f"{path}: has no name that {string!r} could be added to")
    return path.with_name(path.name + string)


@checked_arguments
def path_append_suffix(path: Path, suffix: str) -> Path:
    """Add a suffix to a path that does not end in it.

    Examples
    --------
    >>> path_append_suffix(Path("a.keys"), ".keys").name
    'a.keys'
    """
    return path if path.suffix == suffix else path_append(path, suffix)


@checked_arguments
def hash_md5hex(path: AnyPath, read_size: int = 2**16, progress: bool = False) -> str:  # noqa: ARG001
    """Hash a file with MD5; `progress` shows a progress bar.

    Examples
    --------
    >>> storage.write("memory://hash-one/abc.txt", b"abc")
    >>> hash_md5hex("memory://hash-one/abc.txt")
    '900150983cd24fb0d6963f7d28e17f72'
    """
    storage.stat(path)  # NotFoundError for a missing file, for which `file_digest` returns text
    return file_digest(path, "md5", progress)


@checked_arguments
def load_md5file(path: AnyPath) -> dict[str, str]:
    """Read a file of hashes: name to hash.

    Raises
    ------
    FormatError
        For a line that is not a hash and a name.

    Examples
    --------
    >>> storage.write("memory://hash-list/a.md5", b"900150983cd24fb0d6963f7d28e17f72  abc.txt")
    >>> load_md5file("memory://hash-list/a.md5")
    {'abc.txt': '900150983cd24fb0d6963f7d28e17f72'}
    """
    hashes: dict[str, str] = {}
    for number, line in enumerate(_text(path).splitlines(), 1):
        found, _, name = line.partition("  ")
        if line and not (found and name):
            raise FormatError(
                f"{path}: line {number} is not a hash, two blanks and a file name: {line!r:.60}"
            )
        if line:
            hashes[name] = found
    return hashes


def _text(path: AnyPath) -> str:
    return as_text(storage.read(path), path)


@checked_arguments
def hash_string_bytes(s: str, salt: bytes = b"") -> bytes:
    """Hash a key to 8 bytes.

    Examples
    --------
    >>> hash_string_bytes("0").hex()
    '652e530edee5893b'
    """
    return hash_string(s, salt).to_bytes(8, "big")


# Arrays and files


@checked_arguments
def split_array(
    img: NDArray[Any], v_pixels: int, h_pixels: int, indices: Sequence[int] = (1, 2)
) -> Iterator[NDArray[Any]]:
    """Cut an image ``(bands, rows, cols)`` into tiles, row by row; those at the border are smaller.

    Parameters
    ----------
    v_pixels, h_pixels : int
        Rows and columns of a tile.
    indices : (int, int)
        Axes whose lengths are rows and columns; tiles are always cut on axes 1 and 2.

    Examples
    --------
    >>> [tile.shape for tile in split_array(np.zeros((1, 3, 4)), 2, 3)]
    [(1, 2, 3), (1, 2, 1), (1, 1, 3), (1, 1, 1)]
    """
    rows, columns = (img.shape[axis] for axis in indices)
    area = img[:, :rows, :columns]  # datadings takes only the lengths from `indices`
    return (tile for _, (tile,) in tiles([area], (v_pixels, h_pixels), border=True))


@checked_arguments
def tiff_to_nd_array(file_path: AnyPath, type: DTypeLike = np.uint8) -> NDArray[Any]:
    """Read a TIFF file as ``(bands, rows, cols)``.

    Examples
    --------
    >>> from thunderlike.formats import tiff
    >>> storage.write("memory://one-band/a.tif", tiff.encode(np.zeros((4, 5), "uint8")))
    >>> tiff_to_nd_array("memory://one-band/a.tif").shape
    (1, 4, 5)
    """
    return raster(storage.read(file_path), type)


@checked_arguments
def open_comp(
    path: AnyPath, mode: str = "rb", level: int | None = None, encoding: str | None = None
) -> IO[Any]:
    """Open a file that may be compressed, by its suffix: ``.gz``, ``.xz``, or plain.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with open_comp(f"{folder}/notes.txt.gz", "wt") as file:
    ...         written = file.write("some text")
    ...     with open_comp(f"{folder}/notes.txt.gz", "rt") as file:
    ...         file.read()
    'some text'
    """
    place = Path(path)
    check_special(place)
    text = None if "b" in mode else encoding or "utf-8"
    try:
        if place.suffix == ".gz":
            return gzip.open(place, mode, 9 if level is None else level, text)  # type: ignore[return-value]
        if place.suffix == ".xz":
            preset = level if "w" in mode else None  # `lzma` refuses one for reading
            return lzma.open(place, mode, preset=preset, encoding=text)
        return place.open(mode, encoding=text)
    except OSError as error:
        raise failure(str(place), "open", error) from error


@checked_arguments
def loadmat(mat: AnyPath | bytes | IO[bytes]) -> dict[str, Any]:
    """Load a MATLAB file, given by path, as a file or as bytes.

    Raises
    ------
    FormatError
        For a file that scipy does not read.

    Examples
    --------
    >>> from scipy.io import savemat
    >>> file = io.BytesIO()
    >>> savemat(file, {"speed": [1, 2, 3]})
    >>> loadmat(file.getvalue())["speed"].tolist()
    [[1, 2, 3]]
    """
    from scipy.io import loadmat as load

    if isinstance(mat, str | PathLike):
        name, source = str(mat), cast("IO[bytes]", io.BytesIO(storage.read(mat)))
    elif isinstance(mat, bytes):
        name, source = "the bytes given", io.BytesIO(mat)
    else:
        name, source = str(getattr(mat, "name", "the file given")), mat
    try:
        found: dict[str, Any] = load(source)
    except MemoryError:
        raise
    except Exception as error:  # scipy answers a damaged file with almost anything
        raise FormatError(f"{name}: not a MATLAB file that can be read: {error}") from error
    return found


@checked_arguments
def iter_fields(arr: NDArray[Any], ignore: Sequence[str] = ()) -> Iterator[tuple[str, Any]]:
    """Iterate over the fields of a structured array: name and value.

    Examples
    --------
    >>> pets = np.array([(3, 0.5)], [("legs", int), ("weight", float)])
    >>> [(name, value.tolist()) for name, value in iter_fields(pets, ignore=["weight"])]
    [('legs', [3])]
    """
    for name in arr.dtype.names or ():
        if name not in ignore:
            yield name, arr[name]


@checked_arguments
def yield_process(gen: Iterable[Item], ahead: int = 3) -> Iterator[Item]:
    """Run an iterable in a process, a few items ahead; its exceptions are raised here.

    Examples
    --------
    >>> list(yield_process(range(5)))
    [0, 1, 2, 3, 4]
    """
    return fork_iterate(gen, ahead)


@checked_arguments
def yield_threaded(gen: Iterable[Item], ahead: int = 3) -> Iterator[Item]:
    """Run an iterable in a thread, a few items ahead; its exceptions are raised here.

    Examples
    --------
    >>> list(yield_threaded(range(5)))
    [0, 1, 2, 3, 4]
    """
    # Pairs: an item may be None or an exception itself.
    found: queue.Queue[tuple[bool, Any]] = queue.Queue(ahead)
    stopped = threading.Event()
    thread = threading.Thread(target=_feed, args=(iter(gen), found, stopped), daemon=True)
    thread.start()
    try:
        while True:
            more, item = found.get()
            if more:
                yield item
            elif item is None:
                return
            else:
                raise item
    finally:  # also where the consumer stops early: the iterable is not left in use by a thread
        stopped.set()
        thread.join()


def _feed(items: Iterator[Any], found: queue.Queue[Any], stopped: threading.Event) -> None:
    try:
        for item in items:
            _put(found, (True, item), stopped)
            if stopped.is_set():
                return
        _put(found, (False, None), stopped)
    except BaseException as error:
        _put(found, (False, error), stopped)


def _put(found: queue.Queue[Any], item: Any, stopped: threading.Event) -> None:
    """Wait for space in the queue, unless the consumer has stopped."""
    waiting = True
    while waiting and not stopped.is_set():
        try:
            found.put(item, timeout=0.1)
            waiting = False
        except queue.Full:
            continue


# Downloads


@checked_arguments
def download_if_not_found(url: str, path: AnyPath, md5: str | None = None) -> None:
    """Download a file unless it exists; see :func:`thunderlike.datasets.download.download`.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     download_if_not_found("https://example.org/a.zip", file.name)  # exists: not downloaded
    """
    if not Path(path).exists():
        download(url, Path(path), md5)


@checked_arguments
def download_files_if_not_found(files: Mapping[str, Mapping[str, Any]], indir: AnyPath) -> None:
    """Download the missing files of ``{name: {path, url, md5}}`` that have a URL.

    Examples
    --------
    >>> files = {"photos": {"path": "photos.zip", "url": None, "md5": None}}
    >>> download_files_if_not_found(files, "downloads")  # no URL: downloaded by hand
    """
    for facts in files.values():
        if facts.get("url"):
            download_if_not_found(facts["url"], Path(indir) / facts["path"], facts.get("md5"))


@checked_arguments
def verify_file(meta: Mapping[str, Any], indir: AnyPath) -> None:
    """Compare a file with its md5; see :func:`thunderlike.datasets.download.verify`.

    Raises
    ------
    KeyMissingError
        For a description without ``path`` or ``md5``.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     storage.write(f"{folder}/abc.txt", b"abc")
    ...     verify_file({"path": "abc.txt", "md5": "900150983cd24fb0d6963f7d28e17f72"}, folder)
    """
    verify(Path(indir) / _entry_of(meta, "path"), _entry_of(meta, "md5"))


def _entry_of(meta: Mapping[str, Any], name: str) -> Any:
    if meta.get(name) is None:
        raise KeyMissingError(f"{meta.get('path', 'a file')}: its description has no {name!r}")
    return meta[name]


@checked_arguments
def verify_files(files: Mapping[str, Mapping[str, Any]], indir: AnyPath) -> None:
    """Compare the files of ``{name: {path, url, md5}}`` with their md5.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     storage.write(f"{folder}/abc.txt", b"xyz")
    ...     verify_files({"abc": {"path": "abc.txt", "md5": "900150983cd24fb0"}}, folder)
    Traceback (most recent call last):
        ...
    thunderlike.errors.VerifyError: ...
    """
    for facts in files.values():
        verify_file(facts, indir)


@checked_arguments
def locate_files(
    files: Mapping[str, Mapping[str, Any]], indir: AnyPath
) -> dict[str, dict[str, Any]]:
    """Return a copy of ``{name: {path, ...}}`` whose paths are in a folder.

    Examples
    --------
    >>> locate_files({"photos": {"path": "photos.zip", "url": None}}, "downloads")
    {'photos': {'path': 'downloads/photos.zip', 'url': None}}
    """
    paths = {name: str(Path(indir) / facts["path"]) for name, facts in files.items()}
    return {name: {**facts, "path": paths[name]} for name, facts in files.items()}


@checked_arguments
def prepare_indir(files: Mapping[str, Mapping[str, Any]], args: Any) -> dict[str, dict[str, Any]]:
    """Download missing files, verify them unless ``args.skip_verification``, and return paths.

    Examples
    --------
    >>> from argparse import Namespace
    >>> args = Namespace(indir="downloads", skip_verification=True)
    >>> prepare_indir({"photos": {"path": "photos.zip"}}, args)  # no URL: nothing is downloaded
    {'photos': {'path': 'downloads/photos.zip'}}
    """
    if not Path(args.indir).is_dir() and Path(args.indir).exists():
        raise SpecError(f"{args.indir}: is a file, not a folder")
    download_files_if_not_found(files, args.indir)
    if not args.skip_verification:
        verify_files(files, args.indir)
    return locate_files(files, args.indir)
