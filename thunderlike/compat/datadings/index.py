"""``datadings.index``: the index files of datasets."""

from __future__ import annotations

from thunderlike.datasets.index import (
    SUFFIX_FILTER,
    SUFFIX_KEY_HASHES,
    SUFFIX_KEYS,
    SUFFIX_LEGACY_INDEX,
    SUFFIX_OFFSETS,
    hash_keys,
    keys_len,
    legacy_index_len,
    legacy_load_index,
    load_filter,
    load_key_hashes,
    load_keys,
    load_offsets,
    write_filter,
    write_key_hashes,
    write_keys,
    write_offsets,
)

__all__ = [
    "SUFFIX_FILTER",
    "SUFFIX_KEYS",
    "SUFFIX_KEY_HASHES",
    "SUFFIX_LEGACY_INDEX",
    "SUFFIX_OFFSETS",
    "hash_keys",
    "keys_len",
    "legacy_index_len",
    "legacy_load_index",
    "load_filter",
    "load_key_hashes",
    "load_keys",
    "load_offsets",
    "write_filter",
    "write_key_hashes",
    "write_keys",
    "write_offsets",
]
