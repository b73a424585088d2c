"""Consistency checks of the files of a dataset, and reconstruction of its index files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike import storage
from thunderlike._arguments import checked_arguments
from thunderlike.datasets import index as indices
from thunderlike.datasets import publication
from thunderlike.datasets._data_file import STALE, hasher
from thunderlike.datasets.msgpack import MsgpackReader
from thunderlike.datasets.verification import Report, check_samples
from thunderlike.errors import CorruptDatasetError, CorruptSampleError, FormatError, NotFoundError
from thunderlike.formats import dataset_files
from thunderlike.formats.msgpack import message_end, unpackb
from thunderlike.storage.locking import WriterLock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from thunderlike.storage import AnyPath

__all__ = ["check", "reindex"]


@checked_arguments
def check(path: AnyPath, *, samples: bool = False) -> Report:
    """Check that the files of a dataset are consistent, without reading all of the data.

    Parameters
    ----------
    path : path
        Path of the data file.
    samples : bool
        Also read every sample and compare its key.

    Returns
    -------
    Report
        Results for all existing files; a missing optional file is not a fault.

    Examples
    --------
    >>> import thunderlike as tl
    >>> with tl.datasets.FileWriter("memory://checked.msgpack", overwrite=True) as writer:
    ...     writer.write({"key": "a"})
    >>> check("memory://checked.msgpack").ok
    True
    """
    report = Report(storage.at(path))
    try:
        reader = MsgpackReader(path)
        report.samples = len(reader)
        report.note(f"{len(reader._offsets)} offsets")
    except (CorruptDatasetError, NotFoundError) as error:
        report.note("offsets", str(error))
        return report
    for look in (_check_keys, _check_hashes, _check_filter, _check_sums):
        try:
            look(reader, report)
        except CorruptDatasetError as error:
            report.note(look.__name__, str(error))
        except NotFoundError:
            continue
    if samples:
        check_samples(reader, report)
    return report


def _check_keys(reader: MsgpackReader, report: Report) -> None:
    keys = indices.load_keys(reader.path)
    same = len(keys) == len(reader)
    fault = f"{reader.path}: has {len(reader)} samples and {len(keys)} keys"
    report.note("keys", "" if same else fault)


def _check_hashes(reader: MsgpackReader, report: Report) -> None:
    salt, hashes = indices.load_key_hashes(reader.path)
    wanted = b"".join(map(dataset_files.key_hasher(salt), reader.keys()))
    same = dataset_files.encode_hashes(salt, hashes)[8:] == wanted
    report.note("key_hashes", "" if same else f"{reader.path}: hashes do not match the keys")


def _check_filter(reader: MsgpackReader, report: Report) -> None:
    found = indices.load_filter(reader.path)
    missing = [key for key in reader.keys() if key not in found]  # noqa: SIM118
    fault = f"{reader.path}: the filter lacks the key {missing[0]!r}" if missing else ""
    report.note("filter", fault)


def _check_sums(reader: MsgpackReader, report: Report) -> None:
    sums = indices.load_sums(reader.path)
    found = dataset_files.sums_of(reader.slice(0, raw=True, copy=False))
    report.note("sums", "" if sums == found else _first_difference(reader, sums, found))


def _first_difference(reader: MsgpackReader, sums: bytes, found: bytes) -> str:
    if len(sums) != len(found):
        return f"{reader.path}: has {len(reader)} samples and {len(sums)} bytes of sums"
    ours, theirs = np.frombuffer(found, ">u8"), np.frombuffer(sums, ">u8")
    first = int(np.flatnonzero(ours != theirs)[0])
    return f"{reader.path}: sample {first} differs from its recorded hash"


@checked_arguments
def reindex(path: AnyPath, digest: str | None = "md5") -> int:
    """Rebuild all index files from the data file; return the number of samples.

    Parameters
    ----------
    path : path
        Path of the data file.
    digest : {'md5', 'sha256', 'blake2b', None}
        As in :class:`~thunderlike.datasets.writer.Writer`.

    Raises
    ------
    CorruptSampleError
        For bytes that are not a complete sample; nothing is written then.
    InUseError
        When a writer has the dataset open.

    Notes
    -----
    The data file is read into memory. Samples are located by their structure and unpacked for
    their keys.

    Examples
    --------
    >>> import thunderlike as tl
    >>> with tl.datasets.FileWriter("memory://lost.msgpack", overwrite=True) as writer:
    ...     writer.write({"key": "a"})
    >>> reindex("memory://lost.msgpack")
    1
    """
    address = storage.at(path)
    lock = WriterLock(address)
    try:
        publication.recover(address, lock, STALE)
        data = memoryview(storage.read(address))
        keys, offsets = [], [0]
        for key, end in _scanned(address, data):
            keys.append(key)
            offsets.append(end)
        contents = {
            indices.SUFFIX_OFFSETS: dataset_files.encode_offsets(offsets),
            indices.SUFFIX_KEYS: dataset_files.encode_keys(keys),
            indices.SUFFIX_KEY_HASHES: dataset_files.encode_key_hashes(keys),
            indices.SUFFIX_FILTER: dataset_files.encode_filter(keys),
        }
        if digest is not None:
            name = address.rpartition("/")[2]
            lines = {name: _hashed(digest, data)}
            lines |= {name + suffix: _hashed(digest, found) for suffix, found in contents.items()}
            contents[f".{digest}"] = dataset_files.digest_lines(lines)
        old = (*indices.SUFFIXES, indices.SUFFIX_APPENDING)
        publication.publish(address, contents, None, lock=lock, size=len(data), stale=old)
    finally:
        lock.release()
    return len(keys)


def _hashed(digest: str, data: bytes | memoryview) -> str:
    found = hasher(digest)
    found.update(data)
    return str(found.hexdigest())


def _scanned(path: str, data: memoryview) -> Iterator[tuple[str, int]]:
    """Yield the key and the end of each message in a data file."""
    start, number = 0, 0
    while start < len(data):
        try:
            end = message_end(data, start)
            yield _key_of(unpackb(data[start:end])), end
        except FormatError as error:
            text = f"{path}: sample {number} at byte {start}: {error}"
            length = len(data) - start
            raise CorruptSampleError(text, path, number, None, start, length, str(error)) from error
        start, number = end, number + 1


def _key_of(sample: Any) -> str:
    key = sample.get("key") if isinstance(sample, dict) else None
    if not isinstance(key, str):
        raise FormatError(f"expected a sample with a text 'key', found {sample!r:.60}")
    return key
