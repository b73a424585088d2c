"""Storage: files on this machine, in memory, in buckets.

Other packages pass paths of any kind to the functions below. This package knows neither arrays nor
formats. A new kind of storage is a subclass of ``base.Store``.
"""

from __future__ import annotations

from thunderlike.storage.atomic import SUCCESS, check_output, output
from thunderlike.storage.base import AnyCredentials, Credentials, Entry, FileVersion, Store
from thunderlike.storage.glob import AnyPaths, Order, find, natural
from thunderlike.storage.paths import (
    AnyPath,
    at,
    delete,
    exists,
    identity,
    join,
    open,  # as storage.open
    parent,
    read,
    read_range,
    resolve,
    stat,
    store_for,
    within,
    write,
)

__all__ = [
    "SUCCESS",
    "AnyCredentials",
    "AnyPath",
    "AnyPaths",
    "Credentials",
    "Entry",
    "FileVersion",
    "Order",
    "Store",
    "at",
    "check_output",
    "delete",
    "exists",
    "find",
    "identity",
    "join",
    "natural",
    "open",
    "output",
    "parent",
    "read",
    "read_range",
    "resolve",
    "stat",
    "store_for",
    "within",
    "write",
]
