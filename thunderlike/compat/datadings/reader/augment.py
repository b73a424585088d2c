"""``datadings.reader.augment``: the views of :mod:`thunderlike.datasets`, iterated as augments.

Their ``iter`` takes `yield_key` first: augments of datadings have neither `start` nor `stop`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thunderlike.datasets import shuffles, views

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Augment", "Cycler", "QuasiShuffler", "Range", "Repeater", "Shuffler"]


class Augment(views.View):
    """Base class of augments.

    Examples
    --------
    >>> from thunderlike.datasets import ListReader
    >>> part = Range(ListReader([{"key": k} for k in "abc"]), 1)
    >>> isinstance(part, Augment), list(part.iter(True))
    (True, [('b', {'key': 'b'}), ('c', {'key': 'c'})])
    """

    def iter(  # type: ignore[override]  # as in datadings
        self,
        yield_key: bool = False,
        raw: bool = False,
        copy: bool = True,
        chunk_size: int | None = 16,
    ) -> Iterator[Any]:
        """Iterate from the cursor on; arguments as in ``Reader.iter``."""
        return super().iter(None, None, yield_key, raw, copy, chunk_size)


class Cycler(Augment, views.Cycler):
    """Iterate over a reader for ever; see :class:`thunderlike.datasets.Cycler`."""


class Range(Augment, views.Range):
    """Samples ``start .. stop-1`` of a reader; see :class:`thunderlike.datasets.Range`."""


class Repeater(Augment, views.Repeater):
    """Iterate over a reader several times; see :class:`thunderlike.datasets.Repeater`."""


class Shuffler(Augment, shuffles.Shuffler):
    """Iterate in random order; see :class:`thunderlike.datasets.Shuffler`."""


class QuasiShuffler(Augment, shuffles.QuasiShuffler):
    """Iterate in nearly random order; see :class:`thunderlike.datasets.QuasiShuffler`."""

    def iter(  # type: ignore[override]  # as in datadings
        self,
        yield_key: bool = False,
        raw: bool = False,
        copy: bool = True,
        chunk_size: int | None = None,
    ) -> Iterator[Any]:
        """Iterate from the cursor on; by default `chunk_size` is that of the shuffler."""
        return super().iter(yield_key, raw, copy, chunk_size)
