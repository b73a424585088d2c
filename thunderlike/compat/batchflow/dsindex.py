"""Indices with batchflow's conventions where those of ``thunderlike.batches`` differ."""

from __future__ import annotations

import glob
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.batches import index as indices
from thunderlike.compat.batchflow.utils_random import make_rng
from thunderlike.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["DatasetIndex", "FilesIndex"]


class _Conventions(indices.DatasetIndex):
    def _assign(self, labels: Any, *, unique: bool) -> None:
        super()._assign(labels, unique=unique and isinstance(self, indices.FilesIndex))
        if unique and len(set(labels.tolist())) != len(labels):
            warnings.warn("the index holds a label more than once", stacklevel=4)

    def calc_split(self, shares: float | Iterable[float] = 0.8) -> tuple[int, int, int]:
        """Count the items of train, test and validation; what three shares leave is validation's.

        Raises
        ------
        SpecError
            For more shares than items.
        """
        given = np.atleast_1d(np.asarray(shares, dtype=float)).tolist()
        if len(given) > len(self):
            raise SpecError(f"{len(self)} items cannot be split into {len(given)} parts")
        if len(given) == 3 and sum(given) < 1:
            given[2] = 1 - given[0] - given[1]
        return super().calc_split(given)

    def shuffle(self, shuffle: Any = True) -> Any:
        """Return positions: in order for False, else shuffled, by a seed or generator."""
        rng = make_rng(shuffle)
        order = np.arange(len(self))
        return order if rng is None else rng.permutation(order)

    def next_batch(self, batch_size: int, *args: Any, **how: Any) -> Any:
        """Return the next batch; with `n_epochs` batches go on into the next epoch.

        Raises
        ------
        SpecError
            For a batch larger than the index.
        """
        if batch_size > len(self):
            raise SpecError(f"a batch of {batch_size} is larger than the index of {len(self)}")
        return super().next_batch(batch_size, **_named(args, how))

    def gen_batch(self, batch_size: int, *args: Any, **how: Any) -> Any:
        """Yield batches; with `n_epochs` they go on into the next epoch."""
        return super().gen_batch(batch_size, **_named(args, how))


def _named(args: tuple[Any, ...], how: dict[str, Any]) -> dict[str, Any]:
    names = ("shuffle", "n_iters", "n_epochs", "drop_last")
    given = {**dict(zip(names, args, strict=False)), **how}
    given.pop("notifier", None)
    return {"wrap": not given.get("drop_last"), **given}


class DatasetIndex(_Conventions):
    """``thunderlike.batches.DatasetIndex``; :meth:`shuffle` returns positions.

    Parameters
    ----------
    index : int, iterable, DatasetIndex or callable
        Labels; one that comes twice is warned of.

    Examples
    --------
    >>> DatasetIndex(5).shuffle(shuffle=False).tolist()
    [0, 1, 2, 3, 4]
    """

    def __init__(self, index: Any) -> None:
        super().__init__(index)


class FilesIndex(_Conventions, indices.FilesIndex):
    """``thunderlike.batches.FilesIndex`` in the order of the folder, paths as the pattern has them.

    Parameters
    ----------
    index, paths : optional
        Labels, and the path of each.
    path : str or sequence of str
        Patterns.
    dirs, no_ext, sort : bool
        Folders instead of files; labels without extension; labels in order.
    """

    def __init__(
        self,
        index: Any = None,
        path: Any = None,
        paths: Any = None,
        dirs: bool = False,
        no_ext: bool = False,
        sort: bool = False,
    ) -> None:
        indices.FilesIndex.__init__(
            self, path, dirs=dirs, no_ext=no_ext, sort=sort, index=index, paths=paths
        )

    def _found(self, patterns: list[str]) -> list[str]:
        found = [
            one
            for pattern in patterns
            for one in glob.iglob(pattern, recursive=True)  # noqa: PTH207  # in its own words
        ]
        kind = Path.is_dir if self.dirs else Path.is_file
        return [one for one in found if kind(Path(one))]
