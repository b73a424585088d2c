"""Indices: labels of items, their order, and their division into batches."""

from __future__ import annotations

import copy
import glob
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeAlias, TypedDict, Unpack

import numpy as np

from thunderlike import storage
from thunderlike._arguments import checked_methods
from thunderlike.errors import BadIndexError, KeyMissingError, SpecError, WrongTypeError
from thunderlike.parallel.random import generator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from thunderlike._typing import Array

__all__ = [
    "Cursor",
    "Cut",
    "DatasetIndex",
    "Epochs",
    "FilesIndex",
    "Labels",
    "Shuffle",
    "checked_positions",
    "checked_size",
    "cuts",
    "ordered",
]


Shuffle = bool | int | np.random.Generator | np.random.RandomState | None
Labels: TypeAlias = "int | Iterable[Any] | DatasetIndex | Callable[[], Any]"


class Cut(NamedTuple):
    """The items of one batch: where each stands in the index, and in which epoch it is."""

    # Both for each item: a batch may hold the end of one epoch and the beginning of the next.
    positions: Array
    epochs: Array


class Epochs(TypedDict, total=False):
    """Options of :func:`cuts`: the order of items and the end of the batches."""

    shuffle: Shuffle
    n_iters: int | None
    n_epochs: int | None
    drop_last: bool
    wrap: bool


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
        # Endless batches are all full: they go on into the next epoch, where nothing is dropped.
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


def checked_size(batch_size: object, name: str = "batch_size") -> int:
    """Return a batch size.

    Raises
    ------
    WrongTypeError
        For a size that is not a whole number.
    SpecError
        For one below 1.
    """
    # True is an int to Python, and a mistake as a size.
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
    # A stream for each epoch: its order is the same whichever epochs were run before.
    if isinstance(shuffle, int | np.integer) and shuffle >= 0:
        return generator(int(shuffle), epoch).permutation(n)
    raise WrongTypeError(
        f"shuffle must be a bool, a seed from 0 on or a generator of numpy, not {shuffle!r:.80}"
    )


@checked_methods
class DatasetIndex:
    """Labels in order, each once.

    Parameters
    ----------
    labels : int, iterable, DatasetIndex or callable
        A number n stands for ``0 .. n-1``; a callable returns the labels.
    unique : bool
        False lets a label come several times; looked up, it is where it comes last.

    Raises
    ------
    SpecError
        For no labels; for one that comes twice, unless `unique` is False.
    WrongTypeError
        For an argument that is neither a number nor a sequence of labels.

    Attributes
    ----------
    indices : ndarray
        The labels.
    train, test, validation : DatasetIndex or None
        The parts of the last :meth:`split`.

    Examples
    --------
    >>> index = DatasetIndex(["a", "b", "c"])
    >>> len(index), index.get_pos("b"), index.subset_by_pos([2, 0]).indices.tolist()
    (3, 1, ['c', 'a'])
    """

    train: Self | None = None
    test: Self | None = None
    validation: Self | None = None

    def __init__(
        self, labels: int | Iterable[Any] | DatasetIndex | Callable[[], Any], *, unique: bool = True
    ) -> None:
        self._assign(_labels(labels), unique=unique)

    def _assign(self, labels: Array, *, unique: bool) -> None:
        self.indices, self._unique = labels, unique
        self._places: dict[Any, int] | None = None
        self._cursor: tuple[Epochs, Cursor] | None = None
        if not len(labels):
            raise SpecError("an index needs at least one label: none was given")
        try:
            different = len(set(labels.tolist()))
        except TypeError as error:
            raise WrongTypeError(f"labels are numbers, text or other constants: {error}") from error
        if unique and different != len(labels):
            seen: set[Any] = set()
            for label in labels.tolist():
                if label in seen:
                    raise SpecError(
                        f"label {label!r} comes twice: each needs its own, or give unique=False"
                    )
                seen.add(label)

    @property
    def index(self) -> Array:
        """The labels, by their name in batchflow."""
        return self.indices

    @property
    def size(self) -> int:
        """Number of labels."""
        return len(self.indices)

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.indices)

    def __contains__(self, label: object) -> bool:
        try:
            return label in self._positions()
        except TypeError:  # not hashable
            return False

    def __add__(self, other: DatasetIndex) -> DatasetIndex:
        unique = self._unique and getattr(other, "_unique", True)
        labels = _labels([*self.indices.tolist(), *_labels(other).tolist()])
        return DatasetIndex(labels, unique=unique)

    def get_pos(self, labels: Any) -> Any:
        """Find the positions of labels.

        Parameters
        ----------
        labels
            One label, for an int; several, for an array; or a slice from one label to another,
            for a slice of positions.

        Raises
        ------
        KeyMissingError
            For a label that is not there.
        """
        if isinstance(labels, slice):
            start, stop = (
                None if end is None else self.get_pos(end) for end in (labels.start, labels.stop)
            )
            return slice(start, stop, labels.step)
        known = self._positions()
        # An array without axes is an Iterable by its class, and one label all the same.
        single = isinstance(labels, str | bytes) or not isinstance(labels, Iterable)
        if single or np.ndim(labels) == 0:
            return _position(known, labels)
        return np.array(
            [_position(known, label) for label in _labels(labels).tolist()], dtype=np.intp
        )

    def _positions(self) -> dict[Any, int]:
        if self._places is None:
            # Made when it is first needed. Of a label that comes several times the last one stays.
            self._places = {label: k for k, label in enumerate(self.indices.tolist())}
        return self._places

    def subset_by_pos(self, positions: object) -> Self:
        """Take the labels at some positions, in that order; a position may come again.

        Raises
        ------
        BadIndexError
            For a position that is not there.
        """
        if not isinstance(positions, slice):
            positions = checked_positions(positions, len(self))
        return self._like(self.indices[positions], unique=False)

    def create_batch(self, index: object, pos: bool = True, *, as_array: bool = False) -> Any:
        """Take a part of the labels.

        Parameters
        ----------
        index
            Positions; or labels, where `pos` is False.
        as_array : bool
            Return an array instead of an index of the same class.

        Raises
        ------
        BadIndexError
            For a position or label that is not there.

        Examples
        --------
        >>> DatasetIndex(["a", "b", "c"]).create_batch([2, 0]).indices.tolist()
        ['c', 'a']
        """
        made = self.subset_by_pos(index) if pos else self.create_subset(index)
        return made.indices if as_array else made

    def create_subset(self, labels: object) -> Self:
        """Some of the labels, in the order given.

        Raises
        ------
        BadIndexError
            For a label that is not there.
        """
        wanted = _labels(labels)
        missing = [label for label in wanted.tolist() if label not in self]
        if missing:
            raise BadIndexError(
                f"no item is labelled {missing[0]!r}: a subset takes from {len(self)}"
            )
        return self._like(wanted, unique=self._unique)

    def _like(self, labels: Array, *, unique: bool) -> Self:
        # Copied, not constructed: a subclass keeps its attributes, whatever its arguments are.
        made = copy.copy(self)
        made.train = made.test = made.validation = None
        made._assign(labels, unique=unique)
        return made

    def calc_split(self, shares: float | Iterable[float] = 0.8) -> tuple[int, int, int]:
        """Count the items that :meth:`split` puts into train, test and validation.

        Examples
        --------
        >>> DatasetIndex(10).calc_split([0.6, 0.3])
        (6, 3, 1)
        """
        return _sizes(len(self), shares)

    def split(
        self, shares: float | Iterable[float] = 0.8, shuffle: Shuffle = False
    ) -> tuple[Self | None, Self | None, Self | None]:
        """Cut into train, test and validation.

        Parameters
        ----------
        shares : float or sequence of float
            Of train; of train and test; or of all three, which then sum to 1.
        shuffle : bool, int or numpy.random.Generator
            Draw at random which label goes where; an int is the seed.

        Returns
        -------
        tuple
            Three indices, None for one without labels: validation is cut from the front, then
            test, and train is the rest. They are attributes from then on, too.

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
        _, test, rest = self.calc_split(shares)
        order = ordered(len(self), shuffle, epoch=0)
        # The order of batchflow, where train is what the other two leave.
        bounds = {
            "validation": (0, rest),
            "test": (rest, rest + test),
            "train": (rest + test, None),
        }
        parts = {name: order[a:b] for name, (a, b) in bounds.items()}
        for name, places in parts.items():
            setattr(self, name, self.subset_by_pos(places) if len(places) else None)
        return self.train, self.test, self.validation

    def shuffle(self, seed: int | None = None) -> Self:
        """Return the labels in random order, determined by the seed."""
        return self.subset_by_pos(ordered(len(self), True if seed is None else seed, epoch=0))

    def gen_batch(self, batch_size: int, **how: Unpack[Epochs]) -> Iterator[Self]:
        """Yield the indices of batches; see :func:`~thunderlike.batches.index.cuts`."""
        return (self.subset_by_pos(cut.positions) for cut in cuts(len(self), batch_size, **how))

    def next_batch(self, batch_size: int, **how: Unpack[Epochs]) -> Self:
        """Return the index of the next batch.

        Parameters
        ----------
        batch_size : int
            May change from call to call.
        **how
            As in :func:`~thunderlike.batches.index.cuts`; other values begin again.

        Raises
        ------
        StopIteration
            When all epochs or iterations are over; :meth:`reset` begins again.

        Examples
        --------
        >>> index = DatasetIndex(5)
        >>> [index.next_batch(size).indices.tolist() for size in (2, 2, 3)]
        [[0, 1], [2, 3], [4, 0, 1]]
        """
        # The size may differ from call to call; other options begin another walk over the items.
        if self._cursor is None or self._cursor[0] != how:
            self._cursor = (how, Cursor(len(self), **how))
        return self.subset_by_pos(self._cursor[1].take(batch_size).positions)

    def reset(self) -> None:
        """Let :meth:`next_batch` begin again."""
        self._cursor = None


@checked_methods
class FilesIndex(DatasetIndex):
    """Names of files as labels, sorted as people count.

    Parameters
    ----------
    path : str or sequence
        A pattern as ``"data/*.tif"``, or several of them.
    dirs : bool
        Folders instead of files.
    no_ext : bool
        Labels without extension.
    sort : bool
        ``frame2`` before ``frame10``; False keeps the order of the patterns.
    index, paths : optional
        Instead of `path`: labels, and the path of each as a dict or a sequence.

    Raises
    ------
    SpecError
        When two files have the same name.
    NotFoundError
        When no file matches.
    WrongTypeError
        For a pattern that is neither text nor a path.

    Examples
    --------
    >>> for name in ("frame2.npy", "frame10.npy"):
    ...     storage.write(f"memory://frames-by-name/{name}", b"")
    >>> index = FilesIndex("memory://frames-by-name/*.npy", no_ext=True)
    >>> index.indices.tolist(), index.get_fullpath("frame2")
    (['frame2', 'frame10'], 'memory://frames-by-name/frame2.npy')
    """

    def __init__(
        self,
        path: object = None,
        *,
        dirs: bool = False,
        no_ext: bool = False,
        sort: bool = True,
        index: object = None,
        paths: Mapping[Any, Any] | Iterable[Any] | None = None,
    ) -> None:
        self.dirs = dirs
        if index is not None:
            labels = _labels(index)
            self._paths = _located(labels.tolist(), paths)
        else:
            found = self._found(_patterns(path))
            if sort:
                found = sorted(found, key=storage.natural)
            # Two files of one name are labels that come twice, which the base class refuses.
            names = [PurePath(one).stem if no_ext else PurePath(one).name for one in found]
            labels = np.array(names, dtype=str)
            self._paths = dict(zip(names, found, strict=True))
        super().__init__(labels)

    def _found(self, patterns: list[str]) -> list[str]:
        if self.dirs:  # storage.find lists files alone
            matching = (found for one in patterns for found in glob.glob(one))  # noqa: PTH207
            return [found for found in matching if Path(found).is_dir()]
        return [entry.path for one in patterns for entry in storage.find(one)]

    @property
    def paths(self) -> dict[Any, str]:
        """Path of each label."""
        return self._paths

    def __add__(self, other: DatasetIndex) -> DatasetIndex:
        if not isinstance(other, FilesIndex):
            return super().__add__(other)
        both = {**self._paths, **other._paths}
        labels = [*self.indices.tolist(), *other.indices.tolist()]
        return FilesIndex(index=labels, paths=both, dirs=self.dirs)

    def get_fullpath(self, label: object) -> str:
        """Return the path of the file of a label.

        Raises
        ------
        KeyMissingError
            For a label that is not there.
        """
        if label not in self._paths:
            raise KeyMissingError(
                f"no file is labelled {label!r}, of {len(self)}: .indices has the labels"
            )
        return self._paths[label]

    def _like(self, labels: Array, *, unique: bool) -> Self:
        made = super()._like(labels, unique=unique)
        made._paths = {label: self._paths[label] for label in made.indices.tolist()}
        return made


def checked_positions(positions: Any, n: int) -> Array:
    """Return positions as an array, each within 0 .. n-1, counted from the end where negative.

    Raises
    ------
    WrongTypeError
        For numbers that are not whole.
    BadIndexError
        For a position that is not there.
    """
    if isinstance(positions, DatasetIndex):
        positions = positions.indices
    if isinstance(positions, Iterable) and not isinstance(positions, np.ndarray):
        positions = list(positions)
    wanted = np.atleast_1d(positions)
    if wanted.size and (wanted.dtype.kind not in "iu" or wanted.ndim > 1):
        raise WrongTypeError(f"positions are whole numbers in a row, not {positions!r:.80}")
    wanted = wanted.astype(np.intp)
    outside = wanted[(wanted < -n) | (wanted >= n)]
    if len(outside):
        raise BadIndexError(f"position {outside[0]} is not in 0 .. {n - 1}")
    return wanted


def _position(known: dict[Any, int], label: object) -> int:
    try:
        return known[label]
    except (KeyError, TypeError):
        raise KeyMissingError(
            f"no item is labelled {label!r:.80}, of {len(known)}: .indices has the labels"
        ) from None


def _labels(labels: object) -> Array:
    if callable(labels) and not isinstance(labels, DatasetIndex):
        try:
            labels = labels()
        except TypeError as error:
            raise WrongTypeError(
                f"a function that gives labels takes no arguments: {error}"
            ) from error
    if isinstance(labels, DatasetIndex):
        return labels.indices
    if isinstance(labels, int | np.integer) and not isinstance(labels, bool):
        try:
            return np.arange(labels)
        except MemoryError as error:
            raise SpecError(f"an index of {labels} labels does not fit in memory") from error
    if isinstance(labels, str | bytes | bool) or not isinstance(labels, Iterable):
        raise WrongTypeError(f"labels are a number or a sequence, not {labels!r:.80}")
    listed = labels if isinstance(labels, np.ndarray) else list(labels)
    try:
        made = np.atleast_1d(np.asarray(listed))
    except ValueError:  # sequences of unequal length
        made = np.empty((1, 1))
    if made.ndim > 1:
        raise WrongTypeError(f"labels stand in one row, not in a table: {labels!r:.80}")
    if made.dtype.kind in "US" and not all(isinstance(one, str | bytes) for one in listed):
        made = np.array(listed, dtype=object)  # numpy would turn the numbers among them into text
    return made


def _patterns(path: object) -> list[str]:
    many = [path] if isinstance(path, str | PurePath) else path
    if not isinstance(many, Iterable) or isinstance(many, bytes | np.ndarray):
        raise WrongTypeError(f"path is a pattern or a sequence of them, not {path!r:.80}")
    many = list(many)
    if not many:
        raise SpecError("path is empty: give at least one pattern")
    for one in many:
        if not isinstance(one, str | PurePath):
            raise WrongTypeError(f"a pattern is text or a path, not {one!r:.80}")
    return [str(one) for one in many]


def _located(labels: list[Any], paths: Mapping[Any, Any] | Iterable[Any] | None) -> dict[Any, str]:
    """Return the path of each label."""
    if paths is None:
        raise SpecError("an index of files by labels needs the path of each: give paths")
    if not isinstance(paths, Mapping):
        listed = list(paths)
        if len(listed) != len(labels):
            raise SpecError(f"{len(labels)} labels need as many paths, not {len(listed)}")
        paths = dict(zip(labels, listed, strict=True))
    missing = [label for label in labels if label not in paths]
    if missing:
        raise KeyMissingError(f"paths has no path of {missing[0]!r:.80}; it has {len(paths)}")
    return {label: str(paths[label]) for label in labels}


def _sizes(n: int, shares: float | Iterable[float]) -> tuple[int, int, int]:
    try:
        given = [float(s) for s in (shares if isinstance(shares, Iterable) else [shares])]
    except (TypeError, ValueError):
        raise WrongTypeError(f"shares are one to three numbers, not {shares!r:.80}") from None
    total = sum(given)
    if not 1 <= len(given) <= 3 or not min(given) >= 0 or total > 1 + 1e-9:
        raise SpecError(f"shares are one to three numbers from 0 that sum to 1 at most: {given}")
    # Shares such as 0.7, 0.2 and 0.1 sum to 1 up to rounding only.
    if len(given) == 3 and abs(total - 1) > 1e-9:
        raise SpecError(f"three shares must sum to 1, these sum to {total}: {given}")
    if len(given) == 1:
        given.append(1 - given[0])
    # Rounded where they end, not each: together they are never more or fewer than n.
    train = round(n * given[0])
    test = min(n - train, round(n * (given[0] + given[1])) - train)
    return train, test, n - train - test
