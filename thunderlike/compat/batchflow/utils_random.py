"""Random streams as batchflow makes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from thunderlike.errors import WrongType

__all__ = ["make_rng", "make_seed_sequence", "spawn_seed_sequence"]


def make_rng(seed: Any = None) -> Any:
    """Make a generator of numpy.

    Parameters
    ----------
    seed : bool, int, SeedSequence, Generator, BitGenerator or RandomState
        None or True draws a seed, False makes none; a generator stays what it is.

    Examples
    --------
    >>> float(make_rng(3).random()) == float(make_rng(3).random())
    True
    """
    if seed is False:
        return None
    if isinstance(seed, np.random.Generator | np.random.RandomState):
        return seed
    if isinstance(seed, np.random.BitGenerator):
        return np.random.Generator(seed)
    if seed is None or seed is True:
        return np.random.Generator(np.random.SFC64())
    if isinstance(seed, int | np.integer | np.random.SeedSequence):
        return np.random.Generator(np.random.SFC64(seed))
    raise WrongType(f"a seed is a whole number or a source of random numbers, not {seed!r:.80}")


def make_seed_sequence(shuffle: Any = False) -> np.random.SeedSequence:
    """Make a seed sequence: of a number, of what has a ``random_seed``, else of a new seed."""
    own = getattr(shuffle, "random_seed", None)
    if isinstance(own, np.random.SeedSequence):
        return own
    if shuffle is None or isinstance(shuffle, bool):
        return np.random.SeedSequence()
    if isinstance(shuffle, int | np.integer):
        return np.random.SeedSequence(abs(int(shuffle)))
    raise WrongType(f"shuffle is a bool or a whole number, not {shuffle!r:.80}")


def spawn_seed_sequence(source: Any) -> np.random.SeedSequence:
    """Spawn a child of a seed sequence, or of that of a batch."""
    own = source if isinstance(source, np.random.SeedSequence) else None
    sequence = own or getattr(source, "random_seed", None)
    if not isinstance(sequence, np.random.SeedSequence):
        raise WrongType(f"a seed sequence or a batch has children, not {type(source).__name__}")
    return sequence.spawn(1)[0]
