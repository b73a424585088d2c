"""``datadings.reader.sharded``: several datasets as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thunderlike.datasets import sharded

if TYPE_CHECKING:
    from collections.abc import Iterable

    from thunderlike.datasets.base import Reader
    from thunderlike.storage import AnyPath

__all__ = ["ShardedReader"]


class ShardedReader(sharded.ShardedReader):
    """Several datasets as one, in the order of datadings: that of their names as text.

    Parameters
    ----------
    shards, **options
        As in :class:`thunderlike.datasets.ShardedReader`.

    Examples
    --------
    >>> from thunderlike.datasets import FileWriter
    >>> for number in (9, 10):
    ...     with FileWriter(f"memory://by-text/s{number}.msgpack", overwrite=True) as writer:
    ...         writer.write({"key": str(number)})
    >>> list(ShardedReader("memory://by-text/*.msgpack").keys())
    ['10', '9']
    """

    def __init__(self, shards: AnyPath | Iterable[AnyPath | Reader], **options: Any) -> None:
        super().__init__(shards, **{"order": "text", **options})
