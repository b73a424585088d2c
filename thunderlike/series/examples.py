"""Example series, made here: nothing is downloaded, and the truth about them is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

import numpy as np

from thunderlike.errors import KeyMissingError
from thunderlike.kernels._validation import checked_arguments
from thunderlike.series.creation import fromarray

if TYPE_CHECKING:
    from thunderlike.data.series import Series

__all__ = ["fromexample", "rhythms"]

LENGTH = 240
CYCLES = {"slow": 4, "middle": 12, "fast": 30}  # in all positions, by what each group is called
EACH = 10


@overload
def fromexample(name: None = None, engine: object = None) -> tuple[str, ...]: ...
@overload
def fromexample(name: str, engine: object = None) -> Series: ...
@checked_arguments
def fromexample(name: str | None = None, engine: object = None) -> Series | tuple[str, ...]:
    """Make example series, or list their names.

    Parameters
    ----------
    name : 'rhythms', optional
        Noisy oscillations of three frequencies: :func:`rhythms`. For series of the pixels of a
        movie, ``tl.images.fromexample('calcium').toseries()``.
    engine : None, 'local', 'disk', 'spark', SparkContext or SparkSession
        Where to keep the series; every engine makes the same ones.

    Returns
    -------
    Series
        Or, without a name, a tuple of the names.

    Raises
    ------
    KeyMissingError
        For another name.

    Examples
    --------
    >>> fromexample()
    ('rhythms',)
    >>> fromexample("rhythms")
    Series
    mode: local
    dtype: float64
    shape: (30, 240)
    """
    if name is None:
        return tuple(_EXAMPLES)
    if name not in _EXAMPLES:
        raise KeyMissingError(f"unknown example {name!r}; available: {', '.join(_EXAMPLES)}")
    return _EXAMPLES[name](engine)


def rhythms(engine: object = None, seed: int = 1) -> Series:
    """Make thirty noisy oscillations, ten of each of three frequencies, labelled by it.

    Those of one group go through 4, 12 or 30 cycles, and each is later than the one before by a
    tenth of a cycle. The noise is normal, of standard deviation 0.5 where the amplitude is 1.

    Examples
    --------
    The coherence at 12 cycles finds the middle group:

    >>> series = rhythms()
    >>> found = series.fourier(12).toarray()[:, 0] > 0.5
    >>> np.unique(series.labels[found]).tolist()
    ['middle']
    >>> int(found.sum())
    10
    """
    time = np.arange(LENGTH) / LENGTH
    late = np.arange(EACH)[:, np.newaxis] / EACH
    clean = [np.sin(2 * np.pi * (cycles * time - late)) for cycles in CYCLES.values()]
    noise = np.random.default_rng(seed).normal(0, 0.5, (len(CYCLES) * EACH, LENGTH))
    labels = np.repeat(list(CYCLES), EACH)
    return fromarray(np.concatenate(clean) + noise, labels=labels, engine=engine)


_EXAMPLES = {"rhythms": rhythms}
