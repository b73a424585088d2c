"""``datadings.tools.cached_property``: Python's own."""

from __future__ import annotations

from functools import cached_property

__all__ = ["cached_property"]
