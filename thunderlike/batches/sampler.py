"""Order of items and their division into batches: shuffling, epochs, batch sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from thunderlike.errors import SpecError, WrongTypeError
from thunderlike.parallel.random import generator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from thunderlike._typing import Array

__all__ = ["Cursor", "Cut", "Shuffle", "checked_size", "cuts", "ordered"]

Shuffle = bool | int | np.random.Generator | np.random.RandomState | None


class Cut(NamedTuple):
    """The items of one batch: where each stands in the index, and in which epoch it is."""

    positions: Array
    epochs: Array


def cuts(
    n: int,
    batch_size: int,
    *,
    shuffle: Shuffle = False,
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
    shuffle : bool, int or numpy.random.Generator
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
    cursor = Cursor(
        n, shuffle=shuffle, n_iters=n_iters, n_epochs=n_epochs, drop_last=drop_last, wrap=wrap
    )
    checked_size(batch_size)
    return cursor.batches(batch_size)


class Cursor:
    """A position within epochs over n items, from which batches of any size are taken.

    Parameters
    ----------
    n : int
        Number of items.
    shuffle, n_iters, n_epochs, drop_last, wrap
        As in :func:`cuts`.

    Raises
    ------
    SpecError
        For both `n_iters` and `n_epochs`.

    Examples
    --------
    >>> cursor = Cursor(5, n_epochs=1)
    >>> [cursor.take(size).positions.tolist() for size in (2, 1, 9)]
    [[0, 1], [2], [3, 4]]
    """

    def __init__(
        self,
        n: int,
        *,
        shuffle: Shuffle = False,
        n_iters: int | None = None,
        n_epochs: int | None = None,
        drop_last: bool = False,
        wrap: bool = False,
    ) -> None:
        if n_iters is not None and n_epochs is not None:
            raise SpecError(
                "give n_iters or n_epochs, not both: they end the batches at two places"
            )
        for name, value in (("n_iters", n_iters), ("n_epochs", n_epochs)):
            whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
            if value is not None and not whole:
                raise WrongTypeError(f"{name} must be a whole number, not {value!r:.80}")
            if value is not None and value < 0:
                raise SpecError(f"{name} must be at least 0, not {value}")
        for name, flag in (("drop_last", drop_last), ("wrap", wrap)):
            if not isinstance(flag, bool | np.bool_ | int | type(None)):
                raise WrongTypeError(f"{name} must be True or False, not {flag!r:.80}")
        self._n, self._shuffle, self._n_iters, self._n_epochs = n, shuffle, n_iters, n_epochs
        self._drop_last, self._crossing = drop_last, (wrap or n_epochs is None) and not drop_last
        self._taken, self._epoch = 0, 0
        self._rest = Cut(np.empty(0, np.intp), np.empty(0, np.intp))

    def take(self, size: int) -> Cut:
        """Cut the next batch.

        Raises
        ------
        StopIteration
            When all iterations or epochs are over.
        SpecError
            For a size below 1.
        """
        size = min(checked_size(size), self._n)
        if self._taken == self._n_iters:
            raise StopIteration
        if self._drop_last and len(self._rest.positions) < size:
            self._rest = self._order()
        elif not len(self._rest.positions) or self._crossing:
            while len(self._rest.positions) < size and self._epoch != self._n_epochs:
                rest, epoch = self._rest, self._order()
                self._rest = Cut(*(np.concatenate(pair) for pair in zip(rest, epoch, strict=True)))
        if not len(self._rest.positions):
            raise StopIteration
        self._taken += 1
        cut = Cut(*(values[:size] for values in self._rest))
        self._rest = Cut(*(values[size:] for values in self._rest))
        return cut

    def _order(self) -> Cut:
        """Begin an epoch."""
        if self._epoch == self._n_epochs:
            raise StopIteration
        order = Cut(ordered(self._n, self._shuffle, self._epoch), np.full(self._n, self._epoch))
        self._epoch += 1
        return order

    def batches(self, size: int) -> Iterator[Cut]:
        """Cut batches of one size until the end."""
        while True:
            try:
                cut = self.take(size)
            except StopIteration:
                return
            yield cut

    def total(self, size: int) -> int | None:
        """Count the batches of one size from the beginning to the end; None without an end.

        Examples
        --------
        >>> Cursor(10, n_epochs=2).total(4), Cursor(10, n_epochs=2, wrap=True).total(4)
        (6, 5)
        """
        size = min(size, self._n)
        if self._n_iters is not None or self._n_epochs is None:
            return self._n_iters
        if self._drop_last:
            return self._n // size * self._n_epochs
        return (
            -(-self._n * self._n_epochs // size)
            if self._crossing
            else -(-self._n // size) * self._n_epochs
        )


def checked_size(batch_size: Any, name: str = "batch_size") -> int:
    """Return a batch size.

    Raises
    ------
    WrongTypeError
        For a size that is not a whole number.
    SpecError
        For one below 1.
    """
    if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer):
        raise WrongTypeError(f"{name} must be a whole number, not {batch_size!r:.80}")
    if batch_size < 1:
        raise SpecError(f"{name} must be at least 1, not {batch_size}")
    return int(batch_size)


def ordered(n: int, shuffle: Shuffle, epoch: int) -> Array:
    """Return positions in the order of an epoch.

    Raises
    ------
    WrongTypeError
        For a `shuffle` that is neither a bool, a seed nor a source of random numbers.
    """
    if shuffle is None or isinstance(shuffle, bool | np.bool_):
        return np.random.default_rng().permutation(n) if shuffle else np.arange(n)
    if isinstance(shuffle, np.random.Generator | np.random.RandomState):
        return np.asarray(shuffle.permutation(n))
    if isinstance(shuffle, int | np.integer) and shuffle >= 0:
        return generator(int(shuffle), epoch).permutation(n)
    raise WrongTypeError(
        f"shuffle must be a bool, a seed from 0 on or a generator of numpy, not {shuffle!r:.80}"
    )
