"""Datasets for PyTorch's DataLoader, shared among ranks and workers, and transforms of samples.

The classes derive from those of PyTorch where it is installed; without it they work the same, as
one rank and one worker. PyTorch is imported with this module, and with no other.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import io
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from thunderlike._arguments import checked_arguments
from thunderlike.datasets.sharded import Ranges, left_over, share, size
from thunderlike.datasets.shuffle import Shuffler
from thunderlike.errors import FormatError, KeyMissingError, SpecError, WrongTypeError
from thunderlike.util.images import open_image

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch.distributed import ProcessGroup

    from thunderlike.datasets.reader import Reader

__all__ = [
    "Compose",
    "CompressedToPIL",
    "Dataset",
    "DatasetBase",
    "IterableDataset",
    "Transform",
    "Transforms",
    "dict2tuple",
    "no_rng",
]


Transform: TypeAlias = Callable[..., Any]
Transforms: TypeAlias = "Mapping[str, Transform] | Callable[[dict[str, Any]], Any] | None"


class Compose:
    """Composition of functions of a value, each with the parameters that it names.

    Parameters
    ----------
    *transforms : callable, or one iterable of them
        The first argument of each is the value. Its other arguments are looked up by name in the
        parameters of the call; those with a default may be missing there, and those that a
        :func:`functools.partial` fixes are never looked up. A function of ``*args`` alone gets
        only the value.
    prefix : str
        Prefix of the names in the parameters, which is not part of the names of arguments.

    Raises
    ------
    SpecError
        For a function without arguments.
    WrongTypeError
        For an object that cannot be called.
    KeyMissingError
        For a missing parameter, on the call; the error names the function and the parameter.

    Examples
    --------
    >>> def add(value, amount):
    ...     return value + amount
    >>> Compose(add, abs)(-5, {"amount": 2, "other": 1})
    3
    >>> Compose([add], prefix="left_")(1, {"left_amount": 2})
    3
    """

    def __init__(self, *transforms: object, prefix: str = "") -> None:
        given = list(transforms)
        # Not a list that can be called: nn.Sequential is both.
        if len(given) == 1 and isinstance(given[0], Iterable) and not callable(given[0]):
            given = list(given[0])
        functions: list[Transform] = []
        for one in given:
            if not callable(one):
                raise WrongTypeError(
                    f"Compose takes functions, or one list of them; {one!r:.60} cannot be called"
                )
            functions.append(one)
        # Signatures are inspected once: for each sample that may take longer than a transform.
        self._bound = [(one, *_parameters(one)) for one in functions]
        self._prefix = prefix

    def __call__(self, value: object, params: Mapping[str, Any] | None = None) -> Any:
        """Apply all functions to a value."""
        if not isinstance(params, Mapping | None):
            raise WrongTypeError(f"params are a dict of names and values, not {params!r:.60}")
        there = params or {}
        for function, names, needed in self._bound:
            for name in needed:
                if self._prefix + name not in there:
                    label = getattr(function, "__name__", function)
                    raise KeyMissingError(f"{label} needs the parameter {self._prefix + name!r}")
            chosen = {n: there[self._prefix + n] for n in names if self._prefix + n in there}
            value = function(value, **chosen)
        return value

    def __repr__(self) -> str:
        return f"Compose({', '.join(repr(one) for one, *_ in self._bound)})"


def _parameters(function: Transform) -> tuple[list[str], list[str]]:
    """Return the names of arguments after the first, and of those without a default."""
    try:
        found = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return [], []  # compiled functions without a signature
    named = [one for one in found if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    if not named and any(one.kind is one.VAR_POSITIONAL for one in found):
        warnings.warn(f"{function} has no named argument; it gets only the value", stacklevel=3)
        return [], []
    if not named:
        raise SpecError(f"{function} takes no argument; a transform takes a value")
    fixed = function.keywords if isinstance(function, functools.partial) else {}
    rest = [
        one for one in named[1:] if one.kind is not one.POSITIONAL_ONLY and one.name not in fixed
    ]
    return [one.name for one in rest], [one.name for one in rest if one.default is one.empty]


def _applied(
    sample: dict[str, Any], transforms: Transforms, rng: Callable[[Any], Any] | None
) -> Any:
    """Apply transforms to a sample: one function of it, or functions of its values by key."""
    if transforms is None:
        return sample
    if not isinstance(transforms, Mapping):
        return transforms(sample)
    params = {} if rng is None else rng(sample)
    sample["__params__"] = params
    for key, function in transforms.items():
        sample[key] = function(sample[key], params)
    return sample


class CompressedToPIL:
    """Decoder of image files to RGB images of Pillow.

    Parameters
    ----------
    size : (int, int), optional
        Decode JPEG at a reduced scale, not below this width and height.

    Examples
    --------
    >>> import numpy as np
    >>> from thunderlike.formats import png
    >>> CompressedToPIL()(png.encode(np.zeros((2, 3), "uint8"))).size
    (3, 2)
    """

    def __init__(self, size: tuple[int, int] | None = None) -> None:
        self.size = size

    def __call__(self, data: bytes) -> Any:
        """Decode an image; FormatError for bytes that are not one."""
        from PIL import Image

        try:
            image = open_image(io.BytesIO(data))
            if self.size is not None:  # only JPEG has scales; Pillow ignores it for other formats
                image.draft("RGB", self.size)
            return image.convert("RGB")
        except TypeError as error:
            raise WrongTypeError(f"an image file is bytes, not {type(data).__name__}") from error
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            start = bytes(data[:16])
            raise FormatError(f"not an image that Pillow reads: {start!r}...: {error}") from error

    def __repr__(self) -> str:
        return f"CompressedToPIL({self.size or ''})"


@checked_arguments
def dict2tuple(
    it: Iterable[Mapping[str, Any]], keys: Sequence[str] = ("image", "label")
) -> Iterator[tuple[Any, ...]]:
    """Iterate over some values of each sample.

    Examples
    --------
    >>> list(dict2tuple([{"key": "a", "image": 1, "label": 2}]))
    [(1, 2)]
    """
    return (tuple(sample[key] for key in keys) for sample in it)


_INSTALLED = importlib.util.find_spec("torch") is not None


# DataLoader tells the two kinds of datasets apart by their base classes.
_Dataset: Any = object
_IterableDataset: Any = object
if _INSTALLED:
    from torch.utils import data as _data

    _Dataset, _IterableDataset = _data.Dataset, _data.IterableDataset


@checked_arguments
def no_rng(sample: object) -> dict[str, Any]:  # noqa: ARG001
    """Draw no parameters: the default of `rng`.

    Examples
    --------
    >>> no_rng({"key": "a"})
    {}
    """
    return {}


class DatasetBase:
    """Base class of datasets: a reader and transforms of its samples.

    Parameters
    ----------
    reader : Reader
        Any reader or view.
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
        self.reader: Any = reader  # also a view with `set_epoch`
        self._transforms, self._rng = transforms, no_rng if rng is None else rng

    def _applied(self, sample: dict[str, Any]) -> Any:
        return _applied(sample, self._transforms, self._rng)


class Dataset(DatasetBase, _Dataset):  # type: ignore[misc]  # known only at run time
    """Map-style dataset: samples by number.

    Parameters
    ----------
    reader : Reader
        Any reader or view.
    transforms : mapping or callable, optional
        Functions ``(value, params)`` by key, such as a :class:`Compose`; or one function of the
        sample.
    rng : callable, optional
        Function that returns the ``params`` of a sample, which are stored as ``"__params__"``.

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
        """Return a transformed sample."""
        return self._applied(self.reader.get(index))

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Return the transformed samples of a batch, read together."""
        found = self.reader.get_many(indices)
        return [self._applied(sample) for sample in found]


class IterableDataset(DatasetBase, _IterableDataset):  # type: ignore[misc]
    """Iterable dataset in the order of a reader, shared among ranks and DataLoader workers.

    Parameters
    ----------
    reader : Reader
        Any reader or view: samples are shuffled first, then shared. Its epoch is set to that of
        the dataset.
    transforms, rng
        As in :class:`Dataset`.
    batch_size : int, optional
        Batch size of the DataLoader, to detect uneven shares and to resume exactly.
    epoch : int
        First epoch; increases by one after each complete iteration. Persistent workers of the
        DataLoader continue to count; others start with that of :meth:`set_epoch`.
    copy, chunk_size
        Accepted for programs written for datadings.
    group : optional
        Process group of ``torch.distributed``; the default one.
    shuffle : bool
        Shuffle in each epoch.
    seed : int
        Seed of the orders.
    even : {'error', 'drop', 'pad'}
        Treatment of shares with different numbers of batches: raise (detected only with
        `batch_size`), leave the last samples out, or repeat some.
    num_workers : int
        Number of workers of the DataLoader, for an exact ``len`` with more than one.

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
        group: ProcessGroup | None = None,
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
        self._share(0, self._workers)  # raises for unsuitable arguments

    def set_epoch(self, epoch: int) -> None:
        """Start an epoch, with its order and shares."""
        self.epoch, self._left, self._taken = epoch, None, 0

    def __len__(self) -> int:
        """Return the number of samples of this worker; in the main process, of this rank."""
        worker, workers = _worker()
        mine = range(self._workers) if worker is None else [worker]
        count = self._workers if worker is None else workers
        return sum(size(self._share(number, count)) for number in mine)

    def __iter__(self) -> Iterator[Any]:
        worker, workers = _worker()
        # Workers are processes: a persistent one has a reader that saw only its own epochs.
        if hasattr(self.reader, "set_epoch"):
            self.reader.set_epoch(self.epoch)
        mine, self._taken = self._share(worker or 0, workers), 0
        for first, last in mine:
            for sample in self.reader.slice(first, last):
                self._taken += 1  # before the sample leaves: a state taken meanwhile includes it
                yield self._applied(sample)
        self.set_epoch(self.epoch + 1)

    def _share(self, worker: int, workers: int, rank: int | None = None) -> Ranges:
        """Return the samples of one worker of a rank, this one by default."""
        rank = self._rank if rank is None else rank
        shares = self._world * workers
        # Shares move on by a rank in each epoch, so that every rank meets all samples.
        number = ((rank + self.epoch) * workers + worker) % shares
        # Shares after an interruption may be uneven, because no sample may be lost.
        batch_size = self._batch_size if self._left is None else None
        return share(self._numbers(), number, shares, self._even, batch_size)

    def _numbers(self) -> Ranges:
        return [(0, len(self.reader))] if self._left is None else self._left

    def state_dict(self, batches: int | None = None, num_workers: int = 0) -> dict[str, Any]:
        """Return the samples of this epoch that no rank has taken yet.

        Every rank must have taken the same number of batches, as in training.

        Parameters
        ----------
        batches : int, optional
            Number of batches taken by this rank; not needed if the DataLoader has no worker
            processes and does not prefetch.
        num_workers : int
            Number of workers of the DataLoader.

        Raises
        ------
        SpecError
            For batches without a `batch_size`.
        """
        if batches is not None and self._batch_size is None:
            raise SpecError("give IterableDataset a batch_size to count the samples of batches")
        workers = max(1, num_workers)
        parts = [
            (self._share(worker, workers, rank), self._given(batches, worker, workers))
            for rank in range(self._world)
            for worker in range(workers)
        ]
        return {"epoch": self.epoch, "left": [list(ends) for ends in left_over(parts)]}

    def _given(self, batches: int | None, worker: int, workers: int) -> int:
        """Count the samples of a worker; DataLoader takes batches from each in turn."""
        if batches is None or self._batch_size is None:
            return self._taken
        return (batches - worker + workers - 1) // workers * self._batch_size

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume with the samples left, on any number of ranks and workers; then the next epoch."""
        self.set_epoch(int(state["epoch"]))
        self._left = [(first, last) for first, last in state["left"]]


def _place(group: ProcessGroup | None) -> tuple[int, int]:
    """Return the rank and the number of ranks."""
    if not _INSTALLED:
        return 0, 1
    from torch import distributed

    if not (distributed.is_available() and distributed.is_initialized()):
        return 0, 1
    return distributed.get_rank(group), distributed.get_world_size(group)


def _worker() -> tuple[int | None, int]:
    """Return the number of this DataLoader worker, None in the main process, and of all."""
    if not _INSTALLED:
        return None, 1
    from torch.utils.data import get_worker_info

    found = get_worker_info()
    return (None, 1) if found is None else (found.id, found.num_workers)
