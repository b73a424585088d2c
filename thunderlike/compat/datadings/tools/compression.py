"""``datadings.tools.compression``: files that may be compressed."""

from __future__ import annotations

from thunderlike.datasets.tools import open_comp

__all__ = ["open_comp"]
