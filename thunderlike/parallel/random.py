"""Random streams determined by a seed and a position."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thunderlike._arguments import checked_arguments

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np

__all__ = ["generator", "seeded"]


@checked_arguments
def generator(seed: int, *position: int) -> np.random.Generator:
    """A random stream of its own for a position.

    Parameters
    ----------
    seed : int
        At least 0.
    *position : int
        Of the item; several numbers for a position within a position.

    Examples
    --------
    >>> float(generator(7, 3).random()) == float(generator(7, 3).random())
    True
    >>> float(generator(7, 3).random()) == float(generator(7, 4).random())
    False
    """
    import numpy as np  # not at the top: workers start faster without numpy

    sequence = np.random.SeedSequence(seed, spawn_key=position)
    return np.random.Generator(np.random.SFC64(sequence))


@checked_arguments
def seeded(items: Iterable[Any], seed: int) -> Iterator[tuple[Any, np.random.Generator]]:
    """Pair each item with a random generator, for `starmap`; the same on every backend.

    Parameters
    ----------
    items : iterable
        Consumed one by one.
    seed : int
        Item k gets ``generator(seed, k)``.

    Examples
    --------
    >>> from thunderlike.parallel import starmap
    >>> draws = list(starmap(lambda scale, rng: scale * rng.random(), seeded([1, 10], seed=5)))
    >>> draws == list(starmap(lambda scale, rng: scale * rng.random(), seeded([1, 10], seed=5)))
    True
    """
    return ((item, generator(seed, position)) for position, item in enumerate(items))
