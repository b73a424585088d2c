"""``datadings.tools.msgpack``: messages with arrays in them, never unpickled."""

from __future__ import annotations

from thunderlike.datasets.packing import (
    make_packer,
    make_unpacker,
    pack,
    packb,
    unpack,
    unpackb,
)

__all__ = ["make_packer", "make_unpacker", "pack", "packb", "unpack", "unpackb"]
