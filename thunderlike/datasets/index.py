"""Index files of a dataset: keys, offsets, filter, checksum.

Each function takes the path of the data file or of the index file; the suffix is added where it is
missing. :mod:`thunderlike.formats.dataset_files` defines the contents. Files are written completely
or not at all; functions that write return a path, or an address in a store other than a disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from thunderlike import storage
from thunderlike._arguments import checked_arguments
from thunderlike.datasets import publication
from thunderlike.errors import CorruptDatasetError, NotFoundError
from thunderlike.formats import dataset_files
from thunderlike.formats.dataset_files import hash_keys
from thunderlike.storage._open import local_file

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

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
    "sidecar",
    "unfinished_append",
    "write_filter",
    "write_key_hashes",
    "write_keys",
    "write_offsets",
]

Content = TypeVar("Content")

SUFFIX_OFFSETS = dataset_files.OFFSETS
SUFFIX_KEYS = dataset_files.KEYS
SUFFIX_KEY_HASHES = dataset_files.KEY_HASHES
SUFFIX_FILTER = dataset_files.FILTER
SUFFIX_SUMS = dataset_files.SUMS
SUFFIX_MD5 = dataset_files.MD5
SUFFIX_LEGACY_INDEX = dataset_files.LEGACY
SUFFIX_APPENDING = dataset_files.APPENDING

# In the order in which readers look for a file of hashes: datadings writes md5.
DIGESTS = ("md5", "sha256", "blake2b")

# In the order in which they are written; the digest file is last and lists the others.
SUFFIXES = (
    SUFFIX_OFFSETS,
    SUFFIX_KEYS,
    SUFFIX_KEY_HASHES,
    SUFFIX_FILTER,
    SUFFIX_SUMS,
    *(f".{digest}" for digest in DIGESTS),
)


@checked_arguments
def sidecar(path: AnyPath, suffix: str) -> str:
    """Return the address of an index file.

    Examples
    --------
    >>> sidecar("/data/a.msgpack", ".keys"), sidecar("/data/a.msgpack.keys", ".keys")
    ('/data/a.msgpack.keys', '/data/a.msgpack.keys')
    """
    address = storage.at(path)
    return address if address.endswith(suffix) else publication.sidecar(address, suffix)


@checked_arguments
def current(path: AnyPath, suffix: str) -> str:
    """Return the current address of an index file, which differs while it is replaced.

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
    return store.address(address.removesuffix(suffix))  # keeps the credentials of the address


@checked_arguments
def keys_len(path: AnyPath) -> int:
    """Read the number of keys from the first bytes of the ``.keys`` file."""
    # The longest header of a msgpack list is a byte and a count of 32 bits.
    return _loaded(path, SUFFIX_KEYS, dataset_files.keys_count, 5)


@checked_arguments
def load_keys(path: AnyPath) -> list[str]:
    """Load all keys; nothing is unpickled."""
    return _loaded(path, SUFFIX_KEYS, dataset_files.decode_keys)


@checked_arguments
def load_offsets(path: AnyPath) -> NDArray[np.uint64]:
    """Load the offsets of the messages and the end of the last one: ``n + 1`` numbers."""
    return _loaded(path, SUFFIX_OFFSETS, dataset_files.decode_offsets)


@checked_arguments
def load_key_hashes(path: AnyPath) -> tuple[bytes, NDArray[np.uint64]]:
    """Load the salt, and the hash of each key."""
    return _loaded(path, SUFFIX_KEY_HASHES, dataset_files.decode_key_hashes)


@checked_arguments
def load_filter(path: AnyPath) -> Container[str]:
    """Load the Bloom filter of the keys, for ``key in filter``."""
    return _loaded(path, SUFFIX_FILTER, dataset_files.decode_filter)


@checked_arguments
def load_sums(path: AnyPath) -> bytes:
    """Load the hashes of the messages, 8 bytes each."""
    return _loaded(path, SUFFIX_SUMS, bytes)


@checked_arguments
def unfinished_append(path: AnyPath) -> int | None:
    """Return the size of the data file before an unfinished append, or None."""
    try:
        return int.from_bytes(storage.read(sidecar(path, SUFFIX_APPENDING)), "big")
    except NotFoundError:
        return None


@checked_arguments
def legacy_index_len(path: AnyPath) -> int:
    """Read the number of samples from an ``.index`` file of datadings."""
    return len(legacy_load_index(path)[0])


@checked_arguments
def legacy_load_index(path: AnyPath) -> tuple[list[str], NDArray[np.uint64]]:
    """Load keys and offsets, the end of the data included, from a legacy ``.index`` file."""
    size = storage.stat(data_path(path, SUFFIX_LEGACY_INDEX)).size
    return _loaded(path, SUFFIX_LEGACY_INDEX, lambda data: dataset_files.decode_legacy(data, size))


@checked_arguments
def write_offsets(offsets: ArrayLike, path: AnyPath) -> Path | str:
    """Write the offsets of the messages and the end of the last one; return the path."""
    return _written(path, SUFFIX_OFFSETS, dataset_files.encode_offsets(offsets))


@checked_arguments
def write_keys(keys: Sequence[str], path: AnyPath) -> Path | str:
    """Write the keys; return the path."""
    return _written(path, SUFFIX_KEYS, dataset_files.encode_keys(keys))


@checked_arguments
def write_key_hashes(keys: Sequence[str], path: AnyPath) -> Path | str:
    """Write the hashes of the keys; return the path."""
    return _written(path, SUFFIX_KEY_HASHES, dataset_files.encode_key_hashes(keys))


@checked_arguments
def write_filter(keys: Sequence[str], path: AnyPath) -> Path | str:
    """Write a Bloom filter of the keys; return the path."""
    return _written(path, SUFFIX_FILTER, dataset_files.encode_filter(keys))


def _written(path: AnyPath, suffix: str, data: bytes) -> Path | str:
    """Write an index file; return its path, or its address in another store."""
    place = sidecar(path, suffix)
    storage.write(place, data)
    return local_file(place) or place


def _loaded(
    path: AnyPath, suffix: str, decode: Callable[[bytes], Content], length: int | None = None
) -> Content:
    """Decode the start of an index file, or all of it."""
    found = current(path, suffix)
    # Readers take no lock: a file may be renamed between finding its address and reading it.
    try:
        data = _read(found, length)
    except NotFoundError:
        final = sidecar(path, suffix)
        if found == final:
            raise
        found, data = final, _read(final, length)  # renamed in the meantime
    try:
        return decode(data)
    except CorruptDatasetError as error:
        raise CorruptDatasetError(f"{found}: {error}") from error


def _read(place: str, length: int | None) -> bytes:
    return storage.read(place) if length is None else storage.read_range(place, 0, length)
