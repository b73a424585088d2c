"""Files of a dataset: samples, shards, their index and checksums."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import simplebloom
import xxhash

from thunderlike.errors import CorruptDatasetError, SpecError, WrongTypeError
from thunderlike.formats.msgpack import packb, place_of_fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "APPENDING",
    "FILTER",
    "KEYS",
    "KEY_HASHES",
    "LEGACY",
    "MANIFEST",
    "MD5",
    "MOST",
    "OFFSETS",
    "SUMS",
    "Summary",
    "decode_filter",
    "decode_key_hashes",
    "decode_keys",
    "decode_legacy",
    "decode_offsets",
    "digest_lines",
    "encode_filter",
    "encode_hashes",
    "encode_key_hashes",
    "encode_keys",
    "encode_offsets",
    "hash_keys",
    "hash_string",
    "key_hasher",
    "keys_count",
    "manifest",
    "message",
    "plain_hashes",
    "shard",
    "sums_of",
]


OFFSETS, KEYS, KEY_HASHES, FILTER = ".offsets", ".keys", ".key_hashes", ".filter"
APPENDING = ".appending"  # while samples are added: how many bytes there were before
SUMS, MD5, LEGACY = ".sums", ".md5", ".index"
MOST = 2**32 - 1  # samples in one file, and bytes in one text or message: lengths have 32 bits

_U64 = np.dtype(">u8")
_packer = msgspec.msgpack.Encoder()
_keys = msgspec.msgpack.Decoder(list[str])


# Where messages begin


def encode_offsets(offsets: ArrayLike) -> bytes:
    r"""Write where each message begins, and at last where the last one ends.

    Examples
    --------
    >>> encode_offsets([0])
    b'\x00\x00\x00\x00\x00\x00\x00\x00'
    """
    return np.asarray(offsets, np.uint64).astype(_U64).tobytes()


def decode_offsets(data: bytes) -> NDArray[np.uint64]:
    """Read the offsets, of shape ``(n + 1,)``, and look whether they can be that.

    Raises
    ------
    CorruptDatasetError
        For bytes that are truncated, do not begin at 0 or do not ascend.
    """
    if len(data) % 8 or not data:
        raise CorruptDatasetError(f"offsets have {len(data)} bytes, not 8 for each")
    offsets = np.frombuffer(data, _U64).astype(np.uint64)
    if offsets[0] != 0:
        raise CorruptDatasetError(f"the first offset is {offsets[0]}, not 0")
    if (falls := np.flatnonzero(offsets[1:] <= offsets[:-1])).size:
        raise CorruptDatasetError(f"offset {falls[0] + 1} is not larger than the one before")
    return offsets


# Keys


def encode_keys(keys: Sequence[str]) -> bytes:
    r"""Write all keys, as one message.

    Examples
    --------
    >>> encode_keys(["a", "b"])
    b'\x92\xa1a\xa1b'
    """
    return _packer.encode(keys)


def decode_keys(data: bytes) -> list[str]:
    """Read all keys; CorruptDatasetError for anything but text, and nothing is ever run."""
    try:
        return _keys.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CorruptDatasetError(f"keys are not a list of text: {error}") from error


def keys_count(head: bytes) -> int:
    r"""Read how many keys there are from the first 5 bytes of the file.

    Examples
    --------
    >>> keys_count(b"\x92\xa1a\xa1b")
    2
    """
    first = head[0] if head else 0
    if first >> 4 == 9:
        return first & 15
    sizes = {0xDC: 3, 0xDD: 5}
    if first not in sizes or len(head) < sizes[first]:
        raise CorruptDatasetError(f"keys begin with {head[:5]!r}, which is not a list")
    return int.from_bytes(head[1 : sizes[first]], "big")


def decode_legacy(data: bytes, size: int) -> tuple[list[str], NDArray[np.uint64]]:
    """Read keys and offsets from the one index file of old datasets; `size` of the data file.

    Raises
    ------
    CorruptDatasetError
        For anything but a map of text to ascending numbers.
    """
    try:
        found = msgspec.msgpack.decode(data, type=dict[str, int])
        offsets = np.array([*found.values(), size], np.uint64)
    except (msgspec.DecodeError, UnicodeDecodeError, OverflowError) as error:
        raise CorruptDatasetError(f"the index is not a map of keys to numbers: {error}") from error
    return list(found), decode_offsets(offsets.astype(_U64).tobytes())


# Hashes of keys


def hash_string(s: str, salt: bytes = b"") -> int:
    """Hash a key: the first 8 bytes of its salted BLAKE2s, as a number.

    Examples
    --------
    >>> hex(hash_string("0"))
    '0x652e530edee5893b'
    """
    return int.from_bytes(_digest(s, salt), "big")


def _digest(text: str, salt: bytes) -> bytes:
    return hashlib.blake2s(text.encode("utf-8", "surrogatepass"), salt=salt).digest()[:8]


def key_hasher(salt: bytes) -> Any:
    """Return a function from a key to the 8 bytes of its hash; twice as fast as one by one."""
    fresh = hashlib.blake2s(salt=salt).copy

    def digest(key: str) -> bytes:
        hasher = fresh()
        hasher.update(key.encode("utf-8", "surrogatepass"))
        return hasher.digest()[:8]

    return digest


def hash_keys(keys: Sequence[str], max_tries: int = 1000) -> tuple[bytes, NDArray[np.uint64]]:
    """Hash all keys with the first salt that gives each another hash.

    Returns
    -------
    salt : bytes
        Of 8 bytes.
    hashes : ndarray of uint64
        In the order of the keys.

    Raises
    ------
    SpecError
        If no salt does: a key occurs twice.
    """
    # Salts in a fixed order: the same keys give the same file.
    for number in range(max_tries):
        salt = _digest(str(number), b"")
        hashes = np.frombuffer(b"".join(map(key_hasher(salt), keys)), _U64).astype(np.uint64)
        ordered = np.sort(hashes)
        if not (ordered[1:] == ordered[:-1]).any():
            return salt, hashes
    raise SpecError(f"no salt of {max_tries} separates all keys: a key may occur twice")


def encode_key_hashes(keys: Sequence[str]) -> bytes:
    """Write the salt, and the hash of each key."""
    return encode_hashes(*hash_keys(keys))


def encode_hashes(salt: bytes, hashes: NDArray[np.uint64]) -> bytes:
    """Write the salt and hashes that are known already."""
    return salt + hashes.astype(_U64).tobytes()


def decode_key_hashes(data: bytes) -> tuple[bytes, NDArray[np.uint64]]:
    """Read the salt and the hash of each key.

    Raises
    ------
    CorruptDatasetError
        For bytes that are truncated.
    """
    if len(data) < 8 or len(data) % 8:
        raise CorruptDatasetError(f"key hashes have {len(data)} bytes, not 8 for each and the salt")
    return data[:8], np.frombuffer(data, _U64, offset=8).astype(np.uint64)


def encode_filter(keys: Sequence[str]) -> bytes:
    """Write a Bloom filter, which knows of most other keys that they are not there."""
    count = max(2, len(keys))  # its inverse is the rate of errors, which has to be below 1
    found = simplebloom.BloomFilter(count, 1 / count)
    for key in keys:
        found += key
    return bytes(found.dumps())


def decode_filter(data: bytes) -> Any:
    """Read a Bloom filter, to be asked ``key in filter``.

    Raises
    ------
    CorruptDatasetError
        For bytes of another kind, or truncated.
    """
    size = int.from_bytes(data[8:16], "big")
    # The library allocates as many bytes as the header announces.
    if data[:8] != b"SIMPBLOO" or size != len(data) or len(data) < 33:
        raise CorruptDatasetError(f"the filter is damaged: it has {len(data)} bytes of {size}")
    try:
        return simplebloom.BloomFilter.loads(data)
    except Exception as error:
        raise CorruptDatasetError(f"the filter is damaged: {error}") from error


# Hashes of messages and files


def sums_of(messages: Iterable[bytes | memoryview]) -> bytes:
    """Hash each message: 8 bytes each, xxh3 of 64 bits, big-endian; about 10 GB/s."""
    return b"".join([xxhash.xxh3_64_digest(message) for message in messages])


def digest_lines(digests: dict[str, str]) -> bytes:
    """Write what ``md5sum`` would: hash, two blanks, name."""
    return "".join(f"{digest}  {name}\n" for name, digest in digests.items()).encode(
        "utf-8", "surrogateescape"
    )


MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Summary:
    """Entry of a shard in the manifest, with hashes by which keys of shards are compared.

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
        File name to content, in the order of writing: the last one marks the others as complete.

    Raises
    ------
    WrongTypeError
        For keys that are not text, and samples that hold what a message cannot.
    SpecError
        For a key that occurs twice, and for a sample of 4 GiB.

    Notes
    -----
    One pass; the messages are held, and copied once into the content of the data file.
    """
    messages: dict[str, bytes] = {}
    for key, sample in records:
        if not isinstance(key, str):
            raise WrongTypeError(f"{name}: a key is text, not {key!r:.60}")
        if key in messages:
            raise SpecError(f"{name}: the key {key!r} occurs twice; keys must be unique")
        messages[key] = message(key, sample)
    return _assembled(name, messages)


def message(key: str, sample: object) -> bytes:
    """Pack a sample; errors name its key.

    Raises
    ------
    WrongTypeError, SpecError
        As :func:`~thunderlike.formats.msgpack.packb`, and for a message of 4 GiB.
    """
    try:
        packed = packb(sample)
    except (TypeError, ValueError) as error:
        kind = WrongTypeError if isinstance(error, TypeError) else SpecError
        place = place_of_fault(sample)
        raise kind(f"sample {key!r}: {f'field {place}: ' if place else ''}{error}") from error
    if len(packed) > MOST:
        raise SpecError(f"sample {key!r}: has {len(packed)} bytes, a message has at most {MOST}")
    return packed


def _assembled(name: str, messages: dict[str, bytes]) -> tuple[Summary, dict[str, bytes]]:
    keys, data = list(messages), b"".join(messages.values())
    # The checksums come last: where they are, all other files are complete.
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
    given = list(summaries)
    everything = np.sort(np.concatenate([*(one.hashes for one in given), _NONE]))
    twice = everything[1:][everything[1:] == everything[:-1]]
    if twice.size:
        both = " and ".join(one.name for one in given if (one.hashes == twice[0]).any())
        raise SpecError(f"{both}: the same key is in both; keys must be unique in all shards")
    shards = [
        {"name": one.name, "samples": one.samples, "bytes": one.nbytes, "md5": one.md5}
        for one in given
    ]
    return json.dumps({"format": 1, "shards": shards}, separators=(",", ":")).encode() + b"\n"


_NONE = np.empty(0, np.uint64)
