"""For tests, ours and our users': engines that refuse to compute, or count what they do."""

from __future__ import annotations

from thunderlike.testing.engines import Computed, CountingEngine, LazyEngine

__all__ = ["Computed", "CountingEngine", "LazyEngine"]
