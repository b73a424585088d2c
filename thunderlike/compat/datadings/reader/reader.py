"""``datadings.reader.reader``: the base class of readers."""

from __future__ import annotations

from thunderlike.datasets.base import Reader

__all__ = ["Reader"]
