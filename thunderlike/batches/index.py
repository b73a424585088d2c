"""Labels of items: what a batch takes from, in which order."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath
from typing import Any, Self

import numpy as np

from thunderlike import storage
from thunderlike.batches.cuts import Array, cuts, ordered
from thunderlike.errors import BadIndex, KeyMissing, SpecError

__all__ = ["DatasetIndex", "FilesIndex"]


class DatasetIndex:
    """Labels in order, each once.

    Parameters
    ----------
    labels : int, iterable or DatasetIndex
        A number n stands for ``0 .. n-1``.
    unique : bool
        False lets a label come several times; looked up, it is where it comes last.

    Raises
    ------
    SpecError
        For no labels; for one that comes twice, unless `unique` is False.

    Examples
    --------
    >>> index = DatasetIndex(["a", "b", "c"])
    >>> len(index), index.get_pos("b"), index.subset_by_pos([2, 0]).indices.tolist()
    (3, 1, ['c', 'a'])
    """

    def __init__(self, labels: int | Iterable[Any] | DatasetIndex, *, unique: bool = True) -> None:
        self.indices = _labels(labels)
        self._unique = unique
        self._places: dict[Any, int] | None = None
        if not len(self.indices):
            raise SpecError("an index needs at least one label: none was given")
        if unique and len(set(self.indices.tolist())) != len(self.indices):
            raise SpecError(
                f"label {_first_twice(self.indices)!r} comes twice: each needs its own, "
                "or give unique=False"
            )

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.indices)

    def __contains__(self, label: object) -> bool:
        return label in self._positions()

    def __add__(self, other: DatasetIndex) -> DatasetIndex:
        unique = self._unique and getattr(other, "_unique", True)
        return DatasetIndex(np.concatenate([self.indices, _labels(other)]), unique=unique)

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
            raise KeyMissing(
                f"no item is labelled {error.args[0]!r}, of {len(self)}: .indices has the labels"
            ) from None

    def _positions(self) -> dict[Any, int]:
        if self._places is None:
            self._places = {label: k for k, label in enumerate(self.indices.tolist())}
        return self._places

    def subset_by_pos(self, positions: Any) -> Self:
        """The labels at some positions, in that order; a position may come again."""
        return self._like(self.indices[np.atleast_1d(positions)], unique=False)

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
        return self._like(wanted, unique=self._unique)

    def _like(self, labels: Array, *, unique: bool) -> Self:
        return type(self)(labels, unique=unique)

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
        order = ordered(len(self), shuffle, epoch=0)
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
        return self.subset_by_pos(ordered(len(self), True if seed is None else seed, epoch=0))

    def gen_batch(self, batch_size: int, **how: Any) -> Iterator[Self]:
        """Indices of batches; see :func:`~thunderlike.batches.cuts.cuts` for how they are cut."""
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

    Examples
    --------
    >>> for name in ("frame2.npy", "frame10.npy"):
    ...     storage.write(f"memory://frames-by-name/{name}", b"")
    >>> index = FilesIndex("memory://frames-by-name/*.npy", no_ext=True)
    >>> index.indices.tolist(), index.get_fullpath("frame2")
    (['frame2', 'frame10'], 'memory://frames-by-name/frame2.npy')
    """

    def __init__(
        self, path: Any = None, *, dirs: bool = False, no_ext: bool = False, sort: bool = True
    ) -> None:
        paths = _found(path, dirs=dirs)
        if sort:
            paths = sorted(paths, key=storage.natural)
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
            raise KeyMissing(
                f"no file is labelled {label!r}, of {len(self)}: .indices has the labels"
            )
        return self._paths[label]

    def _like(self, labels: Array, *, unique: bool) -> Self:
        made = type(self).__new__(type(self))
        DatasetIndex.__init__(made, labels, unique=unique)
        made._paths = {label: self._paths[label] for label in made.indices.tolist()}
        return made


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
