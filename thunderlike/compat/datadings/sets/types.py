"""``datadings.sets.types``: functions that make samples, one for each type of sample."""

from __future__ import annotations

from thunderlike.datasets.sets import types

__all__ = sorted(types.TYPES)  # noqa: PLE0605  # those of the table

globals().update({name: getattr(types, name) for name in types.TYPES})
