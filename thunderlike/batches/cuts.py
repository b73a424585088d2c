"""Epochs over items, cut into batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from thunderlike.errors import SpecError
from thunderlike.parallel.seeds import generator

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Array", "Cut", "cuts", "ordered"]

Array = NDArray[Any]


class Cut(NamedTuple):
    """The items of one batch: where each stands in the index, and in which epoch it is."""

    positions: Array
    epochs: Array


def cuts(
    n: int,
    batch_size: int,
    *,
    shuffle: bool | int = False,
    n_iters: int | None = None,
    n_epochs: int | None = None,
    drop_last: bool = False,
    wrap: bool = False,
) -> Iterator[Cut]:
    """Cut epochs over n items into batches.

    Parameters
    ----------
    batch_size : int
        Items of a batch; of more than n, a batch has n.
    shuffle : bool or int
        A new random order for each epoch; an int is the seed.
    n_iters, n_epochs : int, optional
        How many batches, or how many times all items; without either it never ends.
    drop_last : bool
        Leave out the batch at the end of an epoch that is not full.
    wrap : bool
        Fill it up from the next epoch instead, as is always done without `n_epochs`.

    Raises
    ------
    SpecError
        For a size below 1, or both `n_iters` and `n_epochs`.

    Examples
    --------
    >>> [cut.positions.tolist() for cut in cuts(5, 2, n_epochs=1)]
    [[0, 1], [2, 3], [4]]
    >>> [cut.positions.tolist() for cut in cuts(5, 2, n_iters=3)]
    [[0, 1], [2, 3], [4, 0]]
    """
    if batch_size < 1:
        raise SpecError(f"batch_size must be at least 1, not {batch_size}")
    if n_iters is not None and n_epochs is not None:
        raise SpecError("give n_iters or n_epochs, not both: they end the batches at two places")
    size = min(batch_size, n)
    crossing = (wrap or n_epochs is None) and not drop_last
    found = (
        _crossing(n, size, shuffle, n_epochs)
        if crossing
        else _within(n, size, shuffle, n_epochs, drop_last=drop_last)
    )
    return (cut for _, cut in zip(_counted(n_iters), found, strict=False))


def _counted(stop: int | None) -> Iterable[int]:
    return range(stop) if stop is not None else iter(int, 1)


def _epochs(n: int, shuffle: bool | int, n_epochs: int | None) -> Iterator[Cut]:
    for epoch, _ in zip(_naturals(), _counted(n_epochs), strict=False):
        yield Cut(ordered(n, shuffle, epoch), np.full(n, epoch))


def _naturals() -> Iterator[int]:
    number = 0
    while True:
        yield number
        number += 1


def _within(
    n: int, size: int, shuffle: bool | int, n_epochs: int | None, *, drop_last: bool
) -> Iterator[Cut]:
    for order, epochs in _epochs(n, shuffle, n_epochs):
        last = n - n % size if drop_last else n
        for start in range(0, last, size):
            yield Cut(order[start : start + size], epochs[start : start + size])


def _crossing(n: int, size: int, shuffle: bool | int, n_epochs: int | None) -> Iterator[Cut]:
    held = Cut(np.empty(0, np.intp), np.empty(0, np.intp))
    for epoch in _epochs(n, shuffle, n_epochs):
        held = Cut(*(np.concatenate(pair) for pair in zip(held, epoch, strict=True)))
        while len(held.positions) >= size:
            yield Cut(held.positions[:size], held.epochs[:size])
            held = Cut(held.positions[size:], held.epochs[size:])
    if len(held.positions):
        yield held


def ordered(n: int, shuffle: bool | int, epoch: int) -> Array:
    """Positions in the order of an epoch."""
    if shuffle is False:
        return np.arange(n)
    if shuffle is True:
        return np.random.default_rng().permutation(n)
    return generator(shuffle, epoch).permutation(n)
