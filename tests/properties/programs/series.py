"""Operations of series."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .plain import finite, known, need, real


def scaled(rng, plain):
    """Center, standardize, z-score: within each series, or over all at each position."""
    real(plain)
    finite(plain)
    need(plain.values.size and plain.scale < 1e5)
    name, axis = str(rng.choice(["center", "standardize", "zscore"])), int(rng.integers(2))
    dtype = np.float32 if plain.dtype.newbyteorder("=") == np.float32 else np.float64
    double = plain.records.astype(np.float64)
    mean, std = double.mean(axis=axis, keepdims=True), double.std(axis=axis, keepdims=True)
    if name != "center" or plain.error:
        constant = (double == double.take([0], axis=axis)).all(axis=axis, keepdims=True)
        need(plain.error == 0 or not constant.any())
        need((constant | (std > 1e-3 * plain.scale)).all())  # or what is left is rounding
        std = np.where(constant, np.nan, std)
    values = double if name == "standardize" else double - mean
    values = values if name == "center" else values / std
    grown = 1.0 if name == "center" else max(1.0, 1 / np.nanmin(std, initial=1))
    made = plain.made(
        values.reshape(plain.shape).astype(dtype), rounded=True, grown=2 * grown * plain.scale
    )
    return lambda x: getattr(x, name)(axis), made


def detrended(rng, plain):
    real(plain)
    finite(plain)
    need(plain.values.size and plain.shape[-1] > 3 and plain.scale < 1e5)
    degree = int(rng.integers(1, 3))
    at = np.arange(plain.shape[-1])

    def less_fit(series):
        series = series.astype(np.float64)
        fit = np.polynomial.Polynomial.fit(at, series, degree)
        return series - fit(at) + fit(0)

    dtype = np.float32 if plain.dtype.newbyteorder("=") == np.float32 else np.float64
    made = plain.made(plain.each(less_fit).astype(dtype), rounded=True, grown=10)
    return lambda x: x.detrend("nonlinear", degree), made


def normalized(rng, plain):
    real(plain)
    finite(plain)
    need(plain.values.size and plain.scale < 1e4 and (plain.values >= 0).all())
    method = str(rng.choice(["mean", "percentile"]))
    base = {
        "mean": lambda v: v.mean(),
        "percentile": lambda v: np.percentile(v, 20),
    }[method]

    def change(series):
        series = series.astype(np.float64)
        return (series - base(series)) / (base(series) + 0.5)

    dtype = np.float32 if plain.dtype.newbyteorder("=") == np.float32 else np.float64
    made = plain.made(plain.each(change).astype(dtype), rounded=True, grown=4 * plain.scale)
    return lambda x: x.normalize(method, offset=0.5), made


def correlated(rng, plain):
    real(plain)
    known(plain)
    finite(plain)
    need(plain.values.size and plain.shape[-1] > 2 and plain.scale < 1e5)
    double = plain.records.astype(np.float64)
    need(double.std(axis=1).min() > 1e-3 * plain.scale)
    signals = rng.random((int(rng.integers(1, 4)), plain.shape[-1]))
    values = [[np.corrcoef(series, signal)[0, 1] for signal in signals] for series in double]
    dtype = np.float32 if plain.dtype.newbyteorder("=") == np.float32 else np.float64
    shape = (*plain.shape[:-1], len(signals))
    made = plain.made(np.array(values, dtype).reshape(shape), index=np.arange(len(signals)))
    made = replace(made, error=1e-6)
    return lambda x: x.correlate(signals), made


def selected(rng, plain):
    need(len(plain.index))
    some = rng.choice(plain.index, int(rng.integers(1, 4)))
    how = rng.integers(3) if plain.index.dtype.kind == "i" else 0
    if how == 0:
        keep, call = np.isin(plain.index, some), lambda x: x.select(some.tolist())
    elif how == 1:
        keep, call = plain.index >= some[0], lambda x: x.select(lambda i: i >= some[0])
    else:
        low, high = some.min(), some.max() + 1
        keep, call = (plain.index >= low) & (plain.index < high), lambda x: x.between(low, high)
    return call, plain.made(plain.values[..., keep], index=plain.index[keep])


STATS = {
    "sum": lambda v: v.sum(axis=-1, dtype=np.float64 if v.dtype.kind == "f" else None),
    "mean": lambda v: v.mean(axis=-1, dtype=np.float64),
    "median": lambda v: np.median(v.astype(np.float64), axis=-1),
    "stdev": lambda v: v.astype(np.float64).std(axis=-1),
    "max": lambda v: v.max(axis=-1),
    "min": lambda v: v.min(axis=-1),
    "count": lambda v: np.full(v.shape[:-1], v.shape[-1], np.int64),
}


def stat_dtype(plain, stat):
    if stat in ("max", "min"):
        return plain.dtype
    if stat == "sum":
        return plain.values[..., :1].sum(axis=-1).dtype
    if stat == "count":
        return np.dtype(np.int64)
    return np.dtype("f4" if plain.dtype.newbyteorder("=") == np.float32 else "f8")


def series_stat(rng, plain):
    real(plain)
    finite(plain)
    need(plain.values.size)
    stat = str(rng.choice(list(STATS)))
    values = STATS[stat](plain.values)[..., np.newaxis].astype(stat_dtype(plain, stat))
    rounded = plain.dtype.kind == "f" or stat == "stdev"
    return lambda x: x.series_stat(stat), plain.made(
        values, rounded=rounded, index=np.array([stat])
    )


def by_index(rng, plain):
    """A statistic, or a function, of the positions that have one index value."""
    real(plain)
    finite(plain)
    need(plain.values.size)
    days = rng.integers(0, 3, plain.shape[-1])
    groups = np.unique(days)
    stat = str(rng.choice(list(STATS)))
    parts = [plain.values[..., days == day] for day in groups]
    if aggregated := rng.random() < 0.3:
        values = np.stack([np.ptp(part.astype(np.float64), axis=-1) for part in parts], axis=-1)
    else:
        values = np.stack([STATS[stat](part) for part in parts], axis=-1)
        values = values.astype(stat_dtype(plain, stat))

    def call(x):
        x = x[...]
        x.index = days
        if aggregated:
            return x.aggregate_by_index(lambda v: np.ptp(v.astype(np.float64)))
        return x.stat_by_index(stat)

    return call, plain.made(
        values, rounded=plain.dtype.kind == "f" or stat == "stdev", index=groups
    )


def shortened(rng, plain):
    """Every k-th position, the mean of every k, or of panels."""
    real(plain)
    finite(plain)
    k = int(rng.integers(1, 4))
    need(plain.values.size and plain.shape[-1] >= k)
    if rng.random() < 0.3:
        made = plain.made(plain.values[..., ::k], index=plain.index[::k])
        return lambda x: x.subsample(k), made
    whole = plain.values[..., : plain.shape[-1] // k * k]
    parts = whole.reshape(*whole.shape[:-1], -1, k).astype(np.float64)
    dtype = stat_dtype(plain, "mean")
    if rng.random() < 0.5:
        made = plain.made(parts.mean(axis=-1).astype(dtype), rounded=True)
        return lambda x: x.downsample(k), replace(made, index=np.arange(made.shape[-1]))
    need(whole.shape == plain.shape and k < plain.shape[-1])
    made = plain.made(parts.mean(axis=-2).astype(dtype), rounded=True, index=np.arange(k))
    return lambda x: x.mean_by_panel(k), made


def squelched(rng, plain):
    real(plain)
    known(plain)
    need(plain.values.size)
    limit = np.median(plain.records.max(axis=-1))
    keep = ~(plain.values < limit).all(axis=-1, keepdims=True)
    made = plain.made(np.where(keep, plain.values, plain.dtype.type(0)).astype(plain.dtype))
    return lambda x: x.squelch(limit), made


def flattened(rng, plain):
    labels = None if plain.labels is None else plain.labels.ravel()
    return lambda x: x.flatten(), plain.made(plain.records, labels=labels, index=plain.index)


def toimages(rng, plain):
    need(plain.naxes < 4 and plain.values.size)
    counts = np.array_equal(plain.index, np.arange(plain.shape[-1]))
    made = plain.made(
        np.moveaxis(plain.values, -1, 0),
        kind="images",
        labels=None if counts else plain.index,
        index=None,
    )
    return lambda x: x.toimages(), made


def convolved(rng, plain):
    finite(plain)
    need(plain.values.size and plain.dtype.kind in "if" and plain.scale < 1e4)
    kernel = np.array([0.5, 1, 0.25])
    mode = str(rng.choice(["full", "same", "valid"]))
    values = plain.each(lambda v: np.convolve(v.astype("f8"), kernel, mode))
    dtype = np.result_type(plain.dtype, kernel.dtype)
    made = plain.made(
        values.astype(dtype), rounded=True, grown=4, index=np.arange(values.shape[-1])
    )
    return lambda x: x.convolve(kernel, mode), made


def multiplied(rng, plain):
    """With a matrix, or a vector."""
    finite(plain)
    need(plain.values.size and plain.dtype.kind in "if" and plain.scale < 1e4)
    matrix = rng.random((plain.shape[-1], int(rng.integers(1, 4))))
    dtype = np.result_type(plain.dtype, matrix.dtype)
    values = (plain.values.astype(dtype) @ matrix).astype(dtype)
    grown = plain.shape[-1]
    made = plain.made(values, rounded=True, grown=grown, index=np.arange(matrix.shape[1]))
    return lambda x: x.times(matrix), made


def level_selected(rng, plain):
    """Of an index of two levels, which is dropped again."""
    n = plain.shape[-1]
    need(n)
    levels = np.stack([np.arange(n) % 2, np.arange(n) % 3], axis=1)
    value, level = int(levels[rng.integers(n), 1]), 1
    keep = levels[:, level] == value

    def call(x):
        x = x[...]
        x.index = levels
        return x.select_by_index(value, level=level, squeeze=True)

    return call, plain.made(plain.values[..., keep], index=levels[keep, 0])


ALL = [scaled, scaled, detrended, normalized, correlated, selected, level_selected, series_stat]
ALL += [by_index, shortened, squelched, flattened, toimages, convolved, multiplied]
