"""Operations of images and of series: each draws its arguments, and gives its call and its outcome.

Functions that workers call are lambdas, which travel by value.
"""

from __future__ import annotations

import operator
from dataclasses import replace

import numpy as np

from .plain import Redraw, finite, known, need, number, real


def taken(plain, item):
    """What an index takes: an int keeps its axis."""
    whole = tuple(slice(i, i + 1 or None) if isinstance(i, int) else i for i in item)
    index = None if plain.index is None else plain.index[whole[-1]]
    labels = None if plain.labels is None else plain.labels[whole[: plain.naxes]]
    return lambda x: x[item], plain.made(plain.values[whole], labels=labels, index=index)


def sliced(rng, plain):
    def piece(n):
        edge = lambda: None if rng.random() < 0.4 else int(rng.integers(-n - 1, n + 2))  # noqa: E731
        return slice(edge(), edge(), int(rng.choice([1, 1, 1, 2, 3, -1, -2])))

    return taken(plain, tuple(piece(n) for n in plain.shape))


def indexed(rng, plain):
    """An int, a list or a mask, on one axis."""
    axis = int(rng.integers(plain.values.ndim))
    n = plain.shape[axis]
    need(n)
    one = [
        int(rng.integers(-n, n)),
        rng.integers(-n, n, int(rng.integers(0, 7))),
        rng.random(n) < 0.6,
    ][rng.integers(3)]
    before = (slice(None),) * axis
    return taken(plain, (*before, one, *(slice(None),) * (plain.values.ndim - axis - 1)))


SMOOTH = [operator.add, operator.sub, operator.mul, operator.truediv, np.maximum, np.minimum]
SMOOTH += [np.hypot]
STEPS = [operator.floordiv, operator.mod, operator.lt, operator.le, operator.eq, operator.ne]
STEPS += [np.copysign, operator.pow, np.logical_xor]
BITS = [operator.and_, operator.or_, operator.xor, operator.lshift, operator.rshift]
ORDERED = [np.maximum, np.minimum, np.hypot, *STEPS[:4], np.copysign]


def combined(rng, plain):
    """With a number, an array that is broadcast, an array of the same shape, another collection."""
    ops = SMOOTH if plain.error or rng.random() < 0.6 else STEPS
    op = ops[rng.integers(len(ops))]
    need(plain.dtype.kind != "c" or op not in ORDERED)
    need(plain.error == 0 or plain.scale < 1e6)
    how, other, mine = operand(rng, plain)
    swap = rng.random() < 0.5
    need(plain.error == 0 or not (op is operator.truediv and swap))
    values = outcome(op, mine, plain.values) if swap else outcome(op, plain.values, mine)
    grown = plain.made(values).scale / plain.scale if plain.error else 1.0
    labels = plain.labels
    if labels is not None and swap and how == "reversed":  # the first of two collections names them
        labels = labels[::-1]
    rounded = op in (np.hypot, operator.pow)
    return (
        lambda x: op(other(x), x) if swap else op(x, other(x)),
        plain.made(values, grown=max(1.0, 2 * grown), labels=labels, rounded=rounded),
    )


def outcome(op, *values):
    """What an operator gives, if it takes such values."""
    try:
        return op(*values)
    except (TypeError, ValueError, OverflowError) as error:  # a bool less a bool, an int ** -1
        raise Redraw from error


def bits(rng, plain):
    need(plain.dtype.kind in "biu")
    op = BITS[rng.integers(len(BITS))]
    need(plain.dtype.kind != "b" or op in BITS[:3])
    value = number(rng, plain)
    if rng.random() < 0.2:
        return operator.invert, plain.made(~plain.values)
    return lambda x: op(x, value), plain.made(op(plain.values, value))


def against_statistic(rng, plain):
    """With the one record of a statistic, which meets every record."""
    real(plain)
    need(len(plain.records) and plain.values.size)
    finite(plain)
    need(plain.scale < 1e6 and plain.dtype.kind != "b")
    name = str(rng.choice(["mean", "max", "min"]))
    made = plain.made(plain.values - statistics(plain, name), rounded=name == "mean", grown=2)
    return lambda x: x - getattr(x, name)(), made


def operand(rng, plain):
    """Something to combine with: how it is made, from the collection, and in numpy."""
    how = str(rng.choice(["number", "scalar", "record", "array", "reversed"]))
    if how == "reversed":
        return how, lambda x: x[::-1], plain.values[::-1]
    if how == "number":
        value = number(rng, plain)
    elif how == "scalar":
        value = np.float64(2.5) if plain.dtype.kind in "fc" else plain.dtype.type(1)
    elif how == "record":
        shape = tuple(n if rng.random() < 0.6 else 1 for n in plain.record)
        value = rng.integers(1, 9, shape).astype(rng.choice(["u1", "i4", "f8"]))
    else:
        value = rng.integers(1, 9, plain.shape).astype(rng.choice(["u1", "f4"]))
    return how, lambda x: value, value


EXACT = [np.negative, np.absolute, np.square, np.positive, np.conjugate]
STEPPED = [np.sign, np.isnan, np.floor, np.rint, np.signbit, np.logical_not, np.isfinite]
ROUNDED = [np.sin, np.arctan, np.tanh]


def function(rng, plain):
    """A ufunc of one argument."""
    kinds = [EXACT] if plain.dtype.kind == "c" else [EXACT, ROUNDED]
    kinds += [STEPPED] if plain.error == 0 and plain.dtype.kind != "c" else []
    ufuncs = kinds[rng.integers(len(kinds))]
    ufunc = ufuncs[rng.integers(len(ufuncs))]
    need(plain.scale < 1e4 or ufuncs is STEPPED)
    values = outcome(ufunc, plain.values)
    grown = 2 * plain.scale if ufunc is np.square else 1.0
    made = plain.made(values, rounded=ufuncs is ROUNDED, grown=grown)
    short = ufuncs is ROUNDED and values.dtype.itemsize < 4
    return ufunc, replace(made, error=max(made.error, 1e-2)) if short else made


def quotient_and_rest(rng, plain):
    known(plain)
    real(plain)
    need(plain.dtype.kind != "b")
    by, which = number(rng, plain), int(rng.integers(2))
    return lambda x: np.divmod(x, by)[which], plain.made(np.divmod(plain.values, by)[which])


def chosen(rng, plain):
    known(plain)
    real(plain)
    limit, other = number(rng, plain), number(rng, plain)
    return (
        lambda x: np.where(x > limit, x, other),
        plain.made(np.where(plain.values > limit, plain.values, other)),
    )


def cast(rng, plain):
    finite(plain)
    real(plain)
    dtype = np.dtype(rng.choice(["f4", "f8", "i4", "i8", "u1", "?"]))
    if dtype.kind != "f":
        known(plain)
        need(plain.dtype.kind != "f" or (plain.scale < 100 and (plain.values >= 0).all()))
    return (
        lambda x: x.astype(dtype),
        plain.made(plain.values.astype(dtype), rounded=plain.error > 0 or plain.dtype.kind == "f"),
    )


def clipped(rng, plain):
    real(plain)
    need(plain.dtype.kind != "b")
    low, high = sorted([number(rng, plain), number(rng, plain) + 3])
    limits = [{"min": low}, {"max": high}, {"min": low, "max": high}][rng.integers(3)]
    return lambda x: x.clip(**limits), plain.made(np.clip(plain.values, **limits))


def folded(plain, values, **how):
    """One record of all."""
    values = np.asarray(values).reshape((1,) * plain.naxes + np.shape(values))
    return plain.made(values, labels=None, index=plain.index, **how)


def statistic(rng, plain):
    real(plain)
    need(len(plain.records))
    name = str(rng.choice(["mean", "var", "std", "sum", "max", "min"]))
    rounded = name in ("mean", "var", "std") or (name == "sum" and plain.dtype.kind == "f")
    grown = {"var": 4 * plain.scale, "sum": len(plain.records)}.get(name, 1)
    made = folded(plain, statistics(plain, name), rounded=rounded, grown=grown)
    if name == "std" and plain.error:
        need((made.values > 1e-3 * plain.scale).all())
        made = replace(made, error=1e3 * made.error)
    return lambda x: getattr(x, name)(), made


def statistics(plain, name):
    """A statistic over the records; additions in float64."""
    double = np.result_type(plain.dtype, "f8") if plain.dtype.kind in "f" else "f8"
    with np.errstate(all="ignore"):
        if name in ("max", "min"):
            return getattr(plain.records, name)(axis=0)
        if name == "sum":
            dtype = plain.records[:1].sum(axis=0).dtype
            long = double if dtype.kind == "f" else dtype
            return plain.records.sum(axis=0, dtype=long).astype(dtype)
        return getattr(plain.records.astype(double), name)(axis=0)


def reduced(rng, plain):
    need(len(plain.records))
    real(plain)
    op = [np.maximum, np.minimum, np.bitwise_or][rng.integers(3)]
    need(plain.dtype.kind != "f" or op is not np.bitwise_or)
    return lambda x: x.reduce(op), folded(plain, op.reduce(plain.records, axis=0))


def mapped(rng, plain):
    """A function of each record: as it is, shorter, of a given dtype, with its key, of a stack."""
    need(plain.values.size)
    need(plain.error == 0 or plain.scale < 1e4)
    how = str(rng.choice(["reversed", "ends", "given", "key", "stack"]))
    if how == "reversed":
        return lambda x: x.map(lambda v: v[::-1]), plain.made(plain.each(lambda v: v[::-1]))
    if how == "ends":
        made = plain.made(plain.each(lambda v: v[[0, -1]]))
        return lambda x: x.map(lambda v: v[[0, -1]]), made
    if how == "given":
        made = plain.made(plain.each(lambda v: v / 2))
        shape, dtype = made.record, made.dtype
        return lambda x: x.map(lambda v: v / 2, value_shape=shape, dtype=dtype), made
    if how == "key":
        sums = np.indices(plain.shape[: plain.naxes]).sum(axis=0).astype("f8")
        made = plain.made(plain.values + sums.reshape(sums.shape + (1,) * len(plain.record)))
        return lambda x: x.map(lambda kv: kv[1] + np.float64(sum(kv[0])), with_keys=True), made
    made = plain.made(plain.values * plain.values, grown=2 * plain.scale)
    return lambda x: x.map(lambda stack: stack * stack, block=True), made


def filtered(rng, plain):
    known(plain)
    real(plain)
    need(plain.values.size)
    limit = np.median(plain.records.reshape(len(plain.records), -1)[:, 0])
    keep = np.array([bool(record.flat[0] >= limit) for record in plain.records])
    labels = None if plain.labels is None else plain.labels.ravel()[keep]
    made = plain.made(plain.records[keep], labels=labels, index=plain.index)
    return lambda x: x.filter(lambda v: v.flat[0] >= limit), made


def reshaped(rng, plain):
    """Images: their two axes in one more; series: their keys in a row and back."""
    need(plain.values.size)
    if plain.kind == "images":
        need(len(plain.record) == 2)
        shape = (plain.shape[0], 1, *plain.record)
        return lambda x: x.reshape(*shape), plain.made(plain.values.reshape(shape))
    shape = (1, *plain.shape) if plain.naxes < 3 else (len(plain.records), plain.shape[-1])
    labels = None if plain.labels is None else plain.labels.reshape(shape[:-1])
    made = plain.made(plain.values.reshape(shape), labels=labels, index=plain.index)
    return lambda x: x.reshape(*shape), made


def repartitioned(rng, plain):
    parts = int(rng.integers(1, 6))
    return lambda x: x.repartition(parts), plain


def cached(rng, plain):
    return lambda x: x.cache().compute(), plain


def joined(rng, plain):
    axis = int(rng.integers(-plain.values.ndim, plain.values.ndim))
    along = axis % plain.values.ndim
    n = plain.shape[along]
    part = slice(0, int(rng.integers(0, n + 1)))
    item = (*(slice(None),) * along, part)
    values = np.concatenate([plain.values, plain.values[item]], axis)
    labels, index = plain.labels, plain.index
    if along < plain.naxes:
        labels = None if labels is None else np.concatenate([labels, labels[item]], along)
    elif index is not None:
        counts = np.array_equal(index, np.arange(n))
        index = np.arange(len(index) + part.stop)
        if not counts:
            index = np.concatenate([plain.index, plain.index[part]])
    made = plain.made(values, labels=labels, index=index)
    return lambda x: np.concatenate([x, x[item]], axis), made


def stacked(rng, plain):
    if plain.kind == "images":
        need(len(plain.record) == 2)
        made = plain.made(np.stack([plain.values, plain.values], axis=1))
        return lambda x: np.stack([x, x], axis=1), made
    need(plain.naxes < 3)
    labels = None if plain.labels is None else np.stack([plain.labels, plain.labels])
    made = plain.made(np.stack([plain.values, plain.values]), labels=labels, index=plain.index)
    return lambda x: np.stack([x, x]), made


ALL = [sliced, indexed, combined, combined, combined, bits, against_statistic, function, chosen]
ALL += [quotient_and_rest, cast, clipped, statistic, reduced, mapped, mapped, filtered, reshaped]
ALL += [repartitioned, cached, joined, stacked]
