"""Whole shards of a dataset in memory, for rooms below ``thunderlike.datasets``.

A writer that runs where records are, such as a partition of images, makes its records one shard,
writes the files of it in their order, and keeps the summary. When all are written, the manifest
of all summaries is written last: it says that the folder is complete. ``thunderlike.datasets``
reads such folders, and streams larger shards to paths itself.

>>> summary, files = shard("part-00000.msgpack", [("a", {"key": "a", "label": 1})])
>>> list(files)[:3]
['part-00000.msgpack', 'part-00000.msgpack.offsets', 'part-00000.msgpack.keys']
>>> manifest([summary])[:24]
b'{"format":1,"shards":[{"'
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.errors import SpecError, WrongType
from thunderlike.formats.msgpack import packb, place_of_fault
from thunderlike.formats.samples import (
    FILTER,
    KEY_HASHES,
    KEYS,
    MD5,
    MOST,
    OFFSETS,
    digest_lines,
    encode_filter,
    encode_key_hashes,
    encode_keys,
    encode_offsets,
    key_hasher,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

__all__ = ["MANIFEST", "Summary", "manifest", "message", "plain_hashes", "shard"]

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Summary:
    """What the manifest says of a shard, and what tells whether two shards share a key.

    Parameters
    ----------
    name : str
        Of its data file, without a folder.
    samples, nbytes : int
        How many messages, and how many bytes of them.
    md5 : str
        Of the data file.
    hashes : ndarray of uint64
        Of its keys, without salt.
    """

    name: str
    samples: int
    nbytes: int
    md5: str
    hashes: NDArray[np.uint64]


def shard(name: str, records: Iterable[tuple[str, Any]]) -> tuple[Summary, dict[str, bytes]]:
    """Make one whole shard in memory from keys and samples.

    Parameters
    ----------
    name : str
        Of the data file, such as ``part-00017.msgpack``.
    records : iterable of (key, sample)
        A sample is a dict in which ``"key"`` is that key.

    Returns
    -------
    summary : Summary
        For the manifest.
    files : dict of str to bytes
        File name to content, in the order in which they are to be written; the last one says that
        the others are there.

    Raises
    ------
    WrongType
        For keys that are not text, and samples that hold what a message cannot.
    SpecError
        For a key that is there twice, and for a sample of 4 GiB.

    Notes
    -----
    One pass; the messages are held, and copied once into the content of the data file.
    """
    messages: dict[str, bytes] = {}
    for key, sample in records:
        if not isinstance(key, str):
            raise WrongType(f"{name}: a key is text, not {key!r:.60}")
        if key in messages:
            raise SpecError(f"{name}: the key {key!r} is there twice; keys must be unique")
        messages[key] = message(key, sample)
    return _assembled(name, messages)


def message(key: str, sample: Any) -> bytes:
    """Pack a sample; what is wrong with it is told with its key.

    Raises
    ------
    WrongType, SpecError
        As :func:`~thunderlike.formats.msgpack.packb`, and for a message of 4 GiB.
    """
    try:
        packed = packb(sample)
    except (TypeError, ValueError) as error:
        kind = WrongType if isinstance(error, TypeError) else SpecError
        place = place_of_fault(sample)
        raise kind(f"sample {key!r}: {f'field {place}: ' if place else ''}{error}") from error
    if len(packed) > MOST:
        raise SpecError(f"sample {key!r}: has {len(packed)} bytes, a message has at most {MOST}")
    return packed


def _assembled(name: str, messages: dict[str, bytes]) -> tuple[Summary, dict[str, bytes]]:
    keys, data = list(messages), b"".join(messages.values())
    files = {
        name: data,
        name + OFFSETS: encode_offsets(np.cumsum([0, *map(len, messages.values())])),
        name + KEYS: encode_keys(keys),
        name + KEY_HASHES: encode_key_hashes(keys),
        name + FILTER: encode_filter(keys),
    }
    digests = {file: hashlib.md5(content).hexdigest() for file, content in files.items()}  # noqa: S324
    summary = Summary(name, len(keys), len(data), digests[name], plain_hashes(keys))
    return summary, {**files, name + MD5: digest_lines(digests)}


def plain_hashes(keys: Sequence[str]) -> NDArray[np.uint64]:
    """Hash keys without salt, so that those of different shards can be compared."""
    hashes = np.frombuffer(b"".join(map(key_hasher(b""), keys)), ">u8")
    return hashes.astype(np.uint64)


def manifest(summaries: Iterable[Summary]) -> bytes:
    """Write the list of all shards.

    Raises
    ------
    SpecError
        When two shards hold the same key; names the two. Keys are compared by hashes of 64 bits:
        a billion distinct keys are mistaken for a double with a probability of 3 %.
    """
    told = list(summaries)
    _check_distinct(told)
    shards = [
        {"name": one.name, "samples": one.samples, "bytes": one.nbytes, "md5": one.md5}
        for one in told
    ]
    return json.dumps({"format": 1, "shards": shards}, separators=(",", ":")).encode() + b"\n"


def _check_distinct(summaries: list[Summary]) -> None:
    everything = np.sort(np.concatenate([*(one.hashes for one in summaries), _NONE]))
    twice = everything[1:][everything[1:] == everything[:-1]]
    if twice.size:
        both = " and ".join(one.name for one in summaries if (one.hashes == twice[0]).any())
        raise SpecError(f"{both}: the same key is in both; keys must be unique in all shards")


_NONE = np.empty(0, np.uint64)
