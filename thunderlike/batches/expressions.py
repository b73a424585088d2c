"""Arguments that are worked out for each batch: ``B.size``, ``V('loss')``, ``R('normal')``."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from thunderlike.errors import KeyMissing, SpecError
from thunderlike.parallel.stream import checked

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "B",
    "BatchPart",
    "C",
    "Expression",
    "F",
    "P",
    "PerItem",
    "R",
    "Setting",
    "V",
    "Variable",
    "evaluated",
]


class Expression:
    """A value that is worked out when an action runs; arithmetic on it is one too."""

    def get(self, batch: Any) -> Any:
        """Work it out for a batch."""
        raise NotImplementedError

    def set(self, batch: Any, value: Any) -> None:  # noqa: ARG002  # a few can
        """Store a value where the expression points.

        Raises
        ------
        SpecError
            When it points nowhere.
        """
        raise SpecError(f"{type(self).__name__} is no place to store a value: use B or V")


class _Result(Expression):
    """An operation on expressions and values."""

    def __init__(self, operation: Callable[..., Any], *operands: Any) -> None:
        self._operation, self._operands = operation, operands

    def get(self, batch: Any) -> Any:
        """Work out the operands, then the operation."""
        return self._operation(*evaluated(self._operands, batch))


def _operator(operation: Callable[..., Any], *, swapped: bool = False) -> Any:
    def method(self: Expression, *others: Any) -> Expression:
        return _Result(operation, *(*others, self) if swapped else (self, *others))

    return method


for _name in [
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "and",
    "or",
    "xor",
    "matmul",
]:
    _function = getattr(operator, f"{_name}_" if _name in ("and", "or") else _name)
    setattr(Expression, f"__{_name}__", _operator(_function))
    setattr(Expression, f"__r{_name}__", _operator(_function, swapped=True))
for _name in ["lt", "le", "gt", "ge", "neg", "pos", "abs", "getitem"]:
    setattr(Expression, f"__{_name}__", _operator(getattr(operator, _name)))


class _Named(Expression):
    """An expression with a name, itself perhaps worked out."""

    def __init__(self, name: Any = None) -> None:
        self._name = name


class BatchPart(_Named):
    """``B('image')`` or ``B.image``: an attribute or component; ``B()`` is the batch itself."""

    def get(self, batch: Any) -> Any:
        """The attribute of this batch."""
        name = evaluated(self._name, batch)
        return batch if name is None else getattr(batch, name)

    def set(self, batch: Any, value: Any) -> None:
        """Set it; a new name becomes a component where there is one value for each item."""
        setattr(batch, evaluated(self._name, batch), value)


class _Maker:
    """Makes expressions by call and by attribute: ``B('size')``, ``B.size``."""

    def __init__(self, kind: type[_Named]) -> None:
        self._kind = kind

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._kind(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._kind(name)


class Variable(_Named):
    """``V('loss')``: a variable of the pipeline; ``mode='a'`` appends what is stored.

    Examples
    --------
    >>> from thunderlike.batches import B, Dataset, V
    >>> pipeline = Dataset(5).p.init_variable("sizes", []).update(V("sizes", mode="a"), B.size)
    >>> batches = list(pipeline.gen_batch(2))
    >>> pipeline.v("sizes")
    [2, 2, 1]
    """

    def __init__(self, name: Any, mode: str = "w") -> None:
        super().__init__(name)
        self._store = {"w": "assign", "a": "append"}[checked("mode", mode, ("w", "a"))]

    def get(self, batch: Any) -> Any:
        """Its value now."""
        return batch.pipeline.v(evaluated(self._name, batch))

    def set(self, batch: Any, value: Any) -> None:
        """Replace it, or append to it."""
        getattr(batch.pipeline, self._store)(evaluated(self._name, batch), value)


class Setting(_Named):
    """``C('size', default=3)``: an entry of the pipeline's config."""

    def __init__(self, name: Any, **default: Any) -> None:
        super().__init__(name)
        self._default = default

    def get(self, batch: Any) -> Any:
        """Its value.

        Raises
        ------
        KeyMissing
            Where there is neither an entry nor a default.
        """
        name, config = evaluated(self._name, batch), batch.pipeline.config
        if name in config:
            return config[name]
        if "default" not in self._default:
            raise KeyMissing(f"the pipeline's config has no {name!r}; it has {', '.join(config)}")
        return self._default["default"]


class F(Expression):
    """``F(function)(B.image, k=2)``: a call, each time with what its arguments are then.

    Examples
    --------
    >>> from thunderlike.batches import B, Batch, F
    >>> batch = Batch.from_data(data={"x": np.arange(4)})
    >>> F(np.clip)(B.x, 1, 2).get(batch)
    array([1, 1, 2, 2])
    """

    def __init__(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        self._function, self._args, self._kwargs = function, args, kwargs

    def __call__(self, *args: Any, **kwargs: Any) -> F:
        """Give it arguments, or further ones."""
        return F(self._function, *self._args, *args, **{**self._kwargs, **kwargs})

    def get(self, batch: Any) -> Any:
        """Call it."""
        args, kwargs = evaluated((self._args, self._kwargs), batch)
        return self._function(*args, **kwargs)


class R(Expression):
    """``R('normal', 0, 1, size=3)``: a draw of numpy's generator, one for a batch.

    In ``P(R(...))`` it is one for each item, of the item's own random stream.

    Examples
    --------
    >>> from thunderlike.batches import Dataset, R, V
    >>> pipeline = Dataset(4).p.init_variable("drawn", [])
    >>> pipeline = pipeline.update(V("drawn", mode="a"), R([7, 8, 9]))
    >>> batches = list(pipeline.gen_batch(2, seed=1))
    >>> len(pipeline.v("drawn")), set(pipeline.v("drawn")) <= {7, 8, 9}
    (2, True)
    """

    def __init__(self, name: Any, *args: Any, **kwargs: Any) -> None:
        self._name, self._args, self._kwargs = name, args, kwargs

    def get(self, batch: Any) -> Any:
        """Draw from the stream of the batch."""
        return self.draw(batch, batch.random)

    def draw(self, batch: Any, rng: np.random.Generator) -> Any:
        """Draw from a stream; a name that is no distribution is a sequence to choose from."""
        args, kwargs = evaluated((self._args, self._kwargs), batch)
        if isinstance(self._name, str):
            return getattr(rng, self._name)(*args, **kwargs)
        return rng.choice(self._name, *args, **kwargs)


class P(Expression):
    """``P(values)``: one value for each item, where an action takes one for all.

    Examples
    --------
    >>> from thunderlike.batches import Batch, P
    >>> batch = Batch.from_data(data={"x": np.arange(3)})
    >>> batch.apply_parallel(np.add, P([10, 20, 30]), src="x").x
    array([10, 21, 32])
    """

    def __init__(self, values: Any) -> None:
        self._values = values

    def get(self, batch: Any) -> Any:
        """An array with an entry for each item.

        Raises
        ------
        SpecError
            When there are more or fewer.
        """
        if isinstance(self._values, R):
            from thunderlike.batches.assembling import assembled
            from thunderlike.parallel.seeds import generator

            streams = (generator(key[0], *key[1:]) for key in batch._keys())
            return PerItem(assembled([self._values.draw(batch, rng) for rng in streams]))
        values = evaluated(self._values, batch)
        if len(values) != len(batch):
            raise SpecError(f"P has {len(values)} values for {len(batch)} items: give one for each")
        return PerItem(values)


class PerItem:
    """Values of which each item gets its own."""

    def __init__(self, values: Any) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, position: int) -> Any:
        return self.values[position]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.asarray(self.values, dtype=dtype)


B = _Maker(BatchPart)
V = Variable
C = _Maker(Setting)


def evaluated(value: Any, batch: Any) -> Any:
    """A value with every expression in it worked out, in tuples, lists and dicts too."""
    if isinstance(value, Expression):
        return value.get(batch)
    if type(value) in (list, tuple):
        return type(value)(evaluated(one, batch) for one in value)
    if type(value) is dict:
        return {name: evaluated(one, batch) for name, one in value.items()}
    return value
