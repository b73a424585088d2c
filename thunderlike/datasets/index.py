"""Index files of a dataset: keys, offsets, filter, checksum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thunderlike import storage
from thunderlike._arguments import checked_arguments
from thunderlike.datasets import publication
from thunderlike.errors import CorruptDatasetError, NotFoundError
from thunderlike.formats import dataset_files
from thunderlike.formats.dataset_files import hash_keys
from thunderlike.storage._open import local_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from thunderlike.storage import AnyPath

__all__ = [
    "DIGESTS",
    "SUFFIXES",
    "SUFFIX_APPENDING",
    "SUFFIX_FILTER",
    "SUFFIX_KEYS",
    "SUFFIX_KEY_HASHES",
    "SUFFIX_LEGACY_INDEX",
    "SUFFIX_MD5",
    "SUFFIX_OFFSETS",
    "SUFFIX_SUMS",
    "beside",
    "current",
    "data_path",
    "hash_keys",
    "keys_len",
    "legacy_index_len",
    "legacy_load_index",
    "load_filter",
    "load_key_hashes",
    "load_keys",
    "load_offsets",
    "load_sums",
    "unfinished_append",
    "write_filter",
    "write_key_hashes",
    "write_keys",
    "write_offsets",
]

SUFFIX_OFFSETS = dataset_files.OFFSETS
SUFFIX_KEYS = dataset_files.KEYS
SUFFIX_KEY_HASHES = dataset_files.KEY_HASHES
SUFFIX_FILTER = dataset_files.FILTER
SUFFIX_SUMS = dataset_files.SUMS
SUFFIX_MD5 = dataset_files.MD5
SUFFIX_LEGACY_INDEX = dataset_files.LEGACY
SUFFIX_APPENDING = dataset_files.APPENDING

DIGESTS = ("md5", "sha256", "blake2b")

# In the order in which they are written; the last one says that the others are there.
SUFFIXES = (
    SUFFIX_OFFSETS,
    SUFFIX_KEYS,
    SUFFIX_KEY_HASHES,
    SUFFIX_FILTER,
    SUFFIX_SUMS,
    *(f".{digest}" for digest in DIGESTS),
)


@checked_arguments
def beside(path: AnyPath, suffix: str) -> str:
    """Return the address of an index file.

    Examples
    --------
    >>> beside("/data/a.msgpack", ".keys"), beside("/data/a.msgpack.keys", ".keys")
    ('/data/a.msgpack.keys', '/data/a.msgpack.keys')
    """
    address = storage.at(path)
    return address if address.endswith(suffix) else publication.beside(address, suffix)


@checked_arguments
def current(path: AnyPath, suffix: str) -> str:
    """Return where an index file is now: elsewhere for the moment in which it is replaced.

    Raises
    ------
    NotFoundError
        When the dataset that is being written has no such file.

    Examples
    --------
    >>> current("memory://a.msgpack", ".keys")
    'memory://a.msgpack.keys'
    """
    return publication.place(data_path(path, suffix), suffix)


@checked_arguments
def data_path(path: AnyPath, suffix: str) -> str:
    """Return the address of the data file that an index file belongs to.

    Examples
    --------
    >>> data_path("/data/a.msgpack.index", ".index")
    '/data/a.msgpack'
    """
    address = storage.at(path)
    store, _ = storage.resolve(address)
    return store.address(address.removesuffix(suffix))


@checked_arguments
def keys_len(path: AnyPath) -> int:
    """Read how many keys there are, from the first bytes of the ``.keys`` file."""
    return _loaded(path, SUFFIX_KEYS, dataset_files.keys_count, 5)


@checked_arguments
def load_keys(path: AnyPath) -> list[str]:
    """Load all keys; nothing in the file is ever run."""
    return _loaded(path, SUFFIX_KEYS, dataset_files.decode_keys)


@checked_arguments
def load_offsets(path: AnyPath) -> NDArray[np.uint64]:
    """Load where each message begins, and at last where the last one ends: ``n + 1`` numbers."""
    return _loaded(path, SUFFIX_OFFSETS, dataset_files.decode_offsets)


@checked_arguments
def load_key_hashes(path: AnyPath) -> tuple[bytes, NDArray[np.uint64]]:
    """Load the salt, and the hash of each key."""
    return _loaded(path, SUFFIX_KEY_HASHES, dataset_files.decode_key_hashes)


@checked_arguments
def load_filter(path: AnyPath) -> Any:
    """Load the Bloom filter of the keys, to be asked ``key in filter``."""
    return _loaded(path, SUFFIX_FILTER, dataset_files.decode_filter)


@checked_arguments
def load_sums(path: AnyPath) -> bytes:
    """Load the hashes of the messages, 8 bytes each."""
    return _loaded(path, SUFFIX_SUMS, bytes)


@checked_arguments
def unfinished_append(path: AnyPath) -> int | None:
    """Return how many bytes there were before an append that was never finished; None without."""
    try:
        return int.from_bytes(storage.read(beside(path, SUFFIX_APPENDING)), "big")
    except NotFoundError:
        return None


@checked_arguments
def legacy_index_len(path: AnyPath) -> int:
    """Read how many samples an old ``.index`` file tells of."""
    return len(legacy_load_index(path)[0])


@checked_arguments
def legacy_load_index(path: AnyPath) -> tuple[list[str], NDArray[np.uint64]]:
    """Load keys and offsets, the end of the data included, from an old ``.index`` file."""
    size = storage.stat(data_path(path, SUFFIX_LEGACY_INDEX)).size
    return _loaded(path, SUFFIX_LEGACY_INDEX, lambda data: dataset_files.decode_legacy(data, size))


@checked_arguments
def write_offsets(offsets: Any, path: AnyPath) -> Path | str:
    """Write where each message begins and the last one ends; return its path."""
    return _written(path, SUFFIX_OFFSETS, dataset_files.encode_offsets(offsets))


@checked_arguments
def write_keys(keys: Sequence[str], path: AnyPath) -> Path | str:
    """Write the keys; return its path."""
    return _written(path, SUFFIX_KEYS, dataset_files.encode_keys(keys))


@checked_arguments
def write_key_hashes(keys: Sequence[str], path: AnyPath) -> Path | str:
    """Hash the keys and write that; return its path."""
    return _written(path, SUFFIX_KEY_HASHES, dataset_files.encode_key_hashes(keys))


@checked_arguments
def write_filter(keys: Sequence[str], path: AnyPath) -> Path | str:
    """Write a Bloom filter of the keys; return its path."""
    return _written(path, SUFFIX_FILTER, dataset_files.encode_filter(keys))


def _written(path: AnyPath, suffix: str, data: bytes) -> Path | str:
    """Write an index file; return where it is: a path on a disk, an address anywhere else."""
    place = beside(path, suffix)
    storage.write(place, data)
    return local_file(place) or place


def _loaded(
    path: AnyPath, suffix: str, decode: Callable[[bytes], Any], length: int | None = None
) -> Any:
    """Decode the start of an index file, or all of it."""
    found = current(path, suffix)
    try:
        data = _read(found, length)
    except NotFoundError:
        final = beside(path, suffix)
        if found == final:
            raise
        found, data = final, _read(final, length)  # it was moved there just now
    try:
        return decode(data)
    except CorruptDatasetError as error:
        raise CorruptDatasetError(f"{found}: {error}") from error


def _read(place: str, length: int | None) -> bytes:
    return storage.read(place) if length is None else storage.read_range(place, 0, length)
