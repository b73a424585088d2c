"""Damage a file in many ways and open each; a script, since a crash ends the interpreter.

python damage.py FILE truncate|flip COUNT SEED prints a line of counts, or where it was.
"""

from __future__ import annotations

import collections
import contextlib
import os
import random
import sys
import tempfile
from pathlib import Path

import numpy as np

import thunderlike as tl

STEP = 4096


def variants(data, how, count, seed):
    """Cut short at each boundary of 4 KiB, or with one bit turned."""
    if how == "truncate":
        places = range(0, len(data), STEP)
        chosen = places if count >= len(places) else random.Random(seed).sample(places, count)
        yield from ((place, data[:place]) for place in chosen)
        return
    rng = random.Random(seed)
    for _ in range(count):
        place = rng.randrange(len(data))
        turned = bytearray(data)
        turned[place] ^= rng.randrange(1, 256)
        yield place, bytes(turned)


def outcome(path, whole):
    with contextlib.suppress(tl.ThunderlikeError):
        tl.series.fromhdf5(path, "/numbers")
    try:
        str(tl.hdf5.ls(path))
        found = tl.load(path, max_bytes=2**28)
    except tl.ThunderlikeError as error:
        return "error" if "\n" not in str(error) else "long error"
    return "equal" if equal(found, whole) else "different"


def equal(one, other):
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(equal(one[k], other[k]) for k in one)
    try:
        return type(one) is type(other) and bool(np.array_equal(one, other))
    except (TypeError, ValueError):
        return False


def main(file, how, count, seed):
    data, whole = Path(file).read_bytes(), tl.load(file)
    seen = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.h5")
        for place, damaged in variants(data, how, int(count), int(seed)):
            os.write(2, f"at {place}\n".encode())  # the last line tells where it crashed
            path.write_bytes(damaged)
            seen[outcome(path, whole)] += 1
    sys.stdout.write(" ".join(f"{name}={number}" for name, number in sorted(seen.items())) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
