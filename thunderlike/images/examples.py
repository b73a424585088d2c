"""Example movies, made here: nothing is downloaded."""

from __future__ import annotations

from typing import Any

__all__ = ["fromexample"]


def fromexample(name: str | None = None, engine: Any = None) -> Any:
    """Nothing yet."""
