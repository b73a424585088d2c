"""Programs drawn at random: what they begin with, how they run, what they are held against."""

from __future__ import annotations

import numpy as np

import thunderlike as tl

from . import elements, images, series
from .plain import Plain, Redraw

DTYPES = ("?", "u1", "i1", "u2", "i2", "i4", "i8", "u8", "f4", "f8", ">i2", ">f4", "c8")


def beginning(rng):
    """Images or series of any dtype, some with labels, some floats with NaN and inf."""
    kind = str(rng.choice(["images", "images", "series"]))
    most = (9, 7, 6) if kind == "images" else (6, 5, 9)
    shape = [int(rng.integers(1, n + 1)) for n in most]
    shape = shape[:1] + [2] * int(kind == "images" and rng.random() < 0.25) + shape[1:]
    dtype = np.dtype(str(rng.choice(DTYPES)))
    wide = rng.random() < 0.15 and dtype.kind in "iu"
    if wide:
        edges, native = np.iinfo(dtype), dtype.newbyteorder("=")
        values = rng.integers(edges.min, edges.max, shape, native, endpoint=True).astype(dtype)
    else:
        halves = 0.5 * (rng.random(shape) < 0.5) if dtype.kind in "fc" else 0
        values = (rng.integers(0, 100, shape) + halves).astype(dtype)
    if dtype.kind == "f" and rng.random() < 0.15:
        values[rng.random(shape) < 0.1] = rng.choice([np.nan, np.inf, -np.inf])
    named = rng.random() < 0.5
    if kind == "images":
        return Plain(kind, values, np.arange(shape[0]) + 50 if named else None)
    labels = np.arange(values[..., 0].size).reshape(shape[:-1]) * 10 if named else None
    index = np.arange(shape[-1]) if rng.random() < 0.5 else np.arange(shape[-1]) * 2 + 1
    return Plain(kind, values, labels, index)


def program(number):
    """The first outcome, and the operations with their names, calls and outcomes."""
    rng = np.random.default_rng(number)
    first = plain = beginning(rng)
    steps, wanted = [], int(rng.integers(1, 9))
    for _ in range(6 * wanted):
        choice = elements.ALL + (images.ALL if plain.kind == "images" else series.ALL)
        step = choice[rng.integers(len(choice))]
        try:
            with np.errstate(all="ignore"):
                call, plain = step(rng, plain)
        except Redraw:
            continue
        steps.append((step.__name__, call, plain))
        if len(steps) == wanted:
            break
    return first, steps


def check(found, plain):
    assert type(found).__name__.lower() == plain.kind
    assert (found.shape, found.count()) == (plain.shape, len(plain.records))
    values = found.toarray(squeeze=False)
    dtypes = [found.dtype, values.dtype, plain.dtype.newbyteorder("=")]
    assert len(set(dtypes)) == 1, f"dtypes {dtypes}"
    compared(values, plain.values, plain.error)
    labels = None if plain.labels is None else plain.labels.tolist()
    assert (None if found.labels is None else found.labels.tolist()) == labels
    if plain.kind == "series":
        assert found.index.tolist() == plain.index.tolist()


def compared(values, expected, error):
    if error:
        np.testing.assert_allclose(values, expected, rtol=1e-6, atol=error)
    else:
        np.testing.assert_array_equal(values, expected)


def endings(plain):
    """Ways out of a collection, each with what it gives in numpy."""
    ways = [(lambda x: (len(x), *np.shape(x)), (*plain.shape[:1], *plain.shape))]
    if plain.values.size:
        ways.append((lambda x: x.first(), plain.records[0]))
        ways.append((lambda x: np.stack(list(x)), plain.values))
    if plain.values.size and plain.dtype.kind in "biuf" and np.isfinite(plain.values).all():
        axes, double = tuple(range(plain.naxes)), plain.values.astype("f8")
        ways.append((lambda x: np.max(x, axis=axes), plain.values.max(axis=axes)))
        ways.append((lambda x: np.min(x), plain.values.min()))
        ways.append((lambda x: np.mean(x, axis=axes), double.mean(axis=axes)))
    return ways


def run(number, engine):
    """Compute a whole program; where it fails, name the first operation that differs."""
    first, steps = program(number)
    make = getattr(tl, first.kind).fromarray
    more = {} if first.index is None else {"index": first.index}
    begun = make(first.values, labels=first.labels, engine=engine, **more)
    try:
        compute(begun, steps, first, number)
    except Exception as error:
        names = [name for name, _, _ in steps]
        for n in range(len(steps)):
            try:
                compute(begun, steps[: n + 1], first, number)
            except Exception as cause:
                shown = f"{first.kind} {first.dtype} {first.shape}: {' '.join(names[: n + 1])}"
                raise AssertionError(f"program {number}: {shown}: {cause}") from error
        raise


def compute(found, steps, plain, number):
    for _, call, outcome in steps:
        found, plain = call(found), outcome
    check(found, plain)
    ways = endings(plain)
    call, expected = ways[number % len(ways)]
    result, expected = np.asarray(call(found)), np.asarray(expected)
    rounding = 1e-9 * plain.scale if expected.dtype.kind == "f" else 0
    compared(result, expected, max(plain.error, rounding))
