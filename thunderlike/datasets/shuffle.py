"""Shuffled views of a dataset."""

from __future__ import annotations

import copy
import itertools
import math
import random
import threading
from abc import abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike._arguments import checked_methods
from thunderlike.datasets.reader import View, as_reader, as_whole
from thunderlike.errors import SpecError, WrongTypeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from thunderlike.datasets.reader import Numbers, Reader

__all__ = ["QuasiShuffler", "Shuffled", "Shuffler"]

ORDERS = ("datadings", "fast")


@checked_methods
class Shuffled(View):
    """Base class of shufflers, with an order for each epoch and a new epoch after each pass.

    After a complete loop the next epoch begins, in another order. ``seek(i)``
    counts over epochs, as in datadings: with `n` samples it goes to sample ``i % n`` of epoch
    ``i // n``.
    """

    def __init__(self, reader: Reader, seed: int, order: str) -> None:
        super().__init__(reader)
        if order not in ORDERS:
            raise SpecError(f"unknown order {order!r}; expected {', '.join(ORDERS)}")
        self.seed, self.order = as_whole(seed, "seed"), order
        self._epoch = 0

    @abstractmethod
    def _datadings(self) -> Numbers:
        """Compute the order of datadings for seed and epoch."""

    @abstractmethod
    def _fast(self) -> Numbers:
        """Compute our own order for seed and epoch."""

    @property
    def epoch(self) -> int:
        """Number of the current pass over the samples."""
        return self._epoch

    def set_epoch(self, epoch: int) -> None:
        """Take the order of this epoch, from its beginning."""
        self._i, self._epoch = 0, epoch
        # Cached properties: the next access computes the order of this epoch.
        for order in ("_numbers", "_drawn"):
            self.__dict__.pop(order, None)

    def seek(self, index: int) -> None:
        """Move to a sample, counted over all epochs."""
        count = len(self)
        if index < 0 or not count:
            index = self._position(index)
        self.set_epoch(index // count)
        self._i = index % count

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the reader: position, epoch, seed and order."""
        place = {"epoch": self._epoch, "seed": self.seed, "order": self.order}
        return super().state_dict() | place

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state of a reader of the same samples."""
        self.seed, self.order = state["seed"], state["order"]
        self.set_epoch(int(state["epoch"]))
        super().load_state_dict(state)

    @cached_property
    def _numbers(self) -> Numbers:
        return self._fast() if self.order == "fast" else self._datadings()

    def _mapping(self) -> Callable[[Numbers], Numbers]:
        return self._numbers.__getitem__

    def _place(self, number: int) -> int:
        return int(np.flatnonzero(self._numbers == number)[0])

    def _ended(self) -> None:
        self.set_epoch(self._epoch + 1)

    def _later(self, passes: int) -> Reader:
        twin = copy.copy(self)
        twin.set_epoch(self._epoch + passes)
        return twin

    def _random(self) -> random.Random:
        """Return Python's generator, seeded as in datadings."""
        found = random.Random()  # noqa: S311  # an order, not a secret
        # Seed, offset and version are those of datadings, for the same order in each epoch.
        found.seed(self.seed + self._epoch * len(self), version=2)
        return found

    def _generator(self) -> np.random.Generator:
        return np.random.Generator(
            np.random.PCG64(np.random.SeedSequence([self.seed, self._epoch]))
        )


class _LazyOrder:
    """Random order that is drawn as far as it is used."""

    def __init__(self, numbers: Iterator[int], count: int) -> None:
        self._numbers, self._left = np.empty(count, np.int64), numbers
        self._known = 0
        self._lock = threading.Lock()

    def __getitem__(self, window: Numbers) -> Numbers:
        """Return the numbers at some positions."""
        if len(window):
            self._draw(int(window.max()) + 1)
        return self._numbers[window]

    def all(self) -> Numbers:
        """Return all numbers."""
        self._draw(len(self._numbers))
        return self._numbers

    def _draw(self, stop: int) -> None:
        if stop > self._known:  # without the lock: the number of known ones only grows
            with self._lock:
                start = self._known
                if stop > start:
                    drawn = itertools.islice(self._left, stop - start)
                    self._numbers[start:stop] = np.fromiter(drawn, np.int64, stop - start)
                    self._known = stop


@checked_methods
class Shuffler(Shuffled):
    """View of all samples in random order, another one in each epoch.

    Parameters
    ----------
    reader : Reader
        Reader of the samples.
    seed : int, optional
        Seed; the number of samples by default, which gives the same order each time.
    order : {'datadings', 'fast'}
        Order of datadings for the same seed, to repeat an experiment; or of numpy, in a fifth of
        the time.

    Notes
    -----
    The order is computed at the first use in each epoch, 8 bytes a sample. Samples are read in
    windows of a few thousand.

    Examples
    --------
    >>> import thunderlike as tl
    >>> letters = tl.datasets.ListReader([{"key": k} for k in "abcde"])
    >>> shuffled = tl.datasets.Shuffler(letters, seed=1)
    >>> [sample["key"] for sample in shuffled], [sample["key"] for sample in shuffled]
    (['c', 'd', 'e', 'a', 'b'], ['d', 'c', 'b', 'a', 'e'])
    >>> shuffled.set_epoch(0)
    >>> shuffled.get(0), shuffled.find_index("a")
    ({'key': 'c'}, 3)
    """

    def __init__(
        self, reader: Reader, seed: int | None = None, *, order: str = "datadings"
    ) -> None:
        super().__init__(reader, len(as_reader(reader)) if seed is None else seed, order)

    def _datadings(self) -> Numbers:
        numbers = list(range(len(self)))
        self._random().shuffle(numbers)
        return np.array(numbers, np.int64)

    def _fast(self) -> Numbers:
        return self._generator().permutation(len(self))


@checked_methods
class QuasiShuffler(Shuffled):
    """View of all samples in locally random order: shuffled chunks, then samples from a buffer.

    Neighbours in the file are read at about the same time, as suits disks and object stores.

    Parameters
    ----------
    reader : Reader
        Reader of the samples.
    buf_size : float
        Number of samples in the buffer, from which the next one is drawn; below 1 a fraction of
        all. It is rounded up to complete chunks.
    chunk_size : int
        Number of samples in a chunk.
    seed : int, optional
        By default the product of the number of samples and both sizes.
    order : {'datadings', 'fast'}
        As in :class:`Shuffler`.

    Examples
    --------
    >>> import thunderlike as tl
    >>> numbers = tl.datasets.ListReader([{"key": str(k)} for k in range(100)])
    >>> [sample["key"] for sample in tl.datasets.QuasiShuffler(numbers).slice(0, 5)]
    ['52', '32', '57', '50', '62']
    """

    def __init__(
        self,
        reader: Reader,
        buf_size: float = 0.01,
        chunk_size: int = 16,
        seed: int | None = None,
        *,
        order: str = "datadings",
    ) -> None:
        if not isinstance(buf_size, int | float | np.number):
            raise WrongTypeError(f"buf_size is a number, not {buf_size!r:.60}")
        chunk_size = as_whole(chunk_size, "chunk_size")
        if chunk_size < 1 or not 0 < buf_size < math.inf:
            raise SpecError(f"chunk_size {chunk_size} and buf_size {buf_size} must be positive")
        count = len(as_reader(reader))
        wanted = math.ceil(count * buf_size) if buf_size < 1 else int(buf_size)
        self.buf_size = math.ceil(wanted / chunk_size) * chunk_size
        self.chunk_size = chunk_size
        default = count * self.buf_size * chunk_size  # as in datadings
        super().__init__(reader, default if seed is None else seed, order)

    def _chunks(self) -> list[int]:
        return list(range(math.ceil(len(self) / self.chunk_size)))

    def _arrivals(self, chunks: Iterable[int]) -> Numbers:
        """Return the samples of chunks in order."""
        size, count = self.chunk_size, len(self)
        parts = [np.arange(c * size, min(count, (c + 1) * size)) for c in chunks]
        return np.concatenate([np.empty(0, np.int64), *parts])  # numpy joins no empty list

    def _datadings(self) -> Numbers:
        return self._drawn.all()

    # Drawn while reading, since the complete order of 300,000 samples takes 0.7 s.
    @cached_property
    def _drawn(self) -> _LazyOrder:
        return _LazyOrder(self._draws(), len(self))

    def _draws(self) -> Iterator[int]:
        draw, chunks = self._random(), self._chunks()
        draw.shuffle(chunks)
        # The buffer is filled; then each sample that arrives takes the place of the drawn one.
        filled = self.buf_size // self.chunk_size
        buffer = self._arrivals(chunks[:filled]).tolist()
        for chunk in chunks[filled:]:
            for number in self._arrivals([chunk]).tolist():
                place = draw.randrange(len(buffer))
                yield buffer[place]
                buffer[place] = number
        yield from buffer

    def _mapping(self) -> Callable[[Numbers], Numbers]:
        return super()._mapping() if self.order == "fast" else self._drawn.__getitem__

    def _fast(self) -> Numbers:
        draw = self._generator()
        arrivals = self._arrivals(draw.permutation(self._chunks()))
        starts = range(0, len(arrivals), self.buf_size or 1)
        parts = [draw.permutation(arrivals[at : at + self.buf_size]) for at in starts]
        return np.concatenate([np.empty(0, np.int64), *parts])
