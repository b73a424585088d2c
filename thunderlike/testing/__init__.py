"""For tests, ours and our users': an engine that refuses to compute."""

from __future__ import annotations

from thunderlike.testing.engines import Computed, LazyEngine

__all__ = ["Computed", "LazyEngine"]
