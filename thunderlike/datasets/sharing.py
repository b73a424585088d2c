"""Which samples belong to which worker of which rank, and which are left after an interruption.

Samples are ranges of numbers, in order: ``[(0, n)]`` for all of them. A share is cut out of their
concatenation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from thunderlike.errors import SpecError, UnevenShares

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Ranges", "cut", "left_over", "share", "size"]

Ranges = list[tuple[int, int]]
EVEN = ("error", "drop", "pad")


def size(ranges: Sequence[tuple[int, int]]) -> int:
    """How many samples there are in ranges."""
    return sum(stop - start for start, stop in ranges)


def cut(ranges: Sequence[tuple[int, int]], first: int, last: int) -> Ranges:
    """Cut samples ``first .. last-1`` out of the concatenation of ranges.

    Examples
    --------
    >>> cut([(0, 3), (10, 20)], 2, 5)
    [(2, 3), (10, 12)]
    """
    found, at = [], 0
    for start, stop in ranges:
        begin, end = max(first - at, 0), min(last - at, stop - start)
        if begin < end:
            found.append((start + begin, start + end))
        at += stop - start
    return found


def share(ranges: Ranges, number: int, shares: int, even: str, batch_size: int | None) -> Ranges:
    """Return one of several shares, as datadings cuts them: neighbours, of nearly the same size.

    Parameters
    ----------
    number, shares : int
        Which one, of how many.
    even : {'error', 'drop', 'pad'}
        What to do when shares do not give equally many batches: say so, leave samples out, or give
        some twice.
    batch_size : int, optional
        Without it, ``'error'`` never says so.

    Raises
    ------
    UnevenShares
        For ``'error'`` and shares that differ in their number of batches.

    Examples
    --------
    >>> [share([(0, 10)], i, 3, "error", None) for i in range(3)]
    [[(0, 3)], [(3, 7)], [(7, 10)]]
    >>> [share([(0, 10)], i, 3, "pad", None) for i in range(3)]
    [[(0, 4)], [(3, 7)], [(7, 10), (0, 1)]]
    """
    total = size(ranges)
    if even not in EVEN:
        raise SpecError(f"even is one of {', '.join(EVEN)}, not {even!r}")
    first = round(total / shares * number)
    if even == "drop":
        return cut(ranges, first, min(first + total // shares, total))
    if even == "pad":
        last = first + -(-total // shares)
        return cut(ranges, first, last) + cut(ranges, 0, max(last - total, 0))
    if batch_size and 0 < (total / shares) % batch_size < 1:
        raise UnevenShares(
            f"{total} samples in {shares} shares and batches of {batch_size}: some would have one "
            "batch more than others; give even='drop' or even='pad'"
        )
    last = total if number == shares - 1 else round(total / shares * (number + 1))
    return cut(ranges, first, last)


def left_over(parts: Sequence[tuple[Ranges, int]]) -> Ranges:
    """What is left of shares when some samples of each were taken, without those given twice.

    Notes
    -----
    Takes a byte a sample.

    Examples
    --------
    >>> left_over([([(0, 5)], 2), ([(5, 10)], 5)])
    [(2, 5)]
    """
    end = max((stop for ranges, _ in parts for _, stop in ranges), default=0)
    left = np.zeros(end + 2, np.int8)  # with a gap at both ends, sample n at n + 1
    for ranges, _ in parts:
        for start, stop in ranges:
            left[start + 1 : stop + 1] = 1
    for ranges, count in parts:
        for start, stop in cut(ranges, 0, count):
            left[start + 1 : stop + 1] = 0
    edges = np.flatnonzero(np.diff(left)).reshape(-1, 2)
    return [(int(start), int(stop)) for start, stop in edges]
