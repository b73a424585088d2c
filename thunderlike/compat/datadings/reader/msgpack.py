"""``datadings.reader.msgpack``: samples in a msgpack file."""

from __future__ import annotations

from thunderlike.datasets.reader import MsgpackReader

__all__ = ["MsgpackReader"]
