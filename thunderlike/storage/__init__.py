"""Storage: files on this machine, in memory, in buckets.

Every other room hands a path to the calls below and never asks what kind of path it is. This room
knows nothing of arrays or formats. A new kind of place is a class that fulfils ``base.Store``.
"""

from __future__ import annotations

from thunderlike.storage.atomic import SUCCESS, output
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
