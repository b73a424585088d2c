"""Ten thousand samples of every kind that both this package and datadings store.

Run by itself it writes them, with whichever of the two is asked for:

    python tests/interop/mixed.py ours|datadings FILE [COUNT]
"""

from __future__ import annotations

import random
import sys

import numpy as np

DTYPES = ["?", "i1", ">i2", "<u4", "i8", "f2", ">f4", "f8", "c8", "c16", "U3", "S4"]
STRUCTURED = [
    np.dtype([("a", "<i4"), ("b", "<f4", (2,))]),
    np.dtype([("in", [("x", "u1"), ("y", "<f8")]), ("c", "S3")]),
]


def samples(count, seed=3):
    """Yield samples; the same ones for the same seed, on every machine."""
    draw = random.Random(seed)
    for number in range(count):
        yield {"key": f"sample {number} é{'x' * (number % 40)}", **_values(draw, number)}


def _values(draw, number):
    kind = number % 10
    if kind == 0:
        return {"image": draw.randbytes(draw.choice([0, 1, 255, 256, 3000, 70_000])), "label": kind}
    if kind == 1:
        return {"label": draw.choice([0, -1, 127, 128, 2**31, -(2**63), 2**64 - 1]), "none": None}
    if kind == 2:
        return {"array": _array(draw, draw.choice(DTYPES))}
    if kind == 3:
        return {"array": _array(draw, draw.choice(STRUCTURED))}
    if kind == 4:
        return {"text": draw.choice(["", "a" * 31, "a" * 32, "é" * 300, "文" * 70_000]), "ok": True}
    if kind == 5:
        return {"float": draw.random(), "numpy": np.float64(draw.random()), "inf": float("inf")}
    if kind == 6:
        return {"scalar": np.int16(draw.randrange(99)), "c": complex(1, 2), "b": np.bool_(True)}
    if kind == 7:
        return {"nested": {"list": [1, [2, {"x": _array(draw, "f4")}], (3, 4)], b"bytes": 1, 5: 6}}
    if kind == 8:
        return {"wide": {str(i): i for i in range(draw.choice([0, 15, 16, 70_000 // 100]))}}
    return {"long": list(range(draw.choice([0, 15, 16, 70_000]))), "s": np.str_("text")}


def _array(draw, dtype):
    shape = draw.choice([(), (0,), (3,), (2, 3), (4, 1, 2)])
    array = np.zeros(shape, dtype)
    if array.dtype.kind in "iufc":
        array[...] = np.arange(array.size).reshape(shape)
    return np.asfortranarray(array) if draw.random() < 0.3 else array


def write(library, path, count):
    """Write the samples with one of the two libraries."""
    if library == "ours":
        from thunderlike.datasets import FileWriter

        writer = FileWriter(path, overwrite=True)
    else:
        from datadings.writer import FileWriter

        writer = FileWriter(path, overwrite=True, disable=True)
    with writer:
        for sample in samples(count):
            writer.write(sample)


if __name__ == "__main__":
    write(sys.argv[1], sys.argv[2], int([*sys.argv, "10000"][3]))
