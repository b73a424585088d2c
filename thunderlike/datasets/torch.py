"""Datasets for PyTorch's DataLoader: any reader, any view, shared among ranks and workers.

The classes are those of PyTorch where it is installed; without it they work the same, as one rank
and one worker. PyTorch is imported with this module, and with no other.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from thunderlike._arguments import checked_arguments
from thunderlike.datasets.sharing import Ranges, left_over, share, size
from thunderlike.datasets.shuffles import Shuffler
from thunderlike.datasets.transforms import Compose, CompressedToPIL, applied, dict2tuple
from thunderlike.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from thunderlike.datasets.base import Reader
    from thunderlike.datasets.transforms import Transforms

__all__ = [
    "Compose",
    "CompressedToPIL",
    "Dataset",
    "DatasetBase",
    "IterableDataset",
    "dict2tuple",
    "no_rng",
]

_INSTALLED = importlib.util.find_spec("torch") is not None


def _bases() -> tuple[Any, Any]:
    """DataLoader asks whether a dataset is of these classes."""
    if not _INSTALLED:
        return object, object
    from torch.utils import data

    return data.Dataset, data.IterableDataset


_Dataset, _IterableDataset = _bases()


@checked_arguments
def no_rng(sample: Any) -> dict[str, Any]:  # noqa: ARG001
    """Draw no parameters: what datasets do without `rng`.

    Examples
    --------
    >>> no_rng({"key": "a"})
    {}
    """
    return {}


class DatasetBase:
    """What both datasets share: a reader, and what is done to its samples.

    Parameters
    ----------
    reader : Reader
        Any, views included.
    transforms : mapping or callable, optional
        As in :class:`Dataset`.
    rng : callable, optional
        As in :class:`Dataset`.

    Examples
    --------
    >>> issubclass(Dataset, DatasetBase), issubclass(IterableDataset, DatasetBase)
    (True, True)
    """

    def __init__(
        self,
        reader: Reader,
        transforms: Transforms = None,
        rng: Callable[[Any], Any] | None = None,
    ) -> None:
        self.reader: Any = reader
        self._transforms, self._rng = transforms, no_rng if rng is None else rng

    def _applied(self, sample: Any) -> Any:
        return applied(sample, self._transforms, self._rng)


class Dataset(DatasetBase, _Dataset):  # type: ignore[misc,valid-type]  # known only at run time
    """Samples by number.

    Parameters
    ----------
    reader : Reader
        Any, views included.
    transforms : mapping or callable, optional
        From the key of a value to a function ``(value, params)``, such as a :class:`Compose`; or
        one function of the sample.
    rng : callable, optional
        From a sample to the ``params`` of all functions of its values; kept as ``"__params__"``.

    Examples
    --------
    >>> import thunderlike as tl
    >>> letters = tl.datasets.ListReader([{"key": k, "n": 1} for k in "abc"])
    >>> double = Dataset(letters, {"n": lambda value, params: 2 * value})
    >>> len(double), double[-1]
    (3, {'key': 'c', 'n': 2, '__params__': {}})
    """

    def __len__(self) -> int:
        return len(self.reader)

    def __getitem__(self, index: int) -> Any:
        """The sample of a number, transformed."""
        return self._applied(self.reader.get(index))

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """The samples of a batch, read together."""
        found = self.reader.get_many(indices)
        return [self._applied(sample) for sample in found]


class IterableDataset(DatasetBase, _IterableDataset):  # type: ignore[misc,valid-type]
    """Samples in the order of a reader, shared among the ranks and their DataLoader's workers.

    Parameters
    ----------
    reader : Reader
        Any, views included: they are shuffled first, then shared. One that has epochs is set to
        this dataset's.
    transforms, rng
        As in :class:`Dataset`.
    batch_size : int, optional
        Of the DataLoader; lets uneven shares be noticed, and exact resumption be computed.
    epoch : int
        The first one; goes up by one after each whole iteration. Workers that DataLoader keeps
        (``persistent_workers``) count on; others begin with what :meth:`set_epoch` said.
    copy, chunk_size
        Accepted for programs written for datadings.
    group : optional
        Process group of ``torch.distributed``; the default one.
    shuffle : bool
        In another random order each epoch.
    seed : int
        Of those orders.
    even : {'error', 'drop', 'pad'}
        What to do when shares do not give equally many batches: say so (known only with
        `batch_size`), leave the last samples out, or give some twice.
    num_workers : int
        Of the DataLoader; needed only for an exact ``len`` with more than one.

    Examples
    --------
    >>> import thunderlike as tl
    >>> letters = tl.datasets.ListReader([{"key": k} for k in "abcdef"])
    >>> data = IterableDataset(letters, batch_size=2)
    >>> first = [sample["key"] for _, sample in zip(range(2), data)]
    >>> state = data.state_dict()
    >>> again = IterableDataset(letters, batch_size=2)
    >>> again.load_state_dict(state)
    >>> first, [sample["key"] for sample in again], len(again)
    (['a', 'b'], ['c', 'd', 'e', 'f'], 6)
    """

    def __init__(
        self,
        reader: Reader,
        transforms: Transforms = None,
        rng: Callable[[Any], Any] | None = None,
        batch_size: int | None = None,
        epoch: int = 0,
        copy: bool = True,  # noqa: ARG002
        chunk_size: int = 16,  # noqa: ARG002
        group: Any = None,
        *,
        shuffle: bool = False,
        seed: int = 0,
        even: str = "error",
        num_workers: int = 1,
    ) -> None:
        shuffled = Shuffler(reader, seed, order="fast") if shuffle else reader
        super().__init__(shuffled, transforms, rng)
        self._batch_size, self._even = batch_size, even
        self.epoch, self._workers = epoch, max(1, num_workers)
        self._rank, self._world = _place(group)
        self._left: Ranges | None = None
        self._taken = 0
        self._share(0, self._workers)  # what does not fit is said now

    def set_epoch(self, epoch: int) -> None:
        """Take the order and the shares of this epoch, from its beginning."""
        self.epoch, self._left, self._taken = epoch, None, 0

    def __len__(self) -> int:
        """Samples of this worker; in the main process, of this rank."""
        worker, workers = _worker()
        mine = range(self._workers) if worker is None else [worker]
        count = self._workers if worker is None else workers
        return sum(size(self._share(number, count)) for number in mine)

    def __iter__(self) -> Iterator[Any]:
        worker, workers = _worker()
        if hasattr(self.reader, "set_epoch"):
            self.reader.set_epoch(self.epoch)
        mine, self._taken = self._share(worker or 0, workers), 0
        for first, last in mine:
            for sample in self.reader.slice(first, last):
                self._taken += 1
                yield self._applied(sample)
        self.set_epoch(self.epoch + 1)

    def _share(self, worker: int, workers: int, rank: int | None = None) -> Ranges:
        """The samples of one worker of a rank, this one by default."""
        rank = self._rank if rank is None else rank
        shares = self._world * workers
        number = ((rank + self.epoch) * workers + worker) % shares
        # What is left after an interruption is what it is: no sample of it may be lost.
        batch_size = self._batch_size if self._left is None else None
        return share(self._numbers(), number, shares, self._even, batch_size)

    def _numbers(self) -> Ranges:
        return [(0, len(self.reader))] if self._left is None else self._left

    def state_dict(self, batches: int | None = None, num_workers: int = 0) -> dict[str, Any]:
        """Return which samples of this epoch no rank has taken yet.

        Every rank must have taken as many batches, as they do in training.

        Parameters
        ----------
        batches : int, optional
            That the loop of this rank has taken; not needed when the DataLoader has no workers of
            its own, and reads no batch ahead.
        num_workers : int
            Of the DataLoader.

        Raises
        ------
        SpecError
            For batches without a `batch_size`.
        """
        if batches is not None and self._batch_size is None:
            raise SpecError("give IterableDataset the batch_size, to know what batches held")
        workers = max(1, num_workers)
        parts = [
            (self._share(worker, workers, rank), self._given(batches, worker, workers))
            for rank in range(self._world)
            for worker in range(workers)
        ]
        return {"epoch": self.epoch, "left": [list(ends) for ends in left_over(parts)]}

    def _given(self, batches: int | None, worker: int, workers: int) -> int:
        """How many samples a worker gave: DataLoader takes batches from each in turn."""
        if batches is None or self._batch_size is None:
            return self._taken
        return (batches - worker + workers - 1) // workers * self._batch_size

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with what was left, with any number of ranks and workers; then the next epoch."""
        self.set_epoch(int(state["epoch"]))
        self._left = [(first, last) for first, last in state["left"]]


def _place(group: Any) -> tuple[int, int]:
    """Rank, and how many there are."""
    if not _INSTALLED:
        return 0, 1
    from torch import distributed

    if not (distributed.is_available() and distributed.is_initialized()):
        return 0, 1
    return distributed.get_rank(group), distributed.get_world_size(group)


def _worker() -> tuple[int | None, int]:
    """Number of this DataLoader worker, None in the main process, and how many there are."""
    if not _INSTALLED:
        return None, 1
    from torch.utils.data import get_worker_info

    found = get_worker_info()
    return (None, 1) if found is None else (found.id, found.num_workers)
