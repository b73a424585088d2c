"""Batches made from cuts: as a function that may be sent elsewhere, and by number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from thunderlike.batches.cuts import Cut
    from thunderlike.batches.pipeline import Pipeline

__all__ = ["Batches", "Made"]


class Made:
    """From a cut to a batch on which the first steps have run."""

    def __init__(self, pipeline: Pipeline, dataset: Any, seed: int | None, stop: int) -> None:
        self._pipeline, self._dataset, self._seed, self._stop = pipeline, dataset, seed, stop

    def __call__(self, numbered: tuple[int, int | None, Cut]) -> Any:
        """Return the batch of a number, of so many, and a cut."""
        number, total, cut = numbered
        batch = self._dataset.batch_at(cut)
        batch._seed = self._seed
        batch.iteration, batch.iterations = number, total
        return self._pipeline._execute(batch, 0, self._stop)


class Batches:
    """Batches by number, made when they are asked for."""

    def __init__(self, made: Made, found: list[Cut]) -> None:
        self._made, self._cuts = made, found

    def __len__(self) -> int:
        return len(self._cuts)

    def __getitem__(self, number: int) -> dict[str, Any]:
        position = range(len(self._cuts))[number]
        batch = self._made((position + 1, len(self._cuts), self._cuts[position]))
        batch._load()
        return {name: getattr(batch, name) for name in batch.components or ()}
