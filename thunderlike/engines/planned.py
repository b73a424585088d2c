"""Records that are read when somebody asks for them, and not before."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from thunderlike.engines.base import Source, SourceDefaults, Spec
from thunderlike.engines.local import LocalEngine, LocalRecords

if TYPE_CHECKING:
    from thunderlike._typing import Array

__all__ = ["Part", "PlannedEngine", "PlannedRecords"]


class PlannedEngine(LocalEngine):
    """The local engine, but that loading only takes note of the source.

    With it readers tell what there is without reading it.
    """

    lazy = True

    def load(self, source: Source, npartitions: int | None = None) -> PlannedRecords:  # noqa: ARG002
        """Take note of the source."""
        return PlannedRecords(self, source)


class PlannedRecords(LocalRecords):
    """Records of a source, all read at the first verb that needs a value.

    Attributes
    ----------
    source : Source
        Where they are.
    """

    def __init__(self, engine: LocalEngine, source: Source) -> None:
        self.engine, self.source, self.spec = engine, source, source.spec

    @property
    def in_memory(self) -> bool:
        """Whether they have been read."""
        return "values" in vars(self)

    @cached_property
    def values(self) -> Array:  # type: ignore[override]  # the base has a field
        """All records, in one array."""
        return LocalEngine().load(self.source).values


@dataclass(frozen=True)
class Part(SourceDefaults):
    """Some consecutive records of a source, numbered from 0.

    Parameters
    ----------
    source : Source
        All of them.
    start, stop : int
        The first, and the one after the last.
    """

    source: Source
    start: int
    stop: int

    @property
    def spec(self) -> Spec:
        """Count, shape and dtype of these."""
        return Spec(self.stop - self.start, self.source.spec.shape, self.source.spec.dtype)

    @property
    def cuts(self) -> tuple[int, ...] | None:
        """Those of the source that lie within."""
        if self.source.cuts is None:
            return None
        inside = (cut - self.start for cut in self.source.cuts if self.start < cut < self.stop)
        return (0, *inside, self.stop - self.start)

    @property
    def threads(self) -> int | None:
        """As many as the source asks for."""
        return self.source.threads

    def read(self, start: int, stop: int, out: Array) -> None:
        """Read from the source."""
        self.source.read(self.start + start, self.start + stop, out)

    def part(self, start: int, stop: int) -> Part:
        """What a worker needs of the source to read these."""
        whole = self.source.part(self.start + start, self.start + stop)
        return Part(whole, self.start, self.stop)
