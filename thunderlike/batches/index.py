"""Labels of items: what a batch takes from, in which order."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from thunderlike import storage
from thunderlike.datasets.listed import natural
from thunderlike.errors import BadIndex, KeyMissing, SpecError
from thunderlike.parallel.seeds import generator

__all__ = ["Cut", "DatasetIndex", "FilesIndex", "cuts"]

Array = NDArray[Any]


class Cut(NamedTuple):
    """The items of one batch: where each stands in the index, and in which epoch it is."""

    positions: Array
    epochs: Array


class DatasetIndex:
    """Labels in order, each once.

    Parameters
    ----------
    labels : int, iterable or DatasetIndex
        A number n stands for ``0 .. n-1``.

    Raises
    ------
    SpecError
        For no labels, or one that comes twice.

    Examples
    --------
    >>> index = DatasetIndex(["a", "b", "c"])
    >>> len(index), index.get_pos("b"), index.subset_by_pos([2, 0]).indices.tolist()
    (3, 1, ['c', 'a'])
    """

    def __init__(self, labels: int | Iterable[Any] | DatasetIndex) -> None:
        self.indices = _labels(labels)
        self._places: dict[Any, int] | None = None
        if not len(self.indices):
            raise SpecError("an index needs at least one label: none was given")
        if len(set(self.indices.tolist())) != len(self.indices):
            raise SpecError(f"label {_first_twice(self.indices)!r} comes twice: each needs its own")

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.indices)

    def __contains__(self, label: object) -> bool:
        return label in self._positions()

    def __add__(self, other: DatasetIndex) -> DatasetIndex:
        return DatasetIndex(np.concatenate([self.indices, DatasetIndex(other).indices]))

    def get_pos(self, labels: Any) -> Any:
        """Positions of labels: an int for one, an array for a list or array of them.

        Raises
        ------
        KeyMissing
            For a label that is not there.
        """
        known = self._positions()
        try:
            if isinstance(labels, list | np.ndarray):
                plain = np.asarray(labels).tolist()
                return np.array([known[label] for label in plain], dtype=np.intp)
            return known[labels]
        except KeyError as error:
            raise KeyMissing(f"no item is labelled {error.args[0]!r}, of {len(self)}") from None

    def _positions(self) -> dict[Any, int]:
        if self._places is None:
            self._places = {label: k for k, label in enumerate(self.indices.tolist())}
        return self._places

    def subset_by_pos(self, positions: Any) -> Self:
        """The labels at some positions, in that order."""
        return self._like(self.indices[np.atleast_1d(positions)])

    def create_subset(self, labels: Any) -> Self:
        """Some of the labels, in the order given.

        Raises
        ------
        BadIndex
            For a label that is not there.
        """
        wanted = _labels(labels)
        missing = [label for label in wanted.tolist() if label not in self]
        if missing:
            raise BadIndex(f"no item is labelled {missing[0]!r}: a subset takes from {len(self)}")
        return self._like(wanted)

    def _like(self, labels: Array) -> Self:
        return type(self)(labels)

    def split(
        self, shares: float | Iterable[float] = 0.8, *, shuffle: bool | int = False
    ) -> tuple[Self, Self | None, Self | None]:
        """Cut into train, test and validation.

        Parameters
        ----------
        shares : float or sequence of float
            Of train; of train and test; or of all three, which then sum to 1.
        shuffle : bool or int
            Draw at random which label goes where; an int is the seed.

        Returns
        -------
        tuple
            Three indices, None for one without labels: validation is cut from the front, then
            test, and train is the rest.

        Raises
        ------
        SpecError
            For shares that are negative or sum to more than 1.

        Examples
        --------
        >>> train, test, validation = DatasetIndex(10).split(0.8)
        >>> test.indices.tolist(), validation
        ([0, 1], None)
        """
        train, test, _ = _sizes(len(self), shares)
        order = _order(len(self), shuffle, epoch=0)
        rest = len(self) - train - test
        bounds = {
            "validation": (0, rest),
            "test": (rest, rest + test),
            "train": (rest + test, None),
        }
        parts = {name: order[a:b] for name, (a, b) in bounds.items()}
        found = {name: self.subset_by_pos(p) if len(p) else None for name, p in parts.items()}
        return found["train"], found["test"], found["validation"]  # type: ignore[return-value]

    def shuffle(self, seed: int | None = None) -> Self:
        """The same labels in random order; the same for the same seed."""
        return self.subset_by_pos(_order(len(self), True if seed is None else seed, epoch=0))

    def gen_batch(self, batch_size: int, **how: Any) -> Iterator[Self]:
        """Indices of batches; see :func:`cuts` for how they are cut."""
        return (self.subset_by_pos(cut.positions) for cut in cuts(len(self), batch_size, **how))


class FilesIndex(DatasetIndex):
    """Names of files as labels, sorted as people count.

    Parameters
    ----------
    path : str or sequence
        A pattern as ``"data/*.tif"``, several of them, or labels of another files index.
    dirs : bool
        Folders instead of files.
    no_ext : bool
        Labels without extension.
    sort : bool
        ``frame2`` before ``frame10``; False keeps the order of the patterns.

    Raises
    ------
    SpecError
        When two files have the same name.
    NotFound
        When no file matches.
    """

    def __init__(
        self, path: Any = None, *, dirs: bool = False, no_ext: bool = False, sort: bool = True
    ) -> None:
        paths = _found(path, dirs=dirs)
        if sort:
            paths = sorted(paths, key=natural)
        names = [PurePath(one).stem if no_ext else PurePath(one).name for one in paths]
        super().__init__(np.array(names, dtype=str))
        self._paths = dict(zip(names, paths, strict=True))

    def get_fullpath(self, label: Any) -> str:
        """Where the file of a label is.

        Raises
        ------
        KeyMissing
            For a label that is not there.
        """
        if label not in self._paths:
            raise KeyMissing(f"no file is labelled {label!r}, of {len(self)}")
        return self._paths[label]

    def _like(self, labels: Array) -> Self:
        made = type(self).__new__(type(self))
        DatasetIndex.__init__(made, labels)
        made._paths = {label: self._paths[label] for label in made.indices.tolist()}
        return made


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
        yield Cut(_order(n, shuffle, epoch), np.full(n, epoch))


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


def _order(n: int, shuffle: bool | int, epoch: int) -> Array:
    """Positions in the order of an epoch."""
    if shuffle is False:
        return np.arange(n)
    if shuffle is True:
        return np.random.default_rng().permutation(n)
    return generator(shuffle, epoch).permutation(n)


def _labels(labels: Any) -> Array:
    if isinstance(labels, DatasetIndex):
        return labels.indices
    if isinstance(labels, int | np.integer):
        return np.arange(labels)
    if isinstance(labels, str):
        raise SpecError(f"labels are a number or a sequence, not the text {labels!r}")
    return np.atleast_1d(np.asarray(labels if isinstance(labels, np.ndarray) else list(labels)))


def _first_twice(labels: Array) -> Any:
    seen: set[Any] = set()
    for label in labels.tolist():
        if label in seen:
            return label
        seen.add(label)
    return None


def _sizes(n: int, shares: float | Iterable[float]) -> tuple[int, int, int]:
    given = [float(s) for s in (shares if isinstance(shares, Iterable) else [shares])]
    total = sum(given)
    if not 1 <= len(given) <= 3 or min(given) < 0 or total > 1 + 1e-9:
        raise SpecError(f"shares are one to three numbers from 0 that sum to 1 at most: {given}")
    if len(given) == 3 and abs(total - 1) > 1e-9:
        raise SpecError(f"three shares must sum to 1, these sum to {total}: {given}")
    if len(given) == 1:
        given.append(1 - given[0])
    # Rounded where they end, not each: together they are never more or fewer than n.
    train = round(n * given[0])
    test = min(n - train, round(n * (given[0] + given[1])) - train)
    return train, test, n - train - test


def _found(path: Any, *, dirs: bool) -> list[str]:
    many = [path] if isinstance(path, str | PurePath) else list(path)
    if dirs:
        matching = (found for one in many for found in glob.glob(str(one)))  # noqa: PTH207
        return [found for found in matching if Path(found).is_dir()]
    return [entry.path for one in many for entry in storage.find(one)]
