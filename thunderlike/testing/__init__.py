"""For tests, ours and our users': engines, and the tests that every store must pass."""

from __future__ import annotations

from thunderlike._lazy import attributes
from thunderlike.testing.engines import (
    ChunkedEngine,
    Computed,
    ComputedError,
    CountingEngine,
    LazyEngine,
)

__all__ = [
    "ChunkedEngine",
    "Computed",
    "ComputedError",
    "CountingEngine",
    "LazyEngine",
    "StoreSuite",
]

# It needs pytest, which only those have who test.
__getattr__ = attributes(__name__, {"StoreSuite": "thunderlike.testing.stores:StoreSuite"})
